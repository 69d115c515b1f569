"""Connections that consume resources with few requests: many, slow, or endless."""

import itertools
import time

from others import Others
from server import Cost, Server, until

# The descriptors that are reserved from connections (README).
FILES_RESERVE = 320
FILES_MAX = 1_024
SETTLE_SECONDS_MAX = 60
# The memory that may remain after an attack: caches, the journal's tables, pages of the allocator. Heads and messages
# hold about twice as much.
KEPT_KIB = 24 * 1024
# Below the limit of a head, 16 KiB: a longer one is refused immediately.
HEAD_BYTES = 15_000
HEADS = 3_000
SOCKETS = 800
SLOW_READERS = 20
MESSAGE_BYTES = 65_535
UPGRADE = (
    b"GET /v1/ws HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def send_more(connection, text):
    try:
        connection.send(text)
    except OSError:
        pass


def close(connections):
    for connection in connections:
        connection.close()


def memory_returns(judge, cost):
    """Judges how long the memory of an attack is held after the attackers have left, while others continue.

    Returns the CPU seconds of the attack until then. The wait itself uses none, and the others' claims continue.
    """
    cpu_seconds = cost.cpu_now()
    took = until(SETTLE_SECONDS_MAX, lambda: cost.memory_now_kib() <= KEPT_KIB)
    judge.measure("memory_given_back", took)
    judge.note(memory_kept_kib=cost.memory_now_kib())
    return cpu_seconds


def descriptors(judge):
    """1,200 idle connections with a limit of 1,024 open files: the journal works, and others can buy."""
    with Server(files_max=128) as server:
        judge("refuses to start with too few files", server.port is None)
        judge("says how many it needs", "384" in server.log(), server.log()[-200:])
    with Server(files_soft=128) as server:
        soft, hard = server.files_limits()
        judge("raises the usual soft limit to the hard one", soft == hard, (soft, hard))
    with Server(files_max=FILES_MAX) as server, Others(server, server.drop()) as others, Cost(server) as cost:
        before = server.sockets()
        idle = [server.raw("127.0.0.2") for _ in range(1_200)]
        share = (FILES_MAX - FILES_RESERVE) // 4
        # Refused connections get a response and are closed.
        until(SETTLE_SECONDS_MAX, lambda: server.sockets() - before <= share)
        judge.measure("one_address_holds", server.sockets() - before)
        judge("the address keeps some connections", server.sockets() - before > 0)
        client = server.client("127.0.0.9")
        judge("another address is served", client.status("GET", "/v1/drops") == 200)
        for number in range(10, 20):
            for _ in range(120):
                try:
                    idle.append(server.raw(f"127.0.0.{number}"))
                except OSError:
                    break
        # The buyers' claims make the journal open and sync files. In addition, cheap requests that fail.
        statuses = {client.status("GET", f"/v1/nothing/{number}") for number in range(500)}
        judge("a missing resource is not found", statuses == {404}, statuses)
        time.sleep(1)
        judge.measure("open_files", server.files())
        judge("the server is alive", server.ended is None, server.ended)
        close(idle)
        judge.measure("files_given_back", until(SETTLE_SECONDS_MAX, lambda: server.sockets() < before + 20))
    judge.measure("memory_held", cost.memory_kib)
    judge.measure("cpu", cost.cpu_seconds)
    judge.others(others)


def heads(judge):
    """Endless heads: their memory is bounded, each has one timeout, and their memory is released."""
    with Server("--idle-timeout", "5s") as server, Others(server, server.drop()) as others, Cost(server) as cost:
        before = server.sockets()
        start, sources = b"GET /v1/drops HTTP/1.1\r\nhost: 127.0.0.1\r\nx-long: ", itertools.cycle(range(2, 6))
        held = []
        for number in range(HEADS):
            held.append(server.raw(f"127.0.0.{next(sources)}", start + b"x" * HEAD_BYTES))
            # Half of them continue beyond the maximum head, and are refused.
            if number % 2:
                send_more(held[-1], b"x" * 60_000)
        slow = [server.raw("127.0.0.7", start) for _ in range(50)]
        began = time.monotonic()
        while server.sockets() > before and time.monotonic() < began + 60:
            for connection in slow:
                send_more(connection, b"x")
            time.sleep(0.2)
        judge.measure("last_head_ends", time.monotonic() - began)
        judge("many were held at once", cost.files > HEADS // 4, cost.files)
        close(held + slow)
        cpu_seconds = memory_returns(judge, cost)
    judge.measure("memory_held", cost.memory_kib)
    judge.measure("cpu", cpu_seconds)
    judge.others(others)


def readers(judge):
    """Readers who read a response very slowly are disconnected, and their buffers are released."""
    with Server() as server:
        client = server.client()
        price = {"amount": 1, "currency": "USD"}
        product = {"title": "Long", "description_html": "<p>" + "long " * 100_000 + "</p>"}
        made = client.has(201, "POST", "/v1/products", server.vendor, product | {"variants": [{"price": price}]})
        client.has(200, "GET", f"/v1/products/{made['id']}")
        ask = f"GET /v1/products/{made['id']} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode() * 4
        with Others(server, server.drop()) as others, Cost(server) as cost:
            before = server.sockets()
            slow = [server.raw("127.0.0.2", ask, receive_bytes=4_096) for _ in range(SLOW_READERS)]
            held = until(SETTLE_SECONDS_MAX, lambda: server.sockets() >= before + SLOW_READERS)
            judge("all of them were held at once", held is not None)
            began = time.monotonic()
            # The server's sockets show what it still holds: the clients have unread bytes for a long time.
            while server.sockets() > before and time.monotonic() < began + 100:
                trickle(slow)
                time.sleep(1)
            judge.measure("slow_reader_ends", time.monotonic() - began)
            close(slow)
            memory_returns(judge, cost)
    judge.measure("memory_held", cost.memory_kib)
    judge.others(others)


def trickle(connections):
    """Reads some bytes from each connection."""
    for connection in connections:
        connection.settimeout(0.01)
        try:
            connection.recv(16)
        except OSError:
            pass


def messages(judge):
    """Endless WebSocket messages: empty continuations, and 64 KiB unfinished on many connections."""
    with Server() as server, Others(server, server.drop()) as others, Cost(server) as cost:
        flood = server.raw("127.0.0.2", UPGRADE)
        assert b" 101 " in flood.recv(4_096)
        try:
            flood.sendall(b"\x01\x80\x00\x00\x00\x00")
            for _ in range(200):
                flood.sendall(b"\x00\x80\x00\x00\x00\x00" * 200)
            ended = b"\x11\x96" in flood.recv(4_096)  # Close, 4502.
        except OSError:
            ended = True
        judge("empty continuations are counted as messages", ended)
        part = b"\x01\xfe\xff\xff\x00\x00\x00\x00" + b" " * MESSAGE_BYTES
        held = []
        for number in range(SOCKETS):
            connection = server.raw(f"127.0.0.{3 + number % 4}", UPGRADE)
            assert b" 101 " in connection.recv(4_096)
            send_more(connection, part)
            held.append(connection)
        time.sleep(1)
        close(held)
        cpu_seconds = memory_returns(judge, cost)
    judge.measure("memory_held", cost.memory_kib)
    judge.measure("cpu", cpu_seconds)
    judge.others(others)


def hosts(judge):
    """Invalid host names, and many unknown ones."""
    with Server() as server, Others(server, server.drop()) as others:
        for lines, name in [("", "none"), ("host: a\r\nhost: b\r\n", "two"), (f"host: {'a' * 256}\r\n", "a long one")]:
            ask = f"GET /v1/drops HTTP/1.1\r\n{lines}connection: close\r\n\r\n".encode()
            answer = server.raw("127.0.0.2", ask).recv(4_096)
            judge(f"a request with a wrong host is refused: {name}", answer.startswith(b"HTTP/1.1 400 "), answer[:40])
        clients = [server.client(f"127.0.0.{number}") for number in range(3, 11)]
        with Cost(server) as cost:
            for number in range(4_000):
                clients[number % len(clients)].ask("GET", "/v1/drops", Host=f"{number}.".ljust(250, "a"))
        judge.measure("memory_of_4000_names", cost.memory_kib)
        judge.measure("cpu", cost.cpu_seconds)
    judge.others(others)
