"""One exchange with a provider: a request leaves once, its answer is read as far as it comes, and what that means when
no picture came of it. All providers of pictures are spoken to through here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import aiohttp
import aiohttp.http_exceptions
import httpx

from schemas.failure import Charged, Failure, FailureClass
from schemas.image import Answer, Generated, ImageRequest, Usage
from workers.images import errors
from workers.images.partfile import PartFile
from workers.images.transport import ImagesTransport, calling_when_connected

# Complex prompts take minutes, p95 at high quality about 280 s; an early timeout throws a paid picture away.
# Source: developers.openai.com/api/docs/guides/image-generation and ofox.ai/blog, read 2026-11-20.
DEADLINE_S = 600.0
READ_TIMEOUT_S = 600.0
CONNECT_TIMEOUT_S = 10.0

_BROKEN_OFF = (
    httpx.HTTPError,
    aiohttp.ClientError,
    aiohttp.http_exceptions.HttpProcessingError,
    OSError,
    TimeoutError,
)


class Client(Protocol):
    """Whoever makes the pictures of one lane. `provider` is the company behind it;
    `server` the host that is called, and its port where one is named."""

    provider: str
    server: tuple[str, int | None]

    async def generate(self, request: ImageRequest, *, into: Path) -> Answer:
        """One request, one send, one answer; the bytes of a picture are at `into` then."""
        ...

    async def aclose(self) -> None:
        """Closes every connection. Calls in flight break off."""
        ...


@dataclass(slots=True)
class Call:
    """What is known about one call; filled while it runs, so that it holds wherever the call breaks off."""

    clock: Callable[[], float]
    connected_at_s: float | None = None
    finished_at_s: float = 0.0
    status: int | None = None
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    broken_by: Exception | None = None

    def connected(self) -> None:
        """From here on bytes may have left."""
        self.connected_at_s = self.clock()

    @property
    def latency_s(self) -> float:
        return 0.0 if self.connected_at_s is None else self.finished_at_s - self.connected_at_s

    @property
    def has_succeeded(self) -> bool:
        """Whether the status says so; the answer may be cut off all the same."""
        return self.status is not None and 200 <= self.status < 300


def http_client(
    api_key: str, *, accept: str, connect_timeout_s: float, read_timeout_s: float
) -> httpx.AsyncClient:
    """A client that calls with one key."""
    return httpx.AsyncClient(
        transport=ImagesTransport(trust_env=False),
        trust_env=False,
        # The transport takes `pool` as the time for DNS, connecting and TLS together.
        timeout=httpx.Timeout(read_timeout_s, connect=connect_timeout_s, pool=connect_timeout_s),
        headers={
            "Authorization": f"Bearer {api_key}",
            "Accept": accept,
            # pictures and base64 hardly shrink, and inflating them costs more than receiving them
            "Accept-Encoding": "identity",
            "User-Agent": "darkroom",
        },
    )


async def exchange(
    http: httpx.AsyncClient,
    request: httpx.Request,
    call: Call,
    feed: Callable[[bytes], object],
    *,
    deadline_s: float,
) -> None:
    """Sends a request and hands its answer over as far as it comes; `call` holds its status before the first byte."""
    try:
        with calling_when_connected(call.connected):
            async with asyncio.timeout(deadline_s):
                response = await http.send(request, stream=True)
                call.status, call.headers = response.status_code, response.headers
                async with aclosing(response):
                    async for chunk in response.aiter_bytes():
                        feed(chunk)
    except _BROKEN_OFF as error:
        call.broken_by = error
    call.finished_at_s = call.clock()


def unanswered(call: Call, redact: Callable[[str], str]) -> Failure:
    """No status line came. Only a call that never had a connection has certainly sent nothing."""
    reason = redact(_reason(call.broken_by))
    if call.connected_at_s is None:
        return Failure.of(FailureClass.NOT_SENT, f"No connection could be made: {reason}.")
    return Failure.of(FailureClass.DOUBTFUL, f"The request went out and no answer came: {reason}.")


def broken_off(call: Call, redact: Callable[[str], str]) -> str:
    """What is said of an answer that began and did not end."""
    return redact(f"The answer ({call.status}) broke off: {_reason(call.broken_by)}.")


def _reason(error: Exception | None) -> str:
    """The transport's own name of an error: httpx's names for it say "connect" where a server hung up."""
    cause = error.__cause__ or error if error else None
    return " ".join(f"{type(cause).__name__} {cause}".split())


async def kept(call: Call, part: PartFile, usage: Usage | None) -> Generated | Failure:
    """Puts the whole picture in its place."""
    request_id = errors.request_id(call.headers)
    try:
        sha256 = await part.keep()
    except OSError as error:
        message = f"The picture is paid for and lost: the spool's disk did not take it ({error.strerror})."
        return Failure.of(FailureClass.DOUBTFUL, message, charged=Charged.YES, request_id=request_id)
    return Generated(part.into, sha256, part.size_bytes, usage, request_id)


async def kept_as_evidence(part: PartFile) -> None:
    """Keeps what is no good picture beside the place of the picture, as `.bad`."""
    with suppress(OSError):  # losing the evidence changes nothing about the failure
        await part.keep(suffix=".bad")


def prepared(build: Callable[[], httpx.Request], part: PartFile) -> httpx.Request | Failure:
    """Everything on this machine that can fail, before any money is spent."""
    try:
        request = build()
    except OSError as error:
        return Failure.of(
            FailureClass.BAD_REFERENCE, f"A reference picture cannot be read: {error.strerror}."
        )
    try:
        part.create()
    except OSError as error:
        return Failure.of(FailureClass.NOT_SENT, f"The spool takes no file: {error.strerror}.")
    return request
