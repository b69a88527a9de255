"""Sizes: which ones a model makes, and what to ask for instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from itertools import product
from math import ceil, floor, sqrt

from schemas.model import Model, data_file

GRID_PX = 16
MAX_EDGE_PX = 3840
MAX_RATIO = 3
MIN_PIXELS = 655_360
MAX_PIXELS = 8_294_400
EXPERIMENTAL_PIXELS = 2560 * 1440
"""The rule of free sizes. gpt-image-2.6 is taken to follow it like 2 and 2.5.

Source: https://developers.openai.com/api/docs/guides/image-generation, checked 2026-11-20.
"""

_WRITTEN = re.compile(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})")


@dataclass(frozen=True, order=True, slots=True)
class Size:
    """Pixels of a picture, written `WIDTHxHEIGHT`."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def pixels(self) -> int:
        return self.width * self.height

    @classmethod
    def parse(cls, text: str) -> Size:
        """The size written in `text`.

        Raises:
            ValueError: it is not written `WIDTHxHEIGHT`; says how to write it, and which preset comes close.
        """
        if written := _WRITTEN.fullmatch(text):
            return cls(int(written[1]), int(written[2]))
        raise ValueError(_unreadable(text))


def resolve_size(text: str, model: Model) -> Size:
    """The size to ask `model` for: `WIDTHxHEIGHT`, or the name of a preset.

    Raises:
        ValueError: nobody knows this size, or the model does not make it; says what to write instead.
    """
    size = asked_size(text)
    if problem := size_problem(size, model):
        raise ValueError(problem)
    return size


def asked_size(text: str) -> Size:
    """What is asked for by `WIDTHxHEIGHT` or the name of a preset, whichever model makes it.

    Raises:
        ValueError: nobody knows this size.
    """
    return Size.parse(_asked_for().get(text, text))


def gone_size(text: str) -> str | None:
    """Why nobody knows what a size stands for any more, in a manifest that was accepted before; None where it is known."""
    if text == "auto":
        return None
    try:
        asked_size(text)
    except ValueError as error:
        return str(error)
    return None


def is_experimental(size: Size) -> bool:
    """Whether the provider calls results of this size experimental: more pixels than 2560x1440."""
    return size.pixels > EXPERIMENTAL_PIXELS


def size_problem(size: Size, model: Model) -> str | None:
    """The first rule that this size breaks, with the nearest size that breaks none; None when it is legal."""
    if model.sizes != "free":
        return (
            None if str(size) in model.sizes else f"{size}: {model.name} makes only {', '.join(model.sizes)}"
        )
    broken = _broken_rule(size)
    return f"{size}: {broken}; use {_nearest_legal(size)}" if broken else None


def _broken_rule(size: Size) -> str | None:
    long, short = max(size.width, size.height), min(size.width, size.height)
    if off_grid := _off_grid(size):
        return off_grid
    if long > MAX_EDGE_PX:
        return f"the longest edge {long} is over {MAX_EDGE_PX}"
    if long > MAX_RATIO * short:
        return f"its edges are {long / short:.2f} to 1, and at most {MAX_RATIO} to 1 is allowed"
    if size.pixels < MIN_PIXELS:
        return f"it has {size.pixels:,} pixels, fewer than {MIN_PIXELS:,}"
    if size.pixels > MAX_PIXELS:
        return f"it has {size.pixels:,} pixels, more than {MAX_PIXELS:,}"
    return None


def _off_grid(size: Size) -> str | None:
    edges = {"width": size.width, "height": size.height}
    off = [f"the {edge} {length}" for edge, length in edges.items() if length % GRID_PX]
    if not off:
        return None
    return f"{' and '.join(off)} {'is not a multiple' if len(off) == 1 else 'are not multiples'} of {GRID_PX}"


def _nearest_legal(size: Size) -> Size:
    """Pulled inside the limits with its shape kept, then the closest of the grid points around it.

    Of two that are equally close it is the larger, from which the wanted picture can be cropped.
    """
    width, height = _inside(size)
    around = [
        Size(across * GRID_PX, down * GRID_PX)
        for across, down in product(
            {floor(width / GRID_PX), ceil(width / GRID_PX)}, {floor(height / GRID_PX), ceil(height / GRID_PX)}
        )
    ]
    legal = [candidate for candidate in around if _broken_rule(candidate) is None]
    return min(
        legal, key=lambda it: (abs(it.width - size.width) + abs(it.height - size.height), -it.pixels, it)
    )


def _inside(size: Size) -> tuple[float, float]:
    width = min(size.width, MAX_RATIO * size.height)
    height = min(size.height, MAX_RATIO * size.width)
    pixels = width * height
    shrink = min(1.0, MAX_EDGE_PX / max(width, height), sqrt(MAX_PIXELS / pixels))
    scale = max(shrink, sqrt(MIN_PIXELS / pixels)) if pixels < MIN_PIXELS else shrink
    return width * scale, height * scale


def _unreadable(text: str) -> str:
    sentence = f"'{text[:100]}' is neither a size such as 1536x1024 nor the name of a preset"
    close = get_close_matches(text[:100], _asked_for())
    return (
        f"{sentence}; did you mean {' or '.join(close)}?"
        if close
        else f"{sentence} such as {next(iter(_asked_for()))}"
    )


@cache
def _asked_for() -> dict[str, str]:
    """The size to ask for, by preset. `schemas.preset` says the rest, in words that are made of these."""
    return {name: entry["generate_at"] for name, entry in data_file("presets").items()}
