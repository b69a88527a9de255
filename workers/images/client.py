"""The client of one lane: one request, one send, one answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import aiohttp
import aiohttp.http_exceptions
import httpx

from schemas.failure import Charged, Failure, FailureClass
from schemas.image import Answer, Generated, ImageRequest, Usage
from workers.images import errors, wire
from workers.images.headers import limit_readings
from workers.images.partfile import PartFile
from workers.images.redaction import redacted
from workers.images.stream import Picture, PictureExtractor
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


@dataclass(slots=True)
class _Call:
    """What is known about one call; filled while it runs, so that it holds wherever the call breaks off."""

    clock: Callable[[], float]
    connected_at_s: float | None = None
    finished_at_s: float = 0.0
    status: int | None = None
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    picture: Picture = Picture.MISSING
    rest: bytes = b""
    broken_by: Exception | None = None

    def connected(self) -> None:
        """From here on bytes may have left."""
        self.connected_at_s = self.clock()

    @property
    def latency_s(self) -> float:
        return 0.0 if self.connected_at_s is None else self.finished_at_s - self.connected_at_s


class ImagesClient:
    """Calls one Images API with one key.

    Args:
        base_url: such as `https://api.openai.com/v1`.
        clock: monotonic seconds.
        deadline_s: for a whole call; a server that drips bytes never trips the read timeout.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        clock: Callable[[], float],
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        read_timeout_s: float = READ_TIMEOUT_S,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self.server = (httpx.URL(base_url).host, httpx.URL(base_url).port)
        self._api_key = api_key
        self._clock = clock
        self._deadline_s = deadline_s
        self._http = httpx.AsyncClient(
            transport=ImagesTransport(trust_env=False),
            trust_env=False,
            # The transport takes `pool` as the time for DNS, connecting and TLS together.
            timeout=httpx.Timeout(read_timeout_s, connect=connect_timeout_s, pool=connect_timeout_s),
            headers={
                "Authorization": f"Bearer {api_key}",
                "Accept": "application/json",
                # base64 hardly shrinks, and inflating it costs more than receiving it
                "Accept-Encoding": "identity",
                "User-Agent": "darkroom",
            },
        )

    async def generate(self, request: ImageRequest, *, into: Path) -> Answer:
        """Makes one picture and puts its bytes at `into`.

        A paid answer that is not base64 is kept at `into` + `.bad`; any other failure leaves no file.
        Cancelled: the connection is closed and no file is left; the call may have been charged.
        """
        call = _Call(self._clock)
        with PartFile(into) as part:
            prepared = self._prepared(request, part)
            if isinstance(prepared, Failure):
                return Answer(prepared, 0.0)
            await self._exchange(prepared, part, call)
            redact = partial(redacted, prompt=request.prompt, key=self._api_key)
            outcome = await _outcome(call, part, redact=redact, edit=bool(request.references))
        return Answer(outcome, call.latency_s, limit_readings(call.headers.items()))

    async def aclose(self) -> None:
        """Closes every connection. Calls in flight break off."""
        await self._http.aclose()

    def _prepared(self, request: ImageRequest, part: PartFile) -> httpx.Request | Failure:
        """Everything on this machine that can fail, before any money is spent."""
        try:
            http_request = self._http_request(request)
        except OSError as error:
            return Failure.of(
                FailureClass.BAD_REFERENCE,
                f"A reference picture cannot be read: {error.strerror}.",
            )
        try:
            part.create()
        except OSError as error:
            return Failure.of(FailureClass.NOT_SENT, f"The spool takes no file: {error.strerror}.")
        return http_request

    def _http_request(self, request: ImageRequest) -> httpx.Request:
        headers = {"X-Client-Request-Id": request.client_request_id}
        url = f"{self._base_url}/images/{'edits' if request.references else 'generations'}"
        if request.references and not request.is_linked:
            form = wire.MultipartBody(request)
            return self._http.build_request("POST", url, headers=headers | form.headers, content=form)
        headers["Content-Type"] = "application/json"
        content = wire.linked_body(request) if request.references else wire.json_body(request)
        return self._http.build_request("POST", url, headers=headers, content=content)

    async def _exchange(self, http_request: httpx.Request, part: PartFile, call: _Call) -> None:
        """Sends the request and reads the answer as far as it comes; everything learnt is in `call`."""
        extractor = PictureExtractor(part.write)
        try:
            with calling_when_connected(call.connected):
                async with asyncio.timeout(self._deadline_s):
                    response = await self._http.send(http_request, stream=True)
                    call.status, call.headers = response.status_code, response.headers
                    async with aclosing(response):
                        async for chunk in response.aiter_bytes():
                            extractor.feed(chunk)
        except _BROKEN_OFF as error:
            call.broken_by = error
        call.finished_at_s = self._clock()
        extracted = extractor.close()
        call.picture, call.rest = extracted.picture, extracted.rest


async def _outcome(
    call: _Call, part: PartFile, *, redact: Callable[[str], str], edit: bool
) -> Generated | Failure:
    """A complete answer counts even if its connection broke afterwards: JSON says itself where it ends."""
    if call.status is None:
        return _unanswered(call, redact)
    answer = errors.parsed(call.rest)
    if 200 <= call.status < 300 and answer is not None and errors.error_object(answer) is None:
        if call.picture is Picture.WHOLE:
            return await _kept(call, part, wire.usage_from(answer.get("usage"), edit=edit))
        if call.picture is Picture.BROKEN:
            await _kept_as_evidence(part)
    failure = errors.classify(call.status, call.rest, call.headers, redact=redact)
    if failure.failure_class is FailureClass.DOUBTFUL and call.broken_by is not None:
        return replace(
            failure,
            message=redact(f"The answer ({call.status}) broke off: {_reason(call.broken_by)}."),
        )
    return failure


def _unanswered(call: _Call, redact: Callable[[str], str]) -> Failure:
    """No status line came. Only a call that never had a connection has certainly sent nothing."""
    reason = redact(_reason(call.broken_by))
    if call.connected_at_s is None:
        return Failure.of(FailureClass.NOT_SENT, f"No connection could be made: {reason}.")
    return Failure.of(FailureClass.DOUBTFUL, f"The request went out and no answer came: {reason}.")


def _reason(error: Exception | None) -> str:
    """The transport's own name of an error: httpx's names for it say "connect" where a server hung up."""
    cause = error.__cause__ or error if error else None
    return " ".join(f"{type(cause).__name__} {cause}".split())


async def _kept(call: _Call, part: PartFile, usage: Usage | None) -> Generated | Failure:
    request_id = errors.request_id(call.headers)
    try:
        sha256 = await part.keep()
    except OSError as error:
        message = f"The picture is paid for and lost: the spool's disk did not take it ({error.strerror})."
        return Failure.of(FailureClass.DOUBTFUL, message, charged=Charged.YES, request_id=request_id)
    return Generated(part.into, sha256, part.size_bytes, usage, request_id)


async def _kept_as_evidence(part: PartFile) -> None:
    with suppress(OSError):  # losing the evidence changes nothing about the failure
        await part.keep(suffix=".bad")
