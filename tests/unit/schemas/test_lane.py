"""What rate limits mean in calls side by side and in hours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.lane import TIERS, Limits, duration_s, slots_needed

TIER_TABLE = [
    # tier, tokens and images per minute, slots at 30, 120 and 200 s
    (1, 100_000, 5, (3, 10, 17)),
    (2, 250_000, 20, (10, 40, 67)),
    (3, 800_000, 50, (25, 100, 167)),
    (4, 3_000_000, 150, (75, 300, 500)),
    (5, 8_000_000, 250, (125, 500, 834)),
]


@pytest.mark.parametrize(("tier", "tokens_per_minute", "images_per_minute", "slots"), TIER_TABLE)
def test_a_tier_has_its_published_limits_and_needs_these_calls_in_flight(
    tier: int, tokens_per_minute: int, images_per_minute: int, slots: tuple[int, ...]
) -> None:
    limits = Limits(images_per_minute=images_per_minute, tokens_per_minute=tokens_per_minute)
    needed = tuple(slots_needed(images_per_minute, latency_s) for latency_s in (30, 120, 200))
    assert (TIERS[tier], needed) == (limits, slots)


def test_there_are_five_tiers() -> None:
    assert list(TIERS) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("tokens_each", "binding"),
    [(1756, "images"), (12_500, "images"), (14_272, "tokens")],
)
def test_the_limit_that_takes_longest_is_named(tokens_each: int, binding: str) -> None:
    assert duration_s(100, 100 * tokens_each, TIERS[2])[1] == binding


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(images_per_minute=5), (1200.0, "images")),
        (Limits(images_per_minute=5, requests_per_minute=4), (1500.0, "requests")),
        (Limits(images_per_minute=5, tokens_per_minute=1000), (12_000.0, "tokens")),
        (Limits(), (0.0, None)),
    ],
)
def test_the_duration_is_that_of_the_slowest_limit(
    limits: Limits, expected: tuple[float, str | None]
) -> None:
    assert duration_s(100, 200_000, limits) == expected


@given(st.integers(0, 10**6), st.integers(0, 10**9), st.floats(0.1, 1e6), st.floats(0.1, 1e9))
def test_no_limit_is_crossed_within_the_duration(images: int, tokens: int, ipm: float, tpm: float) -> None:
    seconds, _ = duration_s(images, tokens, Limits(images_per_minute=ipm, tokens_per_minute=tpm))
    minutes = seconds / 60
    assert (images <= minutes * ipm * 1.000001, tokens <= minutes * tpm * 1.000001) == (True, True)


@pytest.mark.parametrize("limit", [0, -1, float("inf"), float("nan")])
def test_a_limit_that_is_not_a_positive_number_is_refused(limit: float) -> None:
    with pytest.raises(ValidationError, match="images_per_minute"):
        Limits(images_per_minute=limit)
