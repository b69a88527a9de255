"""The reporter: what an attempt came to, in figures and in the log."""

from __future__ import annotations

import structlog

from core.telemetry.metrics import WorkerMetrics
from schemas.claim import Claim
from schemas.expansion import Cell
from schemas.failure import Failure
from schemas.image import Answer, ImageRequest
from schemas.verdict import Done, RetryIn, Verdict
from workers.shelf import Campaign

_log = structlog.get_logger()


class Reporter:
    """Counts attempts. Prompts, rows and ids never become labels."""

    def __init__(self, metrics: WorkerMetrics) -> None:
        self.metrics = metrics

    def permitted(self, claim: Claim, campaign: Campaign, *, late_s: float, now_ms: int) -> None:
        """A request may leave, `late_s` after the moment of its permit."""
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
                metrics.checks.labels(*check).inc()
        facts = {"failure_class": failure.failure_class.value, "reason": failure.message} if failure else {}
        _log.info("attempt.ended", verdict=name, template=cell.template, cost_usd_micros=cost, **facts)
