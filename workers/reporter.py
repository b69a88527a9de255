"""The reporter: what an attempt came to, in figures, in the log and in traces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from core.telemetry.logs import naming_trace
from core.telemetry.metrics import TOKENS, WorkerMetrics
from core.telemetry.traces import Fact, TracedTask, Traces
from schemas.claim import Claim
from schemas.expansion import Cell
from schemas.failure import FAILURE_RULES, Failure, Reaction
from schemas.image import Answer, Generated, ImageRequest
from schemas.verdict import Done, Lost, Release, RetryIn, Verdict
from workers.images.exchange import Client
from workers.shelf import Campaign

_log = structlog.get_logger()


class Reporter:
    """Counts attempts, and traces those of batches that are traced. Prompts, rows and ids never become labels."""

    def __init__(self, metrics: WorkerMetrics, traces: Traces | None = None) -> None:
        self.metrics = metrics
        self._traces = traces or Traces()
        self._held_usd_micros = Counter[tuple[str, str]]()

    @contextmanager
    def attempt(self, claim: Claim, campaign: Campaign) -> Iterator[None]:
        """Around an attempt; lines of its log name its trace."""
        parent = _traced(claim, campaign).parent
        if parent is None:
            yield
            return
        facts: dict[str, Fact] = {
            "darkroom.batch.id": claim.batch_id,
            "darkroom.task": claim.index,
            "darkroom.attempt": claim.attempt,
            "darkroom.lane": claim.lane,
            "darkroom.tenant": claim.tenant,
        }
        with self._traces.span("attempt", under=parent, facts=facts), naming_trace(self._traces.trace_id):
            yield

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Around a part of an attempt."""
        if self._traces.trace_id is None:
            yield
            return
        with self._traces.span(name):
            yield

    @contextmanager
    def call(self, request: ImageRequest, client: Client) -> Iterator[None]:
        """Around the call of an attempt, in the words of OpenTelemetry; the prompt is none of them.

        Source: https://github.com/open-telemetry/semantic-conventions-genai, checked 2026-11-20; still in development,
        so the names are written here and not imported.
        """
        if self._traces.trace_id is None:
            yield
            return
        address, port = client.server
        facts: dict[str, Fact] = {
            "gen_ai.operation.name": "generate_content",
            "gen_ai.output.type": "image",
            "gen_ai.provider.name": client.provider,
            "gen_ai.request.model": request.model,
            "server.address": address,
            "darkroom.image.operation": request.operation,
            "darkroom.image.size": request.size,
            "darkroom.image.quality": request.quality,
            "darkroom.image.format": request.format.value,
            "darkroom.image.references": len(request.references),
            "darkroom.client_request_id": request.client_request_id,
        }
        if port is not None:
            facts["server.port"] = port
        with self._traces.span(f"generate_content {request.model}", kind="client", facts=facts):
            yield

    def permitted(
        self, claim: Claim, campaign: Campaign, request: ImageRequest, *, late_s: float, now_ms: int
    ) -> None:
        """A request may leave, `late_s` after the moment of its permit."""
        self.metrics.expect_call(claim.lane, request.model, request.operation)
        self.metrics.permit_seconds.labels(claim.lane).observe(max(0.0, late_s))
        if claim.attempt == 1:
            self.metrics.wait_seconds.labels(claim.lane, campaign.manifest.priority.value).observe(
                max(0, now_ms - campaign.started_at_ms) / 1000
            )

    @contextmanager
    def holding(self, claim: Claim, request: ImageRequest) -> Iterator[None]:
        """While a call runs, its money is held."""
        self._hold(request, claim.hold_usd_micros)
        try:
            yield
        finally:
            self._hold(request, -claim.hold_usd_micros)

    def _hold(self, request: ImageRequest, usd_micros: int) -> None:
        """Whole micro-dollars are summed: a sum of fractions would not be 0 in the end."""
        kind = (request.model, request.quality)
        self._held_usd_micros[kind] += usd_micros
        self.metrics.held_usd.labels(*kind).set(self._held_usd_micros[kind] / 1e6)

    def answered(self, claim: Claim, request: ImageRequest, answer: Answer) -> None:
        labels = (claim.lane, request.model, request.operation)
        failure = answer.outcome if isinstance(answer.outcome, Failure) else None
        outcome = failure.failure_class.value if failure else "ok"
        exemplar = self._exemplar(claim)
        self.metrics.attempts.labels(*labels, outcome).inc(1, exemplar)
        self.metrics.call_seconds.labels(*labels).observe(answer.latency_s, exemplar)
        for dimension, amount in _taken(claim, answer.outcome).items():
            self.metrics.quota_used.labels(claim.lane, dimension).inc(amount)
        if isinstance(answer.outcome, Generated) and (used := answer.outcome.usage) is not None:
            for kind in TOKENS:
                self.metrics.tokens.labels(claim.lane, request.model, kind).inc(
                    getattr(used, f"{kind}_tokens")
                )
        self._traces.tell(_of_answer(answer.outcome), failed=outcome if failure else None)

    def _exemplar(self, claim: Claim) -> dict[str, str]:
        """Which call a figure came from: under 128 characters, the most that OpenMetrics takes."""
        trace_id = self._traces.trace_id
        return {"attempt": claim.attempt_id} | ({} if trace_id is None else {"trace_id": trace_id})

    def ended(self, claim: Claim, campaign: Campaign, cell: Cell, verdict: Verdict, *, now_ms: int) -> None:
        name, metrics = type(verdict).__name__.lower(), self.metrics
        image, cost = campaign.manifest.image_of(cell.template), getattr(verdict, "cost_usd_micros", 0)
        avoided = metrics.cost_avoided_usd.labels(image.model or "", image.quality or "auto")
        avoided.inc(getattr(verdict, "avoided_usd_micros", 0) / 1e6)
        failure = getattr(verdict, "failure", None)
        if isinstance(verdict, RetryIn) and failure:
            metrics.retries.labels(claim.lane, failure.failure_class.value).inc()
        if isinstance(verdict, Done):
            for check in verdict.checks:
                metrics.count_check(*check)
        facts = {"failure_class": failure.failure_class.value, "reason": failure.message} if failure else {}
        _log.info("attempt.ended", verdict=name, template=cell.template, cost_usd_micros=cost, **facts)
        self._trace_end(claim, campaign, cell, verdict, now_ms=now_ms)

    def _trace_end(
        self, claim: Claim, campaign: Campaign, cell: Cell, verdict: Verdict, *, now_ms: int
    ) -> None:
        """What became of the task, on the span of the attempt, and on its own where it has ended with it."""
        failure = getattr(verdict, "failure", None)
        facts: dict[str, Fact] = {
            "darkroom.verdict": type(verdict).__name__.lower(),
            "darkroom.template": cell.template,
            "darkroom.cost_usd_micros": getattr(verdict, "cost_usd_micros", 0),
        }
        self._traces.tell(facts, failed=failure.failure_class.value if failure else None)
        if not isinstance(verdict, RetryIn | Release | Lost):
            told: dict[str, Fact] = {"darkroom.batch.id": claim.batch_id, "darkroom.task": claim.index}
            moments = {"started_at_ms": campaign.started_at_ms, "ended_at_ms": now_ms}
            self._traces.task(_traced(claim, campaign), facts=told | facts, **moments)


def _traced(claim: Claim, campaign: Campaign) -> TracedTask:
    return TracedTask(campaign.trace, claim.batch_id, claim.index, campaign.expansion.grid.total)


def _of_answer(outcome: Generated | Failure) -> dict[str, Fact]:
    """What an answer says of itself, without its sentences: those may repeat what was asked."""
    facts: dict[str, Fact] = {}
    if outcome.request_id is not None:
        facts["gen_ai.response.id"] = outcome.request_id
    if isinstance(outcome, Failure):
        if outcome.http_status is not None:
            facts["http.response.status_code"] = outcome.http_status
        return facts
    if (used := outcome.usage) is not None:
        facts["gen_ai.usage.input_tokens"] = used.input_text_tokens + used.input_image_tokens
        facts["gen_ai.usage.output_tokens"] = used.output_text_tokens + used.output_image_tokens
    return facts


def _taken(claim: Claim, outcome: Generated | Failure) -> dict[str, int]:
    """What a call took of each limit, as it is settled: one that a limit refused was a request, and nothing else."""
    if isinstance(outcome, Failure):
        is_refused = FAILURE_RULES[outcome.failure_class].reaction in (Reaction.WAIT, Reaction.PAUSE_LANE)
        return {"requests": 1, "images": int(not is_refused), "tokens": 0 if is_refused else claim.tokens}
    tokens = claim.tokens if outcome.usage is None else outcome.usage.total_tokens
    return {"requests": 1, "images": 1, "tokens": tokens}
