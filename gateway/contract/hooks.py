"""What the document says in words, because no schema can say it.

A key names one command, whoever erases itself or signs out is gone, and some values must fit others, or what the shop
has. Whatever is passed over here is named with its reason.
"""

import hashlib
import itertools
import json
import os
import re
import threading
import urllib.error
import urllib.request

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.generation.meta import TestPhase
from schemathesis.openapi.checks import RejectedPositiveData

KEY = "Idempotency-Key"
VERSION = "If-Match"
KEY_PATTERN = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?")

# Refusals (422) of values that the schema allows: by other values of the request, by what the shop has, by the format of
# an address's country, by the order of a list that a cursor is not of, or by their length in bytes, where a schema counts
# characters. Anything else is a fault of the document or of the server.
BEYOND_SCHEMAS = re.compile(
    r"""must\ be\ the\ same\ currency\ as\ the\ other\ prices
    | is\ not\ the\ order's | the\ product's\ prices\ are\ in\ [A-Z]{3}
    | stands\ twice | is\ named\ twice
    | lies\ in\ the\ past | does\ not\ lie\ after\ the\ start
    | is\ not\ an\ item\ of\ the\ drop | is\ required,\ because\ the\ drop\ has\ several\ items
    | a\ new\ item\ needs\ a\ quantity\ and\ a\ price
    | makes\ the\ cart\ more\ than\ can\ be\ counted
    | each\ variant\ needs\ one\ value\ for\ each\ of\ the\ product's\ options
    | another\ variant\ has\ these\ values | two\ options\ have\ the\ same\ name
    | has\ no\ letter\ or\ digit\ to\ make\ a\ handle\ of:\ give\ a\ handle
    | is\ longer\ than\ [0-9]+\ bytes
    | names\ a\ line\ that\ the\ order\ does\ not\ have | names\ a\ line\ more\ than\ once | is\ duplicated
    | is\ not\ a\ valid\ cursor\ for\ this\ list | no\ variant\ of\ the\ product\ has\ this\ sku
    | is\ required(?:\ in\ [A-Z]{2})? | is\ not\ a\ postal\ code\ of\ [A-Z]{2},\ such\ as\ .+
    | is\ not\ a\ [a-z\ _]+\ of\ [A-Z]{2} | is\ not\ the\ two-letter\ ISO\ 3166-1\ code\ of\ a\ country
    | is\ too\ common:\ .+ | is\ too\ easy\ to\ guess:\ .+
    | must\ not\ contain\ line\ breaks\ or\ other\ control\ characters
    """,
    re.VERBOSE,
)

FOR_GUESTS = ("create_account", "erase_me", "end_session")

# What they change has its currency already.
IN_THE_SHOPS_CURRENCY = ("update_drop", "update_product", "create_refund")

# What contract.py has put up for sale, and the drop that sells it.
SKU = "SHIRT-S"
DROP = os.environ["CONTRACT_DROP"]
# What the sandbox knows, in turns; some checkouts pay as it was generated.
_payments = itertools.cycle(["tok_challenge", "tok_approve", None, "tok_challenge", "tok_decline", None, "tok_unknown"])

# Whether a new password is a good one, in turns: those that are generated are often guessed first.
_passwords = itertools.cycle([True, False])

ADDRESS = {"name": "Ann", "line1": "Street 1", "city": "Town", "postal_code": "12345", "country": "DE"}

_commands = {}
_keys_of_carts = {}
_keys_of_deleted_carts = set()
_names = {SKU}
# For operations that want more than an id: the parameters of what waits for them.
WAITED_FOR_BY = ("update_cart_line", "remove_cart_line", "confirm_checkout", "cancel_checkout", "publish_drop")
_waiting = {operation: [] for operation in WAITED_FOR_BY}
_lock = threading.Lock()


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is not None and case.meta.generation.mode.is_positive:
        if isinstance(case.body, dict):
            fit_together(case.body, operation_of(case))
        lead_on(case)
        if VERSION in (case.headers or {}):
            name_the_version(case)
    one_command_for_each_key(case)
    if operation_of(case) in FOR_GUESTS:
        come_as_a_guest(case)


@schemathesis.hook
def after_call(context, case, response):
    with _lock:
        if operation_of(case) == "create_cart" and response.status_code == 201:
            _keys_of_carts[response.json()["id"]] = case.headers[KEY]
        elif operation_of(case) == "delete_cart" and response.status_code == 204:
            _keys_of_deleted_carts.add(_keys_of_carts.get(case.path_parameters["id"]))
        elif response.status_code == 201:
            remember(operation_of(case), response.json())


@schemathesis.hook
def filter_failure(context, failure, case, response):
    if isinstance(failure, RejectedPositiveData) and response.status_code == 422:
        errors = response.json().get("errors", [])
        return not errors or not all(is_beyond_schemas(error, case.body) for error in errors)
    if isinstance(failure, AcceptedNegativeData) and operation_of(case) == "create_import":
        # Whatever was generated in place of a text is sent as one, and every text is a file; what is in it, the
        # import's own report says. A query that should be refused is not passed over.
        return "in body" not in failure.message
    return True


def is_beyond_schemas(error, body):
    if error["detail"] == "not an RFC 3339 time between 1970 and 9999":
        return not "1970-01-02" <= body[error["pointer"].removeprefix("/")] <= "9999-12-30"
    if error["detail"].startswith("a handle is 1 to 255 lower-case letters"):
        # Letters of every script, which patterns cannot name alike everywhere.
        return not all(c in "-_" or (c.isalnum() and c == c.lower()) for c in body["handle"])
    return BEYOND_SCHEMAS.fullmatch(error["detail"]) is not None


def operation_of(case):
    return case.operation.definition.raw.get("operationId")


def fit_together(body, operation):
    """Gives prices the shop's currency, new things names that are free, and variants as many values as there are
    options: else most products and drops would be refused before anything of interest is looked at."""
    prices = list(prices_in(body))
    if len({price["currency"] for price in prices}) > 1 or operation in IN_THE_SHOPS_CURRENCY:
        for price in prices:
            price["currency"] = "USD"
    variants = body.get("variants") if operation in ("create_product", "update_product") else None
    if isinstance(variants, list) and isinstance(body.get("options"), list):
        for number, variant in enumerate(variants):
            variant["options"] = [f"{number} of {option}"[:255] for option in body["options"]]
    if operation == "create_product":
        make_new(body, "handle" if body.get("handle") else "title")
        for variant in variants:
            make_new(variant, "sku")


def remember(operation, made):
    if operation == "add_cart_line" and made["lines"]:
        for next_one in ("update_cart_line", "remove_cart_line"):
            _waiting[next_one].append({"id": made["id"], "line_id": made["lines"][-1]["id"]})
    elif operation == "create_checkout" and made["state"] == "requires_action":
        # One of both, in turns: a checkout that is confirmed cannot be cancelled.
        next_one = min("confirm_checkout", "cancel_checkout", key=lambda name: len(_waiting[name]))
        _waiting[next_one].append({"id": made["id"]})
    elif operation == "create_drop" and made["state"] == "draft":
        _waiting["publish_drop"].append({"id": made["id"]})


def lead_on(case):
    """Leads to what is there, where random ids would find nothing; links lead by themselves."""
    operation = operation_of(case)
    body = case.body if isinstance(case.body, dict) else {}
    if operation in ("create_account", "set_password") and "password" in body and next(_passwords):
        body["password"] = "correct horse battery staple"
    if operation == "create_checkout":
        with _lock:
            payment = next(_payments)
        if payment:
            body["payment"] = {"provider": "sandbox", "token": payment}
            # Made-up addresses are those of no country, and nothing after them would be looked at.
            body["shipping_address"] = dict(ADDRESS)
        elif isinstance(body.get("payment"), dict):
            # Which providers there are depends on the shop.
            body["payment"]["provider"] = "sandbox"
    if case.meta.phase.name is TestPhase.STATEFUL:
        if operation == "add_cart_line":
            body["sku"] = SKU
        elif operation == "create_cart":
            body.pop("currency", None)
    elif operation == "create_claim" and body.get("sku") == SKU:
        case.path_parameters["id"] = DROP
    elif operation in _waiting:
        with _lock:
            if _waiting[operation]:
                case.path_parameters.update(_waiting[operation].pop())


def make_new(thing, name):
    """A text that was used before gets a number."""
    text = thing.get(name)
    if isinstance(text, str):
        with _lock:
            if text in _names:
                thing[name] = f"{text[:60].rstrip()}-{len(_names)}"
            _names.add(thing[name])


def prices_in(value):
    if isinstance(value, dict):
        if {"amount", "currency"} == value.keys():
            yield value
        else:
            for member in value.values():
                yield from prices_in(member)
    elif isinstance(value, list):
        for element in value:
            yield from prices_in(element)


def name_the_version(case):
    """A change that names some version names the one that there is."""
    request = urllib.request.Request(f"{case.operation.base_url.rstrip('/')}{case.formatted_path}")
    for name, value in case.headers.items():
        if name == "Authorization":
            request.add_header(name, value)
    try:
        with urllib.request.urlopen(request) as answer:
            case.headers[VERSION] = f'"{json.load(answer)["version"]}"'
    except (urllib.error.HTTPError, ValueError):
        pass  # There is no such thing, which is for the change to say.


def one_command_for_each_key(case):
    """A key that comes up again with another command is made a new one; with the same command it is a repetition.

    But a cart that was deleted since is not made again with its key: that has the first answer, 201, as any repetition,
    and no cart to go on with.
    """
    key = (case.headers or {}).get(KEY)
    if not isinstance(key, str) or not KEY_PATTERN.fullmatch(key):
        return
    said = [case.method, case.formatted_path, case.query, case.body, case.media_type]
    command = hashlib.sha256(json.dumps(said, default=repr, sort_keys=True).encode()).hexdigest()[:16]
    with _lock:
        if _commands.setdefault(key, command) != command:
            key = f"{key[:239]}{command}"
        while key in _keys_of_deleted_carts:
            key = f"{key[:239]}{len(_keys_of_deleted_carts):016}"
        case.headers[KEY] = key


def come_as_a_guest(case):
    """Only a guest can make an account; who erases itself or ends its token is gone, as none of the run's people may be."""
    headers = case.headers or {}
    if not str(headers.get("Authorization", "")).startswith("Bearer ey"):
        return
    sessions = urllib.request.Request(
        f"{case.operation.base_url.rstrip('/')}/v1/sessions",
        data=b"{}",
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(sessions) as answer:
        headers["Authorization"] = f"Bearer {json.load(answer)['token']}"
