"""Finishing: the steps a manifest may name, as they are written, and the size each of them leaves behind."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from schemas.size import Size

MAX_FINISHED_EDGE_PX = 10_000
MAX_FINISHED_PIXELS = 64_000_000
"""The largest picture any channel takes: Amazon's longest edge, Google Merchant's pixels.

Source: https://support.google.com/merchants/answer/6324350 and sellers' guides, checked 2026-11-20.
"""
MAX_FACTOR = 6

Format = Literal["png", "jpeg", "webp"]


def _finished_size(text: str) -> str:
    try:
        problem = too_large(Size.parse(text))
    except ValueError:
        problem = f"'{text[:100]}' is not a size in pixels, such as 1500x1500"
    if problem:
        raise ValueError(problem)
    return text


def _color(text: str) -> str:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise ValueError(f"'{text[:100]}' is not a color; write it as in #ffffff")
    return text


def too_large(size: Size) -> str | None:
    """Why no picture is finished at this size; None when it may be."""
    if max(size.width, size.height) > MAX_FINISHED_EDGE_PX or size.pixels > MAX_FINISHED_PIXELS:
        return (
            f"{size} is too large for a finished picture: edges of {MAX_FINISHED_EDGE_PX:,} "
            f"and {MAX_FINISHED_PIXELS:,} pixels are the most"
        )
    return None


Pixels = Annotated[str, AfterValidator(_finished_size), Field(title="size in pixels")]
"""`WIDTHxHEIGHT` of a finished picture; any edge, because the rule of the models does not hold for it."""

Color = Annotated[str, AfterValidator(_color), Field(title="color")]
Edge = Literal["center", "top", "bottom", "left", "right"]


class _Step(BaseModel):
    """Frozen and strict: an unknown field is an error, and `"90"` is no number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def size_after(self, size: Size) -> Size:
        """What a picture of this size becomes."""
        return size


class _Exact(_Step):
    """Without `to`, the pixels that the preset of the picture wants."""

    to: Pixels | None = Field(
        None,
        description="Without it, what the preset wants, or the size itself; with the size `auto` it must be written.",
    )

    def size_after(self, size: Size) -> Size:
        return Size.parse(self.to) if self.to else size


class Crop(_Exact):
    """Exactly these pixels: scaled until they are covered, and the rest cut off. `at` says what is kept."""

    step: Literal["crop"]
    at: Edge = Field("center", description="What is kept.")


class Pad(_Exact):
    """Exactly these pixels: scaled until it fits in, and the rest filled. Without `color`, with transparency."""

    step: Literal["pad"]
    color: Color | None = Field(
        "#ffffff",
        description="What fills the rest; `null` means nothing: the picture becomes transparent there.",
    )


class Resize(_Step):
    """At most these pixels: made smaller until it fits in, in its own shape. Never larger."""

    step: Literal["resize"]
    to: Pixels = Field(description="The pixels that it may have at most.")

    def size_after(self, size: Size) -> Size:
        box = Size.parse(self.to)
        return scaled(size, min(1.0, box.width / size.width, box.height / size.height))


class Upscale(_Step):
    """At least these pixels, or so many times as large: made larger, in its own shape. Never smaller."""

    step: Literal["upscale"]
    to: Pixels | None = Field(None, description="The pixels that it has at least; this or `factor`.")
    factor: Annotated[float, Field(gt=1, le=MAX_FACTOR)] | None = Field(
        None, description="How many times as wide and as high; this or `to`."
    )

    def size_after(self, size: Size) -> Size:
        if self.to is None:
            return scaled(size, self.factor or 1.0)
        wanted = Size.parse(self.to)
        return scaled(size, max(1.0, wanted.width / size.width, wanted.height / size.height))


class Flatten(_Step):
    """No transparency: what can be seen through lies on a color."""

    step: Literal["flatten"]
    color: Color = Field("#ffffff", description="What lies behind.")


class Srgb(_Step):
    """Colors as the web shows them: converted from the profile in the picture, if there is one."""

    step: Literal["srgb"]


class Encode(_Step):
    """The file. Without this step: the format of the original, at quality 90. A JPEG without `flatten` gets white."""

    step: Literal["encode"]
    format: Format | None = Field(None, description="Without it, that of the original.")
    quality: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="Of `jpeg` and `webp`; without it, 90."
    )
    max_bytes: Annotated[int, Field(ge=1_000)] | None = Field(
        None,
        description="The quality is lowered to fit, down to 30. What does not fit then is kept, and its check fails.",
    )


class Thumbnail(_Step):
    """A small copy beside the picture, under a name of its own."""

    step: Literal["thumbnail"]
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")] = Field(
        title="name", description="Lower case; no two thumbnails have the same."
    )
    longest_px: int = Field(256, ge=16, le=2048, description="Its longest edge.")
    format: Format = Field("webp", description="Of the copy.")
    quality: int = Field(80, ge=1, le=100, description="Of the copy, as `jpeg` or `webp`.")


_KINDS = ("crop", "pad", "resize", "upscale", "flatten", "srgb", "encode", "thumbnail")


def _known(value: Any) -> Any:
    kind = value.get("step") if isinstance(value, dict) else getattr(value, "step", None)
    if kind not in _KINDS:
        raise ValueError(
            f"a step is written as `step: flatten`, and what it needs; known: {', '.join(_KINDS)}"
        )
    return value


def _one_meaning(step: Any) -> Any:
    if isinstance(step, Upscale) and (step.to is None) == (step.factor is None):
        raise ValueError("upscale takes either `to` or `factor`")
    if isinstance(step, Encode) and step.format == "png" and (step.quality or step.max_bytes):
        raise ValueError(
            "png has no quality to lower; leave `quality` and `max_bytes` out, or use jpeg or webp"
        )
    return step


Step = Annotated[
    Annotated[
        Crop | Pad | Resize | Upscale | Flatten | Srgb | Encode | Thumbnail,
        Field(discriminator="step", title="step"),
    ],
    BeforeValidator(_known),
    AfterValidator(_one_meaning),
]


def _without_contradiction(steps: tuple[Any, ...]) -> tuple[Any, ...]:
    if sum(isinstance(step, Encode) for step in steps) > 1:
        raise ValueError("a picture is encoded once; leave the other `encode` out")
    names = sorted(step.name for step in steps if isinstance(step, Thumbnail))
    if twice := [name for name, same in groupby(names) if len(list(same)) > 1]:
        raise ValueError(f"two thumbnails are named '{twice[0]}'")
    return steps


Steps = Annotated[
    tuple[Step, ...],
    Field(max_length=20),
    AfterValidator(_without_contradiction),
]
"""Steps in the order in which they run; a picture is encoded, and thumbnails are made of it, when all others have run."""


def scaled(size: Size, scale: float) -> Size:
    return Size(max(1, round(size.width * scale)), max(1, round(size.height * scale)))
