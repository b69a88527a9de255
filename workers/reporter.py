"""The reporter: what an attempt came to, in figures and in the log."""

from __future__ import annotations

import structlog

from core.telemetry.metrics import WorkerMetrics
from schemas.claim import Claim
from schemas.expansion import Cell
from schemas.failure import FAILURE_RULES, Failure, Reaction
from schemas.image import Answer, Generated, ImageRequest
from schemas.verdict import Done, RetryIn, Verdict
from workers.shelf import Campaign

_log = structlog.get_logger()


class Reporter:
    """Counts attempts. Prompts, rows and ids never become labels."""

    def __init__(self, metrics: WorkerMetrics) -> None:
        self.metrics = metrics

    def permitted(
        self, claim: Claim, campaign: Campaign, request: ImageRequest, *, late_s: float, now_ms: int
    ) -> None:
        """A request may leave, `late_s` after the moment of its permit."""
        self.metrics.expect_call(claim.lane, request.model, request.operation)
        self.metrics.permit_seconds.labels(claim.lane).observe(max(0.0, late_s))
        if claim.attempt == 1:
            self.metrics.wait_seconds.labels(claim.lane).observe(
                max(0, now_ms - campaign.started_at_ms) / 1000
            )

    def answered(self, claim: Claim, request: ImageRequest, answer: Answer) -> None:
        labels = (claim.lane, request.model, request.operation)
        outcome = answer.outcome.failure_class.value if isinstance(answer.outcome, Failure) else "ok"
        self.metrics.attempts.labels(*labels, outcome).inc()
        self.metrics.call_seconds.labels(*labels).observe(answer.latency_s)
        for dimension, amount in _taken(claim, answer.outcome).items():
            self.metrics.quota_used.labels(claim.lane, dimension).inc(amount)

    def ended(self, claim: Claim, campaign: Campaign, cell: Cell, verdict: Verdict) -> None:
        name, metrics = type(verdict).__name__.lower(), self.metrics
        image, tenant = campaign.manifest.image_of(cell.template), metrics.label_of(claim.tenant)
        kind = (image.model or "", image.quality or "auto", tenant)
        cost = getattr(verdict, "cost_usd_micros", 0)
        metrics.cost_usd.labels(claim.lane, *kind).inc(cost / 1e6)
        metrics.cost_avoided_usd.labels(*kind).inc(getattr(verdict, "avoided_usd_micros", 0) / 1e6)
        failure = getattr(verdict, "failure", None)
        if isinstance(verdict, RetryIn) and failure:
            metrics.retries.labels(claim.lane, failure.failure_class.value).inc()
        if isinstance(verdict, Done):
            for check in verdict.checks:
                metrics.count_check(*check)
        facts = {"failure_class": failure.failure_class.value, "reason": failure.message} if failure else {}
        _log.info("attempt.ended", verdict=name, template=cell.template, cost_usd_micros=cost, **facts)


def _taken(claim: Claim, outcome: Generated | Failure) -> dict[str, int]:
    """What a call took of each limit, as it is settled: one that a limit refused was a request, and nothing else."""
    if isinstance(outcome, Failure):
        is_refused = FAILURE_RULES[outcome.failure_class].reaction in (Reaction.WAIT, Reaction.PAUSE_LANE)
        return {"requests": 1, "images": int(not is_refused), "tokens": 0 if is_refused else claim.tokens}
    tokens = claim.tokens if outcome.usage is None else outcome.usage.total_tokens
    return {"requests": 1, "images": 1, "tokens": tokens}
