"""What calls took of the limits of their lane."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from core.telemetry.metrics import WorkerMetrics
from schemas.claim import Claim
from schemas.failure import Failure, FailureClass
from schemas.image import Answer, Generated, ImageFormat, ImageRequest, Usage
from workers.reporter import Reporter

CLAIM = Claim(
    lane="main", tenant="acme", batch_id="batch_1", index=7, fence=1, attempt=1, sends=0, crashes=0, fetches=0,
    start_in_ms=0, hold_usd_micros=10, tokens=900,
)  # fmt: skip


def picture(usage: Usage | None) -> Generated:
    return Generated(Path("picture.png"), "ab", 1, usage, "req_1")


@pytest.mark.parametrize(
    ("outcome", "taken"),
    [
        (picture(Usage(20, 300, 400, 1)), (1, 1, 721)),
        (picture(None), (1, 1, 900)),  # what was estimated
        (Failure.of(FailureClass.SERVER_ERROR, "it broke"), (1, 1, 900)),
        (Failure.of(FailureClass.RATE_LIMITED, "too fast"), (1, 0, 0)),
        (Failure.of(FailureClass.AUTH, "no"), (1, 0, 0)),
    ],
    ids=["told", "not told", "failed", "refused by a limit", "refused by the account"],
)
def test_a_call_takes_of_each_limit_what_is_settled_for_it(
    outcome: Generated | Failure, taken: tuple[int, int, int]
) -> None:
    metrics = WorkerMetrics()
    request = ImageRequest("gpt-image-2", "a mug", "1024x1024", "low", ImageFormat.PNG, "batch_1:7:1")

    Reporter(metrics).answered(CLAIM, request, Answer(outcome, 12.0))

    used = [
        metrics.registry.get_sample_value("darkroom_quota_used_total", {"lane": "main", "dimension": each})
        for each in ("requests", "images", "tokens")
    ]
    assert tuple(used) == taken


def test_what_was_held_for_calls_that_are_over_is_nothing_at_all() -> None:
    metrics = WorkerMetrics()
    reporter = Reporter(metrics)
    request = ImageRequest("gpt-image-2", "a mug", "1024x1024", "low", ImageFormat.PNG, "batch_1:7:1")

    with ExitStack() as calls:
        for held in (100_000, 200_000, 300_000):  # 0.1 + 0.2 + 0.3 - 0.3 - 0.2 - 0.1 is no 0
            calls.enter_context(reporter.holding(replace(CLAIM, hold_usd_micros=held), request))

    kind = {"model": "gpt-image-2", "quality": "low"}
    assert metrics.registry.get_sample_value("darkroom_held_usd", kind) == 0
