"""Starts a server on a folder of its own, stocks its shop, and lets Schemathesis ask it as each of two people."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
FUSION = HERE.parent.parent / "target" / "debug" / "fusion"
SCHEMATHESIS = pathlib.Path(sys.executable).parent / "schemathesis"

PEOPLE = {"vendor": "vendor", "buyer": "customer", "neighbour": "customer"}
START_SECONDS_MAX = 60
# Each run takes about a minute and a half; one that hangs must not hang the build.
RUN_SECONDS_MAX = 600
# What the document's examples sell, in as many units as all drops of a run ask for.
SKU = "SHIRT-S"
UNITS = 10_000_000_000


def main(arguments):
    with tempfile.TemporaryDirectory(prefix="fusion-contract-") as folder:
        folder = pathlib.Path(folder)
        data = folder / "data"
        log = open(folder / "server.log", "w+")
        server = subprocess.Popen(
            [FUSION, "serve", "--dev", "--listen", "127.0.0.1:0", "--data-dir", data, "--log", "warn"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            url = address(server, log)
            tokens = {name: token(data, role) for name, role in PEOPLE.items()}
            stock(url, tokens)
            identities = folder / "identities.json"
            identities.write_text(json.dumps({"auth": [identity(name, said) for name, said in tokens.items()]}))
            # Both, even when the first finds something: whoever mends it should see it all.
            results = [ask(url, name, identities, arguments) for name in ("vendor", "buyer")]
            if server.poll() is not None:
                sys.exit(f"the server ended with {server.returncode}:\n{said_by(log)}")
            if any(results):
                sys.exit(f"the contract does not hold; the server said:\n{said_by(log)[-4000:]}")
        finally:
            server.terminate()
            server.wait()


def address(server, log):
    """The last line of the banner."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        line = server.stdout.readline()
        if line.startswith("http://"):
            return line.strip()
        if not line and server.poll() is not None:
            break
    sys.exit(f"the server does not start:\n{said_by(log)}")


def said_by(log):
    log.seek(0)
    return log.read()


def token(data, role):
    command = [FUSION, "token", "--role", role, "--data-dir", data]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def identity(name, said):
    return {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {said}"}]}


def post(url, path, said, body):
    headers = {
        "Authorization": f"Bearer {said}",
        "Content-Type": "application/json",
        "Idempotency-Key": f"contract {path}",
    }
    request = urllib.request.Request(url + path, data=json.dumps(body).encode(), headers=headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def stock(url, tokens):
    """The shop sells what the document's examples name, and has sold one of it to each buyer."""
    price = {"amount": 1999, "currency": "USD"}
    post(url, "/v1/products", tokens["vendor"], {"title": "Ocean Shirt", "variants": [{"sku": SKU, "price": price}]})
    post(url, f"/v1/inventory/{SKU}/adjustments", tokens["vendor"], {"delta": UNITS, "reason": "contract"})
    for name in ("buyer", "neighbour"):
        cart = post(url, "/v1/carts", tokens[name], {})
        post(url, f"/v1/carts/{cart['id']}/lines", tokens[name], {"sku": SKU, "quantity": 1})
        checkout = {
            "cart_id": cart["id"],
            "payment": {"provider": "sandbox", "token": "tok_approve"},
            "email": f"{name}@shop.example",
            "shipping_address": {"name": name, "country": "US"},
        }
        assert post(url, "/v1/checkouts", tokens[name], checkout)["state"] in ("pending", "completed")


def ask(url, name, identities, arguments):
    """Whether Schemathesis found anything as this person."""
    print(f"== as the {name}", flush=True)
    environment = os.environ | {
        "CONTRACT_IDENTITIES": str(identities),
        "SCHEMATHESIS_HOOKS": "hooks",
        "PYTHONPATH": str(HERE),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [SCHEMATHESIS, "--config-file", HERE / "schemathesis.toml", "run", f"{url}/openapi.json"]
    command += ["--auth-wfc-user", name, "--no-color", *arguments]
    if "CONTRACT_SEED" in os.environ:
        command += ["--seed", os.environ["CONTRACT_SEED"]]
    return subprocess.run(command, env=environment, timeout=RUN_SECONDS_MAX).returncode


main(sys.argv[1:])
