"""The Autobahn cases (RFC 6455) against `/v1/ws`, which is no echo server.

The runner of the cases (kosoku) connects, writes and judges. Only the *text message* of a case is put into a frame
of the protocol: `{"op":"subscribe","topic":"<payload>"}`. The server refuses such a topic and returns its name, so
the payload is echoed after the complete processing of a message. Fragments stay fragments, chops
stay chops, reserved bits and bad UTF-8 stay where they were; pings and closes are unchanged.

If the document requires a close instead of an echo, that close is the expected result: binary messages (4500), and
messages that are too long (4502).
"""

import asyncio
import collections
import json
import re
import sys
import time

import kosoku
import kosoku.cases

from shop import Shop, write_report

# The maximum duration of a case.
CASE_SECONDS_MAX = 60
AT_ONCE = 8

BEFORE, AFTER = b'{"op":"subscribe","topic":"', b'"}'

# The characters that JSON requires to be escaped. Invalid UTF-8 is unchanged.
TO_ESCAPE = re.compile(rb'[\x00-\x1f"\\]')

# With the reason.
SKIPPED = {
    "12.*": "permessage-deflate is not supported; case 12.1.1 checks that the offer is declined",
    "13.*": "permessage-deflate is not supported; case 13.1.1 checks that the offer is declined",
}
DECLINED = ("12.1.1", "13.1.1")
PASSED = ("OK", "NON-STRICT", "INFORMATIONAL")
PASSED_CLOSES = ("OK", "INFORMATIONAL")

# Cases whose message is answered by a close (docs/realtime.md): the codes and the reasons.
BINARY = ((4500,), "binary messages are not supported: closed by 4500")
TOO_LONG = ((4502,), "exceeds the maximum length of a message: closed by 4502")
EITHER = ((4500, 4502), "binary, and exceeds the maximum length of a message: closed by either")
CLOSED = [
    (r"1\.2\.[1-8]|9\.8\.[1-6]", BINARY),
    # From 64 KiB on, including the envelope.
    (r"1\.1\.[678]|9\.1\.[1-6]|9\.3\.[1-9]|9\.5\.[1-6]|10\.1\.1", TOO_LONG),
    (r"9\.2\.[1-6]|9\.4\.[1-9]|9\.6\.[1-6]", EITHER),
]


def escaped(payload):
    return TO_ESCAPE.sub(lambda found: b"\\u%04x" % found[0][0], payload)


def octets(payload):
    """Converts the payload of a case as kosoku does."""
    match payload:
        case None:
            return b""
        case int():
            return bytes((payload & 0xFF,))
        case str():
            return payload.encode()
    return bytes(payload)


class Envelope:
    """The connection of a case: sends texts in a frame of the protocol."""

    def __init__(self, wire):
        self.__dict__.update(wire=wire, continued=False, begun=False)

    def __getattr__(self, name):
        return getattr(self.wire, name)

    def __setattr__(self, name, value):
        if name in self.__dict__:
            self.__dict__[name] = value
        else:
            setattr(self.wire, name, value)

    @property
    def txFrameStats(self):
        # Without the hello frame.
        stats = dict(self.wire.txFrameStats)
        stats[1] -= 1
        return stats

    def sendFrame(self, opcode, payload=None, fin=True, rsv=0, mask=None, payload_len=None, **how):
        starts, goes_on = opcode == 1 and not self.continued, opcode == 0 and self.continued
        if starts or goes_on:
            payload = octets(payload)
            if payload_len is not None:
                payload = (payload * (payload_len // max(len(payload), 1) + 1))[:payload_len]
            payload = (BEFORE if starts else b"") + escaped(payload) + (AFTER if fin else b"")
            self.continued, payload_len = not fin, None
        self.wire.sendFrame(opcode, payload, fin, rsv, mask, payload_len, **how)

    def sendMessage(self, payload=None, isBinary=False, **how):
        if not isBinary:
            payload = BEFORE + escaped(octets(payload)) + AFTER
        self.wire.sendMessage(payload, isBinary, **how)

    # A frame in pieces, the first of which announces the length. No such case has characters to escape.
    def beginMessageFrame(self, length):
        self.wire.beginMessageFrame(len(BEFORE) + length + len(AFTER))
        self.wire.sendMessageFrameData(BEFORE)

    def endMessage(self):
        self.wire.sendMessageFrameData(AFTER)
        self.wire.endMessage()


def over_our_frames(case):
    """Returns the case with its texts in frames of the protocol."""

    class Adapted(case):
        def __init__(self, wire):
            self.wire, self.greeted = wire, False
            super().__init__(Envelope(wire))

        def onOpen(self):
            self.wire.killAfter(CASE_SECONDS_MAX)
            self.wire.sendFrame(1, b'{"op":"hello"}')

        def onMessage(self, text, binary):
            frame = json.loads(text)
            match frame["op"]:
                case "welcome" if not self.greeted:
                    self.greeted = True
                    self.wire.killAfter(CASE_SECONDS_MAX)
                    super().onOpen()
                case "refused":
                    super().onMessage(frame["topic"], binary)
                case "ping":
                    pass
                case _:
                    super().onMessage(text, binary)

        # By value: the cases compare pickles, which differ for equal texts at different addresses.
        def compare(self, one, other):
            return one == other

    Adapted.__name__ = case.__name__
    return Adapted


def closed_by(case, codes):
    """Returns the case with a close with one of these codes as the expected result."""

    class Closed(over_our_frames(case)):
        def onConnectionLost(self, failed_by_me):
            code = self.p.remoteCloseCode
            holds = code in codes and not self.received and not self.p.closedByMe
            self.behavior = self.behaviorClose = self.OK if holds else self.FAILED
            self.result = f"closed by {code}, expected {codes}; received {len(self.received)} messages"
            self.resultClose = self.result

    Closed.__name__ = case.__name__
    return Closed


def adapt():
    """Puts every case into frames of the protocol. Returns the reasons of different expectations."""
    judged = {}
    for name, case in kosoku.cases.CASES.items():
        owed = next((owed for pattern, owed in CLOSED if re.fullmatch(pattern, name)), None)
        if owed:
            judged[name] = owed[1]
            kosoku.cases.CASES[name] = closed_by(case, owed[0])
        elif name in DECLINED:
            judged[name] = "the server answers the offer of permessage-deflate without it"
        else:
            kosoku.cases.CASES[name] = over_our_frames(case)
    return judged


async def run(url, cases, skipped):
    try:
        return await kosoku.run_fuzzingclient(url, cases, skipped, concurrency=AT_ONCE)
    except kosoku.FailureError as failure:
        return failure.results


def passed(result):
    if result.case_id in DECLINED:
        return "sec-websocket-extensions" not in result.http_response.lower()
    return result.behavior.value in PASSED and result.behavior_close.value in PASSED_CLOSES


def bytes_of(result):
    """Returns the short frames that the case sent after the hello frame."""
    sent = [entry for entry in result.wirelog if entry[0] == "TF"][1:]
    frames = []
    for entry in sent[:6]:
        length, data, opcode, fin, rsv = entry[1][0], entry[1][1], *entry[2:5]
        text = data if len(data) <= 120 else f"{data[:120]}…"
        frames.append({"opcode": opcode, "fin": fin, "rsv": rsv, "bytes": length, "payload": text})
    return frames


def tell(faults):
    """Prints faults of one kind together, with the bytes of the first. The report contains all."""
    kinds = collections.defaultdict(list)
    for fault in faults:
        kinds[fault["behavior"], fault["closed_by"], str(fault["codes_owed"])].append(fault)
    for (behavior, code, owed), alike in kinds.items():
        print(f"FAULT in {len(alike)}: {behavior}; closed by {code}, expected {owed}: {alike[0]['why']}")
        print(f"      cases {' '.join(fault['case'] for fault in alike)}")
        for frame in alike[0]["sent"]:
            print(f"      {alike[0]['case']} sent {frame}")


def main(arguments):
    judged = adapt()
    began = time.monotonic()
    with Shop() as shop:
        if arguments:
            results = asyncio.run(run(shop.ws, arguments, None))
        else:
            results = asyncio.run(run(shop.ws, None, list(SKIPPED)))
            results += asyncio.run(run(shop.ws, list(DECLINED), None))
        ended, log = shop.ended, shop.log()
    elapsed = time.monotonic() - began
    skipped = len(kosoku.cases.CASES) - len(results)
    groups, faults = collections.defaultdict(collections.Counter), []
    for result in results:
        count = groups[result.case_id.split(".")[0]]
        holds = passed(result)
        count["passed" if holds else "failed"] += 1
        count["lenient"] += holds and result.behavior.value == "NON-STRICT"
        if not holds:
            faults.append(
                {
                    "case": result.case_id,
                    "sent": bytes_of(result),
                    "owed": result.expectation,
                    "codes_owed": (result.expected_close or {}).get("closeCode"),
                    "received": result.received,
                    "closed_by": result.remote_close_code,
                    "behavior": f"{result.behavior.value}, close {result.behavior_close.value}",
                    "why": f"{result.result}; {result.result_close}",
                }
            )
    lenient = [result.case_id for result in results if passed(result) and result.behavior.value == "NON-STRICT"]
    print(f"{'group':>6} {'passed':>7} {'failed':>7}  of those that passed, lenient")
    for group, count in sorted(groups.items(), key=lambda named: int(named[0])):
        print(f"{group:>6} {count['passed']:>7} {count['failed']:>7}  {count['lenient']}")
    for pattern, why in SKIPPED.items():
        print(f"skipped {pattern}: {why}")
    for why, number in collections.Counter(judged.values()).items():
        print(f"different expectation, {number}: {why}")
    print(f"lenient: {' '.join(lenient) or 'none'}")
    tell(faults)
    report = {"cases": len(results), "skipped": skipped, "seconds": round(elapsed, 1), "lenient": lenient}
    report["slowest"] = {result.case_id: result.duration for result in sorted(results, key=lambda r: -r.duration)[:12]}
    write_report("conformance", report | {"judged_otherwise": judged, "faults": faults, "log": log})
    if ended is not None:
        sys.exit(f"the server ended with {ended}:\n{log}")
    print(f"conformance: {len(results) - len(faults)} of {len(results)} cases hold, {skipped} skipped, {elapsed:.0f} s")
    sys.exit(1 if faults else 0)


main(sys.argv[1:])
