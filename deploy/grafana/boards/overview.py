"""Overview: is it well, is it fast, what does it cost, and how long will it take?"""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as models

from deploy.grafana import panels as p
from deploy.grafana.board import board

_WANTED = [(0.0, "red"), (1.0, "green")]
"""Colours of what has to be there."""


def overview() -> models.Dashboard:
    rows = {
        "Now": [*_work(), *_health()],
        "Pictures": _pictures(),
        "Redis, and what runs": [
            p.figure(
                "Redis keeps everything", "1 when its append-only file is on and is written; else a crash forgets payments.",
                p.COUNT, ("min by (part) (darkroom_redis_persists)", "{{part}}"), steps=_WANTED, span=12,
            ),
            p.figure(
                "Memory of Redis", "The share that is used; a full Redis takes no writes.", p.SHARE,
                ("max(darkroom_redis_memory_bytes) / max(darkroom_redis_memory_limit_bytes)", "used"),
                steps=[(0.7, "orange"), (0.85, "red")], span=6,
            ),
            p.figure(
                "Redis throws away", "1 when a full Redis would evict work; it must be 0.", p.COUNT,
                ("max(darkroom_redis_evicts)", "evicts"), steps=[(1, "red")], span=6,
            ),
            p.bars(
                "Versions", "Processes that run, by version; two for long is an upgrade that is stuck.", p.COUNT,
                ("count by (version) (darkroom_build_info)", "{{version}}"),
            ),
        ],
    }  # fmt: skip
    return board("darkroom-overview", "overview", "Is it well, how fast is it, and what does it cost?", rows)


def _pictures() -> list[p.Panel]:
    return [
        p.graph(
            "Pictures a minute", "Calls that ended in a picture, by lane.", p.PER_MINUTE,
            ('60 * sum by (lane) (darkroom:attempts:rate5m{outcome="ok"})', "{{lane}}"),
        ),
        p.graph(
            "Pictures that wait", "Pictures of running batches that have not started, by lane or group.",
            p.COUNT, ("darkroom:lane_waiting:max", "{{lane}}"), stacked=True,
        ),
        p.graph(
            "How tasks end", "Tasks a minute: done, skipped, cancelled, or the class of their failure.", p.PER_MINUTE,
            ("60 * max by (outcome) (rate(darkroom_tasks_total[$__rate_interval])) > 0", "{{outcome}}"), stacked=True,
        ),
        p.quantiles(
            "Wait for the first call", "From the start of a batch to the first call of a task.",
            "darkroom_wait_seconds",
        ),
        p.graph(
            "Pictures that start late", "Share of those that are not bulk; what is promised is in rules.yml.", p.SHARE,
            ("darkroom:wait_late:ratio_rate1h", "{{lane}} in an hour"),
            ("darkroom:wait_late:ratio_rate6h", "{{lane}} in six"),
        ),
        p.graph(
            "Tasks that fail", "Share of the tasks that ended within an hour and have no picture.", p.SHARE,
            ("darkroom:tasks_failed:ratio_increase1h", "failed"),
        ),
    ]  # fmt: skip


def _work() -> list[p.Panel]:
    waiting = "sum(darkroom:lane_waiting:max)"
    return [
        p.figure("Waiting", "Pictures that wait, over all lanes.", p.COUNT, (waiting, "pictures")),
        p.figure(
            "In flight", "Calls that run now, over all lanes.", p.COUNT,
            ("sum(max by (lane) (darkroom_lane_in_flight))", "calls"),
        ),
        p.figure(
            "Until the queue is empty", "What waits, at the pace of the last five minutes.", p.SECONDS,
            (f'{waiting} / (sum(darkroom:attempts:rate5m{{outcome="ok"}}) > 0)', "left"),
        ),
        p.figure(
            "Failed calls", "Share of the calls that did not end in a picture.", p.SHARE,
            ('1 - sum(darkroom:attempts:rate5m{outcome="ok"}) / (sum(darkroom:attempts:rate5m) > 0)', "failed"),
            steps=[(0.05, "orange"), (0.2, "red")],
        ),
        p.figure(
            "Spent today", "Dollars of the house since midnight, UTC.", p.USD,
            ('darkroom:budget_spent_usd:max{scope="house_day"}', "spent"),
        ),
        p.figure(
            "Fullest budget", "The largest share that is spent or held of any budget.", p.SHARE,
            ("max(darkroom:budget_used:ratio)", "used"), steps=[(0.8, "orange"), (0.99, "red")],
        ),
    ]  # fmt: skip


def _health() -> list[p.Panel]:
    bad = [(1.0, "red")]
    return [
        p.figure(
            "Redis", "1 when it answers every service.", p.COUNT, ("min(darkroom_redis_up)", "up"), steps=_WANTED,
        ),
        p.figure(
            "Workers", "Workers whose lease is alive.", p.COUNT, ("darkroom:workers:max", "alive"), steps=_WANTED,
        ),
        p.figure(
            "Lanes that are paused", "Lanes whose account refuses everything.", p.COUNT,
            ("sum(max by (lane) (darkroom_lane_paused))", "paused"), steps=bad,
        ),
        p.figure(
            "Lanes that are broken", "Lanes whose breaker holds them back.", p.COUNT,
            ("sum(max by (lane) (darkroom_lane_broken))", "broken"), steps=bad,
        ),
        p.figure(
            "Doubts", "Parked pictures that may have been charged, until that is decided.", p.COUNT,
            ("darkroom:doubts:max", "pictures"), steps=[(1, "orange")],
        ),
        p.figure(
            "Oldest paid picture on disk", "How long it has waited to be stored.", p.SECONDS,
            ("max(darkroom_spool_oldest_seconds)", "age"), steps=[(300, "orange"), (900, "red")],
        ),
    ]  # fmt: skip
