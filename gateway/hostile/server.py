"""A server without --dev, so that loopback is rate limited, and clients with separate addresses."""

import http.client
import itertools
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import time

from server_process import FUSION, ServerProcess

TENANT = "acme"
PRICE = {"amount": 1999, "currency": "USD"}
METRICS_TOKEN = "a-token-for-metrics"
FAR = "2999-12-31T00:00:00Z"
# Longer than any response takes.
ANSWER_SECONDS_MAX = 60
# The time after which a hostile client counts as not stopped.
RAW_SECONDS_MAX = 10

_keys = itertools.count()


class Client:
    """A client with one connection from one address: all of 127.0.0.0/8 is loopback."""

    def __init__(self, port, source="127.0.0.1"):
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", port, timeout=ANSWER_SECONDS_MAX, source_address=(source, 0)
        )

    def ask(self, method, path, token=None, body=None, **headers):
        """Returns status, headers and body of a response. A string as the request body is a CSV file."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if method == "POST":
            headers.setdefault("Idempotency-Key", f"hostile-{os.getpid()}-{next(_keys)}")
        if isinstance(body, str):
            headers["Content-Type"], body = "text/csv", body.encode()
        elif body is not None:
            headers["Content-Type"], body = "application/json", json.dumps(body)
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            # A server may end a connection after it has refused a request whose body it has not read.
            self._connection.close()
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
        text = answer.read()
        is_json = "json" in answer.headers.get("content-type", "")
        return answer.status, answer.headers, json.loads(text) if is_json else text

    def status(self, *arguments, **more):
        return self.ask(*arguments, **more)[0]

    def has(self, status, *arguments, **more):
        """Returns the body of a response that must have this status."""
        found, _, body = self.ask(*arguments, **more)
        assert found == status, f"{arguments[:2]}: {found} instead of {status}: {body}"
        return body

    def guest(self):
        """A new guest's session."""
        return self.has(201, "POST", "/v1/sessions", None, {})


class Server(ServerProcess):
    """A running server with one shop; `with Server(…) as server`. `sandbox`: whether orders can be paid."""

    def __init__(self, *options, sandbox=False, **more):
        self._folder = tempfile.TemporaryDirectory(prefix="fusion-hostile-")
        self.folder = pathlib.Path(self._folder.name)
        self.data = self.folder / "data"
        self._start = options, more | {"environment": {"FUSION_METRICS_TOKEN": METRICS_TOKEN}}
        if sandbox:
            self._start[1]["environment"]["FUSION_SANDBOX_PAYMENTS"] = "true"
        self.run("tenants", "add", TENANT, "--currency", "USD", "--host", "127.0.0.1")
        self.start()
        if self.port:
            self.vendor = self.token("vendor")

    def start(self):
        options, more = self._start
        super().__init__(self.data, self.folder / "server.log", *options, **more)

    def restart(self):
        self.stop()
        self.start()
        assert self.port, self.log()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self._folder.cleanup()

    def command(self, *command, **environment):
        """Runs `fusion …` on the data folder. Returns the result."""
        command = [FUSION, *command, "--data-dir", self.data]
        return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)

    def run(self, *command, **environment):
        """Runs a command that must succeed. Returns its output."""
        done = self.command(*command, **environment)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def token(self, role, *options):
        return self.run("token", "--role", role, "--tenant", TENANT, *options)

    def client(self, source="127.0.0.1"):
        return Client(self.port, source)

    def drop(self, units=1_000_000, sku="HOSTILE", **more):
        """Creates an open drop with this number of units."""
        client = self.client()
        product = {"title": sku, "variants": [{"sku": sku, "price": PRICE}]}
        client.has(201, "POST", "/v1/products", self.vendor, product)
        adjustment = {"delta": units, "reason": "check"}
        client.has(200, "POST", f"/v1/inventory/{sku}/adjustments", self.vendor, adjustment)
        drop = {"sku": sku, "quantity": units, "price": PRICE, "per_buyer_max": 10_000, "hold_seconds": 600}
        return client.has(201, "POST", "/v1/drops", self.vendor, drop | {"ends_at": FAR} | more)["id"]

    def metric(self, name):
        """The sum of a metric over its labels."""
        # The metrics are at most one second old.
        time.sleep(1.1)
        text = self.client().has(200, "GET", "/metrics", METRICS_TOKEN).decode()
        lines = [line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def raw(self, source, text=b"", receive_bytes=None):
        """A connection from `source` that has sent `text`."""
        connection = socket.socket()
        if receive_bytes:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.settimeout(RAW_SECONDS_MAX)
        connection.bind((source, 0))
        connection.connect(("127.0.0.1", self.port))
        connection.sendall(text)
        return connection

    def disk_bytes(self):
        """The bytes of all files of the data folder."""
        return sum(size_of(path) for path in self.data.rglob("*"))


class Cost:
    """The resources that a server uses during a block, in addition to those before: `with Cost(server) as cost`.

    `memory_kib` and `files` are the most at any time, `cpu_seconds` and `seconds` those of the whole block.
    """

    def __init__(self, server):
        self._server, self._over = server, threading.Event()
        self._watching = threading.Thread(target=self._watch)

    def __enter__(self):
        self._before = self._server.memory_kib()[0], self._server.files(), self._server.cpu_seconds(), time.monotonic()
        self.memory_kib = self.files = 0
        self._watching.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._watching.join()
        self.cpu_seconds = self.cpu_now()
        self.seconds = time.monotonic() - self._before[3]

    def cpu_now(self):
        """The CPU seconds so far."""
        return self._server.cpu_seconds() - self._before[2]

    def _watch(self):
        while not self._over.wait(0.05) and self._server.ended is None:
            self.memory_kib = max(self.memory_kib, self.memory_now_kib())
            self.files = max(self.files, self._server.files() - self._before[1])

    def memory_now_kib(self):
        """The growth of memory since the start of the block."""
        return self._server.memory_kib()[0] - self._before[0]


def size_of(path):
    """Returns the contents of a file; none if the server has removed it, or if it is a folder."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0


def until(seconds, holds):
    """Returns the time until the condition holds, or `None` after the timeout."""
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        if holds():
            return time.monotonic() - began
        time.sleep(0.1)
    return None
