"""Encoding: a picture becomes a file of a format, no larger than it may be."""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image

from schemas.finish import Encode, Flatten
from workers.finishing.steps import WHITE, flatten

DEFAULT_QUALITY = 90
LOWEST_QUALITY = 30
"""Below it a picture is not one to sell with; a cap that asks for less is failed, and the check says so."""

FULL_COLOR_QUALITY = 90
"""From here on JPEG keeps the color of every pixel; below, that of every second one."""


def encoded(picture: Image.Image, step: Encode, *, kind: str, spare_bytes: int = 0) -> bytes:
    """The file, in the format of the step or else in `kind`.

    Where there is a cap, it has the highest quality that leaves `spare_bytes` below it; the lowest, where none does.
    A JPEG has no transparency: what is still seen through lies on white.
    """
    if (step.format or kind) == "png":
        return _saved(picture, "PNG")
    if (step.format or kind) == "jpeg":
        picture = flatten(Flatten(step="flatten", color=WHITE), picture)
    write = _jpeg if (step.format or kind) == "jpeg" else _webp
    best = step.quality or DEFAULT_QUALITY
    if step.max_bytes is None:
        return write(picture, best)
    return _within(lambda quality: write(picture, quality), best, step.max_bytes - spare_bytes)


def _within(write: Callable[[int], bytes], best: int, max_bytes: int) -> bytes:
    """Binary search: at most 7 encodings, and one where the best quality fits."""
    data = write(best)
    if len(data) <= max_bytes:
        return data
    low, high = min(LOWEST_QUALITY, best), best - 1
    data = write(low)
    while low < high:
        middle = (low + high + 1) // 2
        tried = write(middle)
        if len(tried) <= max_bytes:
            low, data = middle, tried
        else:
            high = middle - 1
    return data


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    """Not optimized: Pillow 13 guesses how large that file will be, and fails on a picture that is all detail."""
    return _saved(picture, "JPEG", quality=quality, subsampling=0 if quality >= FULL_COLOR_QUALITY else 2)


def _webp(picture: Image.Image, quality: int) -> bytes:
    return _saved(picture, "WEBP", quality=quality)


def _saved(picture: Image.Image, kind: str, **options: int) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, icc_profile=picture.info.get("icc_profile"), **options)
    return data.getvalue()
