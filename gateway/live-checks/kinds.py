"""The kinds of faults: clients that misbehave by malice, by mistake or on a bad connection."""

import asyncio
import collections
import json
import pathlib
import time

from client import Client
from shop import LIMITS
from wire import BINARY, CLOSE, PING, TEXT, Wire, handshake, message

CROWD = 20
# Low enough to be reached by this test.
CONNECTIONS_MAX = 400
BEYOND = 60
FLOOD_SECONDS = 4
FLOODERS = 8

MESSAGE_BYTES_MAX, FRAMES_MAX, SUBSCRIPTIONS_MAX, COMMANDS_MAX = (
    LIMITS[name] for name in ("message_bytes", "frames", "subscriptions", "commands_in_flight")
)
QUEUE_KIB_MAX = 1024
# The time after which a client that has sent a close frame is disconnected.
ENDED_SECONDS_MAX = 1
PONGS_KIB = 8 * 1024
HELLO_SECONDS = 10
# The time that a client that does not read has after its queue is full: the server's close timeout, doubled
# for a busy machine.
CUT_SECONDS_MAX = 6
# The time in which responses fill the system's buffers and the queues, or in which clients read nothing for the 10 s
# that the server allows.
FILL_SECONDS = 24

# Per way not to read. Pongs are many and small, and cost the most.
SLOW_READERS = {"states": 2, "replies": 2, "pongs": 2}
UNFINISHED = 48
# States of a connection in /proc/net/tcp.
ESTABLISHED, CLOSE_WAIT = "01", "08"


class Fault:
    """The results of one kind of fault."""

    def __init__(self, name):
        self.name, self.codes, self.faults, self.figures = name, collections.Counter(), [], {}

    def expect(self, holds, what):
        if not holds:
            self.faults.append(what)

    def ended(self, ending, *codes):
        """Records how a connection ended, and the expected codes."""
        code, how = ending or ("kept", "")
        self.codes[f"{code} {how}".strip()] += 1
        self.expect(ending and code in codes, f"ended with {code} {how}, expected {codes}")


def kept_by_server(shop, port):
    """Whether the server still has its end of the connection from this local port."""
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state = line.split()[:4]
        if int(local.split(":")[1], 16) == shop.port and int(remote.split(":")[1], 16) == port:
            return state in (ESTABLISHED, CLOSE_WAIT)
    return False


async def busy(shop, people):
    """Buyers change some drops of many items: their states are long and are sent 20 times a second."""
    client = await Client.greeted(shop, people["buyer"])
    number = 0
    while True:
        number += 1
        frames = [
            {
                "op": "command",
                "id": drop,
                "key": f"busy-{number}",
                "name": "create_claim",
                "params": {"id": drop},
                "body": {"sku": people["skus"][number % len(people["skus"])], "quantity": 1},
            }
            for drop in people["busy"]
        ]
        await client.send_frames(*frames)
        for drop in people["busy"]:
            await client.receive("reply", id=drop)
        del client.frames[:]
        client._read = 0
        await asyncio.sleep(0.04)


async def slow_readers(shop, people):
    """Clients that request much and never read: states of a busy drop, replies, or pongs."""
    fault, ways = Fault("slow readers"), {way: [] for way in SLOW_READERS}
    for way, number in SLOW_READERS.items():
        for _ in range(number):
            wire = await Wire.greeted(shop, receive_bytes=4096, reads_ahead=4096)
            wire.talks = len(ways[way]) % 2 == 0
            ways[way].append(wire)

    async def ask(wire, way):
        if way == "states":
            # Each subscription returns the complete state, followed by the states that the drop's buyers cause.
            topics = [f"drop:{drop}" for drop in people["busy"]]
            again = [{"op": op, "topic": topic} for topic in topics * 32 for op in ("unsubscribe", "subscribe")]
            for _ in range(8):
                await wire.send_frames(*again)
        elif way == "replies":
            products = {"op": "command", "name": "list_products", "params": {"limit": 100}}
            # About two megabytes: more than the system's buffers and the queue.
            await wire.send_frames(*(products | {"id": number} for number in range(COMMANDS_MAX // 2)))
        else:
            # As much as the system buffers, and more than the queue.
            ping = message(b"p" * 125, PING) * 512
            try:
                for _ in range(PONGS_KIB // 64):
                    await asyncio.wait_for(wire.send(ping), 5)
            except (TimeoutError, ConnectionError):
                pass

    began, cut_after, wires = time.monotonic(), {}, [(way, wire) for way in ways for wire in ways[way]]
    await asyncio.gather(*(ask(wire, way) for way, wire in wires))
    sure = [wire for way, wire in wires if way != "states"]
    while time.monotonic() - began < FILL_SECONDS + CUT_SECONDS_MAX and not all(wire in cut_after for wire in sure):
        await asyncio.sleep(1)
        for way, wire in wires:
            if wire in cut_after:
                continue
            if not kept_by_server(shop, wire.writer.get_extra_info("sockname")[1]):
                cut_after[wire] = time.monotonic() - began
            elif wire.talks:
                wire.writer.write(message(b'{"op":"pong"}'))
    for way, some in ways.items():
        for talks in (True, False):
            those = [wire for wire in some if wire.talks == talks]
            cut = [cut_after[wire] for wire in those if wire in cut_after]
            behaviour = "sends pongs" if talks else "silent"
            fault.figures[f"{way}, {behaviour}: cut"] = f"{len(cut)} of {len(those)}"
            # The number of states depends on the load of the machine: too few are no reason to disconnect.
            fault.expect(
                len(cut) == len(those) or way == "states",
                f"{len(those) - len(cut)} of {len(those)} that never read ({way}, {behaviour}) are still connected "
                f"after {time.monotonic() - began:.0f} s",
            )
    for _, wire in wires:
        wire.read_freely()
    # A client that reads later receives the reason, while the server still tries to send it.
    for ending, (way, wire) in zip(await asyncio.gather(*(wire.ended(15) for _, wire in wires)), wires):
        if wire in cut_after and ending and ending[0] is None:
            fault.codes[f"disconnected without a reason, {ending[1]}"] += 1
        elif way != "states" or ending is not None:
            fault.ended(ending, 4001)
            if ending is None:
                fault.faults[-1] = f"a client that requested {way} is still connected and did not receive the reason"
    for _, wire in wires:
        wire.cut()
    return fault


async def no_hello(shop, people):
    """Clients that complete the handshake and send nothing."""
    fault, began = Fault("no hello"), time.monotonic()
    wires = await asyncio.gather(*(Wire.open(shop) for _ in range(50)))
    for ending in await asyncio.gather(*(wire.ended(HELLO_SECONDS + 5) for wire in wires)):
        fault.ended(ending, 4003)
    fault.figures["cut after, s"] = round(time.monotonic() - began, 1)
    for wire in wires:
        wire.cut()
    return fault


async def half_closed(shop, people):
    """Clients that close their half of the connection: before the handshake, after it, and as subscribers."""
    fault = Fault("half closed")
    for begin in (Wire.connect, Wire.open, Wire.greeted):
        wires = await asyncio.gather(*(begin(shop) for _ in range(10)))
        for wire in wires:
            if begin is Wire.greeted:
                await wire.send_frames({"op": "subscribe", "topic": f"drop:{people['drop']}"})
            wire.writer.write_eof()
        for ending in await asyncio.gather(*(wire.ended(5) for wire in wires)):
            code, how = ending or ("kept", "")
            fault.codes[f"{begin.__name__}: {code} {how}".strip()] += 1
            fault.expect(ending, f"the server keeps a connection that was half closed ({begin.__name__})")
        for wire in wires:
            wire.cut()
    return fault


async def flood(fault, one):
    """Clients that flood concurrently, as fast as they are served. Counts the processed messages."""
    until, done = time.monotonic() + FLOOD_SECONDS, 0

    async def flooder(number):
        nonlocal done
        while time.monotonic() < until:
            answered = await one(number)
            done += answered

    began = time.monotonic()
    await asyncio.gather(*(flooder(number) for number in range(FLOODERS)))
    fault.figures["a second"] = round(done / (time.monotonic() - began))


async def subscriptions(shop, people):
    """Messages of 256 subscribes and unsubscribes each, of existing and missing topics."""
    fault = Fault("subscriptions flood")
    topics = [f"drop:{people['drop']}", f"drop:{people['busy'][0]}", "drop:00000000000000000000000000", "weather"]
    pairs = ("subscribe", "unsubscribe") * 4
    frames = [{"op": op, "topic": topics[n % len(topics)]} for n in range(32) for op in pairs]
    wires = [await Wire.greeted(shop) for _ in range(FLOODERS)]
    answers = sum(frame["op"] == "subscribe" for frame in frames)

    async def one(number):
        await wires[number].send_frames(*frames)
        received = 0
        while received < answers:
            opcode, payload = await wires[number].frame()
            if opcode != TEXT:
                fault.codes[f"opcode {opcode}"] += 1
                fault.expect(False, f"a flood of subscriptions was answered with opcode {opcode}")
                return received
            received += payload.startswith((b'{"op":"subscribed"', b'{"op":"refused"'))
        return received

    await flood(fault, one)
    for wire in wires:
        wire.cut()
    return fault


async def malformed(shop, people):
    """Connections that send invalid frames: other JSON, binary, or a JSON bomb."""
    fault = Fault("malformed flood")
    nonsense = [
        message(b"nonsense"),
        message(b"[" * (MESSAGE_BYTES_MAX // 2)),
        message(b'{"op":"subscribe","topic":"orders","x":' + b"[" * 120 + b"]" * 120 + b"}"),
        message(b"\x00\x01", BINARY),
        message(b'{"op":"command","id":1,"name":"get_me","params":[]}'),
    ]

    async def one(number):
        wire = await Wire.greeted(shop)
        one.sent = getattr(one, "sent", 0) + 1
        await wire.send(nonsense[one.sent % len(nonsense)])
        fault.ended(await wire.ended(10), 4500)
        wire.cut()
        return 1

    await flood(fault, one)
    return fault


async def bad_tokens(shop, people):
    """Hello frames with malformed or forged tokens."""
    fault = Fault("bad tokens flood")
    forged = people["buyer"][:-6] + "AAAAAA"

    async def one(number):
        wire = await Wire.open(shop)
        await wire.send_frames({"op": "hello", "token": forged if number % 2 else "none"})
        fault.ended(await wire.ended(10), 4501)
        wire.cut()
        return 1

    await flood(fault, one)
    return fault


async def byte_by_byte(shop, people):
    """A complete conversation, each byte written separately, including the handshake."""
    fault = Fault("byte by byte")

    async def talk():
        wire = await Wire.connect(shop)
        await wire.send(handshake(shop), piece=1)
        status = await wire.handshaken()
        fault.expect(status == 101, f"a handshake byte by byte is answered {status}")
        command = {"op": "command", "id": 1, "name": "get_drop", "params": {"id": people["drop"]}}
        frames = [{"op": "hello"}, {"op": "subscribe", "topic": f"drop:{people['drop']}"}, command]
        await wire.send(b"".join(message(json.dumps(frame).encode()) for frame in frames), piece=1)
        received = set()
        while not {"welcome", "subscribed", "reply"} <= received:
            opcode, payload = await asyncio.wait_for(wire.frame(), 10)
            if opcode != TEXT:
                break
            received.add(json.loads(payload)["op"])
        fault.expect({"welcome", "subscribed", "reply"} <= received, f"byte by byte only {received} was received")
        await wire.send(message((1000).to_bytes(2, "big"), CLOSE), piece=1)
        sent_at = time.monotonic()
        fault.ended(await wire.ended(5), 1000)
        took = time.monotonic() - sent_at
        fault.figures["TCP ends after the close, s"] = round(took, 2)
        fault.expect(took < ENDED_SECONDS_MAX, f"TCP is held open for {took:.0f} s after the closing handshake")
        wire.cut()

    await asyncio.gather(*(talk() for _ in range(20)))
    return fault


async def too_many(shop, people):
    """More connections than the server accepts."""
    fault, statuses, wires = Fault("too many connections"), collections.Counter(), []
    for _ in range(CONNECTIONS_MAX + BEYOND):
        wire = await Wire.connect(shop)
        await wire.send(handshake(shop))
        status = await wire.handshaken()
        statuses[status] += 1
        if status == 101:
            await wire.send_frames({"op": "hello"})
            wires.append(wire)
        else:
            wire.cut()
    fault.figures |= {f"answered {status}": count for status, count in statuses.items()}
    fault.expect(statuses.keys() <= {101, 503, 0}, f"handshakes were answered {dict(statuses)}")
    fault.expect(statuses[101] <= CONNECTIONS_MAX, f"{statuses[101]} sockets, at most {CONNECTIONS_MAX} allowed")
    fault.expect(statuses[503] > 0, f"no handshake was answered with 503: {dict(statuses)}")
    fault.expect(statuses[101] >= CONNECTIONS_MAX - CROWD - 10, f"only {statuses[101]} were accepted")
    for wire in wires:
        wire.cut()
    # The places are free immediately: reconnecting clients need them.
    left = time.monotonic()
    while time.monotonic() - left < 10:
        try:
            wire = await Wire.greeted(shop)
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
        else:
            wire.cut()
            break
    freed = time.monotonic() - left
    fault.figures["a place is free again after, s"] = round(freed, 2)
    fault.expect(freed < ENDED_SECONDS_MAX, f"places are free only {freed:.1f} s after all had left")
    return fault


async def at_the_limits(shop, people):
    """Messages, frames, topics and commands: the maximum number, and one more."""
    fault = Fault("at the limits")

    async def outcome(*messages, answers=1):
        wire = await Wire.greeted(shop)
        await wire.send(b"".join(messages))
        received = 0
        try:
            while received < answers:
                opcode, payload = await asyncio.wait_for(wire.frame(), 20)
                if opcode == CLOSE:
                    return int.from_bytes(payload[:2], "big")
                # Replies that are ready at the same time arrive in one message.
                received += sum(payload.count(b'"op":"%s"' % op) for op in (b"reply", b"subscribed", b"refused"))
            return None
        except TimeoutError:
            return f"{received} of {answers}"
        finally:
            wire.cut()

    ask = json.dumps({"op": "command", "id": 1, "name": "get_drop", "params": {"id": people["drop"]}}).encode()
    pong = b'{"op":"pong"}'
    array = lambda frame, count: message(b"[" + b",".join([frame] * count) + b"]")
    for what, messages, answers, owed in [
        ("the maximum number of bytes", [message(pong.ljust(MESSAGE_BYTES_MAX)), message(ask)], 1, (None,)),
        ("a byte more", [message(pong.ljust(MESSAGE_BYTES_MAX + 1)), message(ask)], 1, (4502,)),
        ("256 frames", [array(pong, FRAMES_MAX), message(ask)], 1, (None,)),
        ("257 frames", [array(pong, FRAMES_MAX + 1), message(ask)], 1, (4502,)),
        ("256 commands", [array(ask, COMMANDS_MAX)], COMMANDS_MAX, (None,)),
        # Those of the first message may have been answered by then.
        ("512 commands", [array(ask, COMMANDS_MAX)] * 2, 2 * COMMANDS_MAX, (None, 4502)),
        ("2560 commands", [array(ask, COMMANDS_MAX)] * 10, 10 * COMMANDS_MAX, (None, 4502)),
    ]:
        code = await outcome(*messages, answers=answers)
        fault.figures[what] = code or "served"
        fault.expect(code in owed, f"{what}: {code}, expected {owed}")
    topics = [{"op": "subscribe", "topic": f"drop:{drop}"} for drop in people["drops"]]
    wire = await Wire.greeted(shop)
    await wire.send_frames(*topics)
    ops = collections.Counter()
    while sum(ops.values()) < len(topics):
        opcode, payload = await asyncio.wait_for(wire.frame(), 10)
        op = json.loads(payload)["op"] if opcode == TEXT else f"opcode {opcode}"
        ops[op] += op not in ("state", "ping")
        ops += collections.Counter()
    fault.expect(ops == {"subscribed": SUBSCRIPTIONS_MAX, "refused": 1}, f"of {len(topics)} topics: {dict(ops)}")
    wire.cut()

    # Messages that are never finished, a byte below the limit each.
    wires = [await Wire.greeted(shop) for _ in range(UNFINISHED)]
    for wire in wires:
        await wire.send(message(b" " * (MESSAGE_BYTES_MAX - 1), final=False))
    await asyncio.sleep(1)
    for wire in wires:
        await wire.send(message(b"xx", 0, final=False))
    for ending in await asyncio.gather(*(wire.ended(10) for wire in wires)):
        fault.ended(ending, 4502)

    # A close while bytes are in flight: it must still be received.
    for _ in range(5):
        wire = await Wire.greeted(shop)
        try:
            await asyncio.wait_for(wire.send(message(b" " * (MESSAGE_BYTES_MAX + 1)) * 8), 5)
        except (ConnectionError, TimeoutError):
            pass
        ending = await wire.ended(10)
        fault.figures["a close with 2 MiB in flight"] = f"{ending}"
        fault.ended(ending, 4502)
        wire.cut()
    return fault


KINDS = [
    byte_by_byte,
    half_closed,
    subscriptions,
    malformed,
    bad_tokens,
    at_the_limits,
    slow_readers,
    no_hello,
    too_many,
]
