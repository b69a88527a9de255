"""What an answer says about rate limits: its headers, and the sentence in its error message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from schemas.image import LimitReading

# Source: developers.openai.com/api/docs/guides/rate-limits and openai/openai-java#1039, read 2026-11-20.
_DIMENSIONS = {
    "requests": "requests",
    "images": "images",
    "input-images": "images",
    "tokens": "tokens",
    "project-tokens": "tokens",
}
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PERIOD_S = {
    "second": 1.0,
    "sec": 1.0,
    "minute": 60.0,
    "min": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
}
_MOST_READINGS = 16
_LONGEST_NAME = 40

_NUMBER_PATTERN = r"\d{1,15}(?:\.\d{0,9})?"
_UNIT_PATTERN = r"ms|milliseconds?|[hmsd]|hours?|hrs?|minutes?|mins?|seconds?|secs?|days?"
_PART_PATTERN = rf"{_NUMBER_PATTERN}\s*(?:{_UNIT_PATTERN})(?![a-z])"

_HEADER = re.compile(rf"x-ratelimit-(limit|remaining|reset)-([a-z0-9_-]{{1,{_LONGEST_NAME}}})")
_NUMBER = re.compile(_NUMBER_PATTERN)
_PART = re.compile(rf"({_NUMBER_PATTERN})\s*({_UNIT_PATTERN})(?![a-z])")
_HINT = re.compile(
    rf"try again (?:in|after) ((?:{_PART_PATTERN}\s*)+|{_NUMBER_PATTERN})",
    re.IGNORECASE,
)
_REFUSED_BY = re.compile(r"\bon ([a-z][a-z -]{0,40}?) per (second|sec|minute|min|hour|day)\b", re.IGNORECASE)
_COUNTS = re.compile(
    rf"\blimit:? ({_NUMBER_PATTERN}), used:? ({_NUMBER_PATTERN}), requested:? ({_NUMBER_PATTERN})",
    re.IGNORECASE,
)


def duration_s(text: str) -> float | None:
    """Seconds of `120ms`, `58.891s`, `6m0s`, `1h2m3s`, `51.84 seconds` or a bare number; else None."""
    text = text.strip().lower()
    if _NUMBER.fullmatch(text):
        return float(text)
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip():
        return None
    return sum(
        float(number) * _UNIT_S["ms" if unit.startswith(("ms", "mil")) else unit[0]] for number, unit in parts
    )


def dimension_of(name: str) -> str:
    """The provider's name of a limit in our words: requests, images or tokens; an unknown name as it came."""
    name = name.strip().lower().replace(" ", "-")
    return _DIMENSIONS.get(name, name)


def limit_readings(headers: Iterable[tuple[str, str]]) -> tuple[LimitReading, ...]:
    """Every rate limit that the headers of an answer name. Values that cannot be read are None."""
    found: dict[str, dict[str, float | None]] = {}
    for name, value in headers:
        if (match := _HEADER.fullmatch(name.lower())) and (match[2] in found or len(found) < _MOST_READINGS):
            found.setdefault(match[2], {})[match[1]] = duration_s(value)
    return tuple(
        LimitReading(
            dimension_of(name),
            values.get("limit"),
            values.get("remaining"),
            values.get("reset"),
        )
        for name, values in found.items()
    )


def refused_dimension(message: str) -> str | None:
    """Which limit refused, by the sentence "… on input-images per min: Limit 5, Used 5, Requested 1 …"."""
    match = _REFUSED_BY.search(message)
    return dimension_of(match[1]) if match else None


def can_never_pass(message: str) -> bool:
    """Whether one request asks for more than the whole limit, so that no wait helps."""
    counts = _counts(message)
    return counts is not None and counts[2] > counts[0]


def wait_s(headers: Mapping[str, str], message: str) -> float | None:
    """Seconds the provider asks to wait, from the most exact place that says so; None if nothing does.

    `x-ratelimit-reset-*` is the time until the bucket is full again, so it is never used.

    Args:
        headers: names in lower case.
    """
    exact_ms = _number(headers.get("retry-after-ms"))
    if exact_ms is not None:
        return exact_ms / 1000
    if (hint := _HINT.search(message)) and (hinted_s := duration_s(hint[1])) is not None:
        return hinted_s
    after_s = _retry_after_s(headers)
    return after_s if after_s is not None else _deficit_s(message)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """`retry-after` in seconds or as a date, read against the answer's own `date`: no clock needed."""
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    until, now = _date(value), _date(headers.get("date", ""))
    return max(0.0, (until - now).total_seconds()) if until and now else None


def _deficit_s(message: str) -> float | None:
    """(used + requested - limit) / rate: what the limiter itself computes."""
    counts, refused = _counts(message), _REFUSED_BY.search(message)
    if counts is None or not 0 < counts[2] <= counts[0]:
        return None
    limit, used, requested = counts
    period_s = _PERIOD_S[refused[2].lower()] if refused else 60.0
    return max(0.0, (used + requested - limit) * period_s / limit)


def _counts(message: str) -> tuple[float, float, float] | None:
    """Limit, used and requested of the sentence, if it has them."""
    match = _COUNTS.search(message)
    return (float(match[1]), float(match[2]), float(match[3])) if match else None


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and _NUMBER.fullmatch(text.strip()) else None


def _date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None
