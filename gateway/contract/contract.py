"""Runs Schemathesis as a vendor and as a buyer, each against a separate server with a stocked shop."""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

from server_process import FUSION, ServerProcess

HERE = pathlib.Path(__file__).resolve().parent

ASKED_AS = ("vendor", "buyer")
# With fixed ids, so that derived values are the same in each run.
PEOPLE = {
    "vendor": ("vendor", "0C0NTRACT0VEND0R0000000000"),
    "buyer": ("customer", "0C0NTRACT0BVYER00000000000"),
    "neighbour": ("customer", "0C0NTRACT0NE1GHB0VR0000000"),
}
# Each run takes about two minutes; one that hangs must not hang the build.
RUN_SECONDS_MAX = 600
# The SKUs of the document's examples, with enough units for all drops of a run.
SKU = "SHIRT-S"
UNITS = 10_000_000_000


def main(arguments):
    # Without a proxy: the server is local.
    os.environ["no_proxy"] = "*"
    with concurrent.futures.ThreadPoolExecutor() as both:
        running = [both.submit(hold, name, arguments) for name in ASKED_AS]
        # Runs both even if the first finds problems, to report all.
        results = []
        for name, result in zip(ASKED_AS, running):
            found, report = result.result()
            print(f"== as the {name}\n{report}", flush=True)
            results.append(found)
    if any(results):
        sys.exit("the contract does not hold")


def hold(name, arguments):
    """Returns whether the server violates its document for this person, and the report."""
    with tempfile.TemporaryDirectory(prefix="fusion-contract-") as folder:
        folder = pathlib.Path(folder)
        data = folder / "data"
        server = ServerProcess(data, folder / "server.log", "--dev")
        try:
            if not server.port:
                sys.exit(f"the server did not start:\n{server.log()}")
            url = f"http://127.0.0.1:{server.port}"
            tokens = {person: token(data, role, subject) for person, (role, subject) in PEOPLE.items()}
            drop = stock(url, tokens)
            identities = folder / "identities.json"
            identities.write_text(json.dumps({"auth": [identity(person, token) for person, token in tokens.items()]}))
            found, report = ask(url, name, identities, drop, arguments)
            if server.ended is not None:
                return True, f"{report}the server ended with {server.ended}:\n{server.log()}"
            if found:
                report += f"the server logged:\n{server.log()[-4000:]}"
            return found, report
        finally:
            server.stop()


def token(data, role, subject):
    command = [FUSION, "token", "--role", role, "--subject", subject, "--data-dir", data]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def identity(name, token):
    return {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {token}"}]}


def post(url, path, token, body):
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "Idempotency-Key": f"contract {path}",
    }
    request = urllib.request.Request(url + path, data=json.dumps(body).encode(), headers=headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def stock(url, tokens):
    """Creates the products of the document's examples, an order of each buyer, and a drop.

    Returns the drop's id.
    """
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
            "shipping_address": {
                "name": name,
                "line1": "Street 1",
                "city": "Town",
                "postal_code": "12345",
                "country": "DE",
            },
        }
        assert post(url, "/v1/checkouts", tokens[name], checkout)["state"] in ("pending", "completed")
    drop = {
        "items": [{"sku": SKU, "quantity": 1_000_000, "price": price}],
        "per_buyer_max": 10_000,
        "hold_seconds": 600,
        "ends_at": "2999-12-31T00:00:00Z",
    }
    return post(url, "/v1/drops", tokens["vendor"], drop)["id"]


def ask(url, name, identities, drop, arguments):
    """Returns whether Schemathesis found problems as this person, and its output."""
    environment = os.environ | {
        "CONTRACT_IDENTITIES": str(identities),
        "CONTRACT_DROP": drop,
        "SCHEMATHESIS_HOOKS": "hooks",
        "PYTHONPATH": str(HERE),
        "PYTHONDONTWRITEBYTECODE": "1",
        # Fixes the order of sets, which some requests are generated from.
        "PYTHONHASHSEED": "0",
    }
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", HERE / "schemathesis.toml"]
    command += ["run", f"{url}/openapi.json", "--auth-wfc-user", name, "--no-color", *arguments]
    if "CONTRACT_SEED" in os.environ:
        command += ["--seed", os.environ["CONTRACT_SEED"]]
    try:
        run = subprocess.run(
            command,
            env=environment,
            timeout=RUN_SECONDS_MAX,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except subprocess.TimeoutExpired as late:
        return True, f"{(late.stdout or b'').decode(errors='replace')}not finished after {RUN_SECONDS_MAX} s\n"
    return run.returncode != 0, run.stdout


main(sys.argv[1:])
