"""What the provider's count says of a doubt, minute by minute."""

from __future__ import annotations

import pytest

from core.state.doubts import Minute
from schemas.failure import Charged
from workers.usage.evidence import MINUTE_MS, Span, first_minute, span_of

M = 29_000_000
"""The minute in which the call in doubt left."""

SINCE_MS = M * MINUTE_MS + 20_000
DEADLINE_S = 100.0
"""So the call may have gone on into the minutes M + 1 and M + 2."""

LATER_MS = (M + 30) * MINUTE_MS


def minute(
    place: int, *, sent: int, charged: int = 0, unsure: int = 0, crossed: int = 0, open: int = 0
) -> Minute:
    return Minute(sent, sent - open, charged, unsure, crossed, (M + place) * MINUTE_MS + 30_000)


DOUBT = {M: minute(0, sent=3, charged=2, open=1)}
"""Three calls, of which two were charged and one is in doubt."""


def span(minutes: dict[int, Minute], now_ms: int = LATER_MS) -> Span | None:
    return span_of(minutes, SINCE_MS, now_ms, deadline_s=DEADLINE_S)


def test_a_lane_that_did_nothing_else_is_compared_in_the_minutes_of_the_call() -> None:
    ended_ms = M * MINUTE_MS + 30_000 + 100_000
    assert span(DOUBT) == Span(M, M + 3, charged=2, unsure=1, ended_ms=ended_ms)


@pytest.mark.parametrize(
    ("images", "says"),
    [(1, Charged.UNKNOWN), (2, Charged.NO), (3, Charged.YES), (4, Charged.UNKNOWN)],
)
def test_only_a_count_that_allows_nothing_else_is_an_answer(images: int, says: Charged) -> None:
    found = span(DOUBT)
    assert found is not None
    assert found.verdict(images) is says


def test_some_of_several_doubts_may_be_charged_and_nobody_knows_which() -> None:
    found = span({M: minute(0, sent=5, charged=2, open=2, unsure=1)})
    assert found is not None
    assert [found.verdict(images).value for images in range(1, 7)] == [
        "unknown", "no", "unknown", "unknown", "yes", "unknown"
    ]  # fmt: skip


def test_calls_of_minutes_that_were_still_before_and_after_are_not_counted() -> None:
    others = {M - 1: minute(-1, sent=9, charged=9), M + 3: minute(3, sent=9, charged=9)}
    found = span(DOUBT | others)
    assert found is not None
    assert (found.first, found.end, found.charged) == (M, M + 3, 2)


def test_a_span_begins_where_no_call_was_on_its_way() -> None:
    busy = {
        M - 2: minute(-2, sent=4, charged=4),
        M - 1: minute(-1, sent=5, charged=5, crossed=2),
        M: minute(0, sent=3, charged=2, open=1, crossed=1),
    }
    found = span(busy)
    assert found is not None
    assert (found.first, found.charged) == (M - 2, 11)


def test_a_span_ends_where_no_call_was_on_its_way() -> None:
    busy = DOUBT | {
        M + 3: minute(3, sent=4, charged=4, crossed=1),
        M + 4: minute(4, sent=6, charged=6, crossed=1),
        M + 6: minute(6, sent=9, charged=9),
    }
    found = span(busy)
    assert found is not None
    assert (found.end, found.charged) == (M + 5, 12)


def test_a_span_that_is_never_still_again_goes_to_the_present() -> None:
    crossed = {M + place: minute(place, sent=1, charged=1, crossed=1) for place in range(1, 31)}
    found = span(DOUBT | crossed)
    assert found is not None
    assert (found.end, found.charged) == (M + 31, 32)
    assert found.ended_ms == (M + 30) * MINUTE_MS + 30_000


def test_a_lane_that_was_never_still_before_gives_no_answer() -> None:
    assert span({M + place: minute(place, sent=1, charged=1, crossed=1) for place in range(-70, 1)}) is None


def test_another_call_without_an_end_is_a_doubt_of_the_same_span() -> None:
    found = span(DOUBT | {M - 1: minute(-1, sent=1, open=1)})
    assert found is not None
    assert (found.first, found.charged, found.unsure) == (M - 1, 2, 2)


def test_a_call_in_the_first_seconds_of_a_minute_may_be_counted_in_the_one_before() -> None:
    found = span_of(
        {M: minute(0, sent=1, open=1, crossed=1)}, M * MINUTE_MS + 2_000, LATER_MS, deadline_s=DEADLINE_S
    )
    assert found is not None
    assert found.first == M - 1


def test_all_minutes_that_are_looked_at_are_asked_for() -> None:
    looked_at: list[int] = []

    class Watched(dict[int, Minute]):
        def __contains__(self, place: object) -> bool:
            assert isinstance(place, int)
            looked_at.append(place)
            return super().__contains__(place)

    crossed = {M + place: minute(place, sent=1, crossed=1) for place in range(-200, 40)}
    span_of(Watched(crossed), SINCE_MS, LATER_MS, deadline_s=DEADLINE_S)
    assert first_minute(SINCE_MS, DEADLINE_S) <= min(looked_at)
    assert max(looked_at) <= LATER_MS // MINUTE_MS
