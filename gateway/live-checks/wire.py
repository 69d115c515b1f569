"""A socket at the level of bytes, for input that libraries do not send and for the exact end of a connection."""

import asyncio
import base64
import json
import os
import socket

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
READ_BYTES = 64 * 1024


class Wire:
    """A connection without a WebSocket library. Bytes are read only on request."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, shop, receive_bytes=None, reads_ahead=READ_BYTES):
        """A TCP connection. With a small `receive_bytes` the client soon reads too slowly."""
        raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        raw.setblocking(False)
        if receive_bytes:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(raw, (shop.host, shop.port))
        return cls(*await asyncio.open_connection(sock=raw, limit=reads_ahead))

    @classmethod
    async def open(cls, shop, **how):
        """Returns a connection after the handshake, or raises with the status."""
        wire = await cls.connect(shop, **how)
        await wire.send(handshake(shop))
        status = await wire.handshaken()
        if status != 101:
            wire.cut()
            raise ConnectionRefusedError(status)
        return wire

    @classmethod
    async def greeted(cls, shop, token=None, **how):
        wire = await cls.open(shop, **how)
        await wire.send_frames({"op": "hello"} | ({"token": token} if token else {}))
        opcode, payload = await wire.frame()
        assert opcode == TEXT and json.loads(payload)["op"] == "welcome", (opcode, payload)
        return wire

    async def handshaken(self):
        """Returns the status of the handshake, or 0 if the connection ends instead."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0
        return int(head.split(b" ", 2)[1])

    async def send(self, data, piece=None):
        """Sends bytes, in separate writes of `piece` bytes each."""
        for start in range(0, len(data), piece or len(data)):
            self.writer.write(data[start : start + (piece or len(data))])
            if piece:
                await self.writer.drain()
                await asyncio.sleep(0)
        await self.writer.drain()

    async def send_frames(self, *frames):
        text = json.dumps(frames[0] if len(frames) == 1 else frames).encode()
        await self.send(message(text))

    async def frame(self):
        """The next WebSocket frame: opcode and payload. The server masks nothing."""
        first, second = await self.reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(await self.reader.readexactly(2), "big")
        elif length == 127:
            length = int.from_bytes(await self.reader.readexactly(8), "big")
        return first & 0x0F, await self.reader.readexactly(length)

    async def ended(self, within):
        """Returns how the connection ends: the close code or `None`, and whether TCP closed cleanly; `None` if it does not end."""
        try:
            return await asyncio.wait_for(self._ended(), within)
        except TimeoutError:
            return None

    async def _ended(self):
        code = None
        try:
            while True:
                opcode, payload = await self.frame()
                if opcode == CLOSE:
                    code = int.from_bytes(payload[:2], "big") if payload else 1005
        except asyncio.IncompleteReadError:
            return code, "in order"
        except ConnectionError:
            return code, "reset"

    def read_freely(self):
        """Reads at normal speed from now on."""
        raw = self.writer.get_extra_info("socket")
        # A disconnected client has no socket.
        if raw.fileno() >= 0:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
        self.reader._limit = READ_BYTES

    def cut(self):
        """Closes the connection without a close frame."""
        self.writer.transport.abort()


def handshake(shop, **more):
    headers = {
        "Host": f"{shop.host}:{shop.port}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Protocol": "fusion.v1.json",
    } | more
    lines = ["GET /v1/ws HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def message(payload, opcode=TEXT, final=True, reserved=0):
    """Returns a masked frame. The mask is zero, so that the bytes stay readable."""
    first = (0x80 if final else 0) | reserved << 4 | opcode
    length = len(payload)
    if length < 126:
        head = bytes((first, 0x80 | length))
    elif length < 1 << 16:
        head = bytes((first, 0x80 | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((first, 0x80 | 127)) + length.to_bytes(8, "big")
    return head + bytes(4) + payload
