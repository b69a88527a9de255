"""`python -m workers.inspecting.copier MAX_PIXELS`: writes upright copies of pictures, one JSON object a line.

In: `{"path": ..., "into": ...}`. Out: `{"size_bytes": ...}`, or `{"refusal": a sentence's end}`. A copy shows what the
picture shows, turned as it is meant to be seen, with 8 bits of grey or of red, green and blue, and says nothing else but
what its colors mean: no EXIF, no XMP, no comment. PNG copies lose nothing; JPEG and WebP ones as good as nothing.
"""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Any

from PIL import Image, ImageMath

from schemas.finish import Srgb
from schemas.picture import PLAIN_MODES
from workers.finishing.steps import srgb
from workers.inspecting.opening import Answer, Question, kind_of, serve_pictures, turned_and_placed

MAX_COPY_BYTES = 50 * 1024**2
"""Source: https://platform.openai.com/docs/api-reference/images/createEdit, `image`, 2026-11-20."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"quality": 95},
}


def main() -> None:
    serve_pictures(_copied, max_pixels=int(sys.argv[1]), max_bytes_written=MAX_COPY_BYTES)


def _copied(picture: Image.Image, question: Question) -> Answer:
    kind, into = kind_of(picture), Path(question["into"])
    orientation, _ = turned_and_placed(picture)
    copy = _plain(picture)
    if orientation in _TURNS:
        copy = copy.transpose(_TURNS[orientation])
    profile = picture.info.get("icc_profile") if picture.mode in PLAIN_MODES else None
    copy.info = {}
    try:
        copy.save(into, kind, icc_profile=profile, **_OPTIONS[kind])
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        return {"refusal": f"has more than {MAX_COPY_BYTES:,} bytes once it is turned and plain"}
    return {"size_bytes": into.stat().st_size}


def _plain(picture: Image.Image) -> Image.Image:
    """The same picture in one of the modes that are sent."""
    if picture.mode == "CMYK":
        return srgb(Srgb(step="srgb"), picture).convert("RGB")
    if picture.mode.startswith("I"):
        return _of_16_bits(picture)
    is_grey = picture.mode in ("1", "L", "LA")
    if picture.has_transparency_data:
        return picture.convert("RGBA").convert("LA" if is_grey else "RGBA")
    return picture.convert("L" if is_grey else "RGB")


def _of_16_bits(picture: Image.Image) -> Image.Image:
    """Grey, of which one level may be nothing."""
    grey = picture.point(lambda level: level / 256).convert("L")
    nothing = picture.info.get("transparency")
    if nothing is None:
        return grey
    seen = ImageMath.lambda_eval(
        lambda known: known["convert"]((known["level"] != nothing) * 255, "L"), level=picture.convert("I")
    )
    return Image.merge("LA", (grey, seen))


if __name__ == "__main__":
    main()
