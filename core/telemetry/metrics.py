"""Metrics: `darkroom_*`, base units, one registry for one process. docs/telemetry.md lists them, and a test compares."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from importlib.metadata import version
from itertools import product
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from schemas.claim import LIMITS
from schemas.failure import FAILURE_RULES, FailureClass, Reaction
from schemas.manifest import Priority
from schemas.model import live_models
from schemas.task import TaskState

CALL_BUCKETS_S = (0.5, 1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 450, 600)
"""Pictures take seconds to minutes; the 95th percentile at high quality is near 280 s (field reports, 2026)."""

WAIT_BUCKETS_S = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
"""A large batch is served for hours."""

JITTER_BUCKETS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5)
STORAGE_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
ANSWER_BUCKETS_S = (*STORAGE_BUCKETS_S, 120, 300, 600)
"""A plan is waited for up to DARKROOM_SERVICE__PLAN_WAIT_S: a minute by default, ten at most."""

STORAGE_OPERATIONS = ("put", "get", "stat", "delete", "check")
STORAGE_OUTCOMES = ("ok", "not_found", "already_stored", "failed")

CALL_OUTCOMES = (
    "ok", FailureClass.NOT_SENT, FailureClass.RATE_LIMITED, FailureClass.SLOW_DOWN, FailureClass.QUOTA_EXHAUSTED,
    FailureClass.AUTH, FailureClass.MODERATION_BLOCKED, FailureClass.INVALID_REQUEST, FailureClass.SERVER_ERROR,
    FailureClass.DOUBTFUL, FailureClass.BAD_OUTPUT, FailureClass.BAD_REFERENCE,
)  # fmt: skip
"""How a call can end. What goes wrong before or after it is no matter of the call."""

TOKENS = ("input_text", "input_image", "output_image", "output_text")
_RETRIED = (Reaction.RETRY_FREE, Reaction.RETRY, Reaction.RETRY_PAID, Reaction.DOUBT)
CHECK_RESULTS = ("pass", "warn", "fail")


class Metrics:
    """What every process counts. Label values that are known start at 0: what is rare is shown as 0, not left out."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call] # a second series for each counter, which nobody asks for
        self.registry = CollectorRegistry()
        self._gauge("darkroom_build_info", "1; which version runs.", "version").labels(
            version("darkroom")
        ).set(1)
        self.storage_seconds = self._histogram(
            "darkroom_storage_seconds", "Time of a storage operation.", "operation", buckets=STORAGE_BUCKETS_S
        )
        self.storage_operations = self._counter(
            "darkroom_storage_operations", "Storage operations, by how they ended.", "operation", "outcome"
        )
        self.storage_bytes = self._counter("darkroom_storage_bytes", "Bytes stored or read.", "direction")
        for ending in product(STORAGE_OPERATIONS, STORAGE_OUTCOMES):
            self.storage_operations.labels(*ending)
        for operation in STORAGE_OPERATIONS:
            self.storage_seconds.labels(operation)
        for direction in ("written", "read"):
            self.storage_bytes.labels(direction)

    def render(self, accept: str = "", also: Collector | None = None) -> tuple[bytes, str]:
        """The text that Prometheus scrapes, and its media type: OpenMetrics, with exemplars, for who accepts it.

        Args:
            accept: as the header says it.
            also: figures that are read at this moment.
        """
        shown = CollectorRegistry()
        for collector in (self.registry, also):
            if collector is not None:
                shown.register(collector)
        encode, media_type = choose_encoder(accept)
        return encode(shown), media_type

    def serve(self, host: str, port: int) -> tuple[WSGIServer, threading.Thread]:
        """Serves /metrics from a thread of its own; `shutdown()` of the server ends it."""
        return start_http_server(port, addr=host, registry=self.registry)

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(name, says, labels, registry=self.registry)

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        return Gauge(name, says, labels, registry=self.registry)

    def _histogram(self, name: str, says: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, says, labels, buckets=buckets, registry=self.registry)


class ServiceMetrics(Metrics):
    """What the service counts."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = self._counter(
            "darkroom_http_requests", "HTTP requests answered.", "method", "route", "status"
        )
        self.request_seconds = self._histogram(
            "darkroom_http_request_seconds", "Time to answer.", "method", "route", buckets=ANSWER_BUCKETS_S
        )


class WorkerMetrics(Metrics):
    """What a worker counts: its attempts, its tokens, its spool. What was spent is counted in Redis, where it is settled."""

    def __init__(self) -> None:
        super().__init__()
        self._count_money()
        self._time_waits()
        call = ("lane", "model", "operation")
        self.attempts = self._counter("darkroom_attempts", "Calls made, by how they ended.", *call, "outcome")
        self.quota_used = self._counter(
            "darkroom_quota_used", "What calls took of the limits of a lane.", "lane", "dimension"
        )
        self.call_seconds = self._histogram(
            "darkroom_call_seconds", "First byte sent to last byte received.", *call, buckets=CALL_BUCKETS_S
        )
        self.tokens = self._counter(
            "darkroom_tokens", "Tokens of calls, as the provider counted them.", "lane", "model", "kind"
        )
        self.retries = self._counter(
            "darkroom_retries", "Retries put off for later.", "lane", "failure_class"
        )
        self.waits = self._counter(
            "darkroom_claim_waits", "Claims that found less than asked for.", "lane", "limited_by"
        )
        self.batches_put_away = self._counter(
            "darkroom_batches_put_away", "Old batches whose tasks left Redis for storage."
        )
        self.doubts_resolved = self._counter(
            "darkroom_doubts_resolved", "Doubts resolved, by what became of the task.", "to"
        )
        for state in (TaskState.DONE, TaskState.QUEUED, TaskState.PARKED):
            self.doubts_resolved.labels(state.value)
        self.leases_lost = self._counter("darkroom_leases_lost", "Leases of this worker that had run out.")
        self.in_flight = self._gauge(
            "darkroom_attempts_in_flight", "Attempts running in this process.", "lane"
        )
        self.slots = self._gauge("darkroom_worker_slots", "Calls this process may hold.")
        self.checks = self._counter(
            "darkroom_picture_checks", "Checks of finished pictures.", "preset", "rule", "result"
        )
        self.spool_files = self._gauge("darkroom_spool_files", "Paid pictures on disk, not stored yet.")
        self.spool_bytes = self._gauge(
            "darkroom_spool_bytes", "Bytes of paid pictures on disk, not stored yet."
        )
        self.spool_oldest_seconds = self._gauge(
            "darkroom_spool_oldest_seconds", "Age of the oldest paid picture on disk."
        )

    def _count_money(self) -> None:
        self.held_usd = self._gauge(
            "darkroom_held_usd", "Dollars held for calls that run.", "model", "quality"
        )
        self.cost_avoided_usd = self._counter(
            "darkroom_cost_avoided_usd", "Dollars that pictures would have cost which were there already.",
            "model", "quality",
        )  # fmt: skip
        for model in live_models():
            for quality in (*model.qualities, "auto"):
                self.cost_avoided_usd.labels(model.name, quality)

    def _time_waits(self) -> None:
        self.wait_seconds = self._histogram(
            "darkroom_wait_seconds", "From the start of a batch to the first call of a task.", "lane", "priority",
            buckets=WAIT_BUCKETS_S,
        )  # fmt: skip
        self.permit_seconds = self._histogram(
            "darkroom_permit_seconds", "From the moment of a permit to its call.", "lane",
            buckets=JITTER_BUCKETS_S,
        )  # fmt: skip

    def expect_lanes(self, lanes: Iterable[str]) -> None:
        """What is counted by lane starts at 0."""
        retried = [name for name, rule in FAILURE_RULES.items() if rule.reaction in _RETRIED]
        for lane in lanes:
            for gauge in (self.in_flight, self.permit_seconds):
                gauge.labels(lane)
            for priority in Priority:
                self.wait_seconds.labels(lane, priority.value)
            for limit in LIMITS:
                self.waits.labels(lane, limit)
            for failure_class in retried:
                self.retries.labels(lane, failure_class.value)

    def expect_call(self, lane: str, model: str, operation: str) -> None:
        """A call of its kind begins, so that its first ending is seen as an increase."""
        for outcome in CALL_OUTCOMES:
            self.attempts.labels(lane, model, operation, outcome)
        for kind in TOKENS:
            self.tokens.labels(lane, model, kind)

    def count_check(self, preset: str, rule: str, result: str) -> None:
        """One rule that a finished picture was held against."""
        for each in CHECK_RESULTS:
            self.checks.labels(preset, rule, each).inc(each == result)
