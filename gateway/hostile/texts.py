"""Injection: formulas in exported texts, and pages of other sites that open WebSockets."""

import csv
import io

from connections import UPGRADE
from folder import ADDRESS
from server import PRICE, Server, until

FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(1)", '=HYPERLINK("http://evil.example","x")', "'=1"]
BEGINNINGS = ("=", "+", "-", "@", "\t", "\r")


def spreadsheets(judge):
    """Formulas in user input: no cell of an export begins with one, and an import restores them."""
    with Server(sandbox=True) as server:
        server.run("tenants", "add", "copy", "--currency", "USD", "--host", "copy.example")
        client = server.client()
        for number, formula in enumerate(FORMULAS):
            product = {
                "title": formula,
                "handle": f"formula-{number}",
                "vendor": formula,
                "type": formula,
                "options": ["Size"],
            }
            variants = [{"sku": f"FORMULA-{number}", "price": PRICE, "options": [formula]}]
            client.has(201, "POST", "/v1/products", server.vendor, product | {"variants": variants})
        drop = server.drop(100, per_network_max=None)
        for number, formula in enumerate(FORMULAS):
            guest = client.guest()["token"]
            claim = client.has(201, "POST", f"/v1/drops/{drop}/claims", guest, {"quantity": 1})["id"]
            checkout = {"claims": [claim], "payment": {"provider": "sandbox", "token": "tok_approve"}}
            address = {member: formula for member in ("name", "line1", "line2", "city", "phone", "company")}
            address = ADDRESS | address | {"country": "US"}
            email = f"=1+{number}@shop.example"
            checkout |= {"email": email, "shipping_address": address}
            paid = client.has(201, "POST", "/v1/checkouts", guest, checkout)["id"]
            # The response may arrive before that of the payment.
            until(60, lambda: client.has(200, "GET", f"/v1/checkouts/{paid}", guest)["state"] == "completed")
        for what, column in [("products", "Title"), ("orders", "Address line 1")]:
            text = server.run("export", what, "--tenant", "acme")
            rows = list(csv.DictReader(io.StringIO(text)))
            bad = [cell for row in rows for cell in row.values() if (cell or "").startswith(BEGINNINGS)]
            judge(f"no cell of the {what} is a formula", not bad, bad[:5])
            found = {row[column] for row in rows}
            wanted = {f"'{formula}" for formula in FORMULAS}
            judge(f"the {what} have the formulas as texts", wanted <= found, found)
            if what == "products":
                file = server.folder / "copy.csv"
                file.write_text(text)
        server.run("import", "products", str(file), "--tenant", "copy")

        def titles():
            page = client.has(200, "GET", "/v1/products?limit=100", Host="copy.example")
            return {item["title"] for item in page["items"]}

        # Lists lag behind by a moment.
        until(20, lambda: set(FORMULAS) <= titles())
        judge("an import restores them", set(FORMULAS) <= titles(), titles())


def pages(judge):
    """Pages of other sites cannot open WebSockets; malformed URLs are not found."""
    with Server() as server:
        for origin, wanted in [
            ("https://evil.example", b" 403 "),
            ("null", b" 403 "),
            ("http://127.0.0.1.evil.example", b" 403 "),
            (f"http://127.0.0.1:{server.port}", b" 101 "),
        ]:
            own = f"host: 127.0.0.1:{server.port}\r\norigin: {origin}".encode()
            answer = server.raw("127.0.0.2", UPGRADE.replace(b"host: 127.0.0.1", own)).recv(4_096)
            judge(
                f"a WebSocket from {origin} gets{wanted.decode()}",
                wanted in answer.split(b"\r\n")[0] + b" ",
                answer[:60],
            )
        client = server.client()
        _, headers, body = client.ask("GET", "/", Accept="text/html")
        has_pages = b"<script" in body
        for path in ["/orders/%E0%A4%A", "/products/%FF", "/drops/%C3%28"]:
            status, headers, _ = client.ask("GET", path, Accept="text/html")
            kind = headers.get("content-type", "")
            is_page = not has_pages or kind.startswith("text/html")
            judge(f"{path} is not found", status == 404 and is_page, (status, kind))
            status = client.status("GET", f"/v1{path}")
            judge(f"/v1{path} causes no server error", 400 <= status < 500, status)
