"""A connection from its handshake to its end: hello, tokens, invalid frames, silence."""

import asyncio
import time

from client import Client, Ended, refused_handshake
from promises import check, observe, promise, same
from shop import LIMITS

ALLOWED_ORIGIN = "https://shop.example"
PING_SECONDS, HELLO_SECONDS = 25, 10
# On a busy machine.
SLACK_SECONDS = 3


async def connections(shop, people):
    """A connection: subprotocols, origins, hello, welcome."""
    client = await Client.open(shop)
    check("an offered subprotocol is selected", client.socket.subprotocol == "fusion.v1.json")
    await client.leave()
    client = await Client.open(shop, subprotocols=())
    check("the subprotocol is optional", client.socket.subprotocol is None)
    await client.send_frames({"op": "hello"})
    with promise("a hello without a token is accepted"):
        await client.receive("welcome")
    await client.leave()
    observe("an unknown subprotocol", await refused_handshake(shop, subprotocols=("chat.v9",)))
    check("the shop's own origin is accepted", await refused_handshake(shop, origin=shop.url) is None)
    check("an allowed origin is accepted", await refused_handshake(shop, origin=ALLOWED_ORIGIN) is None)
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
    await client.send_frames({"op": "hello"}, {"op": "subscribe", "topic": topic})
    with promise("frames may follow the hello in the same message"):
        same([(await client.next())["op"] for _ in range(2)], ["welcome", "subscribed"])
    await client.leave()
    return client


async def tokens(shop, people):
    """Tokens expire and are renewed."""
    subject = ("--subject", "0C0NTRACT0BVYER00000000000")
    short = lambda seconds: shop.token("customer", *subject, "--ttl", f"{seconds}s")
    brief, began = await Client.greeted(shop, short(4)), time.monotonic()
    renewed = await Client.greeted(shop, short(4))
    usual = await Client.greeted(shop, short(68))
    with promise("expiring comes before a token ends"):
        expiring = await brief.receive("expiring")
        same(expiring["in_ms"] in range(0, 4_001), True)
    observe("expiring of a token of 4 s", brief.received("expiring"))
    await renewed.send_frames({"op": "auth", "token": shop.token("customer", *subject)})
    with promise("auth with a token of the same person is answered by welcome"):
        same((await renewed.receive("welcome"))["limits"], LIMITS)
    with promise("an expired token closes the connection with 4004"):
        same(await brief.ended(8), 4004)
        lasted = brief.ended_at - began
        assert 2 < lasted < 4 + SLACK_SECONDS, f"after {lasted:.1f} s"
    with promise("a connection with a renewed token continues"):
        await asyncio.sleep(1)
        same((await renewed.command("get_me"))["status"], 200)
    with promise("expiring comes a minute before the end"):
        expiring = await usual.receive("expiring", within=20)
        assert 50_000 <= expiring["in_ms"] <= 60_000, expiring
        after = usual.frames[-1][0] - began
        assert 4 < after < 8 + SLACK_SECONDS, f"after {after:.1f} s"

    stranger = await Client.greeted(shop, people["ann"])
    await stranger.send_frames({"op": "auth", "token": people["bob"]})
    with promise("a token of another subject is refused: 4501"):
        same(await stranger.ended(), 4501)
    nobody = await Client.greeted(shop)
    await nobody.send_frames({"op": "auth", "token": people["ann"]})
    with promise("a connection without a token accepts one"):
        await nobody.receive("welcome")
        same((await nobody.command("get_me"))["status"], 200)
    forged = await Client.open(shop)
    await forged.send_frames({"op": "hello", "token": people["ann"][:-4] + "AAAA"})
    with promise("a forged token in hello is refused: 4501"):
        same(await forged.ended(), 4501)
    late = await Client.open(shop)
    await late.send_frames({"op": "hello", "token": brief_token(shop, subject)})
    with promise("an expired token in hello: 4004"):
        same(await late.ended(), 4004)

    guest = shop.has(201, "POST", "/v1/sessions", None, {})
    visitor = await Client.greeted(shop, guest["token"])
    account = {"email": "guest@shop.example", "password": "correct horse battery staple"}
    answer = shop.ask("POST", "/v1/accounts", guest["token"], account)
    with promise("auth with the token of the account that the guest has become"):
        same(answer.status, 201)
        await visitor.send_frames({"op": "auth", "token": answer.body["token"]})
        await visitor.receive("welcome")
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
    """Invalid frames, and messages that exceed the limits."""

    async def ends(text, greeted=True):
        return await ended_by(shop, text, greeted)

    for what, text in {
        "no JSON": "nonsense",
        "nothing": "",
        "no op": "{}",
        "an unknown op": '{"op":"dance"}',
        "a server frame": '{"op":"welcome"}',
    }.items():
        code = await ends(text)
        check(f"{what} is invalid: 4500", code == 4500, code)
    observe("a first frame other than hello", await ends('{"op":"pong"}', greeted=False))
    observe("a second hello", await ends('{"op":"hello"}'))
    observe("an undocumented field", await ends('{"op":"pong","extra":1}'))
    observe("an empty array of frames", await still_there(shop, "[]"))
    client = await Client.greeted(shop)
    await client.socket.send(b"\x01")
    code = await client.ended()
    check("a binary message is invalid in this subprotocol: 4500", code == 4500, code)

    pong = '{"op":"pong"}'
    check("a message may have 256 frames", await still_there(shop, "[" + ",".join([pong] * 256) + "]") is None)
    code = await ends("[" + ",".join([pong] * 257) + "]")
    check("257 frames exceed the limits: 4502", code == 4502, code)
    code = await still_there(shop, pong.ljust(LIMITS["message_bytes"]))
    check("a message may be as long as the limit", code is None, code)
    code = await ends(pong.ljust(LIMITS["message_bytes"] + 1))
    check("one more byte exceeds the limits: 4502", code == 4502, code)
    command = '{"op":"command","id":"%s","name":"get_me"}'
    observe("a command's id of 65 bytes", await ends(command % ("i" * 65)))
    silent, began = await Client.open(shop), time.monotonic()
    with promise("no hello within 10 s: 4003"):
        same(await silent.ended(HELLO_SECONDS + SLACK_SECONDS), 4003)
        lasted = silent.ended_at - began
        assert lasted > HELLO_SECONDS - 1, f"after {lasted:.1f} s"
    return ()


async def endings_in_protobuf(shop, people):
    """The same with binary messages."""
    pong = Client.subprotocol.encode([{"op": "pong"}])
    for what, message in {
        "a text message": "{}",
        "no protobuf": b"\xff",
        "no op": b"\x0a\x00",
        "a server frame": Client.subprotocol.encode([{"op": "ping"}]),
        "half a frame": pong[:-1],
    }.items():
        code = await ended_by(shop, message)
        check(f"{what} is an invalid Protobuf frame: 4500", code == 4500, code)
    observe("a Protobuf message without frames", await still_there(shop, b""))
    check("a Protobuf message may have 256 frames", await still_there(shop, pong * 256) is None)
    code = await ended_by(shop, pong * 257)
    check("257 Protobuf frames exceed the limits: 4502", code == 4502, code)
    code = await ended_by(shop, b"\x00" * (LIMITS["message_bytes"] + 1))
    check("one byte more than the maximum message exceeds the limits: 4502", code == 4502, code)
    return ()


async def ended_by(shop, message, greeted=True):
    """Returns the close code that a message causes."""
    client = await (Client.greeted(shop) if greeted else Client.open(shop))
    await client.send_raw(message)
    return await client.ended()


async def still_there(shop, text):
    """Returns the close code that a message causes, or `None`."""
    client = await Client.greeted(shop)
    try:
        await client.send_raw(text)
        await client.command("list_drops", params={"limit": 1})
    except Ended:
        return client.code
    await client.leave()
    return None


async def silence(shop, people):
    """Pings, and clients that do not answer them."""
    silent, polite = await Client.greeted(shop), await Client.greeted(shop)
    began, silent.answers_pings = time.monotonic(), False
    with promise("the server pings every ping_ms"):
        await silent.receive("ping", within=PING_SECONDS + SLACK_SECONDS)
        waited = time.monotonic() - began
        assert waited > PING_SECONDS - 1, f"after {waited:.1f} s"
    with promise("a client that is silent for twice as long is closed with 4002"):
        same(await silent.ended(PING_SECONDS + SLACK_SECONDS), 4002)
        lasted = silent.ended_at - began
        assert lasted > 2 * PING_SECONDS - 1, f"after {lasted:.1f} s"
    with promise("a pong is enough"):
        await asyncio.sleep(1)
        same((await polite.command("list_drops", params={"limit": 1}))["status"], 200)
        assert len(polite.received("ping")) >= 2
    return (polite,)


async def the_end(shop, clients):
    """The server stops."""
    shop.terminate()
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
    check("clients are asked to reconnect at different times", len(clients) < 3 or len(spread) > 1, sorted(spread, key=str))
