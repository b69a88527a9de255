"""Rate limits of a lane, and what they mean in calls side by side and in hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from schemas.model import Dated, data_file

PerMinute = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Limits(BaseModel):
    """What one account may take per minute; None where there is no such limit, or none is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    requests_per_minute: PerMinute | None = None
    images_per_minute: PerMinute | None = None
    tokens_per_minute: PerMinute | None = None


def together(accounts: Sequence[Limits]) -> Limits:
    """What several accounts may take side by side; a dimension that one of them does not limit is not limited."""

    def added(of_each: list[float | None]) -> float | None:
        known = [limit for limit in of_each if limit is not None]
        return sum(known) if len(known) == len(of_each) else None

    return Limits(
        requests_per_minute=added([one.requests_per_minute for one in accounts]),
        images_per_minute=added([one.images_per_minute for one in accounts]),
        tokens_per_minute=added([one.tokens_per_minute for one in accounts]),
    )


class Tier(Dated):
    """The published limits of one usage tier of the provider."""

    tier: PositiveInt
    images_per_minute: PerMinute
    tokens_per_minute: PerMinute

    @property
    def limits(self) -> Limits:
        return Limits(images_per_minute=self.images_per_minute, tokens_per_minute=self.tokens_per_minute)


def _tiers() -> dict[int, Limits]:
    return {row.tier: row.limits for row in (Tier(**entry) for entry in data_file("tiers")["tier"])}


TIERS: Mapping[int, Limits] = _tiers()
"""By usage tier, 1 to 5: where a lane starts before it has heard from the provider."""


def slots_needed(images_per_minute: float, latency_s: float) -> int:
    """Calls that must be in flight, at this latency, to use the whole limit (Little's law)."""
    return ceil(images_per_minute * latency_s / 60)


def duration_s(images: int, tokens: int, limits: Limits) -> tuple[float, str | None]:
    """The least time that this many pictures take, each its own request, and the limit that makes it so.

    Args:
        tokens: of all the pictures together.

    Returns:
        Seconds, and `requests`, `images` or `tokens`; `(0.0, None)` where nothing is limited.
    """
    asked = {
        "images": (images, limits.images_per_minute),
        "tokens": (tokens, limits.tokens_per_minute),
        "requests": (images, limits.requests_per_minute),
    }
    seconds = {name: amount * 60 / limit for name, (amount, limit) in asked.items() if limit is not None}
    binding = max(seconds, key=seconds.__getitem__, default=None)
    return (seconds[binding] if binding else 0.0, binding)
