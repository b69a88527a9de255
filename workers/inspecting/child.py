"""`python -m workers.inspecting.child MAX_PIXELS`: decodes pictures named on standard input, one JSON object a line.

In: `{"path": ...}`. Out: the fields of `schemas.picture.PictureFacts`, or `{"refusal": a sentence's end}`.
"""

from __future__ import annotations

import json
import resource
import sys
import warnings

from PIL import Image, UnidentifiedImageError

from schemas.picture import OPAQUE
from workers.children.serving import limit, serve

BYTES_PER_PIXEL = 16
"""Of decoding: the picture with four channels, once more as it is turned, and the decoder's own tables."""

OWN_BYTES = 512 * 1024**2
"""Of the process before it opens anything, with room for a file of the largest size."""

CPU_S = 20
_FORMATS = ("PNG", "JPEG", "WEBP")


def main() -> None:
    max_pixels = int(sys.argv[1])
    limit(resource.RLIMIT_AS, OWN_BYTES + max_pixels * BYTES_PER_PIXEL)
    limit(resource.RLIMIT_FSIZE, 0)
    Image.MAX_IMAGE_PIXELS = max_pixels
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    serve(lambda line: json.dumps(_answered(json.loads(line)["path"], max_pixels)))


def _answered(path: str, max_pixels: int) -> dict[str, object]:
    """Looks at a picture, and takes no more than CPU_S for it."""
    used_s = resource.getrusage(resource.RUSAGE_SELF)
    limit(resource.RLIMIT_CPU, int(used_s.ru_utime + used_s.ru_stime) + CPU_S, is_soft=True)
    return looked_at(path, max_pixels)


def looked_at(path: str, max_pixels: int) -> dict[str, object]:
    """What the picture is, or why it is refused. Decodes all of it."""
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            width, height = picture.size
            if getattr(picture, "n_frames", 1) > 1:
                return {"refusal": "moves; a still picture is needed"}
            picture.load()
            has_alpha = picture.has_transparency_data
            lowest_alpha = _lowest_alpha(picture) if has_alpha else OPAQUE
            kind = (picture.format or "").lower()
    except UnidentifiedImageError:
        return {"refusal": "is not a PNG, JPEG or WebP picture"}
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return {"refusal": f"has more than the {max_pixels:,} pixels that are decoded"}
    except MemoryError:
        return {"refusal": "takes more memory to decode than a picture may"}
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        return {"refusal": f"is damaged ({type(error).__name__})"}
    return {
        "media_type": f"image/{kind}",
        "width": width,
        "height": height,
        "has_alpha": has_alpha,
        "lowest_alpha": lowest_alpha,
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
