"""Account takeover: tokens planted before a sign-in, and guessed passwords."""

import collections
import time

from load import crowd, ended
from others import Others, yield_the_cpu
from server import TENANT, Client, Cost, Server, until

PASSWORD = "ocean-lamp-velvet-41"
ANN = {"email": "ann@shop.example", "password": PASSWORD}
GUESSERS, ADDRESSES_OF_GUESSER = 8, 8
GUESS_SECONDS = 8
COMMON_PASSWORDS = ["password", "password1", "12345678", "qwertyuiop", "iloveyou1"]
HARVESTERS, TRIES_OF_HARVESTER = 20, 12
MAILS_ASKED_FOR = 40


def planted(client):
    """A guest's session that an attacker knows: both access tokens and both refresh tokens."""
    first = client.guest()
    second = client.has(200, "POST", "/v1/sessions/refresh", None, {"refresh_token": first["refresh_token"]})
    return first, second


def works(client, tokens):
    """Returns what the planted tokens still allow."""
    found = []
    for session in tokens:
        for method, path in [("GET", "/v1/me"), ("GET", "/v1/me/export"), ("GET", "/v1/orders"), ("DELETE", "/v1/me")]:
            status = client.status(method, path, session["token"])
            if status != 401:
                found.append((method, path, status))
        refresh = {"refresh_token": session["refresh_token"]}
        status = client.status("POST", "/v1/sessions/refresh", None, refresh)
        if status != 401:
            found.append(("refresh", status))
    return found


def sessions(judge):
    """Tokens from before a sign-in: they neither read nor erase the account, even after sign-out or a restart."""
    # The attempts and the sign-ins use the same address.
    with Server("--rate-passwords", "100/1000", "--rate-sessions", "100/1000") as server:
        client = server.client()
        client.has(201, "POST", "/v1/accounts", client.guest()["token"], ANN)
        vendor = {"email": "vendor@shop.example", "password": PASSWORD}
        command = "users", "add", "--role", "vendor", "--email", vendor["email"], "--tenant", TENANT
        server.run(*command, FUSION_PASSWORD=PASSWORD)

        tokens, signed_in = [], []
        for who in (ANN, vendor):
            tokens.append(planted(client))
            # With its first access token: the whole family is revoked, not only the token.
            session = client.has(201, "POST", "/v1/sessions", tokens[-1][0]["token"], who)
            signed_in.append(session)
        tokens.append(planted(client))
        signed_up = {"email": "bob@shop.example", "password": PASSWORD}
        signed_in.append(client.has(201, "POST", "/v1/accounts", tokens[-1][1]["token"], signed_up))

        def none_works(when, client):
            for name, one in zip(["a sign-in", "a vendor's sign-in", "a sign-up"], tokens, strict=True):
                found = works(client, one)
                judge(f"tokens from before {name} are invalid {when}", not found, found)

        none_works("at once", client)
        email = client.has(200, "GET", "/v1/me", signed_in[0]["token"]).get("email")
        judge("the owner can use the account", email == ANN["email"], email)
        for session in signed_in:
            client.has(204, "DELETE", "/v1/sessions/current", session["token"])
        none_works("after sign-out", client)
        server.restart()
        client = server.client()
        none_works("after a restart", client)
        statuses = {client.status("GET", "/v1/me", session["token"]) for session in signed_in}
        judge("ended sessions stay ended after a restart", statuses == {401}, statuses)
        again = client.has(201, "POST", "/v1/sessions", None, ANN)
        judge("the account was not erased", client.status("GET", "/v1/me", again["token"]) == 200)

        # A stolen token without a sign-in.
        found = server.token("customer", "--subject", again["subject"])
        status, _, problem = client.ask("DELETE", "/v1/me", found, {})
        judge("a token alone does not erase an account", (status, problem.get("code")) == (403, "password_required"))
        status = client.status("DELETE", "/v1/me", found, {"password": "wrong " + PASSWORD})
        judge("nor does a wrong password", status == 401, status)
        client.has(204, "DELETE", "/v1/me", found, {"password": PASSWORD})
        server.restart()
        client = server.client()
        statuses = [client.status("GET", "/v1/me", token) for token in (found, again["token"])]
        judge("the account stays erased after a restart", statuses == [401, 401], statuses)
        judge("and sign-in fails", client.status("POST", "/v1/sessions", None, ANN) == 401)


def command_line_tokens(judge):
    """Tokens of the command line: none for a missing shop, and an ended one stays ended."""
    with Server() as server:
        refused = server.command("token", "--role", "vendor", "--tenant", "nobody")
        is_reported = "tenant nobody does not exist" in refused.stderr
        judge("none is created for a missing shop", refused.returncode != 0 and is_reported, refused.stderr)
        server.run("tenants", "add", "gone", "--currency", "USD")
        orphan = server.run("token", "--role", "vendor", "--tenant", "gone")
        server.run("tenants", "remove", "gone")
        client = server.client()
        product = {"title": "Orphan", "variants": [{"price": {"amount": 1, "currency": "USD"}}]}
        asks = [("GET", "/v1/me"), ("GET", "/v1/orders"), ("POST", "/v1/products", product), ("POST", "/v1/carts", {})]
        statuses = {client.status(method, path, orphan, *body) for method, path, *body in asks}
        judge("one of a removed shop is invalid and causes no server error", statuses == {401}, statuses)
        token, other = server.token("vendor", "--ttl", "1h"), server.token("vendor", "--ttl", "2h")
        client.has(204, "DELETE", "/v1/sessions/current", token)
        judge("an ended one is invalid", client.status("GET", "/v1/me", token) == 401)
        server.restart()
        client = server.client()
        judge("also after a restart", client.status("GET", "/v1/me", token) == 401)
        judge("another one stays valid", client.status("GET", "/v1/me", other) == 200)


def guess(port, number, seconds, answers):
    """Guesses one account's password from many addresses, up to the limit of each."""
    yield_the_cpu()
    clients = [Client(port, f"127.2.{number}.{n + 1}") for n in range(ADDRESSES_OF_GUESSER)]
    found, untold, end, count = collections.Counter(), 0, time.monotonic() + seconds, 0
    while time.monotonic() < end:
        for client in clients:
            count += 1
            password = {"password": f"guess-{number}-{count}"}
            status, headers, _ = client.ask("POST", "/v1/sessions", None, {"email": ANN["email"]} | password)
            found[status] += 1
            untold += status == 429 and not headers.get("retry-after", "").isdigit()
        time.sleep(0.02)
    answers.put((found, untold))


def passwords(judge):
    """Passwords of one account guessed from 64 addresses: few are checked, and the owner can still sign in."""
    with Server() as server:
        client = server.client()
        client.has(201, "POST", "/v1/accounts", client.guest()["token"], ANN)
        with Others(server, server.drop()) as others, Cost(server) as cost:
            found = ended(*crowd(guess, [(server.port, number, GUESS_SECONDS) for number in range(GUESSERS)]))
            judge("the owner can sign in during the attack", client.status("POST", "/v1/sessions", None, ANN) == 201)
        statuses = sum((statuses for statuses, _ in found), collections.Counter())
        judge("each is answered with 401, or with 429", set(statuses) <= {401, 429}, statuses)
        judge("each 429 has a Retry-After", sum(untold for _, untold in found) == 0)
        judge.measure("passwords_looked_at", statuses[401])
        judge.measure("cpu", cost.cpu_seconds, statuses.total())
        judge.note(refused=statuses[429])
    judge.others(others)


def sign_ups(judge):
    """Bulk sign-ups: common passwords are refused, and one network can probe few accounts."""
    with Server() as server:
        client = server.client()
        client.has(201, "POST", "/v1/accounts", client.guest()["token"], ANN)
        for number, common in enumerate(COMMON_PASSWORDS):
            account = {"email": f"common{number}@shop.example", "password": common}
            client = server.client(f"127.3.{number}.1")
            status = client.status("POST", "/v1/accounts", client.guest()["token"], account)
            judge(f"{common} is refused as a password", status == 422, status)
        answered, began = collections.Counter(), time.monotonic()
        for number in range(HARVESTERS):
            client = server.client(f"127.4.1.{number + 1}")
            for n in range(TRIES_OF_HARVESTER):
                email = ANN["email"] if n == 0 else f"{number}.{n}@shop.example"
                account = {"email": email, "password": PASSWORD}
                answered[client.status("POST", "/v1/accounts", client.guest()["token"], account)] += 1
        judge("each is answered or rate limited", set(answered) <= {201, 409, 429}, answered)
        judge.measure("answers_to_one_network", answered[201] + answered[409], time.monotonic() - began)


def mailbox(judge):
    """Password links requested from many addresses: one mailbox receives few of them."""
    with Server() as server:
        client = server.client()
        client.has(201, "POST", "/v1/accounts", client.guest()["token"], ANN)
        asked = {"email": ANN["email"]}
        for number in range(MAILS_ASKED_FOR):
            server.client(f"127.5.{number}.1").has(202, "POST", "/v1/password-resets", None, asked)
        outbox = server.data / "outbox"
        # They are sent in the background: soon after the first, the others would have arrived.
        until(60, lambda: any(outbox.glob("*.eml")))
        until(5, lambda: len(list(outbox.glob("*.eml"))) >= MAILS_ASKED_FOR)
        mails = len(list(outbox.glob("*.eml")))
        judge("some are sent", mails > 0)
        judge.measure("mails", mails)
