"""As little as it can take: one shared receive buffer, sendfile, no fsync, nothing checked."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pybase64

from tests.benchmarks.pipeline.variant import BUCKET, PROMPT, Picture

_BUFFER = memoryview(bytearray(256 * 1024))
_OPENING = b'"b64_json": "'


class _Fetch(asyncio.BufferedProtocol):
    """One connection to the Images API; answers come one after another."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def fetch(self, request: bytes, path: Path) -> asyncio.Future[str]:
        self._done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._head = b""
        self._left = -1
        self._quad = b""
        self._in_picture = False
        self._digest = hashlib.sha256()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT)
        self.transport.write(request)  # type: ignore[attr-defined]
        return self._done

    def get_buffer(self, sizehint: int) -> memoryview:
        return _BUFFER

    def buffer_updated(self, size: int) -> None:
        if self._left >= 0:
            self._body(bytes(_BUFFER[:size]))
            return
        self._head += _BUFFER[:size]
        start = self._head.find(_OPENING)
        if start > 0:
            head, body = self._head.split(b"\r\n\r\n", 1)
            length = head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
            self._left = int(length) - (len(body) - (len(self._head) - start - len(_OPENING)))
            self._in_picture = True
            self._body(self._head[start + len(_OPENING) :])

    def _body(self, data: bytes) -> None:
        self._left -= len(data)
        if self._in_picture:
            end = data.find(b'"')
            text = self._quad + (data if end < 0 else data[:end])
            self._in_picture = end < 0
            whole = len(text) & ~3
            self._quad = text[whole:]
            decoded = pybase64.b64decode(memoryview(text)[:whole], validate=True)
            self._digest.update(decoded)
            os.write(self._file, decoded)
        if self._left == 0:
            os.close(self._file)
            self._done.set_result(self._digest.hexdigest())


class _Put:
    """One connection to storage."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._port = port

    async def put(self, path: Path, digest: str) -> None:
        loop = asyncio.get_running_loop()
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = (
                f"PUT /{BUCKET}/{path.name} HTTP/1.1\r\nhost: x\r\ncontent-length: {size}\r\n"
                f"x-amz-meta-sha256: {digest}\r\nif-none-match: *\r\n\r\n"
            )
            await loop.sock_sendall(self._socket, head.encode())
            await loop.sock_sendfile(self._socket, file)
        answer = await loop.sock_recv(self._socket, 4096)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer[:100])

    async def open(self) -> None:
        await asyncio.get_running_loop().sock_connect(self._socket, ("127.0.0.1", self._port))

    def close(self) -> None:
        self._socket.close()


@asynccontextmanager
async def opened(port: int, spool: Path) -> AsyncIterator[Picture]:
    body = json.dumps({"model": "gpt-image-2", "prompt": PROMPT}).encode()
    head = f"POST /v1/images/generations HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    idle: list[tuple[_Fetch, _Put]] = []
    every: list[tuple[_Fetch, _Put]] = []

    async def connected() -> tuple[_Fetch, _Put]:
        _, fetch = await asyncio.get_running_loop().create_connection(_Fetch, "127.0.0.1", port)
        put = _Put(port)
        await put.open()
        every.append((fetch, put))
        return fetch, put

    async def picture(number: int) -> None:
        fetch, put = idle.pop() if idle else await connected()
        path = spool / f"{number}.png"
        await put.put(path, await fetch.fetch(head.encode() + body, path))
        path.unlink()
        idle.append((fetch, put))

    yield picture
    for fetch, put in every:
        fetch.transport.close()
        put.close()
