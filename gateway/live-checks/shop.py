"""A server of its own for each check, in a stocked shop, and what the system says of its process."""

import collections
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FUSION = os.environ.get("FUSION_BIN", str(ROOT / "target" / "debug" / "fusion"))
REPORTS = ROOT / "target" / "live-checks"

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30
# Longer than anything here waits for.
ANSWER_SECONDS_MAX = 30

Answer = collections.namedtuple("Answer", "status headers body")
# Ask nobody but the server: no proxy leads to it.
ASK = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


class Shop:
    """A running server; `with Shop(…) as shop`."""

    def __init__(self, *options):
        self._folder = tempfile.TemporaryDirectory(prefix="fusion-live-")
        self.data = pathlib.Path(self._folder.name) / "data"
        self._log = open(pathlib.Path(self._folder.name) / "server.log", "w+")
        command = [FUSION, "serve", "--dev", "--listen", "127.0.0.1:0", "--data-dir", self.data, "--log", "warn"]
        self._server = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=self._log, text=True)
        try:
            self.url = self._address()
        except BaseException:
            self._end()
            raise
        # So that a banner that grows never blocks the server.
        threading.Thread(target=self._server.stdout.read, daemon=True).start()
        host, port = self.url.removeprefix("http://").rsplit(":", 1)
        self.host, self.port = host, int(port)
        self.ws = f"ws://{host}:{port}/v1/ws"
        self._keys = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._end()

    def _end(self):
        # This process and no other: it is ours.
        if self._server.poll() is None:
            self._server.terminate()
            try:
                self._server.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
        self._log.close()
        self._folder.cleanup()

    def _address(self):
        """The last line of the banner."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            line = self._server.stdout.readline()
            if line.startswith("http://"):
                return line.strip()
            if not line and self._server.poll() is not None:
                break
        sys.exit(f"the server does not start:\n{self.log()}")

    def log(self):
        """What the server complained of."""
        with open(self._log.name) as log:
            return log.read()

    @property
    def ended(self):
        """With what the server ended; `None` while it runs."""
        return self._server.poll()

    def stop(self):
        """Asks the server to stop, as whoever rolls out a new one does."""
        self._server.send_signal(signal.SIGTERM)

    def wait(self):
        return self._server.wait(STOP_SECONDS_MAX)

    def token(self, role, *options):
        """A token for somebody new, or for whom the options name."""
        command = [FUSION, "token", "--role", role, "--data-dir", self.data, *options]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def ask(self, method, path, token=None, body=None, **headers):
        """What REST answers: the reference for what comes over a socket."""
        headers = {name.replace("_", "-"): str(value) for name, value in headers.items()}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if method != "GET":
            self._keys += 1
            headers.setdefault("Idempotency-Key", f"check-{self._keys}")
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with ASK(request, timeout=ANSWER_SECONDS_MAX) as answer:
                return Answer(answer.status, answer.headers, _json(answer.read()))
        except urllib.error.HTTPError as refusal:
            with refusal:
                return Answer(refusal.code, refusal.headers, _json(refusal.read()))

    def has(self, status, method, path, *arguments, **headers):
        """The body of an answer that must have this status."""
        answer = self.ask(method, path, *arguments, **headers)
        assert answer.status == status, f"{method} {path}: {answer.status} instead of {status}: {answer.body}"
        return answer.body

    def stock(self, vendor, name, variants=1, units=1_000_000):
        """A product of so many variants, each in so many units; gives their SKUs."""
        skus = [f"{name}-{number}" for number in range(variants)]
        offers = [{"sku": sku, "price": PRICE, "options": [sku]} for sku in skus]
        product = {"title": name, "options": ["Kind"], "variants": offers}
        self.has(201, "POST", "/v1/products", vendor, product)
        for sku in skus:
            adjustment = {"delta": units, "reason": "live checks"}
            self.has(200, "POST", f"/v1/inventory/{sku}/adjustments", vendor, adjustment)
        return skus

    def drop(self, vendor, skus, quantity, **more):
        """An open drop of these."""
        items = [{"sku": sku, "quantity": quantity, "price": PRICE} for sku in skus]
        drop = {"items": items, "per_buyer_max": 10_000, "hold_seconds": 600, "ends_at": "2999-12-31T00:00:00Z"}
        return self.has(201, "POST", "/v1/drops", vendor, drop | more)

    def memory(self):
        """What is in memory now, and what was at most, in KiB; and how many files and sockets are open."""
        lines = pathlib.Path(f"/proc/{self._server.pid}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines if line.startswith("Vm"))
        now, peak = (int(fields[name].split()[0]) for name in ("VmRSS", "VmHWM"))
        return now, peak

    def sockets(self):
        """How many files and sockets the server has open."""
        return len(os.listdir(f"/proc/{self._server.pid}/fd"))

    def cpu_seconds(self):
        """The time that the server has worked."""
        fields = pathlib.Path(f"/proc/{self._server.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# What docs/realtime.md says that `welcome` says.
LIMITS = json.loads(re.search(r'"limits":(\{.*?\})', (ROOT / "docs" / "realtime.md").read_text())[1])
PRICE = {"amount": 1999, "currency": "USD"}


def _json(text):
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text.decode(errors="replace")


def write_report(name, report):
    """Keeps what was found, for machines."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    path = REPORTS / f"{name}.json"
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False, default=str) + "\n")
    return path.relative_to(ROOT)
