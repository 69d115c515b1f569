"""A client written from docs/realtime.md alone. It validates every frame against the document."""

import asyncio
import itertools
import time

import websockets
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from subprotocols import Json

PATIENCE_SECONDS = 10

# The required and the optional fields of each frame.
COUNT, TEXT, OBJECT = int, str, dict
FRAMES = {
    "welcome": ({"server_time": COUNT, "ping_ms": COUNT, "limits": OBJECT}, {}),
    "subscribed": ({"topic": TEXT, "epoch": TEXT, "offset": COUNT}, {"state": OBJECT}),
    "state": ({"topic": TEXT, "offset": COUNT, "data": OBJECT}, {}),
    "event": ({"topic": TEXT, "offset": COUNT, "type": TEXT, "data": OBJECT}, {}),
    "gap": ({"topic": TEXT}, {}),
    "refused": ({"topic": TEXT, "problem": OBJECT}, {}),
    "reply": ({"id": (int, str), "status": COUNT}, {"body": object, "problem": OBJECT, "replayed": bool}),
    "expiring": ({"in_ms": COUNT}, {}),
    "draining": ({"reconnect_in_ms": COUNT}, {}),
    "ping": ({}, {}),
}
PROBLEM = {"type", "title", "status", "code", "detail", "request_id"}


class Ended(Exception):
    """The connection ended while a frame was expected."""


def faults_of(frame):
    """Returns how a frame differs from the document."""
    op = frame.get("op")
    if op not in FRAMES:
        return [f"the document has no frame {op!r}"]
    needed, possible = FRAMES[op]
    faults = [f"{op} has no {name}" for name in needed if name not in frame]
    for name, value in frame.items():
        kind = (needed | possible | {"op": TEXT}).get(name)
        if kind is None:
            faults.append(f"{op} has a {name}, which is not in the document")
        elif not isinstance(value, kind) or (kind is COUNT and isinstance(value, bool)):
            faults.append(f"{op} has the invalid {name} {value!r}")
    if op == "reply" and ("problem" in frame) == (frame["status"] < 400):
        faults.append(f"the status {frame['status']} and the problem of a reply do not match")
    if "problem" in frame and not PROBLEM <= frame["problem"].keys():
        faults.append(f"a problem without {PROBLEM - frame['problem'].keys()}")
    return faults


class Client:
    """A connection. Received frames are stored in order, with their times."""

    subprotocol = Json()

    def __init__(self, socket):
        self.socket, self.frames, self.faults = socket, [], []
        self._read, self._news, self.code, self.reason = 0, asyncio.Event(), None, None
        self.ended_at = None
        self.answers_pings = True
        self._ids = itertools.count(1)
        self._reading = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, shop, subprotocols=None, origin=None):
        subprotocols = (cls.subprotocol.name,) if subprotocols is None else subprotocols
        # The protocol's own pings are off: the check covers those of the document.
        socket = await connect(
            shop.ws,
            subprotocols=subprotocols or None,
            origin=origin,
            ping_interval=None,
            compression=None,
            proxy=None,
            max_size=None,
            user_agent_header=None,
        )
        return cls(socket)

    @classmethod
    async def greeted(cls, shop, token=None):
        client = await cls.open(shop)
        await client.send_frames({"op": "hello", "client": "live-checks/1"} | ({"token": token} if token else {}))
        client.welcome = await client.receive("welcome")
        return client

    async def _listen(self):
        try:
            async for message in self.socket:
                try:
                    frames = self.subprotocol.decode(message)
                except ValueError as error:
                    self.faults.append(str(error))
                    continue
                for frame in frames:
                    self.faults += faults_of(frame)
                    self.frames.append((time.monotonic(), frame))
                    if frame.get("op") == "ping" and self.answers_pings:
                        await self.send_frames({"op": "pong"})
                self._news.set()
        except ConnectionClosed:
            pass
        self.code, self.reason = self.socket.close_code, self.socket.close_reason
        self.ended_at = time.monotonic()
        self._news.set()

    async def send_frames(self, *frames):
        """Sends one frame, or several as one message."""
        await self.send_raw(self.subprotocol.encode(frames))

    async def send_raw(self, message):
        """Sends a text or bytes unchanged."""
        try:
            await self.socket.send(message)
        except ConnectionClosed as closed:
            raise Ended(self.socket.close_code) from closed

    async def next(self, fits=lambda frame: True, within=PATIENCE_SECONDS):
        """Returns the next matching frame and skips others."""
        deadline = time.monotonic() + within
        while True:
            while self._read < len(self.frames):
                frame = self.frames[self._read][1]
                self._read += 1
                if fits(frame):
                    return frame
            if self.ended_at:
                raise Ended(f"closed with {self.code} {self.reason!r}")
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), deadline - time.monotonic())
            except TimeoutError:
                raise TimeoutError(f"no matching frame within {within} s; received {self.received()[-5:]}") from None

    async def receive(self, op, within=PATIENCE_SECONDS, **fields):
        return await self.next(
            lambda frame: frame["op"] == op and all(frame.get(name) == value for name, value in fields.items()), within
        )

    async def state(self, topic, fits=lambda state: True, within=PATIENCE_SECONDS):
        """Returns a matching state of a topic: the newest, or the next. It may arrive before an expected reply."""
        known = [frame for _, frame in self.frames[: self._read] if frame["op"] == "state" and frame["topic"] == topic]
        if known and fits(known[-1]["data"]):
            return known[-1]
        return await self.next(
            lambda frame: frame["op"] == "state" and frame["topic"] == topic and fits(frame["data"]), within
        )

    async def command(self, name, within=PATIENCE_SECONDS, **more):
        """Sends a command and returns its reply."""
        number = next(self._ids)
        await self.send_frames({"op": "command", "id": number, "name": name} | more)
        return await self.receive("reply", within, id=number)

    async def subscribe(self, topic, **more):
        await self.send_frames({"op": "subscribe", "topic": topic} | more)
        return await self.next(lambda frame: frame["op"] in ("subscribed", "refused") and frame["topic"] == topic)

    async def ended(self, within=PATIENCE_SECONDS):
        """Returns the close code of the server."""
        await asyncio.wait_for(asyncio.shield(self._reading), within)
        return self.code

    def received(self, *ops):
        return [frame for _, frame in self.frames if not ops or frame["op"] in ops]

    async def leave(self):
        await self.socket.close()
        await self._reading


async def refused_handshake(shop, **how):
    """Returns the status of a refused handshake, or `None` if it is accepted."""
    try:
        client = await Client.open(shop, **how)
    except websockets.exceptions.InvalidStatus as refusal:
        return refusal.response.status_code
    await client.leave()
    return None
