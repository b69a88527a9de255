"""What a number of pictures takes of an account: calls side by side, workers, hours, dollars. Arithmetic alone."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from schemas.lane import Limits, duration_s, slots_needed
from schemas.model import Model
from schemas.pricing import Quote, quote, quote_call
from schemas.size import Size
from schemas.upscaler import Upscaler

TYPICAL_PROMPT_BYTES = 600
"""About a hundred words."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Calls of one kind, each of them a picture.

    Args:
        each: what one of them takes.
        latency_s: mean time of a call, as `darkroom_call_seconds` shows it.
    """

    pictures: int
    each: Quote
    latency_s: float


@dataclass(frozen=True, slots=True)
class Capacity:
    """What it takes.

    Args:
        images_per_minute: what the limits allow of these pictures; None: nothing is limited.
        limited_by: `requests`, `images`, `tokens`, or None.
        slots: calls in flight that use this rate, and no more than there are pictures.
        duration_s: the least, from the first call to the last picture.
        high_usd_micros: the most that is held for them.
    """

    images_per_minute: float | None
    limited_by: str | None
    slots: int
    workers: int
    duration_s: float
    likely_usd_micros: int
    high_usd_micros: int


def picture(model: Model, quality: str, size: Size) -> Quote:
    """What a picture takes that is made from a prompt of usual length, without references.

    Raises:
        ValueError: the model has no such quality.
    """
    return quote(
        model, quality=quality, size=size, prompt_bytes=TYPICAL_PROMPT_BYTES, references=0, mask=False
    )


def upscale(upscaler: Upscaler) -> Quote:
    """What it takes to make a picture larger."""
    each = quote_call(upscaler.name)
    assert each is not None, "every upscaler has a price"
    return each


def capacity(wanted: Wanted, limits: Limits, *, slots_per_worker: int) -> Capacity:
    """The capacity that uses the whole of `limits`; where nothing is limited, all pictures at once."""
    pictures, each = wanted.pictures, wanted.each
    least_s, limited_by = duration_s(pictures, pictures * each.likely_tokens, limits)
    per_minute = (
        round(pictures * 60 / least_s, 6) if least_s else None
    )  # a picture in 10^15 more would ask for a slot more
    slots = pictures if per_minute is None else min(pictures, slots_needed(per_minute, wanted.latency_s))
    return Capacity(
        images_per_minute=per_minute,
        limited_by=limited_by,
        slots=slots,
        workers=ceil(slots / slots_per_worker),
        duration_s=least_s + wanted.latency_s,
        likely_usd_micros=pictures * each.likely_usd_micros,
        high_usd_micros=pictures * each.high_usd_micros,
    )
