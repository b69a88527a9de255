"""Feedback: what one answer of the provider teaches the lane. Pure."""

from __future__ import annotations

from dataclasses import replace

from core.state.lanes import Call, Lesson
from schemas.failure import Failure, FailureClass
from schemas.image import Answer
from workers.retry_policy import PAUSES_S

UNNAMED_WAIT_S = 5.0
"""How long a refusal holds when the provider names no time; its pace is cut besides."""

_KNOWN = ("requests", "images", "tokens")


_CALLS = {
    FailureClass.SERVER_ERROR: Call.FAILED,
    FailureClass.SLOW_DOWN: Call.FAILED,
    FailureClass.DOUBTFUL: Call.FAILED,
}
_LOST = frozenset({FailureClass.SLOW_DOWN, FailureClass.DOUBTFUL})
"""What may come of too much in flight. A connection that was never made is the network's, not the provider's."""


def lesson_of(answer: Answer) -> Lesson:
    """The limits the answer told us about, what its refusal closes (one dimension, the pace, or the lane), and what it
    says of the provider's health."""
    readings = tuple(reading for reading in answer.readings if reading.dimension in _KNOWN)
    failure = answer.outcome
    if not isinstance(failure, Failure):
        return Lesson(readings, call=Call.SUCCEEDED, latency_s=answer.latency_s)
    kind = failure.failure_class
    lesson = Lesson(readings, call=_CALLS.get(kind, Call.NEITHER), is_lost=kind in _LOST)
    wait_s = failure.retry_after_s or UNNAMED_WAIT_S
    match kind:
        case FailureClass.RATE_LIMITED:
            return replace(lesson, blocked_s=((_refused(failure), wait_s),))
        case FailureClass.SLOW_DOWN:
            return replace(lesson, blocked_s=(("requests", wait_s),), slow_down=True)
        case FailureClass.AUTH | FailureClass.QUOTA_EXHAUSTED:
            return replace(lesson, pause_s=PAUSES_S[kind], reason=kind.value)
        case _:
            return lesson


def _refused(failure: Failure) -> str:
    """The dimension that refused; images bind first when the provider does not say."""
    return failure.dimension if failure.dimension in _KNOWN else "images"
