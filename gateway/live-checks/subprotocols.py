"""The two encodings of the frames. A frame is a dict with an `op`, as in docs/realtime.md.

Protobuf uses Google's compiler and schemas/fusion.v1.proto alone. The differences to JSON are those in the document.
"""

import datetime
import json
import pathlib
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from grpc_tools import protoc

from shop import ROOT

SCHEMA = ROOT / "schemas" / "fusion.v1.proto"
TIMES = ("starts_at", "ends_at", "created_at", "as_of", "expires_at")


class Claim(dict):
    """A claim that was received as its own message type."""


class Json:
    """`fusion.v1.json`"""

    name = "fusion.v1.json"
    longest_id = "i" * 64
    claim = dict

    def encode(self, frames):
        return json.dumps(frames[0] if len(frames) == 1 else frames)

    def decode(self, message):
        if not isinstance(message, str):
            raise ValueError("a binary message")
        frames = json.loads(message)
        return frames if isinstance(frames, list) else [frames]


class Protobuf:
    """`fusion.v1.protobuf`"""

    name = "fusion.v1.protobuf"
    longest_id = 2**64 - 1
    claim = Claim

    def __init__(self):
        self._frames = compiled("fusion.v1.Frames")

    def encode(self, frames):
        message = self._frames()
        for frame in frames:
            encode(frame, message.frames.add())
        return message.SerializeToString()

    def decode(self, message):
        if not isinstance(message, bytes):
            raise ValueError("a text message")
        try:
            frames = self._frames.FromString(message).frames
        except DecodeError as error:
            raise ValueError(f"invalid Protobuf: {error}") from error
        return [decode(frame) for frame in frames]


def compiled(name):
    """Returns the class of a message, compiled by Google's compiler."""
    with tempfile.TemporaryDirectory() as folder:
        made = pathlib.Path(folder) / "schema"
        asked = ["protoc", f"-I{SCHEMA.parent}", f"--descriptor_set_out={made}", str(SCHEMA)]
        if protoc.main(asked) != 0:
            raise SystemExit(f"{SCHEMA} does not compile")
        files = descriptor_pb2.FileDescriptorSet.FromString(made.read_bytes()).file
    pool = descriptor_pool.DescriptorPool()
    for file in files:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def encode(frame, into):
    op = frame["op"]
    message = getattr(into, op)
    # A frame without fields is present too.
    message.SetInParent()
    if op == "command":
        return encode_command(frame, message)
    for name, value in frame.items():
        if name == "since":
            message.since.epoch, message.since.offset = value["epoch"], value["offset"]
        elif name != "op":
            setattr(message, name, value)


def encode_command(frame, message):
    message.id = frame["id"]
    if "key" in frame:
        message.key = frame["key"]
    params, body = frame.get("params", {}), frame.get("body")
    if frame["name"] == "create_claim":
        claim = message.create_claim
        claim.drop_id, claim.quantity = params["id"], body["quantity"]
        if "sku" in body:
            claim.sku = body["sku"]
    elif frame["name"] == "release_claim":
        message.release_claim.drop_id, message.release_claim.claim_id = params["id"], params["claim_id"]
    else:
        call = message.call
        call.name = frame["name"]
        for name, value in params.items():
            call.params[name] = str(value)
        if body is not None:
            call.body = json.dumps(body).encode()
        if "if_match" in frame:
            call.if_match = frame["if_match"]


def decode(frame):
    op = frame.WhichOneof("op")
    if op is None:
        raise ValueError("a frame without an op")
    message = getattr(frame, op)
    decoded = {"op": op}
    for field in message.DESCRIPTOR.fields:
        # Optional fields are omitted in JSON too; required fields are present even if they are 0.
        if field.has_presence and not message.HasField(field.name):
            continue
        value = getattr(message, field.name)
        if field.name == "claim":
            decoded["body"] = Claim(plain(value))
        elif field.name == "replayed":
            decoded |= {"replayed": True} if value else {}
        elif field.message_type is not None and field.message_type.name == "Data":
            is_drop = value.WhichOneof("of") == "drop"
            if is_drop != message.topic.startswith("drop:"):
                raise ValueError(f"the state of {message.topic} is Data.{value.WhichOneof('of')}")
            decoded[field.name] = plain(value.drop) if is_drop else json.loads(value.json)
        elif field.message_type is not None:
            decoded[field.name] = plain(value)
        else:
            decoded[field.name] = json.loads(value) if field.type == field.TYPE_BYTES else value
    return decoded


def plain(message):
    """Converts a message to the REST representation: times are strings, absent fields are omitted."""
    fields = {}
    for field in message.DESCRIPTOR.fields:
        if field.has_presence and not message.HasField(field.name):
            continue
        value = getattr(message, field.name)
        if field.name in TIMES:
            value = rest_time(value)
        elif field.message_type is not None:
            value = [plain(one) for one in value] if field.is_repeated else plain(value)
        fields[field.name] = value
    return fields


def rest_time(milliseconds):
    """Formats a time as RFC 3339, as in REST."""
    whole, rest = divmod(milliseconds, 1000)
    time = datetime.datetime.fromtimestamp(whole, datetime.UTC)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"
