"""The guard at the socket: what the HTTP client dials has been checked, at the moment it is dialled."""

from __future__ import annotations

import asyncio
import socket
import ssl

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from workers.fetching.addresses import is_own_address, refusal_of

LOOK_UP_TIMEOUT_S = 8.0
"""Less than a connection may take, so that it is known which of the two was slow."""


class AddressRefusedError(OSError):
    """An address that must not be dialled. An OSError: it passes through the client like a failed connect."""


class PromptResolver(AbstractResolver):
    """Resolves a host within its time. A resolver that is silent fails as one that says that it cannot answer now."""

    def __init__(self, inner: AbstractResolver, *, timeout_s: float = LOOK_UP_TIMEOUT_S) -> None:
        self._inner = inner
        self._timeout_s = timeout_s

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._inner.resolve(host, port, family)
        except TimeoutError as error:
            raise socket.gaierror(socket.EAI_AGAIN, "The resolver did not answer in time.") from error

    async def close(self) -> None:
        await self._inner.close()


class CheckedResolver(AbstractResolver):
    """Resolves a host, and refuses it when any of its addresses is refused: one bad answer spoils all."""

    def __init__(self, inner: AbstractResolver) -> None:
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises AddressRefusedError."""
        answers = await self._inner.resolve(host, port, family)
        for answer in answers:
            _require_public(answer["host"])
        return answers

    async def close(self) -> None:
        await self._inner.close()


def checked_socket(addr_info: aiohttp.AddrInfoType) -> socket.socket:
    """The socket for exactly this address. The only place where sockets are made, literal addresses included.

    Raises:
        AddressRefusedError: the address must not be dialled.
    """
    family, kind, protocol, _, address = addr_info
    _require_public(str(address[0]))
    return socket.socket(family, kind, protocol)


def connector(resolver: AbstractResolver | None, *, allow_private: bool) -> aiohttp.TCPConnector:
    """A connector that dials checked addresses only; with `allow_private`, all. Call it in the event loop.

    Every new connection resolves anew and is checked. TLS names stay those of the URL.
    """
    resolver = PromptResolver(resolver or aiohttp.ThreadedResolver())
    return aiohttp.TCPConnector(
        resolver=resolver if allow_private else CheckedResolver(resolver),
        socket_factory=None if allow_private else checked_socket,
        use_dns_cache=False,
        ssl=ssl.create_default_context(),
        limit=0,  # the callers bound how much runs at a time; a queue here would eat their deadlines
    )


def _require_public(address: str) -> None:
    refusal = refusal_of(address)
    if refusal is None and is_own_address(address):
        refusal = "an address of this machine"
    if refusal is not None:
        raise AddressRefusedError(refusal)
