"""A bounded load of faults on loopback, next to twenty well-behaved clients.

It fails when one of the twenty gets an error or is disconnected, when the server's memory grows beyond `GROWTH_KIB_MAX`, when a
connection ends with an unexpected code, or when a client that never reads is not disconnected. The rate of a flood and
the latency of the twenty are reported but not judged.
"""

import asyncio
import json
import pathlib
import subprocess
import sys
import time
import traceback

from kinds import (
    CONNECTIONS_MAX,
    CROWD,
    KINDS,
    MESSAGE_BYTES_MAX,
    QUEUE_KIB_MAX,
    SLOW_READERS,
    SUBSCRIPTIONS_MAX,
    UNFINISHED,
    Fault,
    busy,
    slow_readers,
)
from shop import Shop, write_report

HERE = pathlib.Path(__file__).resolve().parent

QUIET_SECONDS = 5
# The maximum duration of one kind of fault.
FAULT_SECONDS_MAX = 75

# Each slow reader has a queue of 1 MiB, which may have grown by doubling; each unfinished message its 64 KiB, which
# likewise; a connection 64 KiB of buffers and tasks; and what the twenty claim and release stays in memory, with the
# journal's tables, 32 MiB over a run.
GROWTH_KIB_MAX = (
    sum(SLOW_READERS.values()) * 2 * QUEUE_KIB_MAX
    + UNFINISHED * 2 * MESSAGE_BYTES_MAX // 1024
    + CONNECTIONS_MAX * 64
    + 32 * 1024
)


class Crowd:
    """The process of the twenty clients."""

    def __init__(self, shop, drops):
        tokens = [shop.has(201, "POST", "/v1/sessions", None, {})["token"] for _ in range(CROWD)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([sys.executable, HERE / "crowd.py"], stdin=pipe, stdout=pipe, text=True)
        self._say(json.dumps({"ws": shop.ws, "drops": drops, "tokens": tokens}))

    def _say(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    async def phase(self, name):
        """Begins a phase. Returns the report of the previous one."""
        self._say(name)
        return json.loads(await asyncio.to_thread(self.process.stdout.readline))

    def leave(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.kill()
        self.process.wait()


def people_of(shop):
    vendor = shop.token("vendor")
    lamp, many = shop.stock(vendor, "LAMP", 1, 10_000_000), shop.stock(vendor, "MANY", 90, 10_000_000)
    return {
        "vendor": vendor,
        "buyer": shop.token("customer"),
        "drop": shop.drop(vendor, lamp, 1_000_000)["id"],
        # The claims per buyer and drop are limited.
        "market": [shop.drop(vendor, lamp, 100_000)["id"] for _ in range(6)],
        "skus": many,
        "busy": [shop.drop(vendor, many, 10_000)["id"] for _ in range(4)],
        "drops": [shop.drop(vendor, lamp, 5)["id"] for _ in range(SUBSCRIPTIONS_MAX + 1)],
    }


async def play(shop):
    people = await asyncio.to_thread(people_of, shop)
    crowd = await asyncio.to_thread(Crowd, shop, people["market"])
    rows, keeping_busy = [], None
    try:
        await crowd.phase("before")
        await asyncio.sleep(QUIET_SECONDS)
        before_kib, _ = shop.memory_kib()
        peak_kib = before_kib

        async def watch():
            nonlocal peak_kib
            while True:
                peak_kib = max(peak_kib, shop.memory_kib()[0])
                await asyncio.sleep(0.05)

        watching = asyncio.create_task(watch())
        fault = Fault("before")
        for kind in [*KINDS, None]:
            cpu, began = shop.cpu_seconds(), time.monotonic()
            if kind:
                rows.append((fault, await crowd.phase(kind.__name__)))
                if kind is slow_readers:
                    keeping_busy = asyncio.create_task(busy(shop, people))
                try:
                    fault = await asyncio.wait_for(kind(shop, people), FAULT_SECONDS_MAX)
                except Exception:
                    fault = Fault(kind.__name__)
                    fault.faults.append(f"did not complete: {traceback.format_exc(limit=-2)}")
                if keeping_busy and kind is slow_readers:
                    keeping_busy.cancel()
                fault.figures["rss_kib"] = shop.memory_kib()[0]
                fault.figures["cpu_share"] = round((shop.cpu_seconds() - cpu) / (time.monotonic() - began), 2)
            else:
                rows.append((fault, await crowd.phase("after")))
                await asyncio.sleep(QUIET_SECONDS)
                rows.append((Fault("after"), await crowd.phase("")))
        watching.cancel()
        after_kib, _ = shop.memory_kib()
        return rows, {"before_kib": before_kib, "peak_kib": peak_kib, "after_kib": after_kib}
    finally:
        crowd.leave()


def main():
    began = time.monotonic()
    with Shop("--connections-max", str(CONNECTIONS_MAX)) as shop:
        rows, memory = asyncio.run(play(shop))
        ended, log = shop.ended, shop.log()
    faults = [f"{fault.name}: {one}" for fault, _ in rows for one in dict.fromkeys(fault.faults)]
    for _, crowd in rows:
        if crowd["errors"]:
            faults.append(f"a well-behaved client, in {crowd['phase']}: {crowd['errors']}")
    grown = memory["peak_kib"] - memory["before_kib"]
    if grown > GROWTH_KIB_MAX:
        faults.append(f"memory grew by {grown} KiB, at most {GROWTH_KIB_MAX} allowed")
    if ended is not None:
        faults.append(f"the server ended with {ended}")
    faults += [f"the server logged: {line}" for line in log.splitlines() if " ERROR " in line or "panicked" in line][:10]
    columns = ("s", 5), ("replies", 8), ("p50 ms", 8), ("p99 ms", 8), ("max ms", 8), ("cpu", 5), ("rss MiB", 8)
    print(" ".join([f"{'the twenty, during':<24}", *(f"{name:>{width}}" for name, width in columns)]))
    for fault, crowd in rows:
        rss = fault.figures.pop("rss_kib", memory["before_kib"] if fault.name == "before" else memory["after_kib"])
        cpu = fault.figures.pop("cpu_share", "")
        # A fault that ends immediately leaves no time for a reply.
        times = [str(crowd[name] if crowd[name] is not None else "-") for name in ("p50_ms", "p99_ms", "max_ms")]
        figures = [crowd["seconds"], crowd["replies"], *times, cpu, rss // 1024]
        print(" ".join([f"{fault.name:<24}", *(f"{figure:>{width}}" for figure, (_, width) in zip(figures, columns))]))
        for name, figure in fault.figures.items():
            print(f"    {name}: {figure}")
        if fault.codes:
            print(f"    ended: {dict(fault.codes)}")
    mib = {name.removesuffix("_kib"): value // 1024 for name, value in memory.items()}
    print(f"memory, MiB: {mib}; grew by {grown // 1024}, at most {GROWTH_KIB_MAX // 1024} allowed")
    for fault in faults:
        print(f"FAULT {fault}")
    report = [vars(fault) | {"crowd": crowd} for fault, crowd in rows]
    write_report("faults", {"faults": faults, "memory": memory, "growth_kib_max": GROWTH_KIB_MAX, "phases": report})
    kinds = len([fault for fault, _ in rows if not fault.faults]) - 2
    print(f"faults: {kinds} of {len(KINDS)} kinds hold, {time.monotonic() - began:.0f} s")
    sys.exit(1 if faults else 0)


main()
