"""Buyers who exceed their limits, and shops that use the permits of others."""

import select
import time

from folder import ADDRESS
from others import Others
from server import Server, until

UNITS = 60
# A quarter of a drop of 60 (README of drops: `per_network_max`).
OF_NETWORK = 15
PASSWORD = "ocean-lamp-velvet-41"
# gateway/src/api/import/places.rs
IMPORTS_PER_TENANT = 4
CATALOGUE = "Handle,Title,Variant SKU,Variant Price,Variant Inventory Qty\n{0},{0},{0},10.00,5\n"


def networks(judge):
    """Sixty guests of one network and a drop of sixty: most units remain for others."""
    with Server() as server:
        drop = server.drop(UNITS, sku="WANTED", per_buyer_max=1)
        limited = server.drop(20, sku="LIMITED", per_buyer_max=1, per_network_max=2)
        with Others(server, server.drop()) as others:
            began = time.monotonic()
            answers = [claim(server, drop, f"127.0.5.{number + 1}") for number in range(UNITS)]
            seconds = time.monotonic() - began
            judge.measure("units_of_one_network", answers.count(201))
            limit = [answer for answer in answers if answer != 201]
            judge("the others are refused with network_limit", set(limit) == {"network_limit"}, set(limit))
            away = [claim(server, drop, f"127.{number}.7.1") for number in range(3, 48)]
            judge("buyers of other networks get the remaining units", away == [201] * (UNITS - OF_NETWORK), away)
            home = [claim(server, limited, f"127.0.5.{number + 1}") for number in range(4)]
            judge("the vendor sets the limit", home == [201, 201, "network_limit", "network_limit"], home)
            judge.note(seconds=round(seconds, 1))
    judge.others(others)


def claim(server, drop, source):
    """A new guest's claim: 201, or the code of the problem."""
    client = server.client(source)
    token = client.guest()["token"]
    status, _, body = client.ask("POST", f"/v1/drops/{drop}/claims", token, {"quantity": 1})
    return status if status == 201 else body["code"]


def caps(judge):
    """One buyer as several guests, and one mailbox in several spellings: the limit per buyer counts them together."""
    with Server("--rate-passwords", "100/1000", sandbox=True) as server:
        client = server.client()
        drop = server.drop(20, per_buyer_max=1, per_network_max=None)
        account = {"email": "ann@shop.example", "password": PASSWORD}
        client.has(201, "POST", "/v1/accounts", client.guest()["token"], account)

        def claims(token):
            return client.has(201, "POST", f"/v1/drops/{drop}/claims", token, {"quantity": 1})["id"]

        def pays(token, claim, email):
            checkout = {"claims": [claim], "payment": {"provider": "sandbox", "token": "tok_approve"}, "email": email}
            address = {"shipping_address": ADDRESS | {"country": "US"}}
            status, _, body = client.ask("POST", "/v1/checkouts", token, checkout | address)
            return status if status == 201 else body["code"]

        held, signed_in = [], None
        for _ in range(2):
            guest = client.guest()["token"]
            held.append(claims(guest))
            signed_in = client.has(201, "POST", "/v1/sessions", guest, account)["token"]
        found = [pays(signed_in, claim, f"ann{n}@shop.example") for n, claim in enumerate(held)]
        judge("an account shares its limit with its former guests", found == [201, "limit_reached"], found)
        spellings = [
            "kim@münchen.example",
            "kim@xn--mnchen-3ya.example",
            "KIM@XN--MNCHEN-3YA.EXAMPLE",
            "kim@MÜNCHEN.example",
        ]
        found = []
        for email in spellings:
            guest = client.guest()["token"]
            found.append(pays(guest, claims(guest), email))
        judge("a mailbox has one limit for all its spellings", found == [201, *["limit_reached"] * 3], found)


def imports(judge):
    """Unfinished uploads: they use the permits of their own shop only."""
    with Server() as server, Others(server, server.drop()) as others:

        def upload():
            return client.ask("POST", "/v1/imports", server.vendor, CATALOGUE.format("late"))

        server.run("tenants", "add", "other", "--currency", "USD")
        neighbour = server.run("token", "--role", "vendor", "--tenant", "other")
        client, held = server.client(), []
        for number in range(2 * IMPORTS_PER_TENANT):
            head = (
                f"POST /v1/imports HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {server.vendor}\r\n"
                f"idempotency-key: slow-{number}\r\ncontent-type: text/csv\r\ncontent-length: 100000\r\n\r\nHandle,"
            )
            held.append(server.raw("127.0.0.2", head.encode()))

        def answered():
            return len(select.select(held, [], [], 0)[0])

        until(20, lambda: answered() >= IMPORTS_PER_TENANT)
        judge.measure("places_of_one_shop", len(held) - answered())
        status, headers, _ = upload()
        refusal = status, headers.get("retry-after")
        judge("one more of the same shop is refused with Retry-After", status == 503 and refusal[1], refusal)
        began = time.monotonic()
        client.has(201, "POST", "/v1/imports", neighbour, CATALOGUE.format("lamp"))
        judge.measure("import_of_another_shop", time.monotonic() - began)
        for connection in held:
            connection.close()
        judge("the permits are released", until(20, lambda: upload()[0] == 201) is not None)
    judge.others(others)
