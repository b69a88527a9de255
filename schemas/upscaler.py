"""The upscalers that can be asked for: `data/upscalers.toml` as values."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from schemas.image import ImageFormat
from schemas.lane import Limits
from schemas.model import Dated, data_file
from schemas.size import Size

Adapter = Literal["openai", "stability"]
"""How a provider is spoken to: an Images API, or Stability AI's upscaler."""


class Upscaler(Dated):
    """What makes pictures larger, one call a picture.

    Args:
        factors: how many times as wide and as high a picture gets.
        max_pixels: of the picture that is sent.
        call_s: how long a call takes, by the provider's words.
        base_url, requests_per_minute: of a lane that says nothing else.
    """

    name: str
    adapter: Adapter
    factors: tuple[PositiveInt, ...] = Field(min_length=1)
    min_edge_px: PositiveInt
    max_edge_px: PositiveInt
    max_pixels: PositiveInt
    formats: tuple[ImageFormat, ...]
    call_s: PositiveFloat
    base_url: str
    requests_per_minute: PositiveInt

    @property
    def limits(self) -> Limits:
        return Limits(requests_per_minute=self.requests_per_minute)

    def refusal_of(self, size: Size) -> str | None:
        """Why a picture of this size is not taken; None when it is."""
        short, long = sorted((size.width, size.height))
        if long > self.max_edge_px:
            return f"{self.name} takes edges of {self.max_edge_px:,} pixels at most"
        if size.pixels > self.max_pixels:
            return f"{self.name} takes {self.max_pixels:,} pixels at most"
        if short < self.min_edge_px:
            return f"{self.name} takes edges of {self.min_edge_px} pixels at least"
        return None


def upscalers() -> tuple[Upscaler, ...]:
    """Every upscaler, in the order of the data file."""
    return tuple(_upscalers().values())


def find_upscaler(name: str) -> Upscaler | None:
    return _upscalers().get(name)


def provider_of(model: str) -> Adapter:
    """Whose model or upscaler this is, and who prices it."""
    upscaler = find_upscaler(model)
    return upscaler.adapter if upscaler else "openai"


def unknown_upscaler(name: str) -> str | None:
    """Why this upscaler cannot be asked for, and which can; None for one that can."""
    if name in _upscalers():
        return None
    return f"There is no upscaler '{name[:100]}'; known: {', '.join(_upscalers())}."


def lane_defaults(adapter: Any) -> dict[str, Any]:
    """The settings of a lane to a provider of upscalers, where nothing else is said; none for another adapter."""
    mine = [one for one in upscalers() if one.adapter == adapter]
    if not mine:
        return {}
    return {
        "base_url": mine[0].base_url,
        "models": tuple(one.name for one in mine),
        "requests_per_minute": min(one.requests_per_minute for one in mine),
    }


@cache
def _upscalers() -> dict[str, Upscaler]:
    return {entry["name"]: Upscaler(**entry) for entry in data_file("upscalers")["upscaler"]}
