"""What one answer of the provider teaches the lane."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.state.lanes import Call
from schemas.failure import Failure, FailureClass
from schemas.image import Answer, Generated, LimitReading
from workers.admission.feedback import UNNAMED_WAIT_S, lesson_of

READING = LimitReading("images", limit=50, remaining=3, reset_s=2.0)
HEALTH = {
    FailureClass.SERVER_ERROR: (Call.FAILED, False),
    FailureClass.SLOW_DOWN: (Call.FAILED, True),
    FailureClass.DOUBTFUL: (Call.FAILED, True),
}
PICTURE = Generated(Path("p.png"), "0" * 64, 1, None, None)


def answer(kind: FailureClass, *readings: LimitReading, **facts: Any) -> Answer:
    return Answer(Failure.of(kind, "refused", **facts), 1.0, readings)


def test_a_picture_teaches_the_limits_it_told_of() -> None:
    lesson = lesson_of(Answer(PICTURE, 1.0, (READING, LimitReading("weather", limit=1))))

    assert lesson.readings == (READING,)
    assert not (lesson.blocked_s or lesson.slow_down or lesson.pause_s)


def test_an_answer_that_says_nothing_is_no_lesson() -> None:
    assert lesson_of(answer(FailureClass.INVALID_REQUEST)).is_empty


def test_a_picture_speaks_for_the_lane_and_tells_how_long_one_takes() -> None:
    lesson = lesson_of(Answer(PICTURE, 12.5))

    assert (lesson.call, lesson.is_lost, lesson.latency_s) == (Call.SUCCEEDED, False, 12.5)


@pytest.mark.parametrize("kind", sorted(FailureClass))
def test_only_a_provider_that_fails_speaks_against_the_lane(kind: FailureClass) -> None:
    lesson = lesson_of(answer(kind))
    call, is_lost = HEALTH.get(kind, (Call.NEITHER, False))

    assert (lesson.call, lesson.is_lost, lesson.latency_s) == (call, is_lost, None)


@pytest.mark.parametrize("dimension", ["requests", "images", "tokens"])
def test_a_refused_dimension_is_closed_for_as_long_as_the_provider_says(dimension: str) -> None:
    lesson = lesson_of(answer(FailureClass.RATE_LIMITED, READING, dimension=dimension, retry_after_s=12.5))

    assert (lesson.blocked_s, lesson.readings) == (((dimension, 12.5),), (READING,))


@pytest.mark.parametrize("dimension", [None, "weather"])
def test_an_unnamed_refusal_closes_images_for_a_while(dimension: str | None) -> None:
    lesson = lesson_of(answer(FailureClass.RATE_LIMITED, dimension=dimension))

    assert lesson.blocked_s == (("images", UNNAMED_WAIT_S),)


@pytest.mark.parametrize(("said_s", "blocked_s"), [(None, UNNAMED_WAIT_S), (30.0, 30.0)])
def test_slow_down_cuts_the_pace_and_closes_requests(said_s: float | None, blocked_s: float) -> None:
    lesson = lesson_of(answer(FailureClass.SLOW_DOWN, retry_after_s=said_s))

    assert (lesson.slow_down, lesson.blocked_s) == (True, (("requests", blocked_s),))


@pytest.mark.parametrize(
    ("kind", "pause_s"), [(FailureClass.AUTH, 60.0), (FailureClass.QUOTA_EXHAUSTED, 300.0)]
)
def test_an_account_that_refuses_everything_pauses_its_lane(kind: FailureClass, pause_s: float) -> None:
    lesson = lesson_of(answer(kind))

    assert (lesson.pause_s, lesson.reason, lesson.blocked_s) == (pause_s, kind.value, ())


@pytest.mark.parametrize(
    "kind",
    sorted(
        set(FailureClass)
        - {FailureClass.RATE_LIMITED, FailureClass.SLOW_DOWN, FailureClass.AUTH, FailureClass.QUOTA_EXHAUSTED}
        - HEALTH.keys()
    ),
)
def test_other_failures_teach_nothing_but_their_readings(kind: FailureClass) -> None:
    assert lesson_of(answer(kind)).is_empty
    assert lesson_of(answer(kind, READING)).readings == (READING,)
