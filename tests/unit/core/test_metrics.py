"""Metrics: what is known beforehand starts at 0, so that what is rare is seen as 0 and its first time as an increase."""

from __future__ import annotations

import pytest

from core.settings import BudgetSettings
from core.telemetry.metrics import WorkerMetrics
from service.routes.gauges import QueueFigures


def test_what_has_not_happened_yet_is_shown_as_0() -> None:
    metrics = WorkerMetrics()
    metrics.expect_lanes(["main"])

    shown = metrics.render()[0].decode().splitlines()

    assert 'darkroom_claim_waits_total{lane="main",limited_by="budget"} 0.0' in shown
    assert 'darkroom_retries_total{failure_class="server_error",lane="main"} 0.0' in shown
    assert 'darkroom_storage_operations_total{operation="put",outcome="failed"} 0.0' in shown
    assert 'darkroom_permit_seconds_count{lane="main"} 0.0' in shown
    assert "darkroom_leases_lost_total 0.0" in shown
    assert 'darkroom_cost_avoided_usd_total{model="gpt-image-2",quality="auto"} 0.0' in shown


def test_a_call_that_begins_shows_every_ending_it_may_have() -> None:
    metrics = WorkerMetrics()

    metrics.expect_call("main", "gpt-image-2", "edit")

    labels = 'lane="main",model="gpt-image-2",operation="edit"'
    shown = metrics.render()[0].decode()
    for outcome in ("ok", "rate_limited", "doubtful", "moderation_blocked"):
        assert f'darkroom_attempts_total{{{labels},outcome="{outcome}"}} 0.0' in shown


def test_a_check_that_passed_shows_that_none_has_failed() -> None:
    metrics = WorkerMetrics()

    metrics.count_check("amazon_main", "pixels", "pass")

    shown = metrics.render()[0].decode()
    for result, count in (("pass", 1), ("warn", 0), ("fail", 0)):
        labels = f'preset="amazon_main",result="{result}",rule="pixels"'
        assert f"darkroom_picture_checks_total{{{labels}}} {count}.0" in shown


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
            "application/openmetrics-text; version=1.0.0",
        ),
    ],
)
def test_who_accepts_openmetrics_is_told_which_call_a_figure_came_from(accept: str, media_type: str) -> None:
    metrics = WorkerMetrics()
    metrics.call_seconds.labels("main", "gpt-image-2", "edit").observe(40, {"attempt": "batch_1:2:1"})
    text, told = metrics.render(accept, also=QueueFigures(None, BudgetSettings()))

    assert told.startswith(media_type)
    assert (b'# {attempt="batch_1:2:1"} 40.0' in text) == ("openmetrics" in media_type)
    assert b"darkroom_redis_up 0.0" in text
    assert text.endswith(b"# EOF\n") == ("openmetrics" in media_type)
    assert text.count(b"# EOF") <= 1
    assert b"_created" not in text
