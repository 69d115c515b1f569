"""Twenty well-behaved clients in a separate process, so that the load on the server does not slow
their clocks. Reads the names of phases, one per line, and reports each phase at its end. An empty line ends it.
"""

import asyncio
import collections
import json
import statistics
import sys
import time
import types

from client import Client, Ended

# Each sends a request, receives the response, and waits as long.
THINKING_SECONDS = 0.1
REPLY_SECONDS_MAX = 30


def percentile(values, share):
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2) if ordered else None


class Phase:
    def __init__(self, name):
        self.name, self.began = name, time.monotonic()
        self.latencies_ms, self.errors = [], collections.Counter()

    def report(self):
        return {
            "phase": self.name,
            "seconds": round(time.monotonic() - self.began, 1),
            "replies": len(self.latencies_ms),
            "p50_ms": round(statistics.median(self.latencies_ms), 2) if self.latencies_ms else None,
            "p99_ms": percentile(self.latencies_ms, 0.99),
            "max_ms": percentile(self.latencies_ms, 1),
            "errors": dict(self.errors),
        }


class Crowd:
    def __init__(self, shop, drops):
        self.shop, self.drops, self.phase, self.ending = shop, drops, Phase("start"), False

    async def buyer(self, number, token):
        client = await Client.greeted(self.shop, token)
        for drop in self.drops:
            await client.subscribe(f"drop:{drop}")
        asked, claimed = 0, None
        while not self.ending:
            asked += 1
            # Claims, reads and releases, in one drop after the other, because the claims per buyer and drop are limited.
            here = {"id": self.drops[(asked - 1) // 3 % len(self.drops)]}
            name, more = [
                ("create_claim", {"params": here, "body": {"quantity": 1}}),
                ("get_drop", {"params": here}),
                ("release_claim", {"params": here | {"claim_id": claimed}}),
            ][(asked - 1) % 3]
            key = {} if name == "get_drop" else {"key": f"crowd-{number}-{asked}"}
            began = time.monotonic()
            try:
                reply = await client.command(name, REPLY_SECONDS_MAX, **more, **key)
            except (Ended, TimeoutError) as error:
                self.phase.errors[f"{name}: {type(error).__name__} {error}"] += 1
                return
            self.phase.latencies_ms.append((time.monotonic() - began) * 1000)
            if reply["status"] not in (200, 201, 204):
                self.phase.errors[f"{name}: {reply['status']} {reply['problem']['code']}"] += 1
            elif name == "create_claim":
                claimed = reply["body"]["id"]
            # Other frames are discarded.
            del client.frames[:]
            client._read = 0
            await asyncio.sleep(THINKING_SECONDS)
        for fault in client.faults[:1]:
            self.phase.errors[fault] += 1
        await client.leave()

    async def follow(self, tokens):
        lines = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        buyers = [asyncio.create_task(self.buyer(number, token)) for number, token in enumerate(tokens)]
        while True:
            name = (await lines.readline()).decode().strip()
            for buyer in buyers:
                if buyer.done() and buyer.exception():
                    self.phase.errors[repr(buyer.exception())] += 1
            print(json.dumps(self.phase.report()), flush=True)
            self.phase = Phase(name)
            if not name:
                break
        self.ending = True
        await asyncio.gather(*buyers, return_exceptions=True)


def main():
    # Unbuffered: the input after this line belongs to the loop.
    with open(0, "rb", buffering=0, closefd=False) as lines:
        given = json.loads(lines.readline())
    shop = types.SimpleNamespace(ws=given["ws"])
    asyncio.run(Crowd(shop, given["drops"]).follow(given["tokens"]))


if __name__ == "__main__":
    main()
