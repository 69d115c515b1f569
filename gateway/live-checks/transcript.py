"""Follows docs/realtime.md step by step, with a client that was written from it, against a running server.

Each promise in the document is a check. Behaviour that it leaves open is reported as
`observed` and does not fail.

    transcript.py            all of it, in JSON
    transcript.py protobuf   all but the handshake, in protobuf
"""

import asyncio
import sys
import time
import traceback

import connection
import sale
from client import Client
from connection import ALLOWED_ORIGIN
from promises import check, checks, observations
from shop import LIMITS, Shop, write_report
from subprotocols import Json, Protobuf

SCENES = {
    "json": (connection.connections, *sale.SCENES, connection.tokens, connection.endings),
    "protobuf": (*sale.SCENES, connection.tokens, connection.endings_in_protobuf),
}


def people_of(shop):
    vendor = shop.token("vendor")
    skus = shop.stock(vendor, "LAMP", 2)
    drops = [shop.drop(vendor, skus[:1], 5)["id"] for _ in range(LIMITS["subscriptions"] + 1)]
    return {
        "vendor": vendor,
        "ann": shop.token("customer"),
        "bob": shop.token("customer"),
        "skus": skus,
        "drop": shop.drop(vendor, skus[:1], 80)["id"],
        "edited": shop.drop(vendor, skus[:1], 5)["id"],
        "drops": drops,
    }


async def follow(shop, subprotocol):
    people = await asyncio.to_thread(people_of, shop)
    # Waits for most of a minute, concurrently with the others.
    waiting = asyncio.create_task(played(connection.silence, shop, people))
    clients = []
    for scene in SCENES[subprotocol]:
        clients += await played(scene, shop, people) or ()
    clients += await waiting or ()
    for client in clients:
        check("every frame conforms to the document", not client.faults, client.faults[:5])
    there = [client for client in clients if client.code is None]
    await connection.the_end(shop, there)
    check("the server logs no problem", "ERROR" not in shop.log() and "panic" not in shop.log(), shop.log()[-2000:])


async def played(scene, shop, people):
    try:
        clients = await scene(shop, people)
        return clients if isinstance(clients, (tuple, list)) else (clients,)
    except Exception:
        check(f"{scene.__name__}: the scene completes", False, traceback.format_exc(limit=4))
        return ()


def main():
    began = time.monotonic()
    subprotocol = sys.argv[1] if len(sys.argv) > 1 else "json"
    if subprotocol not in SCENES:
        sys.exit(f"the subprotocols are {' and '.join(SCENES)}, not {subprotocol}")
    Client.subprotocol = Protobuf() if subprotocol == "protobuf" else Json()
    with Shop("--origins", ALLOWED_ORIGIN) as shop:
        asyncio.run(follow(shop, subprotocol))
    for observation in observations:
        print(f"observed: {observation['question']}: {observation['seen']}")
    failed = [one for one in checks if not one["holds"]]
    write_report(f"transcript-{subprotocol}", {"checks": checks, "observations": observations})
    held = f"{len(checks) - len(failed)} of {len(checks)} promises hold"
    print(f"transcript in {subprotocol}: {held}, {time.monotonic() - began:.0f} s")
    sys.exit(1 if failed else 0)


main()
