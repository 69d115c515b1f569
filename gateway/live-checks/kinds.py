"""The kinds of faults: what clients do that do not behave, by malice, by mistake or on a bad line."""

import asyncio
import collections
import json
import pathlib
import time

from client import Client
from shop import LIMITS
from wire import BINARY, CLOSE, PING, TEXT, Wire, handshake, message

CROWD = 20
# Low enough to be reached from here; the sockets of a server are as many.
CONNECTIONS_MAX = 400
BEYOND = 60
FLOOD_SECONDS = 4
FLOODERS = 8

MESSAGE_BYTES_MAX, FRAMES_MAX, SUBSCRIPTIONS_MAX, COMMANDS_MAX = (
    LIMITS[name] for name in ("message_bytes", "frames", "subscriptions", "commands_in_flight")
)
QUEUE_KIB_MAX = 1024
# A client that has said goodbye is let go after this.
ENDED_SECONDS_MAX = 1
PONGS_KIB = 8 * 1024
HELLO_SECONDS = 10
# After its queue is full, a client that does not read has this long: what the server gives a close, and as much again
# for a busy machine.
CUT_SECONDS_MAX = 6
# In which what they ask for has filled the buffers of the system and their queues, or they have taken nothing for the 10 s
# that the server gives them.
FILL_SECONDS = 24

# Of each way not to read; pongs are many and small, and cost the most.
SLOW_READERS = {"states": 2, "replies": 2, "pongs": 2}
UNFINISHED = 48
# States of a connection in /proc/net/tcp.
ESTABLISHED, CLOSE_WAIT = "01", "08"


class Fault:
    """What one kind of fault did."""

    def __init__(self, name):
        self.name, self.codes, self.faults, self.figures = name, collections.Counter(), [], {}

    def expect(self, holds, what):
        if not holds:
            self.faults.append(what)

    def ended(self, ending, *codes):
        """Notes how a connection ended; with these codes it should have."""
        code, how = ending or ("kept", "")
        self.codes[f"{code} {how}".strip()] += 1
        self.expect(ending and code in codes, f"ended with {code} {how}, where {codes} was owed")


def kept_by_server(shop, port):
    """Whether the server still holds its end of the connection from this port of ours."""
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state = line.split()[:4]
        if int(local.split(":")[1], 16) == shop.port and int(remote.split(":")[1], 16) == port:
            return state in (ESTABLISHED, CLOSE_WAIT)
    return False


async def busy(shop, people):
    """Buyers keep some drops of many items moving: their states are long, and come 20 times a second."""
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
        await client.say(*frames)
        for drop in people["busy"]:
            await client.hear("reply", id=drop)
        del client.frames[:]
        client._read = 0
        await asyncio.sleep(0.04)


async def slow_readers(shop, people):
    """They ask for much and never read: states of a busy drop, replies, or pongs."""
    fault, ways = Fault("slow readers"), {way: [] for way in SLOW_READERS}
    for way, number in SLOW_READERS.items():
        for _ in range(number):
            wire = await Wire.greeted(shop, receive_bytes=4096, reads_ahead=4096)
            wire.talks = len(ways[way]) % 2 == 0
            ways[way].append(wire)

    async def ask(wire, way):
        if way == "states":
            # Each subscription has the whole state; after these come those that the drop's buyers set off.
            topics = [f"drop:{drop}" for drop in people["busy"]]
            again = [{"op": op, "topic": topic} for topic in topics * 32 for op in ("unsubscribe", "subscribe")]
            for _ in range(8):
                await wire.say(*again)
        elif way == "replies":
            products = {"op": "command", "name": "list_products", "params": {"limit": 100}}
            # Some two megabytes: more than the system holds, and than may wait.
            await wire.say(*(products | {"id": number} for number in range(COMMANDS_MAX // 2)))
        else:
            # As much as the system buffers, and more than the queue beside it.
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
            said = "says pong" if talks else "says nothing"
            fault.figures[f"{way}, {said}: cut"] = f"{len(cut)} of {len(those)}"
            # How many states come depends on how busy the machine is: too few are no reason to be cut.
            fault.expect(
                len(cut) == len(those) or way == "states",
                f"{len(those) - len(cut)} of {len(those)} that never read ({way}, {said}) are kept "
                f"after {time.monotonic() - began:.0f} s",
            )
    for _, wire in wires:
        wire.read_freely()
    # Whoever reads at last is told why, as long as the server still wants to tell it.
    for ending, (way, wire) in zip(await asyncio.gather(*(wire.ended(15) for _, wire in wires)), wires):
        if wire in cut_after and ending and ending[0] is None:
            fault.codes[f"cut untold, {ending[1]}"] += 1
        elif way != "states" or ending is not None:
            fault.ended(ending, 4001)
            if ending is None:
                fault.faults[-1] = f"one that asked for {way} is kept, and is not told that it was slow"
    for _, wire in wires:
        wire.cut()
    return fault


async def no_hello(shop, people):
    """They shake hands and say nothing."""
    fault, began = Fault("no hello"), time.monotonic()
    wires = await asyncio.gather(*(Wire.open(shop) for _ in range(50)))
    for ending in await asyncio.gather(*(wire.ended(HELLO_SECONDS + 5) for wire in wires)):
        fault.ended(ending, 4003)
    fault.figures["cut after, s"] = round(time.monotonic() - began, 1)
    for wire in wires:
        wire.cut()
    return fault


async def half_closed(shop, people):
    """They end their half of the connection: before the handshake, after it, and as listeners."""
    fault = Fault("half closed")
    for begin in (Wire.connect, Wire.open, Wire.greeted):
        wires = await asyncio.gather(*(begin(shop) for _ in range(10)))
        for wire in wires:
            if begin is Wire.greeted:
                await wire.say({"op": "subscribe", "topic": f"drop:{people['drop']}"})
            wire.writer.write_eof()
        for ending in await asyncio.gather(*(wire.ended(5) for wire in wires)):
            code, how = ending or ("kept", "")
            fault.codes[f"{begin.__name__}: {code} {how}".strip()] += 1
            fault.expect(ending, f"the server keeps a connection that was half closed ({begin.__name__})")
        for wire in wires:
            wire.cut()
    return fault


async def flood(fault, one):
    """Some flood at once, as fast as they are served; counts what came through."""
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
    """A message of 256 subscribes and unsubscribes at a time, of topics that are and of topics that are not."""
    fault = Fault("subscriptions flood")
    topics = [f"drop:{people['drop']}", f"drop:{people['busy'][0]}", "drop:00000000000000000000000000", "weather"]
    pairs = ("subscribe", "unsubscribe") * 4
    frames = [{"op": op, "topic": topics[n % len(topics)]} for n in range(32) for op in pairs]
    wires = [await Wire.greeted(shop) for _ in range(FLOODERS)]
    answers = sum(frame["op"] == "subscribe" for frame in frames)

    async def one(number):
        await wires[number].say(*frames)
        heard = 0
        while heard < answers:
            opcode, payload = await wires[number].frame()
            if opcode != TEXT:
                fault.codes[f"opcode {opcode}"] += 1
                fault.expect(False, f"a flood of subscriptions was answered with opcode {opcode}")
                return heard
            heard += payload.startswith((b'{"op":"subscribed"', b'{"op":"refused"'))
        return heard

    await flood(fault, one)
    for wire in wires:
        wire.cut()
    return fault


async def malformed(shop, people):
    """Connections that say what is no frame: nobody's JSON, binary, or a JSON bomb."""
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
        one.said = getattr(one, "said", 0) + 1
        await wire.send(nonsense[one.said % len(nonsense)])
        fault.ended(await wire.ended(10), 4500)
        wire.cut()
        return 1

    await flood(fault, one)
    return fault


async def bad_tokens(shop, people):
    """Hellos with tokens that are none, or forged."""
    fault = Fault("bad tokens flood")
    forged = people["buyer"][:-6] + "AAAAAA"

    async def one(number):
        wire = await Wire.open(shop)
        await wire.say({"op": "hello", "token": forged if number % 2 else "none"})
        fault.ended(await wire.ended(10), 4501)
        wire.cut()
        return 1

    await flood(fault, one)
    return fault


async def byte_by_byte(shop, people):
    """A whole conversation, every byte a write of its own, the handshake too."""
    fault = Fault("byte by byte")

    async def talk():
        wire = await Wire.connect(shop)
        await wire.send(handshake(shop), piece=1)
        status = await wire.handshaken()
        fault.expect(status == 101, f"a handshake byte by byte is answered {status}")
        command = {"op": "command", "id": 1, "name": "get_drop", "params": {"id": people["drop"]}}
        said = [{"op": "hello"}, {"op": "subscribe", "topic": f"drop:{people['drop']}"}, command]
        await wire.send(b"".join(message(json.dumps(frame).encode()) for frame in said), piece=1)
        heard = set()
        while not {"welcome", "subscribed", "reply"} <= heard:
            opcode, payload = await asyncio.wait_for(wire.frame(), 10)
            if opcode != TEXT:
                break
            heard.add(json.loads(payload)["op"])
        fault.expect({"welcome", "subscribed", "reply"} <= heard, f"byte by byte only {heard} was heard")
        await wire.send(message((1000).to_bytes(2, "big"), CLOSE), piece=1)
        said = time.monotonic()
        fault.ended(await wire.ended(5), 1000)
        took = time.monotonic() - said
        fault.figures["TCP ends after the close, s"] = round(took, 2)
        fault.expect(took < ENDED_SECONDS_MAX, f"TCP is held open for {took:.0f} s after the closing handshake")
        wire.cut()

    await asyncio.gather(*(talk() for _ in range(20)))
    return fault


async def too_many(shop, people):
    """More connections than the server has places for."""
    fault, statuses, wires = Fault("too many connections"), collections.Counter(), []
    for _ in range(CONNECTIONS_MAX + BEYOND):
        wire = await Wire.connect(shop)
        await wire.send(handshake(shop))
        status = await wire.handshaken()
        statuses[status] += 1
        if status == 101:
            await wire.say({"op": "hello"})
            wires.append(wire)
        else:
            wire.cut()
    fault.figures |= {f"answered {status}": count for status, count in statuses.items()}
    fault.expect(statuses.keys() <= {101, 503, 0}, f"handshakes were answered {dict(statuses)}")
    fault.expect(statuses[101] <= CONNECTIONS_MAX, f"{statuses[101]} sockets, where {CONNECTIONS_MAX} may be")
    fault.expect(statuses[503] > 0, f"nobody is told 503: {dict(statuses)}")
    fault.expect(statuses[101] >= CONNECTIONS_MAX - CROWD - 10, f"only {statuses[101]} were let in")
    for wire in wires:
        wire.cut()
    # Their places are free again at once: in a storm of those who come back they are wanted.
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
    fault.expect(freed < ENDED_SECONDS_MAX, f"places are free again only {freed:.1f} s after all had left")
    return fault


async def at_the_limits(shop, people):
    """Messages, frames, topics and commands: as many as may be, and one more."""
    fault = Fault("at the limits")

    async def outcome(*said, answers=1):
        wire = await Wire.greeted(shop)
        await wire.send(b"".join(said))
        heard = 0
        try:
            while heard < answers:
                opcode, payload = await asyncio.wait_for(wire.frame(), 20)
                if opcode == CLOSE:
                    return int.from_bytes(payload[:2], "big")
                # Replies that are there at once come in one message.
                heard += sum(payload.count(b'"op":"%s"' % op) for op in (b"reply", b"subscribed", b"refused"))
            return None
        except TimeoutError:
            return f"{heard} of {answers}"
        finally:
            wire.cut()

    ask = json.dumps({"op": "command", "id": 1, "name": "get_drop", "params": {"id": people["drop"]}}).encode()
    pong = b'{"op":"pong"}'
    array = lambda frame, count: message(b"[" + b",".join([frame] * count) + b"]")
    for what, said, answers, owed in [
        ("as many bytes as may be", [message(pong.ljust(MESSAGE_BYTES_MAX)), message(ask)], 1, (None,)),
        ("a byte more", [message(pong.ljust(MESSAGE_BYTES_MAX + 1)), message(ask)], 1, (4502,)),
        ("256 frames", [array(pong, FRAMES_MAX), message(ask)], 1, (None,)),
        ("257 frames", [array(pong, FRAMES_MAX + 1), message(ask)], 1, (4502,)),
        ("256 commands", [array(ask, COMMANDS_MAX)], COMMANDS_MAX, (None,)),
        # Those of the first message may have been answered by then.
        ("512 commands", [array(ask, COMMANDS_MAX)] * 2, 2 * COMMANDS_MAX, (None, 4502)),
        ("2560 commands", [array(ask, COMMANDS_MAX)] * 10, 10 * COMMANDS_MAX, (None, 4502)),
    ]:
        code = await outcome(*said, answers=answers)
        fault.figures[what] = code or "served"
        fault.expect(code in owed, f"{what}: {code}, where {owed} was owed")
    topics = [{"op": "subscribe", "topic": f"drop:{drop}"} for drop in people["drops"]]
    wire = await Wire.greeted(shop)
    await wire.say(*topics)
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

    # A close that meets bytes under way: they must not swallow it.
    for _ in range(5):
        wire = await Wire.greeted(shop)
        try:
            await asyncio.wait_for(wire.send(message(b" " * (MESSAGE_BYTES_MAX + 1)) * 8), 5)
        except (ConnectionError, TimeoutError):
            pass
        ending = await wire.ended(10)
        fault.figures["a close that meets 2 MiB under way"] = f"{ending}"
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
