"""A sale from the clients' side: topics, commands, facts and states, in either subprotocol."""

import asyncio
import datetime
import itertools
import time

from client import Client
from promises import check, observe, promise, same
from shop import LIMITS

STATES_A_SECOND = 20
FACTS_KEPT = 256
STATE_AGE_MAX = datetime.timedelta(milliseconds=50)

keys = (f"transcript-{number}" for number in itertools.count(1))


async def a_sale(shop, people):
    """A subscription, a command, its reply, the messages to other clients, and the repeated command."""
    drop, topic = people["drop"], f"drop:{people['drop']}"
    watcher = await Client.greeted(shop)
    buyer = await Client.greeted(shop, people["ann"])
    rest = shop.has(200, "GET", f"/v1/drops/{drop}")
    subscribed = await watcher.subscribe(topic)
    state = dict(subscribed["state"])
    check("subscribed has viewers", isinstance(state.pop("viewers", None), int), subscribed)
    seen, before = [datetime.datetime.fromisoformat(one.pop("as_of")) for one in (state, rest)]
    check("the first state is at most 50 ms old", seen >= before - STATE_AGE_MAX, [before, seen])
    check("the state equals the response of GET", state == rest, [state, rest])

    claim = {"key": next(keys), "params": {"id": drop}, "body": {"quantity": 1}}
    reply = await buyer.command("create_claim", **claim)
    check("the reply to a command equals the REST response", reply["status"] == 201 and reply["body"]["state"] == "held", reply)
    check("a claim is encoded in the subprotocol's own type", type(reply["body"]) is Client.subprotocol.claim, reply)
    check("the first reply is not marked as replayed", not reply.get("replayed"), reply)
    left = rest["available"] - 1
    with promise("subscribers receive the change"):
        frame = await watcher.state(topic, lambda state: state["available"] == left)
        same(frame["offset"], subscribed["offset"])
    again = await buyer.command("create_claim", **claim)
    check("the same key gets the same reply", again.get("body") == reply["body"] and again["status"] == 201, again)
    check("and the reply is marked as replayed", again.get("replayed") is True, again)
    other = await Client.greeted(shop, people["ann"])
    again = await other.command("create_claim", **claim)
    check("on the next connection too", (again.get("replayed"), again["body"]) == (True, reply["body"]), again)
    answer = shop.ask(
        "POST", f"/v1/drops/{drop}/claims", people["ann"], claim["body"], Idempotency_Key=claim["key"]
    )
    check("and over REST", (answer.status, answer.body) == (201, reply["body"]), answer)

    few = shop.drop(people["vendor"], people["skus"][:1], 1)["id"]
    reply = await buyer.command("create_claim", key=next(keys), params={"id": few}, body={"quantity": 1})
    last = {"id": few, "claim_id": reply["body"]["id"]}
    reply = await other.command("create_claim", key=next(keys), params={"id": few}, body={"quantity": 1})
    problem = reply.get("problem", {})
    shown = reply["status"], problem.get("code"), problem.get("available"), problem.get("may_return")
    check("a problem is REST's", shown == (409, "sold_out", 0, True), reply)
    with promise("a claim is released without a body, and another buyer may claim the unit"):
        reply = await buyer.command("release_claim", params=last)
        same((reply["status"], "body" in reply), (204, False))
        reply = await other.command("create_claim", key=next(keys), params={"id": few}, body={"quantity": 1})
        same(reply["status"], 201)

    longest = Client.subprotocol.longest_id
    await buyer.send_frames(
        {"op": "command", "id": longest, "name": "get_drop", "params": {"id": drop}},
        {"op": "command", "id": 0, "name": "list_drops", "params": {"limit": 1}},
    )
    with promise("commands of one message are answered, with the smallest and the longest id"):
        replies = [await buyer.receive("reply"), await buyer.receive("reply")]
        same({reply["id"] for reply in replies}, {longest, 0})
        same([reply["status"] for reply in replies], [200, 200])
    reply = await buyer.command("no_such_operation")
    observe("an operation that does not exist", [reply["status"], reply["problem"]["code"]])
    reply = await buyer.command("get_drop")
    observe("a command without the params of its path", [reply["status"], reply["problem"]["code"]])
    with promise("the newest state arrives last, regardless of earlier reads"):
        quiet = shop.drop(people["vendor"], people["skus"][:1], 5)["id"]
        await watcher.subscribe(f"drop:{quiet}")
        # The changes that the subscription itself causes have been sent.
        await asyncio.sleep(0.3)
        await other.command("get_drop", params={"id": quiet})
        await other.command("create_claim", key=next(keys), params={"id": quiet}, body={"quantity": 1})
        await watcher.state(f"drop:{quiet}", lambda state: state["available"] == 4, within=3)
    with promise("viewers is the number of subscribers"):
        await buyer.subscribe(topic)
        await watcher.state(topic, lambda state: state["viewers"] >= 2)
        await buyer.send_frames({"op": "unsubscribe", "topic": topic})
        await watcher.state(topic, lambda state: state["viewers"] == 1)
    with promise("an unsubscribed client receives no more messages"):
        marker = len(buyer.frames)
        await other.command("create_claim", key=next(keys), params={"id": drop}, body={"quantity": 1})
        await watcher.state(topic, lambda state: state["available"] == left - 1)
        reply = await buyer.command("get_me")
        same([frame["op"] for _, frame in buyer.frames[marker:]], ["reply"])
    return watcher, buyer, other


async def refusals(shop, people):
    """Topics that are refused."""
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
    with promise("a refused topic does not close the connection"):
        same((await bob.command("get_me"))["status"], 200)

    topics = [f"drop:{drop}" for drop in people["drops"]]
    check("there are more topics than the maximum per connection", len(topics) > LIMITS["subscriptions"])
    with promise("a connection may have 64 topics"):
        for topic in topics[: LIMITS["subscriptions"]]:
            same((await bob.subscribe(topic))["op"], "subscribed")
    refused = await bob.subscribe(topics[LIMITS["subscriptions"]])
    observe("the 65th topic", [refused["op"], refused.get("problem", {}).get("code"), bob.code])
    with promise("a repeated subscription does not count"):
        same((await bob.subscribe(topics[0]))["op"], "subscribed")
    return bob, nobody


async def facts(shop, people):
    """Facts are numbered and in order, a reconnected client resumes, and states arrive at most 20 times a second."""
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
    with promise("with since, the missed facts arrive, then the state"):
        await again.send_frames({"op": "subscribe", "topic": topic, "since": where})
        subscribed = await again.receive("subscribed")
        same(subscribed["epoch"], place["epoch"])
        received = [await again.next() for _ in range(4)]
        same([frame["op"] for frame in received], ["event"] * 3 + ["state"])
        same([frame["offset"] for frame in received], [place["offset"] + n for n in (1, 2, 3, 3)])
        same({frame["type"] for frame in received[:3]}, {"drop_edited"})
        same([list(frame["data"]) for frame in received[:3]], [["at"]] * 3)
        # It may be older than the facts; then a newer state follows.
        if received[3]["data"]["version"] != version:
            await again.state(topic, lambda state: state["version"] == version)
    observe("whether subscribed has a state when since resumes", "state" in subscribed)
    stranger = await Client.greeted(shop)
    with promise("another epoch is a new subscription"):
        subscribed = await stranger.subscribe(topic, since={"epoch": "another", "offset": 0})
        assert "state" in subscribed, subscribed
        same(subscribed["offset"], place["offset"] + 3)

    began, marker = time.monotonic(), len(watcher.frames)
    await edit(FACTS_KEPT)
    edited = time.monotonic() - began
    with promise("the newest state arrives last"):
        await watcher.state(topic, lambda state: state["version"] == version)
    offsets = [frame["offset"] for frame in watcher.received("event")]
    check(
        "facts arrive once and in order, and none is lost",
        offsets == list(range(place["offset"] + 1, place["offset"] + FACTS_KEPT + 4)),
        [offsets[:5], offsets[-5:], len(offsets)],
    )
    times = [at for at, frame in watcher.frames[marker:] if frame["op"] == "state"]
    most = max((sum(1 for at in times if begin <= at < begin + 1) for begin in times), default=0)
    # One more if a second begins with one, and one for the accuracy of this machine's clock.
    check("at most 20 states arrive in a second", most <= STATES_A_SECOND + 2, most)
    observe("edits in a second, and the most states in one", [round(FACTS_KEPT / edited), most])
    late = await Client.greeted(shop)
    with promise("facts that are no longer available: the state, as for a new subscription"):
        subscribed = await late.subscribe(topic, since=where)
        assert "state" in subscribed, subscribed
        same(subscribed["offset"], place["offset"] + FACTS_KEPT + 3)
    keen = await Client.greeted(shop)
    with promise("256 facts are available"):
        since = {"epoch": place["epoch"], "offset": place["offset"] + 3}
        await keen.send_frames({"op": "subscribe", "topic": topic, "since": since})
        subscribed = await keen.receive("subscribed")
        received = [(await keen.receive("event"))["offset"] for _ in range(FACTS_KEPT)]
        same(received, list(range(since["offset"] + 1, since["offset"] + FACTS_KEPT + 1)))

    for fact, operation in [("drop_ended", "end_drop"), ("drop_cancelled", "cancel_drop")]:
        one = shop.drop(people["vendor"], people["skus"][:1], 5)["id"]
        await watcher.subscribe(f"drop:{one}")
        await vendor.command(operation, key=next(keys), params={"id": one}, body={})
        with promise(f"{operation} is published as {fact} with at"):
            event = await watcher.receive("event", topic=f"drop:{one}")
            same((event["type"], list(event["data"]), event["offset"]), (fact, ["at"], 1))
    return vendor, watcher, again, stranger, late, keen


async def purchases(shop, people):
    """Carts, checkouts and orders are visible to their owner, and the feed of orders to vendors."""
    vendor, ann = await Client.greeted(shop, people["vendor"]), await Client.greeted(shop, people["ann"])
    with promise("the feed's state is {}"):
        feed = await vendor.subscribe("orders")
        same(feed["state"], {})
    cart = (await ann.command("create_cart", key=next(keys), body={}))["body"]["id"]
    with promise("a cart is published to its owner"):
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
        "shipping_address": {"name": "Ann", "line1": "Street 1", "city": "Town", "postal_code": "12345", "country": "DE"},
    }
    with promise("a checkout is published to its owner until it is an order"):
        reply = await ann.command("create_checkout", key=next(keys), body=checkout)
        same(reply["status"], 201)
        topic = f"checkout:{reply['body']['id']}"
        same((await ann.subscribe(topic))["op"], "subscribed")
        frame = await ann.state(topic, lambda state: state["state"] == "completed", within=20)
        order = frame["data"]["order_id"]
    with promise("an order is published to its owner and to vendors"):
        for who, token in [(ann, people["ann"]), (vendor, people["vendor"])]:
            same((await who.subscribe(f"order:{order}"))["state"], shop.has(200, "GET", f"/v1/orders/{order}", token))
        shipped = {"tracking": "1Z999"}
        reply = await vendor.command("create_fulfillment", key=next(keys), params={"id": order}, body=shipped)
        same((reply["status"], reply.get("problem")), (201, None))
        for who in (ann, vendor):
            await who.state(f"order:{order}", lambda state: state["fulfillment_state"] != "unfulfilled")
    with promise("the feed publishes order_created and order_changed with order_id, in order"):
        events = [frame for frame in vendor.received("event") if frame["topic"] == "orders"]
        events = [event for event in events if event["data"] == {"order_id": order}]
        same([event["type"] for event in events][:1], ["order_created"])
        same({event["type"] for event in events[1:]}, {"order_changed"})
        offsets = [event["offset"] for event in vendor.received("event") if event["topic"] == "orders"]
        same(offsets, list(range(feed["offset"] + 1, feed["offset"] + 1 + len(offsets))))
    return vendor, ann


SCENES = (a_sale, refusals, facts, purchases)
