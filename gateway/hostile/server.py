"""A server outside of --dev, where loopback is an address like any other; each client may have one of its own."""

import http.client
import json
import os
import pathlib
import resource
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FUSION = os.environ.get("FUSION_BIN", str(ROOT / "target" / "debug" / "fusion"))
TENANT = "acme"
PRICE = {"amount": 1999, "currency": "USD"}

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60
# Fewer than one buyer may have in a drop.
CLAIMS_OF_BUYER = 50
# Longer than anything here waits for.
ANSWER_SECONDS_MAX = 60


class Server:
    """A running server; `with Server(…) as server`. `files_max`: the limit of open files, soft and hard."""

    def __init__(self, *options, files_max=None):
        self._folder = tempfile.TemporaryDirectory(prefix="fusion-hostile-")
        self.data = pathlib.Path(self._folder.name) / "data"
        self.run("tenants", "add", TENANT, "--currency", "USD", "--host", "127.0.0.1")
        self._log = open(pathlib.Path(self._folder.name) / "server.log", "w+")
        command = [FUSION, "serve", "--listen", "127.0.0.1:0", "--data-dir", self.data, "--log", "warn", *options]
        limit = None
        if files_max:
            limit = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdout=pipe, stderr=self._log, text=True, preexec_fn=limit)
        self.port = self._port()
        if self.port:
            threading.Thread(target=self.process.stdout.read, daemon=True).start()
            self.vendor = self.run("token", "--role", "vendor", "--tenant", TENANT)
        self._keys = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # This process and no other: it is ours.
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()
        self._folder.cleanup()

    def run(self, *command):
        done = subprocess.run([FUSION, *command, "--data-dir", self.data], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def _port(self):
        """Where it listens; `None`: it refused to start."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            line = self.process.stdout.readline()
            if "http://127.0.0.1:" in line:
                return int(line.rsplit(":", 1)[1])
            if not line and self.process.poll() is not None:
                return None
        raise AssertionError(f"the server does not start:\n{self.log()}")

    def log(self):
        """What the server complained of."""
        with open(self._log.name) as log:
            return log.read()

    def memory_kib(self):
        """What is in memory now."""
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    def files(self):
        """How many files and sockets are open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu_seconds(self):
        """The time that the server has worked."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ask(self, method, path, token=None, body=None, connection=None, **headers):
        """The status and the body of an answer."""
        connection = connection or self.connection()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if method != "GET":
            self._keys += 1
            headers.setdefault("Idempotency-Key", f"hostile-{threading.get_ident()}-{self._keys}")
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text[:1] in (b"{", b"[") else text

    def has(self, status, *arguments, **more):
        """The body of an answer that must have this status."""
        found, body = self.ask(*arguments, **more)
        assert found == status, f"{arguments[:2]}: {found} instead of {status}: {body}"
        return body

    def connection(self, source="127.0.0.1"):
        """A connection from this address: all of 127.0.0.0/8 are loopback."""
        return http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=ANSWER_SECONDS_MAX, source_address=(source, 0)
        )

    def drop(self, units=1_000_000):
        """An open drop of so many units."""
        product = {"title": "Hostile", "variants": [{"sku": "HOSTILE", "price": PRICE}]}
        self.has(201, "POST", "/v1/products", self.vendor, product)
        self.has(200, "POST", "/v1/inventory/HOSTILE/adjustments", self.vendor, {"delta": units, "reason": "check"})
        drop = {"sku": "HOSTILE", "quantity": units, "price": PRICE, "per_buyer_max": 10_000, "hold_seconds": 600}
        return self.has(201, "POST", "/v1/drops", self.vendor, drop | {"ends_at": "2999-12-31T00:00:00Z"})["id"]


class Others:
    """Some buyers of other addresses, who claim and give back on connections that they have already."""

    def __init__(self, server, drop, count=4):
        self._server, self._drop = server, drop
        self._connections = [server.connection(f"127.0.1.{number + 1}") for number in range(count)]
        # They are open before anybody is hostile.
        for connection in self._connections:
            server.has(200, "GET", "/v1/drops", None, None, connection)

    def claim(self, seconds):
        """Claims for so long; gives the sorted milliseconds that the answers took. Every claim must succeed."""
        took, faults = [], []
        until = time.monotonic() + seconds

        def buy(connection):
            try:
                count = 0
                while time.monotonic() < until:
                    # A buyer has so many claims in a drop, those given back included.
                    if count % CLAIMS_OF_BUYER == 0:
                        token = self._server.has(201, "POST", "/v1/sessions", None, {}, connection)["token"]
                    count += 1
                    began = time.monotonic()
                    path = f"/v1/drops/{self._drop}/claims"
                    claim = self._server.has(201, "POST", path, token, {"quantity": 1}, connection)
                    took.append((time.monotonic() - began) * 1_000)
                    self._server.has(204, "DELETE", f"{path}/{claim['id']}", token, None, connection)
                    # A buyer has 50 requests a second.
                    time.sleep(0.05)
            except Exception as fault:
                faults.append(repr(fault))

        threads = [threading.Thread(target=buy, args=[connection]) for connection in self._connections]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not faults, f"others: {faults[0]}"
        return sorted(took)


def p99(sorted_values):
    return sorted_values[max(0, len(sorted_values) * 99 // 100 - 1)]
