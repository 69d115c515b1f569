"""A separate server with a stocked shop for each check."""

import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

from server_process import FUSION, ROOT, ServerProcess

REPORTS = ROOT / "target" / "live-checks"

# Longer than any wait in these checks.
ANSWER_SECONDS_MAX = 30

Answer = collections.namedtuple("Answer", "status headers body")
# Without a proxy: the server is local.
ASK = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


class Shop(ServerProcess):
    """A running server; `with Shop(…) as shop`."""

    def __init__(self, *options):
        self._folder = tempfile.TemporaryDirectory(prefix="fusion-live-")
        folder = pathlib.Path(self._folder.name)
        self.data = folder / "data"
        super().__init__(self.data, folder / "server.log", "--dev", *options)
        if not self.port:
            sys.exit(f"the server did not start:\n{self.log()}")
        self.host = "127.0.0.1"
        self.url = f"http://{self.host}:{self.port}"
        self.ws = f"ws://{self.host}:{self.port}/v1/ws"
        self._keys = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self._folder.cleanup()

    def token(self, role, *options):
        """A token for a new subject, or for the one in the options."""
        command = [FUSION, "token", "--role", role, "--data-dir", self.data, *options]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def ask(self, method, path, token=None, body=None, **headers):
        """A REST response: the reference for messages over the WebSocket."""
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
        """Returns the body of a response that must have this status."""
        answer = self.ask(method, path, *arguments, **headers)
        assert answer.status == status, f"{method} {path}: {answer.status} instead of {status}: {answer.body}"
        return answer.body

    def stock(self, vendor, name, variants=1, units=1_000_000):
        """Creates a product with this number of variants and units each. Returns the SKUs."""
        skus = [f"{name}-{number}" for number in range(variants)]
        offers = [{"sku": sku, "price": PRICE, "options": [sku]} for sku in skus]
        product = {"title": name, "options": ["Kind"], "variants": offers}
        self.has(201, "POST", "/v1/products", vendor, product)
        for sku in skus:
            adjustment = {"delta": units, "reason": "live checks"}
            self.has(200, "POST", f"/v1/inventory/{sku}/adjustments", vendor, adjustment)
        return skus

    def drop(self, vendor, skus, quantity, **more):
        """Creates an open drop of these SKUs."""
        items = [{"sku": sku, "quantity": quantity, "price": PRICE} for sku in skus]
        drop = {"items": items, "per_buyer_max": 10_000, "hold_seconds": 600, "ends_at": "2999-12-31T00:00:00Z"}
        return self.has(201, "POST", "/v1/drops", vendor, drop | more)


# The limits in `welcome` according to docs/realtime.md.
LIMITS = json.loads(re.search(r'"limits":(\{.*?\})', (ROOT / "docs" / "realtime.md").read_text())[1])
PRICE = {"amount": 1999, "currency": "USD"}


def _json(text):
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text.decode(errors="replace")


def write_report(name, report):
    """Writes the results as JSON."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    path = REPORTS / f"{name}.json"
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False, default=str) + "\n")
    return path.relative_to(ROOT)
