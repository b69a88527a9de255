"""Rate limits as answers tell them: headers, durations, and how long to wait."""

from __future__ import annotations

import pytest

from schemas.image import LimitReading
from workers.images.headers import (
    can_never_pass,
    duration_s,
    limit_readings,
    refused_dimension,
    wait_s,
)

C1_HEADERS = {"retry-after-ms": "534", "retry-after": "1", "x-ratelimit-reset-tokens": "58.891s"}
C1_MESSAGE = "… tokens per min (TPM): Limit 30000, Used 29446, Requested 821. Please try again in 534ms."
C3_MESSAGE = "… on input-images per min: Limit 5, Used 5, Requested 1. Please try again in 12s."


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [
        ("120ms", 0.12),
        ("58.891s", 58.891),
        ("6m0s", 360),
        ("1h2m3s", 3723),
        ("12", 12),
        ("0", 0),
        ("51.84 seconds", 51.84),
        ("2 minutes", 120),
        ("1d1h", 90000),
        (" 1M30S ", 90),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("1e9", None),
        ("nan", None),
        ("5 parsecs", None),
        ("12s and more", None),
    ],
)
def test_a_duration_is_read_in_every_spelling(text: str, expected_s: float | None) -> None:
    assert duration_s(text) == (None if expected_s is None else pytest.approx(expected_s))


@pytest.mark.parametrize(
    ("headers", "message", "expected_s"),
    [
        pytest.param(C1_HEADERS, C1_MESSAGE, 0.534, id="C1 retry-after-ms before all else"),
        pytest.param(
            {},
            "Limit 10000, Used 6701, Requested 4497. Please try again in 7.188s.",
            7.188,
            id="C2 the message",
        ),
        pytest.param({}, C3_MESSAGE, 12, id="C3 the message"),
        pytest.param(
            {},
            "Limit 4000, Used 4000, Requested 1. Please try again in 15ms. Visit https://example.com.",
            0.015,
            id="C4 the message",
        ),
        pytest.param(
            {}, "Please try again after 51.84 seconds.", 51.84, id="E the hint wins over arithmetic"
        ),
        pytest.param(
            {"retry-after": "1"}, "Please try again in 534ms.", 0.534, id="message before retry-after"
        ),
        pytest.param(
            {"retry-after": "7"},
            C3_MESSAGE.split(" Please", maxsplit=1)[0],
            7,
            id="retry-after before arithmetic",
        ),
        pytest.param(
            {"retry-after": "Fri, 20 Nov 2026 10:00:30 GMT", "date": "Fri, 20 Nov 2026 10:00:00 GMT"},
            "",
            30,
            id="a date against the answer's own",
        ),
        pytest.param({"retry-after": "Fri, 20 Nov 2026 10:00:30 GMT"}, "", None, id="a date without a clock"),
        pytest.param({}, "on input-images per min: Limit 5, Used 5, Requested 1.", 12, id="deficit by rate"),
        pytest.param(
            {}, "on requests per day (RPD): Limit 200, Used 200, Requested 1.", 432, id="rate per day"
        ),
        pytest.param({}, "Limit 5, Used 1, Requested 1.", 0, id="no deficit"),
        pytest.param({}, "Limit 5, Used 0, Requested 10.", None, id="no finite wait"),
        pytest.param({"x-ratelimit-reset-tokens": "58.891s"}, "", None, id="never from reset"),
        pytest.param({"retry-after": "-5", "retry-after-ms": "soon"}, "", None, id="nonsense"),
    ],
)
def test_the_wait_is_taken_from_the_most_exact_source(
    headers: dict[str, str], message: str, expected_s: float | None
) -> None:
    assert wait_s(headers, message) == (None if expected_s is None else pytest.approx(expected_s))


def test_a_request_over_the_whole_limit_can_never_pass() -> None:
    assert can_never_pass("Limit 5, Used 0, Requested 10.")
    assert not can_never_pass(C3_MESSAGE)


@pytest.mark.parametrize(
    ("message", "dimension"),
    [
        (C3_MESSAGE, "images"),
        ("Rate limit reached for x in organization org-1 on tokens per min (TPM): Limit 3", "tokens"),
        ("Rate limit reached for x on requests per min (RPM): Limit 3", "requests"),
        ("Rate limit reached for x on project tokens per min: Limit 3", "tokens"),
        ("Rate limit reached for x on video seconds per day: Limit 3", "video-seconds"),
        ("Rate limit reached.", None),
    ],
)
def test_the_dimension_that_refused_is_named_by_the_message(message: str, dimension: str | None) -> None:
    assert refused_dimension(message) == dimension


def test_every_limit_of_the_headers_is_read_under_our_names() -> None:
    readings = limit_readings(
        [
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", "499"),
            ("x-ratelimit-reset-requests", "120ms"),
            ("X-RateLimit-Limit-Images", "5"),
            ("X-RateLimit-Reset-Images", "12"),
            ("x-ratelimit-remaining-project-tokens", "many"),
            ("x-ratelimit-limit-video-seconds", "9"),
            ("x-request-id", "req_1"),
        ]
    )

    assert readings == (
        LimitReading("requests", 500, 499, 0.12),
        LimitReading("images", 5, None, 12),
        LimitReading("tokens", None, None, None),
        LimitReading("video-seconds", 9, None, None),
    )


def test_the_number_of_limits_read_is_bounded() -> None:
    assert len(limit_readings((f"x-ratelimit-limit-l{i}", "1") for i in range(1000))) == 16
