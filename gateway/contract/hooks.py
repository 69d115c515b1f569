"""Rules of the document that a schema cannot express.

A key identifies one command, an erased or ended session is invalid, and some values depend on others or on the shop's
data. Each exception has its reason.
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
# an address's country, by the sort order of a cursor, or by their length in bytes, because a schema counts
# characters. Anything else is an error of the document or of the server.
BEYOND_SCHEMAS = re.compile(
    r"""must\ be\ the\ same\ currency\ as\ the\ other\ prices
    | must\ be\ the\ currency\ of\ the\ order | the\ product's\ prices\ are\ in\ [A-Z]{3}
    | must\ be\ in\ the\ future | must\ be\ after\ the\ start
    | is\ not\ an\ item\ of\ the\ drop | is\ required,\ because\ the\ drop\ has\ several\ items
    | a\ new\ item\ requires\ a\ quantity\ and\ a\ price
    | exceeds\ the\ maximum\ total\ of\ a\ cart
    | each\ variant\ requires\ one\ value\ for\ each\ option\ of\ the\ product
    | another\ variant\ has\ these\ values | two\ options\ have\ the\ same\ name
    | must\ contain\ a\ letter\ or\ a\ digit,\ unless\ a\ handle\ is\ given
    | is\ longer\ than\ [0-9]+\ bytes
    | is\ not\ a\ line\ of\ the\ order | is\ duplicated
    | is\ not\ a\ valid\ cursor\ for\ this\ list | no\ variant\ of\ the\ product\ has\ this\ sku
    | is\ required(?:\ in\ [A-Z]{2})? | is\ not\ a\ postal\ code\ of\ [A-Z]{2},\ such\ as\ .+
    | is\ not\ a\ [a-z\ _]+\ of\ [A-Z]{2} | is\ not\ the\ two-letter\ ISO\ 3166-1\ code\ of\ a\ country
    | is\ too\ common:\ .+ | is\ too\ easy\ to\ guess:\ .+
    | must\ not\ contain\ line\ breaks\ or\ other\ control\ characters
    """,
    re.VERBOSE,
)

FOR_GUESTS = ("create_account", "erase_me", "end_session")

# The currency of an update is fixed by the resource.
IN_THE_SHOPS_CURRENCY = ("update_drop", "update_product", "create_refund")

# The products and the drop that contract.py has created.
SKU = "SHIRT-S"
DROP = os.environ["CONTRACT_DROP"]
# The sandbox's tokens, in turn; some checkouts use the generated ones.
_payments = itertools.cycle(["tok_challenge", "tok_approve", None, "tok_challenge", "tok_decline", None, "tok_unknown"])

# Alternates strong passwords with generated ones, which are often too weak.
_passwords = itertools.cycle([True, False])

ADDRESS = {"name": "Ann", "line1": "Street 1", "city": "Town", "postal_code": "12345", "country": "DE"}

_commands = {}
_keys_of_carts = {}
_keys_of_deleted_carts = set()
_names = {SKU}
# For operations that need more than an id: the parameters of prepared resources.
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
        # A generated value is sent as text, and every text is a valid file; its contents are judged in the
        # import's report. An invalid query must still be refused.
        return "in body" not in failure.message
    return True


def is_beyond_schemas(error, body):
    if error["detail"] == "not an RFC 3339 time between 1970 and 9999":
        return not "1970-01-02" <= body[error["pointer"].removeprefix("/")] <= "9999-12-30"
    if error["detail"].startswith("a handle is 1 to 255 lower-case letters"):
        # Letters of every script, for which patterns differ between engines.
        return not all(c in "-_" or (c.isalnum() and c == c.lower()) for c in body["handle"])
    return BEYOND_SCHEMAS.fullmatch(error["detail"]) is not None


def operation_of(case):
    return case.operation.definition.raw.get("operationId")


def fit_together(body, operation):
    """Sets the shop's currency, unused names, and as many option values per variant as there are
    options. Otherwise most products and drops would be refused early."""
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
        # Alternates between both: a confirmed checkout cannot be cancelled.
        next_one = min("confirm_checkout", "cancel_checkout", key=lambda name: len(_waiting[name]))
        _waiting[next_one].append({"id": made["id"]})
    elif operation == "create_drop" and made["state"] == "draft":
        _waiting["publish_drop"].append({"id": made["id"]})


def lead_on(case):
    """Sets existing ids, because random ids would not be found; links set theirs."""
    operation = operation_of(case)
    body = case.body if isinstance(case.body, dict) else {}
    if operation in ("create_account", "set_password") and "password" in body and next(_passwords):
        body["password"] = "correct horse battery staple"
    if operation == "create_checkout":
        with _lock:
            payment = next(_payments)
        if payment:
            body["payment"] = {"provider": "sandbox", "token": payment}
            # Generated addresses match no country and would be refused early.
            body["shipping_address"] = dict(ADDRESS)
        elif isinstance(body.get("payment"), dict):
            # The providers depend on the shop.
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
    """Appends a number to a text that was used before."""
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
    """Sets `If-Match` to the current version."""
    request = urllib.request.Request(f"{case.operation.base_url.rstrip('/')}{case.formatted_path}")
    for name, value in case.headers.items():
        if name == "Authorization":
            request.add_header(name, value)
    try:
        with urllib.request.urlopen(request) as answer:
            case.headers[VERSION] = f'"{json.load(answer)["version"]}"'
    except (urllib.error.HTTPError, ValueError):
        pass  # The resource does not exist; the change itself reports that.


def one_command_for_each_key(case):
    """Replaces a key that is reused for another command. With the same command it is a repetition.

    A deleted cart is not created again with its key: like any repetition, that returns the first response, 201,
    but no cart.
    """
    key = (case.headers or {}).get(KEY)
    if not isinstance(key, str) or not KEY_PATTERN.fullmatch(key):
        return
    parts = [case.method, case.formatted_path, case.query, case.body, case.media_type]
    command = hashlib.sha256(json.dumps(parts, default=repr, sort_keys=True).encode()).hexdigest()[:16]
    with _lock:
        if _commands.setdefault(key, command) != command:
            key = f"{key[:239]}{command}"
        while key in _keys_of_deleted_carts:
            key = f"{key[:239]}{len(_keys_of_deleted_carts):016}"
        case.headers[KEY] = key


def come_as_a_guest(case):
    """Only a guest can create an account, and the sessions of the run must not be erased or ended."""
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
