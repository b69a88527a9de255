"""The client of one lane of an upscaler: Stability AI's fast one, whose answer is the larger picture itself.

Source: platform.stability.ai/docs/api-reference (Upscale, Fast), by clients generated from it, read 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx

from schemas.failure import Failure, FailureClass
from schemas.image import Answer, Generated, ImageRequest
from workers.images import errors, upscaler_errors, wire
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
from workers.images.partfile import PartFile
from workers.images.redaction import redacted
from workers.images.stream import REST_LIMIT_BYTES


class UpscalerClient:
    """Calls one upscaler with one key.

    Args:
        base_url: such as `https://api.stability.ai`.
        clock: monotonic seconds.
        deadline_s: for a whole call; a server that drips bytes never trips the read timeout.
    """

    provider = "stability"

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
        self._url = f"{base_url.rstrip('/')}/v2beta/stable-image/upscale/fast"
        self.server = (httpx.URL(base_url).host, httpx.URL(base_url).port)
        self._clock = clock
        self._deadline_s = deadline_s
        self._redact = partial(redacted, key=api_key)
        self._http = http_client(
            api_key, accept="image/*", connect_timeout_s=connect_timeout_s, read_timeout_s=read_timeout_s
        )

    async def generate(self, request: ImageRequest, *, into: Path) -> Answer:
        """Makes one picture larger and puts the bytes that come back at `into`.

        What the content filter has blurred is kept at `into` + `.bad`; any other failure leaves no file.
        Cancelled: the connection is closed and no file is left; the call may have been charged.
        """
        call, rest = Call(self._clock), bytearray()
        with PartFile(into) as part:
            ready = prepared(lambda: self._http_request(request), part)
            if isinstance(ready, Failure):
                return Answer(ready, 0.0)

            def take(chunk: bytes) -> None:
                if _is_picture(call):
                    part.write(chunk)
                else:
                    rest.extend(chunk[: REST_LIMIT_BYTES - len(rest)])

            await exchange(self._http, ready, call, take, deadline_s=self._deadline_s)
            outcome = await self._outcome(call, bytes(rest), part)
        return Answer(outcome, call.latency_s)

    async def aclose(self) -> None:
        """Closes every connection. Calls in flight break off."""
        await self._http.aclose()

    def _http_request(self, request: ImageRequest) -> httpx.Request:
        form = wire.upscale_body(request)
        headers = {"X-Client-Request-Id": request.client_request_id, **form.headers}
        return self._http.build_request("POST", self._url, headers=headers, content=form)

    async def _outcome(self, call: Call, rest: bytes, part: PartFile) -> Generated | Failure:
        """A picture counts when its answer ended as HTTP says it does: its bytes do not say themselves where they end."""
        if call.status is None:
            return unanswered(call, self._redact)
        if call.broken_by is not None and call.has_succeeded:
            return Failure.of(
                FailureClass.DOUBTFUL,
                broken_off(call, self._redact),
                http_status=call.status,
                request_id=errors.request_id(call.headers),
            )
        if not _is_picture(call):
            return upscaler_errors.classify(call.status, rest, call.headers, redact=self._redact)
        if call.headers.get("finish-reason", "SUCCESS") == "SUCCESS":
            return await kept(call, part, None)
        await kept_as_evidence(part)
        return upscaler_errors.filtered(call.headers)


def _is_picture(call: Call) -> bool:
    return call.has_succeeded and call.headers.get("content-type", "").startswith("image/")
