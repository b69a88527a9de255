"""The client of one lane of an Images API: one request, one send, one answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx

from schemas.failure import Failure, FailureClass
from schemas.image import Answer, Generated, ImageRequest
from workers.images import errors, wire
from workers.images.exchange import (
    CONNECT_TIMEOUT_S,
    DEADLINE_S,
    READ_TIMEOUT_S,
    Call,
    broken_off,
    exchange,
    http_client,
    kept,
    kept_as_evidence,
    prepared,
    unanswered,
)
from workers.images.headers import limit_readings
from workers.images.partfile import PartFile
from workers.images.redaction import redacted
from workers.images.stream import Extracted, Picture, PictureExtractor


class ImagesClient:
    """Calls one Images API with one key.

    Args:
        base_url: such as `https://api.openai.com/v1`.
        clock: monotonic seconds.
        deadline_s: for a whole call; a server that drips bytes never trips the read timeout.
    """

    provider = "openai"

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
        self._http = http_client(
            api_key,
            accept="application/json",
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
        )

    async def generate(self, request: ImageRequest, *, into: Path) -> Answer:
        """Makes one picture and puts its bytes at `into`.

        A paid answer that is not base64 is kept at `into` + `.bad`; any other failure leaves no file.
        Cancelled: the connection is closed and no file is left; the call may have been charged.
        """
        call = Call(self._clock)
        with PartFile(into) as part:
            ready = prepared(lambda: self._http_request(request), part)
            if isinstance(ready, Failure):
                return Answer(ready, 0.0)
            extractor = PictureExtractor(part.write)
            await exchange(self._http, ready, call, extractor.feed, deadline_s=self._deadline_s)
            redact = partial(redacted, prompt=request.prompt, key=self._api_key)
            outcome = await _outcome(
                call, extractor.close(), part, redact=redact, edit=bool(request.references)
            )
        return Answer(outcome, call.latency_s, limit_readings(call.headers.items()))

    async def aclose(self) -> None:
        """Closes every connection. Calls in flight break off."""
        await self._http.aclose()

    def _http_request(self, request: ImageRequest) -> httpx.Request:
        headers = {"X-Client-Request-Id": request.client_request_id}
        url = f"{self._base_url}/images/{'edits' if request.references else 'generations'}"
        if request.references and not request.is_linked:
            form = wire.edit_body(request)
            return self._http.build_request("POST", url, headers=headers | form.headers, content=form)
        headers["Content-Type"] = "application/json"
        content = wire.linked_body(request) if request.references else wire.json_body(request)
        return self._http.build_request("POST", url, headers=headers, content=content)


async def _outcome(
    call: Call, answered: Extracted, part: PartFile, *, redact: Callable[[str], str], edit: bool
) -> Generated | Failure:
    """A complete answer counts even if its connection broke afterwards: JSON says itself where it ends."""
    if call.status is None:
        return unanswered(call, redact)
    answer = errors.parsed(answered.rest)
    if call.has_succeeded and answer is not None and errors.error_object(answer) is None:
        if answered.picture is Picture.WHOLE:
            return await kept(call, part, wire.usage_from(answer.get("usage"), edit=edit))
        if answered.picture is Picture.BROKEN:
            await kept_as_evidence(part)
    failure = errors.classify(call.status, answered.rest, call.headers, redact=redact)
    if failure.failure_class is FailureClass.DOUBTFUL and call.broken_by is not None:
        return replace(failure, message=broken_off(call, redact))
    return failure
