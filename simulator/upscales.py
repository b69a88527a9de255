"""The way of one upscale: let in, checked, delayed, enlarged, charged, sent; in the same books as the other calls.

Faults are those of the picture calls, as far as this provider can show them: its refusals have other words, and
`error_in_200` is a picture that its content filter has blurred.
"""

from collections import deque
from collections.abc import Mapping
from functools import partial
from io import BytesIO

from aiohttp import web
from PIL import Image, ImageFilter

from simulator.answers import Reply, gateway_page, send
from simulator.calls import ImageCalls, new_request_id
from simulator.contract.errors import ApiError
from simulator.contract.upscaling import (
    FACTOR,
    MAX_REQUESTS,
    MODEL,
    PATH,
    SECONDS,
    TIMED_OUT_S,
    USD_MICROS,
    USD_MICROS_PER_CREDIT,
    WINDOW_S,
    Asked,
    UpscaleError,
    read,
)
from simulator.faults import FAILURES, REFUSALS, Kind, Rule, Subject
from simulator.ledger import Call, Charged

CREDITS = 1_000.0
"""What every account has bought."""

_REFUSED: Mapping[Kind, tuple[int, str, str]] = {
    Kind.RATE_LIMIT: (429, "rate_limit_exceeded", "You have made more than 150 requests in 10 seconds."),
    Kind.RATE_LIMIT_BARE: (429, "rate_limit_exceeded", "You have made more than 150 requests in 10 seconds."),
    Kind.SLOW_DOWN: (429, "rate_limit_exceeded", "You have made more than 150 requests in 10 seconds."),
    Kind.QUOTA: (402, "payment_required", "You lack sufficient credits to make this request."),
    Kind.BAD_REQUEST_400: (400, "bad_request", "image: was refused by the fault script"),
    Kind.UNVERIFIED_403: (403, "content_moderation", "Your request was flagged by our content moderation system."),
    Kind.MODEL_404: (404, "not_found", "The resource was not found."),
    Kind.ERROR_500: (500, "internal_error", "An unexpected server error has occurred."),
    Kind.ERROR_503: (503, "service_unavailable", "The service is temporarily unavailable."),
}  # fmt: skip
_CONTENTS = {Kind.NOT_AN_IMAGE: b"not an image", Kind.BAD_BASE64: b"not an image", Kind.EMPTY_DATA: b""}


class UpscaleCalls:
    """The fast upscaler, beside the picture calls: it shares their ledger, faults, clocks and latency."""

    def __init__(self, calls: ImageCalls) -> None:
        self._calls = calls
        self._arrivals: dict[str, deque[float]] = {}
        self._timed_out_until_s: dict[str, float] = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call and write it into the ledger."""
        calls = self._calls
        call = Call(
            at=calls.wall_clock(),
            path=request.path,
            model=MODEL,
            client_request_id=request.headers.get("x-client-request-id"),
            request_id=new_request_id(),
        )
        calls.ledger.enter()
        try:
            return await self._answer(request, call)
        except UpscaleError as error:
            call.status, call.outcome = error.status, error.outcome or error.name
            calls.ledger.settle(call)
            headers = {"x-request-id": call.request_id, **error.headers}
            return web.json_response(error.body(call.request_id), status=error.status, headers=headers)
        finally:
            calls.ledger.leave()

    async def balance(self, request: web.Request) -> web.Response:
        """GET /v1/user/balance: the credits that are left."""
        try:
            account = self._account(request)
        except UpscaleError as error:
            return web.json_response(error.body(new_request_id()), status=error.status)
        spent = sum(
            call.cost_usd_micros
            for call in self._calls.ledger.charged()
            if (call.account, call.path) == (account, PATH)
        )
        return web.json_response({"credits": CREDITS - spent / USD_MICROS_PER_CREDIT})

    async def _answer(self, request: web.Request, call: Call) -> web.StreamResponse:
        call.account = self._account(request)
        asked = await read(request)
        call.request_digest, call.size = asked.digest, asked.size
        self._admit(call.account)
        rule = self._calls.faults.pick(Subject("", PATH, MODEL, call.client_request_id or ""))
        if rule and rule.kind in REFUSALS - {Kind.ERROR_IN_200}:
            _charge(call, rule.charge)
            raise _refusal(rule)
        await self._calls.sleep(self._calls.latency_factor * SECONDS)
        reply = await self._make(asked, call, rule)
        call.status, call.outcome = reply.status, rule.kind.value if rule else "ok"
        self._calls.ledger.settle(call)
        return await self._send(reply, request, call, rule)

    def _account(self, request: web.Request) -> str:
        try:
            return self._calls.account(request)
        except ApiError as error:
            raise UpscaleError(401, "unauthorized", ("The API key is missing or not known.",)) from error

    def _admit(self, account: str) -> None:
        """150 requests in any ten seconds; who makes more waits for a minute."""
        now_s, arrivals = self._calls.clock(), self._arrivals.setdefault(account, deque())
        while arrivals and arrivals[0] <= now_s - WINDOW_S:
            arrivals.popleft()
        if len(arrivals) >= MAX_REQUESTS:
            self._timed_out_until_s[account] = now_s + TIMED_OUT_S
        if now_s < self._timed_out_until_s.get(account, now_s):
            raise _refusal(Rule(Kind.RATE_LIMIT))
        arrivals.append(now_s)

    async def _make(self, asked: Asked, call: Call, rule: Rule | None) -> Reply:
        """Enlarge and charge, or fail as one does after the time was spent."""
        kind = rule.kind if rule else None
        if rule and rule.kind in FAILURES:
            _charge(call, rule.charge)
            if kind is Kind.GATEWAY_HTML:
                return gateway_page(rule.status)
            raise _refusal(rule)
        content = await self._calls.in_pool(partial(enlarged, asked, rule))
        is_filtered = kind is Kind.ERROR_IN_200 and rule is not None and rule.charged is None
        _charge(call, "unknown" if is_filtered else rule.charge if rule else True)
        return Reply(content, content_type=f"image/{asked.output_format}")

    async def _send(
        self, reply: Reply, request: web.Request, call: Call, rule: Rule | None
    ) -> web.StreamResponse:
        is_filtered = rule is not None and rule.kind is Kind.ERROR_IN_200
        headers = {
            "x-request-id": call.request_id,
            "finish-reason": "CONTENT_FILTERED" if is_filtered else "SUCCESS",
            "seed": "0",
        }
        try:
            return await send(reply, request, headers=headers, rule=rule, sleep=self._calls.sleep)
        except ConnectionError:
            if rule is None:
                self._calls.ledger.mark_client_gone(call)
            return web.Response(status=499)


def enlarged(asked: Asked, rule: Rule | None = None) -> bytes:
    """The picture, larger; work for a thread. Equal calls give equal bytes. Fast settings: it need not be beautiful."""
    kind = rule.kind if rule else None
    if kind in _CONTENTS:
        return _CONTENTS[kind]
    factor = FACTOR // 2 if kind is Kind.WRONG_SIZE else FACTOR
    with Image.open(BytesIO(asked.content)) as opened:
        picture = opened.convert("RGBA" if opened.has_transparency_data else "RGB")
    picture = picture.resize((asked.width_px * factor, asked.height_px * factor), Image.Resampling.NEAREST)
    if kind is Kind.ERROR_IN_200:
        picture = picture.filter(ImageFilter.BoxBlur(40))
    out = BytesIO()
    match asked.output_format:
        case "png":
            picture.save(out, "PNG", compress_level=1)
        case "jpeg":
            picture.convert("RGB").save(out, "JPEG", quality=75)
        case _:
            picture.save(out, "WEBP", quality=75, method=0)
    content = out.getvalue()
    return (
        content[: int(len(content) * rule.at_percent / 100)]
        if rule and kind is Kind.TRUNCATED_JSON
        else content
    )


def _refusal(rule: Rule) -> UpscaleError:
    status, name, message = _REFUSED[rule.kind]
    hint = {} if rule.retry_after_s is None else {"retry-after": str(max(1, round(rule.retry_after_s)))}
    return UpscaleError(status, name, (message,), outcome=rule.kind.value, headers=hint)


def _charge(call: Call, charged: Charged) -> None:
    call.charged = charged
    if charged:
        call.images, call.cost_usd_micros = 1, USD_MICROS
