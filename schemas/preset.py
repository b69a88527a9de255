"""Presets: named sizes with what a channel wants of a picture, how that is reached, and the rules to check it by."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from schemas.finish import Encode, Format, Pad, Steps
from schemas.model import Dated, data_file
from schemas.size import Size

Named = Annotated[Size, BeforeValidator(Size.parse)]


class SafeZone(BaseModel):
    """How far from each edge, in pixels, the channel's own buttons and texts may lie.

    What stands there is only ever warned of: it is found by its edges, and no channel refuses a picture for it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    top_px: int = Field(default=0, ge=0)
    bottom_px: int = Field(default=0, ge=0)
    left_px: int = Field(default=0, ge=0)
    right_px: int = Field(default=0, ge=0)


class Rules(BaseModel):
    """What a channel asks of a picture beside its pixels; what is not named is not asked.

    Args:
        min_size: fewer pixels than these are refused by the channel; between these and the target is a warning.
        srgb: colors have to be sRGB.
        opaque: nothing may be seen through.
        white_corners: the background has to be pure white.
        fill_percent: the least and the most of the frame that the product takes, on the edge where it takes more.
        enlarged: false where the channel takes no picture that was made larger.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_size: Named | None = None
    formats: tuple[Format, ...] = ()
    max_bytes: int | None = Field(default=None, ge=1)
    srgb: bool = False
    opaque: bool = False
    white_corners: bool = False
    fill_percent: tuple[int, int] | None = None
    safe_zone: SafeZone | None = None
    enlarged: bool = True


class Preset(Dated):
    """A named size. `target` is what the channel wants, `generate_at` the legal size to ask the model for."""

    name: str
    target: Named
    generate_at: Named
    finish: Steps = ()
    rules: Rules = Rules()

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        size, encode = self.generate_at, None
        for step in self.finish:
            size = self.target if step.step in ("crop", "pad") else step.size_after(size)
            encode = step if isinstance(step, Encode) else encode
        if size != self.target:
            raise ValueError(f"{self.name}: its steps lead to {size}, and {self.target} is wanted")
        if self.rules.formats and (encode is None or encode.format not in self.rules.formats):
            raise ValueError(f"{self.name}: its steps do not end in one of its formats")
        if self.rules.opaque and any(isinstance(step, Pad) and step.color is None for step in self.finish):
            raise ValueError(f"{self.name}: it pads with transparency, and must be opaque")
        return self


def presets() -> tuple[Preset, ...]:
    """Every preset, in the order of the data file."""
    return tuple(_presets().values())


def find_preset(name: str) -> Preset | None:
    return _presets().get(name)


@cache
def _presets() -> dict[str, Preset]:
    return {name: Preset(name=name, **entry) for name, entry in data_file("presets").items()}
