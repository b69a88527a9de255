"""The way of one picture call: let in, checked, delayed, drawn, charged, sent."""

import asyncio
import hashlib
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from aiohttp import web

from simulator.answers import Reply, Sleep, compose, gateway_page, send, usage_of
from simulator.contract.errors import (
    ApiError,
    invalid_api_key,
    missing_api_key,
    moderation_blocked,
)
from simulator.contract.models import latency_s
from simulator.contract.parameters import ImageRequest, check
from simulator.contract.prices import Usage
from simulator.contract.uploads import Incoming, read
from simulator.faults import FAILURES, REFUSALS, FaultScript, Kind, Rule, Subject
from simulator.ledger import Call, Charged, Ledger
from simulator.limits import Dimension, LimitSettings, RateLimits
from simulator.refusals import refusal

API_VERSION = "2020-10-01"
BLOCKED_INPUT, BLOCKED_OUTPUT = "[moderation:input]", "[moderation:output]"

T = TypeVar("T")


@dataclass
class ImageCalls:
    """Everything a call meets on its way.

    Attributes:
        clock: seconds that never go back, for limits and durations.
        wall_clock: unix seconds, for what is written down.
        api_key: the only key that is let in; None lets in every key, each as an account of its own.
    """

    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    sleep: Sleep
    pool: ThreadPoolExecutor
    api_key: str | None = None
    latency_factor: float = 1.0
    limits: RateLimits = field(default_factory=lambda: RateLimits(LimitSettings()))
    faults: FaultScript = field(default_factory=FaultScript)
    ledger: Ledger = field(default_factory=Ledger)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call and write it into the ledger."""
        started_s = self.clock()
        call = Call(
            at=self.wall_clock(),
            path=request.path,
            client_request_id=request.headers.get("x-client-request-id"),
            request_id=new_request_id(),
        )
        self.ledger.enter()
        try:
            return await self._answer(request, call, started_s)
        except ApiError as error:
            call.status, call.outcome = error.status, error.ledger_outcome
            self.ledger.settle(call)
            headers = {**self._headers(call, started_s), **error.headers}
            return web.json_response(error.body(), status=error.status, headers=headers)
        finally:
            self.ledger.leave()

    async def _answer(self, request: web.Request, call: Call, started_s: float) -> web.StreamResponse:
        call.account = self.account(request)
        incoming = await self._enter(request, call)
        asked = check(incoming)
        call.request_digest, call.size = asked.digest, asked.size
        if BLOCKED_INPUT in asked.prompt:
            raise moderation_blocked("input")
        rule = self.faults.pick(_subject(asked, call))
        usage = usage_of(asked)
        if rule and rule.kind in REFUSALS:
            _charge(call, asked, usage, rule.charge)
            raise refusal(rule, asked.asked_model)
        self._admit_work(call.account, asked, usage)
        await self.sleep(self._latency_s(asked))
        reply = await self._make(asked, usage, call, rule)
        call.status, call.outcome = reply.status, rule.kind.value if rule else "ok"
        self.ledger.settle(call)
        return await self._send(reply, request, call, rule, started_s)

    def account(self, request: web.Request) -> str:
        """The account behind the bearer key.

        Raises:
            ApiError: 401.
        """
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key:
            raise missing_api_key()
        if self.api_key is not None and key != self.api_key:
            raise invalid_api_key(key)
        return hashlib.sha256(key.encode()).hexdigest()[:12]

    async def _enter(self, request: web.Request, call: Call) -> Incoming:
        """Count the request, whatever becomes of it, and read it to its end, even if it is refused."""
        refused = self.limits.admit(call.account, {Dimension.REQUESTS: 1}, self.clock())
        incoming = await read(request, self.in_pool)
        model = incoming.parameters.get("model")
        call.model = model if isinstance(model, str) else None
        if refused is not None:
            raise refused.error(call.model or "default model")
        return incoming

    def _admit_work(self, account: str, asked: ImageRequest, usage: Usage) -> None:
        """Spend pictures and tokens; output tokens count, though no official text says whether they do."""
        images = max(asked.n, len(asked.references)) if self.limits.settings.count_references else asked.n
        wanted = {Dimension.IMAGES: images, Dimension.TOKENS: usage.total_tokens}
        refused = self.limits.admit(account, wanted, self.clock())
        if refused is not None:
            raise refused.error(asked.asked_model)

    def _latency_s(self, asked: ImageRequest) -> float:
        pixels = asked.width_px * asked.height_px
        return self.latency_factor * latency_s(
            asked.model, asked.quality, pixels, asked.complexity, asked.digest
        )

    async def _make(self, asked: ImageRequest, usage: Usage, call: Call, rule: Rule | None) -> Reply:
        """Draw and charge, or fail as one does after the time was spent."""
        if BLOCKED_OUTPUT in asked.prompt:
            _charge(call, asked, usage, "unknown")
            raise moderation_blocked("output")
        if rule and rule.kind in FAILURES:
            _charge(call, asked, usage, rule.charge)
            if rule.kind is Kind.GATEWAY_HTML:
                return gateway_page(rule.status)
            raise refusal(rule, asked.asked_model)
        reply = await self.in_pool(partial(compose, asked, usage, int(self.wall_clock()), rule))
        _charge(call, asked, usage, rule.charge if rule else True)
        return reply

    async def _send(
        self,
        reply: Reply,
        request: web.Request,
        call: Call,
        rule: Rule | None,
        started_s: float,
    ) -> web.StreamResponse:
        try:
            headers = self._headers(call, started_s)
            return await send(reply, request, headers=headers, rule=rule, sleep=self.sleep)
        except ConnectionError:
            if rule is None:
                self.ledger.mark_client_gone(call)
            # Nobody is left to read this; it only lets the server end the exchange in its ordinary way.
            return web.Response(status=499)

    def _headers(self, call: Call, started_s: float) -> dict[str, str]:
        now_s = self.clock()
        limits = self.limits.headers(call.account, now_s) if call.account else {}
        return {
            "x-request-id": call.request_id,
            "openai-processing-ms": str(round((now_s - started_s) * 1000)),
            "openai-version": API_VERSION,
            "openai-organization": "org-simulator",
            **limits,
        }

    async def in_pool(self, work: Callable[[], T]) -> T:
        """Does heavy work beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, work)


def new_request_id() -> str:
    return f"req_{uuid.uuid4().hex}"


def _subject(asked: ImageRequest, call: Call) -> Subject:
    return Subject(asked.prompt, asked.path, asked.asked_model, call.client_request_id or "")


def _charge(call: Call, asked: ImageRequest, usage: Usage, charged: Charged) -> None:
    """Put on the call what it costs; a call that is not charged has no usage either."""
    call.charged = charged
    if charged:
        call.images, call.usage, call.cost_usd_micros = (
            asked.n,
            usage.body(),
            usage.cost_usd_micros,
        )
