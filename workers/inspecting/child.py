"""`python -m workers.inspecting.child MAX_PIXELS`: decodes pictures named on standard input, one JSON object a line.

In: `{"path": ...}`. Out: the fields of `schemas.picture.PictureFacts`, or `{"refusal": a sentence's end}`.
"""

from __future__ import annotations

import sys

from PIL import Image

from schemas.picture import OPAQUE
from workers.inspecting.opening import Answer, Question, kind_of, serve_pictures, turned_and_placed

_ON_THEIR_SIDE = range(5, 9)
"""Orientations in which width and height are the other way round."""


def main() -> None:
    serve_pictures(_facts, max_pixels=int(sys.argv[1]), max_bytes_written=0)


def _facts(picture: Image.Image, _question: Question) -> Answer:
    orientation, is_placed = turned_and_placed(picture)
    width, height = picture.size
    if orientation in _ON_THEIR_SIDE:
        width, height = height, width
    has_alpha = picture.has_transparency_data
    return {
        "media_type": f"image/{kind_of(picture).lower()}",
        "width": width,
        "height": height,
        "has_alpha": has_alpha,
        "lowest_alpha": _lowest_alpha(picture) if has_alpha else OPAQUE,
        "mode": picture.mode,
        "orientation": orientation,
        "is_placed": is_placed,
    }


def _lowest_alpha(picture: Image.Image) -> int:
    """Of a picture that says that something is seen through."""
    if "A" not in picture.getbands():
        if picture.mode not in ("1", "L", "P", "RGB"):
            return 0  # 16 bits of grey, one of which is nothing: whether it is met, Pillow does not tell
        picture = picture.convert("RGBA")
    lowest, _ = picture.getchannel("A").getextrema()
    assert isinstance(lowest, int | float), "one channel has one pair of extremes"
    return int(lowest)


if __name__ == "__main__":
    main()
