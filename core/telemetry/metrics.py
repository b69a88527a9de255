"""Metrics: `darkroom_*`, base units, one registry for one process."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, start_http_server

CALL_BUCKETS_S = (0.5, 1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 450, 600)
"""Pictures take seconds to minutes; the 95th percentile at high quality is near 280 s (field reports, 2026)."""


@dataclass(slots=True)
class Metrics:
    """Everything this process counts. Names and meanings are listed in docs/telemetry.md, which a test compares."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    tasks: Counter = field(init=False)
    attempts: Counter = field(init=False)
    call_seconds: Histogram = field(init=False)
    cost_usd: Counter = field(init=False)
    in_flight: Gauge = field(init=False)
    waits: Counter = field(init=False)
    spool_files: Gauge = field(init=False)
    requests: Counter = field(init=False)
    request_seconds: Histogram = field(init=False)

    def __post_init__(self) -> None:
        here = self.registry
        self.tasks = Counter(
            "darkroom_tasks", "Tasks that reached an end, by verdict.", ["verdict"], registry=here
        )
        self.attempts = Counter(
            "darkroom_attempts",
            "Calls made, by how they ended.",
            ["lane", "model", "operation", "outcome"],
            registry=here,
        )
        self.call_seconds = Histogram(
            "darkroom_call_seconds", "First byte sent to last byte received.", ["lane", "model", "operation"],
            buckets=CALL_BUCKETS_S, registry=here,
        )  # fmt: skip
        self.cost_usd = Counter(
            "darkroom_cost_usd", "Dollars settled.", ["lane", "model", "quality"], registry=here
        )
        self.in_flight = Gauge(
            "darkroom_attempts_in_flight", "Attempts running in this process.", ["lane"], registry=here
        )
        self.waits = Counter(
            "darkroom_claim_waits",
            "Claims that found less than asked for.",
            ["lane", "limited_by"],
            registry=here,
        )
        self.spool_files = Gauge(
            "darkroom_spool_files", "Paid pictures on disk that are not stored yet.", registry=here
        )
        self.requests = Counter(
            "darkroom_http_requests", "HTTP requests answered.", ["method", "route", "status"], registry=here
        )
        self.request_seconds = Histogram(
            "darkroom_http_request_seconds", "Time to answer.", ["method", "route"], registry=here
        )

    def render(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)

    def serve(self, host: str, port: int) -> tuple[WSGIServer, threading.Thread]:
        """Serves /metrics from a thread of its own; `shutdown()` of the server ends it."""
        return start_http_server(port, addr=host, registry=self.registry)
