"""Opening: the one way from a file to a picture that the steps can work on, within limits."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

from PIL import Image, ImageOps
from PIL.ExifTags import Base

from schemas.finish import Format, Srgb
from workers.finishing.steps import srgb

NAMES: dict[str, Format] = {"PNG": "png", "JPEG": "jpeg", "WEBP": "webp"}
FORMATS = tuple(NAMES)
MAX_ORIGINAL_PIXELS = 25_000_000
"""Three times what any model makes. A file that says it has more is not decoded."""

UPRIGHT = 1

_TOO_MANY = "the original has more pixels than are ever asked for"
_PLAIN = {"RGB": "RGB", "RGBA": "RGBA", "L": "RGB", "LA": "RGBA", "1": "RGB", "CMYK": "CMYK"}


class CannotBeFinishedError(ValueError):
    """This original never becomes a picture for a channel; the sentence says why."""


def format_of(path: Path) -> Format:
    """The format of a file, by its own bytes, and without decoding it.

    Raises:
        CannotBeFinishedError: it says that it has more pixels than any original.
        OSError, SyntaxError, ValueError: it is damaged, or no picture of ours.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=FORMATS) as picture:
                pixels, kind = picture.width * picture.height, NAMES[picture.format or ""]
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise CannotBeFinishedError(_TOO_MANY) from error
    if pixels > MAX_ORIGINAL_PIXELS:
        raise CannotBeFinishedError(_TOO_MANY)
    return kind


def orientation_of(picture: Image.Image) -> int:
    """How its file says it lies, 1 to 8 as EXIF counts; 1, upright, where it says nothing that can be read."""
    exif = Image.Exif()
    try:
        exif.load(picture.info.get("exif", b""))
        found = exif.get(Base.Orientation, UPRIGHT)
    except (SyntaxError, ValueError, TypeError, LookupError, OSError, struct.error):
        return UPRIGHT
    return found if found in range(UPRIGHT, 9) else UPRIGHT


def is_turned(path: Path) -> bool:
    """Whether a file says that it does not lie upright; one that cannot be opened says nothing. Decodes nothing."""
    try:
        format_of(path)
        with Image.open(path, formats=FORMATS) as picture:
            return orientation_of(picture) != UPRIGHT
    except (OSError, SyntaxError, ValueError, EOFError):
        return False


def opened(path: Path) -> Image.Image:
    """The picture in a file, upright, as RGB or RGBA, with its color profile in `info`. Raises as `format_of` does.

    Raises:
        CannotBeFinishedError: also for pixels of a kind that no model sends.
    """
    format_of(path)
    with Image.open(path, formats=FORMATS) as picture:
        picture.load()
        return _plain(ImageOps.exif_transpose(picture))


def _plain(picture: Image.Image) -> Image.Image:
    if picture.mode == "P":
        mode: str | None = "RGBA" if picture.has_transparency_data else "RGB"
    else:
        mode = _PLAIN.get(picture.mode)
    if mode is None:
        raise CannotBeFinishedError(f"pictures with pixels of the kind {picture.mode} are not finished")
    if mode == "CMYK":
        return srgb(Srgb(step="srgb"), picture).convert("RGB")
    if mode == "RGB" and picture.has_transparency_data:
        mode = "RGBA"
    plain = picture.convert(mode)
    plain.info = {key: picture.info[key] for key in ("icc_profile",) if key in picture.info}
    return plain
