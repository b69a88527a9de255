"""Opening strangers' pictures: the one way, within limits, for all that a child does with them."""

from __future__ import annotations

import json
import resource
import struct
import warnings
from collections.abc import Callable

from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base

from workers.children.serving import limit, serve

BYTES_PER_PIXEL = 16
"""Of decoding: the picture with four channels, once more as it is turned, and the decoder's own tables."""

OWN_BYTES = 512 * 1024**2
"""Of the process before it opens anything, with room for a file of the largest size."""

CPU_S = 20
UPRIGHT = 1
_FORMATS = ("PNG", "JPEG", "WEBP")
_SEVERAL_PHOTOS = "MPO"
"""What Pillow calls a JPEG of many phones and cameras, with further pictures behind the one that every viewer shows.
Source: CIPA DC-007-2021 (Multi-Picture Format), checked 2026-11-22."""
_UNREADABLE = (SyntaxError, ValueError, TypeError, LookupError, OSError, struct.error)

Answer = dict[str, object]
Question = dict[str, str]


def serve_pictures(
    answered: Callable[[Image.Image, Question], Answer], *, max_pixels: int, max_bytes_written: int
) -> None:
    """Answers questions about pictures until whoever asks is gone. A question names its picture with `path`."""
    limit(resource.RLIMIT_AS, OWN_BYTES + max_pixels * BYTES_PER_PIXEL)
    limit(resource.RLIMIT_FSIZE, max_bytes_written)
    Image.MAX_IMAGE_PIXELS = max_pixels
    warnings.simplefilter("error", Image.DecompressionBombWarning)

    def answer(line: str) -> str:
        question = json.loads(line)
        used_s = resource.getrusage(resource.RUSAGE_SELF)
        limit(resource.RLIMIT_CPU, int(used_s.ru_utime + used_s.ru_stime) + CPU_S, is_soft=True)
        return json.dumps(_decoded(question, max_pixels, answered))

    serve(answer)


def _decoded(
    question: Question, max_pixels: int, answered: Callable[[Image.Image, Question], Answer]
) -> Answer:
    """The answer about a whole, decoded picture, or why it is refused."""
    try:
        with Image.open(question["path"], formats=_FORMATS) as picture:
            if getattr(picture, "n_frames", 1) > 1 and picture.format != _SEVERAL_PHOTOS:
                return {"refusal": "moves; a still picture is needed"}
            picture.load()
            return answered(picture, question)
    except UnidentifiedImageError:
        return {"refusal": "is not a PNG, JPEG or WebP picture"}
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return {"refusal": f"has more than the {max_pixels:,} pixels that are decoded"}
    except MemoryError:
        return {"refusal": "takes more memory to decode than a picture may"}
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        return {"refusal": f"is damaged ({type(error).__name__})"}


def kind_of(picture: Image.Image) -> str:
    """`PNG`, `JPEG` or `WEBP`."""
    return "JPEG" if picture.format == _SEVERAL_PHOTOS else picture.format or ""


def turned_and_placed(picture: Image.Image) -> tuple[int, bool]:
    """How the picture lies, 1 to 8 as EXIF counts, and whether the file says where on earth it was taken.

    What says so in a way that cannot be read may say where, and so may pictures behind the first.

    Source: CIPA DC-008-2023 (Exif 3.0), Orientation and GPS IFD, checked 2026-11-22.
    """
    try:
        exif = picture.getexif()
        found = exif.get(Base.Orientation, UPRIGHT)
        is_placed = Base.GPSInfo in exif or picture.format == _SEVERAL_PHOTOS
    except _UNREADABLE:
        return UPRIGHT, True
    xmp = picture.info.get("xmp", b"")
    is_placed = is_placed or b"GPSLatitude" in (xmp.encode() if isinstance(xmp, str) else xmp)
    return (found if found in range(UPRIGHT, 9) else UPRIGHT), is_placed
