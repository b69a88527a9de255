"""What can go wrong with a fetch, and how the HTTP client's errors become ours."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from workers.fetching.guard import AddressRefusedError

_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_ADDRFAMILY})
"""What a resolver says that answers. Whatever else it fails by is no word about the host."""


class FetchError(ValueError):
    """A file that is not fetched.

    Args:
        transient: the same URL may work later.
        is_ours: no name can be looked up here, so that this says nothing of the URL; it is transient, too.
    """

    def __init__(self, detail: str, *, transient: bool = False, is_ours: bool = False) -> None:
        self.detail = detail
        self.transient = transient or is_ours
        self.is_ours = is_ours
        super().__init__(detail)


# The first class that fits; the client's own texts carry the URL and are dropped.
_SENTENCES: tuple[tuple[type[aiohttp.ClientError], str, bool], ...] = (
    (
        aiohttp.ClientSSLError,
        "{host} did not prove who it is: its TLS certificate or handshake failed.",
        False,
    ),
    (
        aiohttp.ClientConnectorDNSError,
        "The host name {host} could not be resolved.",
        True,
    ),
    (aiohttp.ServerTimeoutError, "{host} could not be connected to in time.", True),
    (aiohttp.ClientConnectorError, "{host} could not be connected to.", True),
    (
        aiohttp.ClientPayloadError,
        "The answer of {host} ended early or was garbled.",
        True,
    ),
    (aiohttp.ClientError, "{host} did not answer as an HTTP server does.", True),
)


@contextmanager
def translated(host: str) -> Iterator[None]:
    """Turns errors of the HTTP client into `FetchError`.

    Raises:
        FetchError: for every `aiohttp.ClientError`.
    """
    try:
        yield
    except aiohttp.ClientError as error:
        raise _meaning(error, host) from None  # the cause would carry the URL into tracebacks


def _meaning(error: aiohttp.ClientError, host: str) -> FetchError:
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, AddressRefusedError):
        return FetchError(f"{host} is not fetched: it leads to {error.os_error}. Use a public address.")
    if isinstance(error, aiohttp.ClientConnectorDNSError) and error.os_error.errno not in _NO_SUCH_NAME:
        return FetchError(f"The resolver did not answer when it was asked for {host}.", is_ours=True)
    _, sentence, transient = next(row for row in _SENTENCES if isinstance(error, row[0]))
    return FetchError(sentence.format(host=host), transient=transient)
