"""What surrounds every request: its id, its figures, its line in the log, and the last net below mistakes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog
from pydantic import SecretStr
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.clock import Clock
from core.telemetry.logs import naming_trace
from core.telemetry.metrics import ServiceMetrics
from core.telemetry.traces import Fact, Traces, valid_parent
from schemas.ids import new_id
from service.auth import is_let_in
from service.equipment import Chance
from service.problems import ProblemError, problem_response

log = structlog.get_logger()

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_ABORTED = 499
"""The client went away before the answer; nginx's number for it."""


@dataclass(slots=True)
class _Seen:
    status: int | None = None


class RequestObserver:
    """Gives each request an id, counts and times it, and turns what nobody caught into a problem.

    Args:
        key: of callers; who sends another one, or none, decides nothing about traces.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: ServiceMetrics,
        traces: Traces,
        clock: Clock,
        chance: Chance,
        key: SecretStr | None,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._traces = traces
        self._clock = clock
        self._chance = chance
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._id_of(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        seen, started = _Seen(), self._clock.monotonic()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id), self._traced(scope):
            try:
                await self._guarded(scope, receive, answer, seen)
            finally:
                self._record(scope, seen.status or _ABORTED, self._clock.monotonic() - started)

    @contextmanager
    def _traced(self, scope: Scope) -> Iterator[None]:
        """A span around a request of the API; its trace stands in the log.

        Below the caller's, who decides with it whether all of this is written: only where the caller is let in.
        """
        if not scope["path"].startswith("/v1/"):
            yield
            return
        headers = Headers(scope=scope)
        is_trusted = is_let_in(self._key, headers.get("authorization", ""))
        parent = valid_parent(headers.get("traceparent")) if is_trusted else None
        facts: dict[str, Fact] = {"http.request.method": scope["method"]}
        traced = self._traces.span(scope["method"], kind="server", under=parent, facts=facts)
        with traced, naming_trace(self._traces.trace_id):
            yield

    async def _guarded(self, scope: Scope, receive: Receive, send: Send, seen: _Seen) -> None:
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:
            return
        except Exception:
            log.exception("request.failed")
            if seen.status is not None:
                raise  # an answer that has begun is cut off, so that nobody takes it for whole
            response = problem_response(
                Request(scope),
                ProblemError("internal", "Something went wrong inside the service; it was logged."),
            )
            await response(scope, receive, send)

    def _id_of(self, scope: Scope) -> str:
        given = Headers(scope=scope).get("x-request-id", "")
        if _REQUEST_ID.fullmatch(given):
            return given
        return new_id("req", now_ms=self._clock.now_ms(), random_bytes=self._chance(10))

    def _record(self, scope: Scope, status: int, took_s: float) -> None:
        """Figures by the address's pattern, never by the address: ids would make a series each."""
        route = getattr(scope.get("route"), "path_format", "unmatched")
        method = scope["method"] if route != "unmatched" else "any"
        self._metrics.requests.labels(method=method, route=route, status=str(status)).inc()
        trace_id = self._traces.trace_id
        exemplar = None if trace_id is None else {"trace_id": trace_id}
        self._metrics.request_seconds.labels(method=method, route=route).observe(took_s, exemplar)
        self._traces.tell(
            {"http.route": route, "http.response.status_code": status},
            failed=str(status) if status >= 500 else None,
        )
        write = log.info if route.startswith("/v1") or status >= 400 else log.debug
        write(
            "request.completed", method=scope["method"], route=route, status=status, took_s=round(took_s, 4)
        )
