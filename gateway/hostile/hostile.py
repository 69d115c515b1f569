"""Hostile clients, and the bounds of their cost.

Each attack runs against a separate server, most of them while other buyers continue to claim. The cost of an attack is
measured and compared with the table below. The bounds are those of a release build. A correct server on a busy machine
of two cores keeps all of them: CPU seconds, bytes and counts do not depend on what else runs, and wall-clock times have
bounds far above what they are, or relative to the same run's figure without the attack.
"""

import json
import resource
import sys
import threading
import time

import accounts
import connections
import folder
import load
import shops
import texts
from judge import Bound, Judge, print_table
from server_process import ROOT

MIB = 1024
# The memory of a server besides its clients' data: caches, the journal's tables, pages of the allocator.
SLACK = 24 * MIB
# Other buyers wait for the journal and for other requests, not for the attack. Half of their claims take milliseconds,
# and the slowest have room for a machine whose disk stalls for seconds while something is built on it. What an attack
# takes from others is measured by its CPU seconds, regardless of other load.
OTHERS_P50 = Bound(100, "ms", "half of the claims are answered immediately, with or without an attack", times=10)
OTHERS_P99 = Bound(10_000, "ms", "no claim and no read hangs; ten times the p99 without the attack", times=10)
GIVEN_BACK = Bound(60, "s", "until at most 24 MiB are held more than before; the allocator purges within seconds")

BOUNDS = {
    # attack.figure: the maximum, its unit, the reason; `times`: a multiple of another figure of the run is added
    "descriptors.one_address_holds": Bound(176, "connections", "a quarter of the 704 that 1,024 files leave"),
    "descriptors.open_files": Bound(904, "files", "320 are reserved for files; at most 200 of them are in use here"),
    "descriptors.memory_held": Bound(704 * 16 + SLACK, "KiB", "16 KiB for each connection"),
    "descriptors.cpu": Bound(1.5, "s", "2,400 connections at 0.5 ms, and the claims beside them"),
    "descriptors.files_given_back": Bound(20, "s", "closed connections are noticed immediately; a busy machine is slower"),
    "heads.memory_held": Bound(1_500 * 48 + SLACK, "KiB", "a task and a buffer of up to 32 KiB for each that is held"),
    "heads.last_head_ends": Bound(20, "s", "one wait of 5 s; two would be seen with the time of a busy machine"),
    "heads.memory_given_back": GIVEN_BACK,
    "heads.cpu": Bound(3, "s", "3,000 heads at 0.8 ms, and the claims beside them"),
    "messages.memory_held": Bound(4 * 2 * 4 * MIB + 800 * 32 + SLACK, "KiB", "4 MiB an address, 32 KiB a socket"),
    "messages.memory_given_back": GIVEN_BACK,
    "messages.cpu": Bound(2, "s", "40,000 frames, 800 handshakes, and the claims beside them"),
    "hosts.memory_of_4000_names": Bound(SLACK, "KiB", "caches by name are bounded in bytes"),
    "hosts.cpu": Bound(3, "s", "4,000 requests at 0.5 ms, and the claims beside them"),
    "lists.memory": Bound(16 * 4 * MIB + SLACK, "KiB", "a page of 1 MiB for each reader, as rows and as text"),
    "lists.bytes_of_a_page": Bound(1 * MIB * 1024, "bytes", "a page has no descriptions and few fields of variants"),
    "lists.pages": Bound(1, "pages", "what the address's limit allows at nine requests a page", times=1),
    "lists.cpu_of_a_page": Bound(100, "ms", "with the claims beside it; a page with descriptions would be 150 ms"),
    "lists.cpu_share": Bound(0.8, "cores", "an address at its limit leaves more than half of two cores to others"),
    "numbers.cpu_of_300_scrapes": Bound(0.3, "s", "made once a second, at 3 ms; 300 would be 0.75 s"),
    "unknown_ids.memory": Bound(2 * SLACK, "KiB", "batches of 100 on 25 connections; 20,000 entities would be 190 MiB"),
    "unknown_ids.entities": Bound(0, "entities", "an id without history is no entity"),
    "unknown_ids.cpu": Bound(6, "s", "20,000 requests at 0.2 ms, and the claims beside them"),
    "checkouts.failures_of_one_address": Bound(510, "failures", "500 at once and one a second", times=1),
    "checkouts.rows_left": Bound(0, "rows", "ownership is checked before any write"),
    "checkouts.bytes_on_disk": Bound(5 * MIB * 1024, "bytes", "SQLite's log grows to 4 MiB before a checkpoint"),
    "checkouts.journal_bytes": Bound(32 * 1024, "bytes", "1 KiB for each claim beside it", times=1024),
    "checkouts.cpu": Bound(4, "s", "2,600 requests at 1 ms, and the claims beside them"),
    "passwords.passwords_looked_at": Bound(12, "passwords", "5 at once, then after 1, 2 and 4 s"),
    "passwords.cpu": Bound(3, "s", "20 ms per password; 0.4 ms for an early attempt", times=0.0004),
    "sign_ups.answers_to_one_network": Bound(62, "answers", "60 at once and one in 10 s", times=0.1),
    "mailbox.mails": Bound(5, "mails", "MAILS_PER_MAILBOX_AN_HOUR"),
    "networks.units_of_one_network": Bound(15, "units", "a quarter of 60"),
    "imports.places_of_one_shop": Bound(4, "places", "IMPORTS_PER_TENANT"),
    "imports.import_of_another_shop": Bound(30, "s", "it has separate permits; answered within 2 s on an idle machine"),
    "readers.slow_reader_ends": Bound(75, "s", "TAKE_TIMEOUT is 20 s and restarts when the system accepts bytes"),
    "readers.memory_held": Bound(20 * 2 * MIB + SLACK, "KiB", "four answers of 500 KB for each, not all at once"),
    "readers.memory_given_back": GIVEN_BACK,
}
for attack in (
    "descriptors",
    "heads",
    "messages",
    "hosts",
    "lists",
    "unknown_ids",
    "checkouts",
    "passwords",
    "networks",
    "imports",
    "readers",
):
    BOUNDS |= {
        f"{attack}.others_claim_p50": OTHERS_P50,
        f"{attack}.others_claim_p99": OTHERS_P99,
        f"{attack}.others_read_p99": OTHERS_P99,
    }
# The maximum number of descriptors of an attack in this process.
FILES_NEEDED = 4_096

# Run one after the other, without other load: their figures are CPU times and the latencies of others.
ALONE = [
    connections.descriptors,
    connections.heads,
    connections.messages,
    connections.hosts,
    load.lists,
    load.numbers,
    load.unknown_ids,
    load.checkouts,
    accounts.passwords,
    shops.networks,
    shops.imports,
]
# Run concurrently: they mostly wait, or have no such figures.
BESIDE = [
    [connections.readers],
    [
        accounts.sessions,
        accounts.command_line_tokens,
        accounts.sign_ups,
        accounts.mailbox,
        folder.folder,
        shops.caps,
        texts.spreadsheets,
        texts.pages,
    ],
]


def main():
    attacks = [*ALONE, *sum(BESIDE, [])]
    chosen = sys.argv[1:] or [attack.__name__ for attack in attacks]
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files < FILES_NEEDED:
        sys.exit(f"hostile clients need {FILES_NEEDED} open files, and the hard limit is {files} (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    unknown = set(chosen) - {attack.__name__ for attack in attacks}
    if unknown:
        sys.exit(f"the attacks are {', '.join(attack.__name__ for attack in attacks)}")
    judges, began = [], time.monotonic()

    def run(lane):
        for attack in lane:
            if attack.__name__ in chosen:
                judge, from_here = Judge(attack, BOUNDS), time.monotonic()
                judge.run(attack)
                judge.note(seconds=round(time.monotonic() - from_here))
                judge.print()
                judges.append(judge)

    run(ALONE)
    lanes = [threading.Thread(target=run, args=[lane]) for lane in BESIDE]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    print()
    print_table(judges)
    failed = sum(judge.failed for judge in judges)
    checks = sum(len(judge.checks) for judge in judges)
    report(judges)
    within = f"{failed} exceed their bounds or failed" if failed else f"within their bounds, and {checks} checks hold"
    print(f"hostile clients: {within}, {time.monotonic() - began:.0f} s")
    sys.exit(failed > 0)


def report(judges):
    """Writes the results as JSON."""
    path = ROOT / "target" / "hostile" / "report.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    names = "figure", "measured", "bound", "unit", "holds"
    results = {
        judge.attack: {
            "figures": [dict(zip(names, figure, strict=True)) for figure in judge.figures],
            "checks": judge.checks,
            "notes": judge.notes,
        }
        for judge in judges
    }
    path.write_text(json.dumps(results, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()
