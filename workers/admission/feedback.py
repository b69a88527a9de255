"""Feedback: what one answer of the provider teaches the lane. Pure."""

from __future__ import annotations

from core.state.lanes import Lesson
from schemas.failure import Failure, FailureClass
from schemas.image import Answer
from workers.retry_policy import PAUSES_S

UNNAMED_WAIT_S = 5.0
"""How long a refusal holds when the provider names no time; its pace is cut besides."""

_KNOWN = ("requests", "images", "tokens")


def lesson_of(answer: Answer) -> Lesson:
    """The limits the answer told us about, and what its refusal closes: one dimension, the pace, or the lane."""
    readings = tuple(reading for reading in answer.readings if reading.dimension in _KNOWN)
    failure = answer.outcome
    if not isinstance(failure, Failure):
        return Lesson(readings)
    match failure.failure_class:
        case FailureClass.RATE_LIMITED:
            return Lesson(readings, blocked_s=((_refused(failure), failure.retry_after_s or UNNAMED_WAIT_S),))
        case FailureClass.SLOW_DOWN:
            wait_s = failure.retry_after_s or UNNAMED_WAIT_S
            return Lesson(readings, blocked_s=(("requests", wait_s),), slow_down=True)
        case FailureClass.AUTH | FailureClass.QUOTA_EXHAUSTED:
            return Lesson(
                readings, pause_s=PAUSES_S[failure.failure_class], reason=failure.failure_class.value
            )
        case _:
            return Lesson(readings)


def _refused(failure: Failure) -> str:
    """The dimension that refused; images bind first when the provider does not say."""
    return failure.dimension if failure.dimension in _KNOWN else "images"
