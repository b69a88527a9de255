"""The connection pool under the client: httpx over aiohttp, and the moment a call gets its connection."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import AiohttpResponseStream

# Why not httpx's own pool: it looks at every open connection at every event, 36 ms a call at 200 in flight.
CHUNK_BYTES = 256 * 1024
# Shorter than the idle timeout of servers (uvicorn: 5 s): a call on a connection that just closed is a doubt.
IDLE_CONNECTION_S = 4.0
# No bytes flow while a picture is made; middle boxes drop idle connections after about 60 s.
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 6}

_on_connected: ContextVar[Callable[[], None]] = ContextVar("on_connected")


@contextmanager
def calling_when_connected(callback: Callable[[], None]) -> Iterator[None]:
    """Has `callback` called when a request made inside is handed its connection: nothing was sent before."""
    token = _on_connected.set(callback)
    try:
        yield
    finally:
        _on_connected.reset(token)


class ImagesTransport(AiohttpTransport):
    """One pool without a limit of its own: how many calls are in flight is decided before they come here."""

    def get_client(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,
            ssl=self.ssl_context,
            keepalive_timeout=IDLE_CONNECTION_S,
            socket_factory=_kept_alive_socket,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=CHUNK_BYTES,
            trace_configs=[_connection_trace()],
            trust_env=False,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if isinstance(response.stream, AiohttpResponseStream):
            response.stream.CHUNK_SIZE = CHUNK_BYTES
        return response


def _connection_trace() -> aiohttp.TraceConfig:
    async def connected(*_: Any) -> None:
        _on_connected.get()()

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(connected)
    trace.on_connection_reuseconn.append(connected)
    return trace


def _kept_alive_socket(address: Any) -> socket.socket:
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if option := getattr(socket, name, None):  # macOS has other names for some
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made
