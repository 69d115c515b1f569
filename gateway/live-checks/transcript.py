"""Follows docs/realtime.md step by step, with a client that was written from it, against a running server.

Each sentence of the document that promises something is a check. What it leaves open is looked at and told as
`observed`; that fails nothing.
"""

import asyncio
import itertools
import sys
import time
import traceback

from client import Client, Ended, refused_handshake
from promises import check, checks, observations, observe, promise, same
from shop import LIMITS, Shop, write_report

ALLOWED_ORIGIN = "https://shop.example"
PING_SECONDS, HELLO_SECONDS = 25, 10
STATES_A_SECOND = 20
FACTS_KEPT = 256
# On a busy machine.
SLACK_SECONDS = 3

keys = (f"transcript-{number}" for number in itertools.count(1))


async def connections(shop, people):
    """A connection: subprotocols, origins, hello, welcome."""
    client = await Client.open(shop)
    check("the subprotocol that is offered is taken", client.socket.subprotocol == "fusion.v1.json")
    await client.leave()
    client = await Client.open(shop, subprotocols=())
    check("no subprotocol may be offered", client.socket.subprotocol is None)
    await client.say({"op": "hello"})
    with promise("a hello without a token is welcome"):
        await client.hear("welcome")
    await client.leave()
    observe("an unknown subprotocol", await refused_handshake(shop, subprotocols=("chat.v9",)))
    check("the shop's own origin is let in", await refused_handshake(shop, origin=shop.url) is None)
    check("an allowed origin is let in", await refused_handshake(shop, origin=ALLOWED_ORIGIN) is None)
    status = await refused_handshake(shop, origin="https://evil.example")
    check("another origin is refused", status == 403, status)

    client = await Client.greeted(shop, people["ann"])
    skew = abs(client.welcome["server_time"] - time.time() * 1000)
    check("server_time is milliseconds since 1970", skew < SLACK_SECONDS * 1000, skew)
    check("ping_ms is 25000", client.welcome["ping_ms"] == PING_SECONDS * 1000, client.welcome)
    check("the limits are those in the document", client.welcome["limits"] == LIMITS, client.welcome["limits"])
    await client.leave()

    client = await Client.open(shop)
    topic = f"drop:{people['drop']}"
    await client.say({"op": "hello"}, {"op": "subscribe", "topic": topic})
    with promise("frames may follow the hello in the same message"):
        same([(await client.next())["op"] for _ in range(2)], ["welcome", "subscribed"])
    await client.leave()
    return client


async def a_sale(shop, people):
    """Subscribe, a command, its reply, what others see of it, and the same command again."""
    drop, topic = people["drop"], f"drop:{people['drop']}"
    watcher = await Client.greeted(shop)
    buyer = await Client.greeted(shop, people["ann"])
    rest = shop.has(200, "GET", f"/v1/drops/{drop}")
    subscribed = await watcher.subscribe(topic)
    state = dict(subscribed["state"])
    check("subscribed has viewers", isinstance(state.pop("viewers", None), int), subscribed)
    check("the state is what GET answers", state == rest, [state, rest])

    claim = {"key": next(keys), "params": {"id": drop}, "body": {"quantity": 1}}
    reply = await buyer.command("create_claim", **claim)
    check("a command is answered as REST does", reply["status"] == 201 and reply["body"]["state"] == "held", reply)
    check("the first answer is not a replayed one", not reply.get("replayed"), reply)
    left = rest["available"] - 1
    with promise("what happens is told to those who listen"):
        frame = await watcher.state(topic, lambda state: state["available"] == left)
        same(frame["offset"], subscribed["offset"])
    again = await buyer.command("create_claim", **claim)
    check("the same key gets the same answer", again.get("body") == reply["body"] and again["status"] == 201, again)
    check("and is told to be replayed", again.get("replayed") is True, again)
    other = await Client.greeted(shop, people["ann"])
    again = await other.command("create_claim", **claim)
    check("on the next connection too", (again.get("replayed"), again["body"]) == (True, reply["body"]), again)
    answer = shop.ask(
        "POST", f"/v1/drops/{drop}/claims", people["ann"], claim["body"], Idempotency_Key=claim["key"]
    )
    check("and over REST", (answer.status, answer.body) == (201, reply["body"]), answer)

    few = shop.drop(people["vendor"], people["skus"][:1], 1)["id"]
    await buyer.command("create_claim", key=next(keys), params={"id": few}, body={"quantity": 1})
    reply = await other.command("create_claim", key=next(keys), params={"id": few}, body={"quantity": 1})
    problem = reply.get("problem", {})
    shown = reply["status"], problem.get("code"), problem.get("available"), problem.get("may_return")
    check("a problem is REST's", shown == (409, "sold_out", 0, True), reply)

    longest = "i" * 64
    await buyer.say(
        {"op": "command", "id": longest, "name": "get_drop", "params": {"id": drop}},
        {"op": "command", "id": 0, "name": "list_drops", "params": {"limit": 1}},
    )
    with promise("commands of one message are answered, by a number or by a text of 64 bytes"):
        replies = [await buyer.hear("reply"), await buyer.hear("reply")]
        same({reply["id"] for reply in replies}, {longest, 0})
        same([reply["status"] for reply in replies], [200, 200])
    reply = await buyer.command("no_such_operation")
    observe("an operation that does not exist", [reply["status"], reply["problem"]["code"]])
    reply = await buyer.command("get_drop")
    observe("a command without the params of its path", [reply["status"], reply["problem"]["code"]])
    with promise("the newest state comes at last, whoever read the drop a moment before"):
        quiet = shop.drop(people["vendor"], people["skus"][:1], 5)["id"]
        await watcher.subscribe(f"drop:{quiet}")
        # Whatever the subscription itself sets off is over.
        await asyncio.sleep(0.3)
        await other.command("get_drop", params={"id": quiet})
        await other.command("create_claim", key=next(keys), params={"id": quiet}, body={"quantity": 1})
        await watcher.state(f"drop:{quiet}", lambda state: state["available"] == 4, within=3)
    with promise("viewers counts who listens"):
        await buyer.subscribe(topic)
        await watcher.state(topic, lambda state: state["viewers"] >= 2)
        await buyer.say({"op": "unsubscribe", "topic": topic})
        await watcher.state(topic, lambda state: state["viewers"] == 1)
    with promise("who unsubscribed hears no more of it"):
        marker = len(buyer.frames)
        await other.command("create_claim", key=next(keys), params={"id": drop}, body={"quantity": 1})
        await watcher.state(topic, lambda state: state["available"] == left - 1)
        reply = await buyer.command("get_me")
        same([frame["op"] for _, frame in buyer.frames[marker:]], ["reply"])
    return watcher, buyer, other


async def refusals(shop, people):
    """Topics that cannot be had."""
    bob, nobody = await Client.greeted(shop, people["bob"]), await Client.greeted(shop)
    cart = shop.has(201, "POST", "/v1/carts", people["ann"], {})["id"]
    for who, name, topic, status in [
        (bob, "a customer", "weather", 400),
        (bob, "a customer", f"cart:{cart}", 404),
        (nobody, "nobody", f"cart:{cart}", 401),
        (bob, "a customer", "orders", 403),
        (nobody, "nobody", "orders", 401),
        (bob, "a customer", "drop:00000000000000000000000000", 404),
    ]:
        with promise(f"{topic.split(':')[0]} is refused to {name} with {status}"):
            refused = await who.subscribe(topic)
            same((refused["op"], refused["problem"]["status"]), ("refused", status))
    with promise("a refused topic ends nothing"):
        same((await bob.command("get_me"))["status"], 200)

    topics = [f"drop:{drop}" for drop in people["drops"]]
    check("there are more topics than a connection may have", len(topics) > LIMITS["subscriptions"])
    with promise("64 topics are a connection's"):
        for topic in topics[: LIMITS["subscriptions"]]:
            same((await bob.subscribe(topic))["op"], "subscribed")
    refused = await bob.subscribe(topics[LIMITS["subscriptions"]])
    observe("the 65th topic", [refused["op"], refused.get("problem", {}).get("code"), bob.code])
    with promise("a topic of the 64 may be subscribed again"):
        same((await bob.subscribe(topics[0]))["op"], "subscribed")
    return bob, nobody


async def facts(shop, people):
    """Facts are numbered and in order; who comes back goes on; states come at most 20 times a second."""
    drop, topic = people["edited"], f"drop:{people['edited']}"
    vendor, watcher, first = [await Client.greeted(shop, people["vendor"]), await Client.greeted(shop), None]
    first = await Client.greeted(shop)
    place = await first.subscribe(topic)
    where = {"epoch": place["epoch"], "offset": place["offset"]}
    await watcher.subscribe(topic)
    await first.leave()
    version = shop.has(200, "GET", f"/v1/drops/{drop}")["version"]

    async def edit(times):
        nonlocal version
        for _ in range(times):
            body = {"per_buyer_max": 1 + version % 1000}
            reply = await vendor.command("update_drop", params={"id": drop}, body=body, if_match=version)
            assert reply["status"] == 200, reply
            version = reply["body"]["version"]

    await edit(3)
    again = await Client.greeted(shop)
    with promise("with since the facts in between come, then the state"):
        await again.say({"op": "subscribe", "topic": topic, "since": where})
        subscribed = await again.hear("subscribed")
        same(subscribed["epoch"], place["epoch"])
        heard = [await again.next() for _ in range(4)]
        same([frame["op"] for frame in heard], ["event"] * 3 + ["state"])
        same([frame["offset"] for frame in heard], [place["offset"] + n for n in (1, 2, 3, 3)])
        same({frame["type"] for frame in heard[:3]}, {"drop_edited"})
        same([list(frame["data"]) for frame in heard[:3]], [["at"]] * 3)
        # It may have been read a moment before the facts beside it; then a newer one follows.
        if heard[3]["data"]["version"] != version:
            await again.state(topic, lambda state: state["version"] == version)
    observe("whether subscribed has a state where since goes on", "state" in subscribed)
    stranger = await Client.greeted(shop)
    with promise("another epoch is a new subscription"):
        subscribed = await stranger.subscribe(topic, since={"epoch": "another", "offset": 0})
        assert "state" in subscribed, subscribed
        same(subscribed["offset"], place["offset"] + 3)

    began, marker = time.monotonic(), len(watcher.frames)
    await edit(FACTS_KEPT)
    edited = time.monotonic() - began
    with promise("the newest state comes at last"):
        await watcher.state(topic, lambda state: state["version"] == version)
    offsets = [frame["offset"] for frame in watcher.heard("event")]
    check(
        "facts come once and in order, none lost",
        offsets == list(range(place["offset"] + 1, place["offset"] + FACTS_KEPT + 4)),
        [offsets[:5], offsets[-5:], len(offsets)],
    )
    times = [at for at, frame in watcher.frames[marker:] if frame["op"] == "state"]
    most = max((sum(1 for at in times if begin <= at < begin + 1) for begin in times), default=0)
    # One more where a second begins with one; one for what the clock of this machine does.
    check("at most 20 states come in a second", most <= STATES_A_SECOND + 2, most)
    observe("edits in a second, and the most states in one", [round(FACTS_KEPT / edited), most])
    late = await Client.greeted(shop)
    with promise("facts that are not kept any more: the state, as for a new subscription"):
        subscribed = await late.subscribe(topic, since=where)
        assert "state" in subscribed, subscribed
        same(subscribed["offset"], place["offset"] + FACTS_KEPT + 3)
    keen = await Client.greeted(shop)
    with promise("256 facts are kept"):
        since = {"epoch": place["epoch"], "offset": place["offset"] + 3}
        await keen.say({"op": "subscribe", "topic": topic, "since": since})
        subscribed = await keen.hear("subscribed")
        heard = [(await keen.hear("event"))["offset"] for _ in range(FACTS_KEPT)]
        same(heard, list(range(since["offset"] + 1, since["offset"] + FACTS_KEPT + 1)))

    for fact, operation in [("drop_ended", "end_drop"), ("drop_cancelled", "cancel_drop")]:
        one = shop.drop(people["vendor"], people["skus"][:1], 5)["id"]
        await watcher.subscribe(f"drop:{one}")
        await vendor.command(operation, key=next(keys), params={"id": one}, body={})
        with promise(f"{operation} is told as {fact} with at"):
            event = await watcher.hear("event", topic=f"drop:{one}")
            same((event["type"], list(event["data"]), event["offset"]), (fact, ["at"], 1))
    return vendor, watcher, again, stranger, late, keen


async def purchases(shop, people):
    """Carts, checkouts and orders are their owner's, and the orders' feed is the vendors'."""
    vendor, ann = await Client.greeted(shop, people["vendor"]), await Client.greeted(shop, people["ann"])
    with promise("the feed's state is {}"):
        feed = await vendor.subscribe("orders")
        same(feed["state"], {})
    cart = (await ann.command("create_cart", key=next(keys), body={}))["body"]["id"]
    with promise("a cart is told to its owner"):
        same((await ann.subscribe(f"cart:{cart}"))["state"], shop.has(200, "GET", f"/v1/carts/{cart}", people["ann"]))
        line = {"sku": people["skus"][0], "quantity": 2}
        reply = await ann.command("add_cart_line", key=next(keys), params={"id": cart}, body=line)
        same(reply["status"], 201)
        frame = await ann.state(f"cart:{cart}", lambda state: len(state["lines"]) == 1)
        same(frame["data"], shop.has(200, "GET", f"/v1/carts/{cart}", people["ann"]))
    checkout = {
        "cart_id": cart,
        "payment": {"provider": "sandbox", "token": "tok_slow"},
        "email": "ann@shop.example",
        "shipping_address": {"name": "Ann", "country": "US"},
    }
    with promise("a checkout is told to its owner, until it is an order"):
        reply = await ann.command("create_checkout", key=next(keys), body=checkout)
        same(reply["status"], 201)
        topic = f"checkout:{reply['body']['id']}"
        same((await ann.subscribe(topic))["op"], "subscribed")
        frame = await ann.state(topic, lambda state: state["state"] == "completed", within=20)
        order = frame["data"]["order_id"]
    with promise("an order is told to its owner and to vendors"):
        for who, token in [(ann, people["ann"]), (vendor, people["vendor"])]:
            same((await who.subscribe(f"order:{order}"))["state"], shop.has(200, "GET", f"/v1/orders/{order}", token))
        shipped = {"tracking": "1Z999"}
        reply = await vendor.command("create_fulfillment", key=next(keys), params={"id": order}, body=shipped)
        same((reply["status"], reply.get("problem")), (201, None))
        for who in (ann, vendor):
            await who.state(f"order:{order}", lambda state: state["fulfillment_state"] != "unfulfilled")
    with promise("the feed tells order_created and order_changed with order_id, in order"):
        events = [frame for frame in vendor.heard("event") if frame["topic"] == "orders"]
        events = [event for event in events if event["data"] == {"order_id": order}]
        same([event["type"] for event in events][:1], ["order_created"])
        same({event["type"] for event in events[1:]}, {"order_changed"})
        offsets = [event["offset"] for event in vendor.heard("event") if event["topic"] == "orders"]
        same(offsets, list(range(feed["offset"] + 1, feed["offset"] + 1 + len(offsets))))
    return vendor, ann


async def tokens(shop, people):
    """Tokens end, and are renewed."""
    subject = ("--subject", "0C0NTRACT0BVYER00000000000")
    short = lambda seconds: shop.token("customer", *subject, "--ttl", f"{seconds}s")
    brief, began = await Client.greeted(shop, short(4)), time.monotonic()
    renewed = await Client.greeted(shop, short(4))
    usual = await Client.greeted(shop, short(68))
    with promise("expiring comes before a token ends"):
        expiring = await brief.hear("expiring")
        same(expiring["in_ms"] in range(0, 4_001), True)
    observe("expiring of a token of 4 s", brief.heard("expiring"))
    await renewed.say({"op": "auth", "token": shop.token("customer", *subject)})
    with promise("auth with a token of the same person is answered by welcome"):
        same((await renewed.hear("welcome"))["limits"], LIMITS)
    with promise("a token that ended ends the connection with 4004"):
        same(await brief.ended(8), 4004)
        lasted = brief.ended_at - began
        assert 2 < lasted < 4 + SLACK_SECONDS, f"after {lasted:.1f} s"
    with promise("a renewed one goes on"):
        await asyncio.sleep(1)
        same((await renewed.command("get_me"))["status"], 200)
    with promise("expiring comes a minute before the end"):
        expiring = await usual.hear("expiring", within=20)
        assert 50_000 <= expiring["in_ms"] <= 60_000, expiring
        after = usual.frames[-1][0] - began
        assert 4 < after < 8 + SLACK_SECONDS, f"after {after:.1f} s"

    stranger = await Client.greeted(shop, people["ann"])
    await stranger.say({"op": "auth", "token": people["bob"]})
    with promise("a token of somebody else is not good: 4501"):
        same(await stranger.ended(), 4501)
    nobody = await Client.greeted(shop)
    await nobody.say({"op": "auth", "token": people["ann"]})
    with promise("a connection without a token takes one"):
        await nobody.hear("welcome")
        same((await nobody.command("get_me"))["status"], 200)
    forged = await Client.open(shop)
    await forged.say({"op": "hello", "token": people["ann"][:-4] + "AAAA"})
    with promise("a forged token in hello is not good: 4501"):
        same(await forged.ended(), 4501)
    late = await Client.open(shop)
    await late.say({"op": "hello", "token": brief_token(shop, subject)})
    with promise("a token in hello that had ended already: 4004"):
        same(await late.ended(), 4004)

    guest = shop.has(201, "POST", "/v1/sessions", None, {})
    visitor = await Client.greeted(shop, guest["token"])
    account = {"email": "guest@shop.example", "password": "correct horse battery staple"}
    answer = shop.ask("POST", "/v1/accounts", guest["token"], account)
    with promise("auth with the token of the account that the guest has become"):
        same(answer.status, 201)
        await visitor.say({"op": "auth", "token": answer.body["token"]})
        await visitor.hear("welcome")
    other = shop.has(201, "POST", "/v1/sessions", None, {})
    leaver = await Client.greeted(shop, other["token"])
    cart = shop.has(201, "POST", "/v1/carts", other["token"], {})["id"]
    await leaver.subscribe(f"cart:{cart}")
    shop.ask("DELETE", "/v1/sessions/current", other["token"])
    reply = await leaver.command("get_me")
    observe("a command after the session was ended over REST", [reply["status"], leaver.code])
    return renewed, usual, nobody, visitor, leaver


def brief_token(shop, subject):
    token = shop.token("customer", *subject, "--ttl", "1s")
    time.sleep(1.5)
    return token


async def endings(shop, people):
    """What is no frame, and what is beyond the limits."""

    async def ends(text, greeted=True):
        client = await (Client.greeted(shop) if greeted else Client.open(shop))
        await client.say_text(text)
        return await client.ended()

    for what, text in {
        "no JSON": "nonsense",
        "nothing": "",
        "no op": "{}",
        "an unknown op": '{"op":"dance"}',
        "a frame of the server": '{"op":"welcome"}',
    }.items():
        code = await ends(text)
        check(f"{what} is no frame: 4500", code == 4500, code)
    observe("a first frame that is no hello", await ends('{"op":"pong"}', greeted=False))
    observe("a second hello", await ends('{"op":"hello"}'))
    observe("a field that the document does not name", await ends('{"op":"pong","extra":1}'))
    observe("an empty array of frames", await still_there(shop, "[]"))
    client = await Client.greeted(shop)
    await client.socket.send(b"\x01")
    code = await client.ended()
    check("a binary message is not of the subprotocol: 4500", code == 4500, code)

    pong = '{"op":"pong"}'
    check("256 frames are a message", await still_there(shop, "[" + ",".join([pong] * 256) + "]") is None)
    code = await ends("[" + ",".join([pong] * 257) + "]")
    check("257 frames are beyond the limits: 4502", code == 4502, code)
    code = await still_there(shop, pong.ljust(LIMITS["message_bytes"]))
    check("a message may be as long as the limit", code is None, code)
    code = await ends(pong.ljust(LIMITS["message_bytes"] + 1))
    check("a byte more is beyond the limits: 4502", code == 4502, code)
    command = '{"op":"command","id":"%s","name":"get_me"}'
    observe("a command's id of 65 bytes", await ends(command % ("i" * 65)))
    silent, began = await Client.open(shop), time.monotonic()
    with promise("no hello within 10 s: 4003"):
        same(await silent.ended(HELLO_SECONDS + SLACK_SECONDS), 4003)
        lasted = silent.ended_at - began
        assert lasted > HELLO_SECONDS - 1, f"after {lasted:.1f} s"
    return ()


async def still_there(shop, text):
    """The code with which a message ends the connection; `None` where it does not."""
    client = await Client.greeted(shop)
    try:
        await client.say_text(text)
        await client.command("list_drops", params={"limit": 1})
    except Ended:
        return client.code
    await client.leave()
    return None


async def silence(shop, people):
    """Pings, and those who do not answer them."""
    silent, polite = await Client.greeted(shop), await Client.greeted(shop)
    began, silent.answers_pings = time.monotonic(), False
    with promise("every ping_ms comes a ping"):
        await silent.hear("ping", within=PING_SECONDS + SLACK_SECONDS)
        waited = time.monotonic() - began
        assert waited > PING_SECONDS - 1, f"after {waited:.1f} s"
    with promise("who says nothing for twice as long is cut with 4002"):
        same(await silent.ended(PING_SECONDS + SLACK_SECONDS), 4002)
        lasted = silent.ended_at - began
        assert lasted > 2 * PING_SECONDS - 1, f"after {lasted:.1f} s"
    with promise("a pong is enough"):
        await asyncio.sleep(1)
        same((await polite.command("list_drops", params={"limit": 1}))["status"], 200)
        assert len(polite.heard("ping")) >= 2
    return (polite,)


async def the_end(shop, clients):
    """The server stops."""
    shop.stop()
    stopped = time.monotonic()
    for client in clients:
        with promise("draining comes before 4000"):
            same(await client.ended(), 4000)
            same(client.frames[-1][1]["op"], "draining")
    with promise("the server ends in order, and soon"):
        same(await asyncio.to_thread(shop.wait), 0)
        took = time.monotonic() - stopped
        assert took < 10, f"after {took:.1f} s"
    spread = {client.frames[-1][1].get("reconnect_in_ms") for client in clients}
    observe("reconnect_in_ms of those who were there", sorted(spread, key=str))
    check("not everyone is asked to come back at once", len(clients) < 3 or len(spread) > 1, sorted(spread, key=str))


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


async def follow(shop):
    people = await asyncio.to_thread(people_of, shop)
    # Waits for most of a minute, beside all the others.
    waiting = asyncio.create_task(told(silence, shop, people))
    clients = []
    for scene in (connections, a_sale, refusals, facts, purchases, tokens, endings):
        clients += await told(scene, shop, people) or ()
    clients += await waiting or ()
    for client in clients:
        check("every frame is as the document says", not client.faults, client.faults[:5])
    there = [client for client in clients if client.code is None]
    await the_end(shop, there)
    check("the server complains of nothing", "ERROR" not in shop.log() and "panic" not in shop.log(), shop.log()[-2000:])


async def told(scene, shop, people):
    try:
        clients = await scene(shop, people)
        return clients if isinstance(clients, (tuple, list)) else (clients,)
    except Exception:
        check(f"{scene.__name__}: the scene is played to its end", False, traceback.format_exc(limit=4))
        return ()


def main():
    began = time.monotonic()
    with Shop("--origins", ALLOWED_ORIGIN) as shop:
        asyncio.run(follow(shop))
    for observation in observations:
        print(f"observed: {observation['question']}: {observation['seen']}")
    failed = [one for one in checks if not one["holds"]]
    write_report("transcript", {"checks": checks, "observations": observations})
    print(f"transcript: {len(checks) - len(failed)} of {len(checks)} promises hold, {time.monotonic() - began:.0f} s")
    sys.exit(1 if failed else 0)


main()
