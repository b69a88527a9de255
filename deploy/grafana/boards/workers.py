"""Workers and queue: who runs, whether their slots are enough, and how the API answers."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as models

from deploy.grafana import panels as p
from deploy.grafana.board import board


def workers() -> models.Dashboard:
    rows = {"Workers": _workers(), "Queue": _queue(), "HTTP API": _http()}
    says = "Who runs, whether their slots are enough, and how the API answers."
    return board("darkroom-workers", "workers and queue", says, rows, ("lane",))


def _workers() -> list[p.Panel]:
    return [
        p.graph(
            "Workers", "Workers whose lease is alive, those that Prometheus reads, and those that died.", p.COUNT,
            ("darkroom:workers:max", "alive"), ("count(darkroom_worker_slots)", "read"),
            ("max(darkroom_workers_lost)", "lost"),
        ),
        p.graph(
            "Slots", "Calls that run, that the workers may hold, and that would use the limits of the lanes that have work.",
            p.COUNT,
            ("darkroom:attempts_in_flight:sum", "busy"),
            ("darkroom:worker_slots:sum", "slots"),
            ("darkroom:slots_wanted:sum", "wanted"),
        ),
        p.graph(
            "Calls of each worker", "Attempts that run in each process.", p.COUNT,
            ('sum by (instance) (darkroom_attempts_in_flight{lane=~"$lane"})', "{{instance}}"), stacked=True,
        ),
        p.bars(
            "Leases lost in this range", "Leases that had run out before they were renewed.", p.COUNT,
            ("sum by (instance) (increase(darkroom_leases_lost_total[$__range]))", "{{instance}}"),
            steps=[(1, "red")],
        ),
    ]  # fmt: skip


def _queue() -> list[p.Panel]:
    where = '{lane=~"$lane"}'
    return [
        p.graph(
            "Pictures that wait", "Pictures of running batches that have not started, by lane or group.", p.COUNT,
            (f"darkroom:lane_waiting:max{where}", "{{lane}}"), stacked=True, span=8,
        ),
        p.graph(
            "Batches by state", "Batches with work: ready, or asleep until a time.", p.COUNT,
            (f"sum by (state) (max by (lane, state) (darkroom_lane_flows{where}))", "{{state}}"), span=8,
        ),
        p.graph(
            "Oldest batch that waits", "Since when the oldest batch runs that has pictures waiting.", p.SECONDS,
            (f"max by (lane) (darkroom_lane_oldest_seconds{where})", "{{lane}}"), span=8,
        ),
        p.quantiles(
            "Wait for the first call", "From the start of a batch to the first call of a task.",
            "darkroom_wait_seconds", where=where, span=18,
        ),
        p.bars(
            "Batches put away in this range", "Old batches whose tasks left Redis for storage.", p.COUNT,
            ("sum(increase(darkroom_batches_put_away_total[$__range]))", "batches"), span=6,
        ),
    ]  # fmt: skip


def _http() -> list[p.Panel]:
    return [
        p.graph(
            "Requests by status", "Requests a second that were answered.", p.PER_SECOND,
            ("sum by (status) (rate(darkroom_http_requests_total[$__rate_interval]))", "{{status}}"), stacked=True,
            span=8,
        ),
        p.graph(
            "Requests that failed", "Share of the requests that were answered with 5xx.", p.SHARE,
            ("darkroom:http_failed:ratio_rate5m", "failed"), span=8,
        ),
        p.quantiles(
            "Time to answer", "By the pattern of the address.", "darkroom_http_request_seconds", by="route", span=8,
        ),
    ]  # fmt: skip
