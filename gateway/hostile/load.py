"""Requests that are cheap to send and expensive to answer, or that would leave data behind."""

import collections
import http.client
import re
import socket
import sqlite3
import time

from others import PROCESSES, Others, yield_the_cpu
from server import METRICS_TOKEN, PRICE, Client, Cost, Server

END_SECONDS_MAX = 90
READERS = 16
LIST_SECONDS = 5
# The rate limit per address: below the default, so that a debug build reaches it too.
RATE, BURST = 45, 180
SCRAPES = 300
STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
# Unknown ids, from this number of addresses, each below its limit: one batch per connection and guest.
UNKNOWN_IDS, UNKNOWN_SOURCES, BATCH = 20_000, 25, 100
KINDS = "drops", "products", "carts", "orders"
# Guests per address and checkouts per guest: 650 per address, which may fail 500 times.
CHECKOUT_SOURCES, CHECKOUT_GUESTS, CHECKOUT_TRIES = 4, 26, 25


def crowd(target, each):
    """Starts attacking processes, one per tuple of arguments. Returns them and the queue of their results."""
    answers = PROCESSES.Queue()
    processes = [PROCESSES.Process(target=target, args=(*arguments, answers), daemon=True) for arguments in each]
    for process in processes:
        process.start()
    return processes, answers


def ended(processes, answers):
    """Returns the results of the processes."""
    found = [answers.get(timeout=END_SECONDS_MAX) for _ in processes]
    for process in processes:
        process.join(END_SECONDS_MAX)
    return found


def read_lists(port, seconds, answers):
    """Reads lists as fast as possible, from the same address as the other readers."""
    yield_the_cpu()
    count = limited = largest = 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=("127.0.0.2", 0))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connection.request("GET", "/v1/products?limit=200")
        answer = connection.getresponse()
        largest = max(largest, len(answer.read()))
        count += answer.status == 200
        limited += answer.status == 429
        if answer.status == 429:
            time.sleep(0.05)
    answers.put((count, limited, largest))


def lists(judge):
    """Sixteen readers of lists from one address, while others claim."""
    with Server("--rate-address", f"{RATE}/{BURST}") as server:
        client = server.client()
        for number in range(200):
            variants = [{"options": [f"No. {size}"], "price": PRICE} for size in range(20)]
            product = {"title": f"Product {number}", "description_html": "<p>" + "long " * 4_000 + "</p>"}
            # The vendor's address has the same limit.
            while (
                client.status(
                    "POST", "/v1/products", server.vendor, product | {"options": ["Size"], "variants": variants}
                )
                != 201
            ):
                time.sleep(0.1)
        with Others(server, server.drop()) as others, Cost(server) as cost:
            found = ended(*crowd(read_lists, [(server.port, LIST_SECONDS)] * READERS))
        judge.measure("memory", cost.memory_kib)
        pages = sum(count for count, *_ in found)
        judge.measure("bytes_of_a_page", max(size for *_, size in found))
        judge("rate limits weigh the size of a page", sum(limited for _, limited, _ in found) > 0)
        # A page of 200 counts as nine requests.
        judge.measure("pages", pages, (cost.seconds * RATE + BURST) / 9)
        judge.measure("cpu_share", cost.cpu_seconds / cost.seconds)
        judge.measure("cpu_of_a_page", cost.cpu_seconds * 1_000 / max(1, pages))
    judge.others(others)


def numbers(judge):
    """Metrics require their token and cost little; missing files are not found."""
    with Server() as server:
        client = server.client()
        judge("metrics require a token", client.status("GET", "/metrics") == 401)
        client.has(200, "GET", "/metrics", METRICS_TOKEN)
        with Cost(server) as cost:
            for _ in range(SCRAPES):
                client.has(200, "GET", "/metrics", METRICS_TOKEN)
        judge.measure("cpu_of_300_scrapes", cost.cpu_seconds)
        for path in ["/.env", "/wp-login.php", "/.git/config"]:
            status = client.status("GET", path, Accept="text/html")
            judge(f"{path} is not found", status == 404, status)


def ask_for_unknown(port, first, count, source, answers):
    """Requests unknown ids as fast as one connection allows."""
    yield_the_cpu()
    connection = socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(source, 0))
    guests, found = Client(port, source), collections.Counter()
    for batch in range(first, first + count, BATCH):
        token = guests.guest()["token"]
        names = [f"{kind}/{number:026d}" for number in range(batch, batch + BATCH, len(KINDS)) for kind in KINDS]
        head = f"HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\n\r\n"
        connection.sendall("".join(f"GET /v1/{name} {head}" for name in names).encode())
        received, statuses = b"", []
        # The rest of the last body comes with the next batch; no body has a status line in it.
        while len(statuses) < BATCH:
            part = connection.recv(1 << 16)
            assert part, "the server has ended the connection"
            received += part
            statuses = STATUS.findall(received)
        found.update(statuses)
    answers.put(found)


def unknown_ids(judge):
    """Unknown ids: they use no memory, and existing resources are still served."""
    with Server() as server:
        vendor = server.client()
        drops = [server.drop(10, sku=f"REAL-{number}") for number in range(20)]
        with Others(server, server.drop()) as others:

            def ask(first, count):
                each = count // UNKNOWN_SOURCES
                sources = [f"127.0.2.{number + 1}" for number in range(UNKNOWN_SOURCES)]
                arguments = [(server.port, first + n * each, each, source) for n, source in enumerate(sources)]
                return ended(*crowd(ask_for_unknown, arguments))

            # The memory of the concurrent requests is not that of the ids.
            ask(0, UNKNOWN_IDS)
            entities = server.metric("fusion_live_entities")
            with Cost(server) as cost:
                found = ask(UNKNOWN_IDS, UNKNOWN_IDS)
            judge.measure("memory", cost.memory_kib)
            judge.measure("entities", server.metric("fusion_live_entities") - entities)
            judge.measure("cpu", cost.cpu_seconds)
            answered = sum(found, collections.Counter())
            judge("none of them is found", answered == {b"404": UNKNOWN_IDS}, answered)
            statuses = {vendor.status("GET", f"/v1/drops/{drop}") for drop in drops}
            judge("existing ones are found", statuses == {200}, statuses)
    judge.others(others)


def try_checkouts(port, source, claim, answers):
    """Tries to pay for the claims of another buyer, as one guest after the other."""
    yield_the_cpu()
    client, found = Client(port, source), collections.Counter()
    address = {"name": "N" * 90, "line1": "L" * 90, "line2": "M" * 90, "city": "Springfield", "region": "IL"}
    checkout = {"claims": [claim], "payment": {"provider": "sandbox", "token": "tok_approve"}}
    checkout |= {"shipping_address": address | {"postal_code": "62701", "country": "US"}}
    for guest in range(CHECKOUT_GUESTS):
        token = client.guest()["token"]
        for number in range(CHECKOUT_TRIES):
            email = f"{'a' * 50}{guest}-{number}@{source}.example"
            status = client.status("POST", "/v1/checkouts", token, checkout | {"email": email})
            found[status] += 1
    answers.put(found)


def checkouts(judge):
    """Checkouts of other buyers' claims: they leave no data behind, and each failure counts."""
    with Server(sandbox=True) as server:
        drop, owner = server.drop(10, sku="WANTED"), server.client()
        claim = owner.has(201, "POST", f"/v1/drops/{drop}/claims", owner.guest()["token"], {"quantity": 1})["id"]
        with Others(server, server.drop()) as others:
            rows, disk = rows_of(server), server.disk_bytes()
            journal = server.metric("fusion_journal_bytes_total")
            arguments = [(server.port, f"127.0.3.{n + 1}", claim) for n in range(CHECKOUT_SOURCES)]
            with Cost(server) as cost:
                found = ended(*crowd(try_checkouts, arguments))
            journal = server.metric("fusion_journal_bytes_total") - journal
            disk, left = server.disk_bytes() - disk, {name: n - rows[name] for name, n in rows_of(server).items()}
        answered = sum(found, collections.Counter())
        judge("each is answered with 404, or with 429", set(answered) <= {404, 429}, answered)
        failed = max(one[404] for one in found)
        judge.measure("failures_of_one_address", failed, cost.seconds)
        judge.measure("rows_left", left["contacts"] + left["checkouts"])
        judge.measure("bytes_on_disk", disk)
        judge.measure("journal_bytes", journal, len(others.quiet_ms) + len(others.busy_ms))
        judge.measure("cpu", cost.cpu_seconds)
        judge.note(not_found=answered[404], limited=answered[429])
    judge.others(others)


def rows_of(server):
    """Returns the number of rows of the tables that a checkout writes."""
    database = sqlite3.connect(f"file:{server.data}/fusion.sqlite?mode=ro", uri=True)
    try:
        return {
            name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("contacts", "checkouts")
        }
    finally:
        database.close()
