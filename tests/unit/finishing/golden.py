"""`python -m tests.unit.finishing.golden`: draws the golden pictures anew. Look at what has changed before it is kept.

One small picture goes through each step of finishing; what comes out is kept without loss, as it was looked at.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from schemas.disclosure import China, Disclosure, label_of
from schemas.finish_plan import FinishPlan
from schemas.rendition import Finished
from tests.unit.finishing.conftest import wide_profile
from workers.finishing.making import make

FOLDER = Path(__file__).parent / "goldens"
WIDTH, HEIGHT = 48, 32
SHOWN = 12

PLANS: dict[str, dict[str, Any]] = {
    "crop": {"steps": [{"step": "crop", "to": "24x24", "at": "left"}]},
    "pad": {"steps": [{"step": "pad", "to": "48x48", "color": "#ffe0b0"}]},
    "pad-clear": {"steps": [{"step": "pad", "to": "48x48", "color": None}]},
    "resize": {"steps": [{"step": "resize", "to": "30x20"}]},
    "upscale": {"steps": [{"step": "upscale", "factor": 2}]},
    "flatten": {"steps": [{"step": "flatten", "color": "#ffffff"}]},
    "srgb": {"steps": [{"step": "srgb"}]},
    "encode-jpeg": {"encode": {"step": "encode", "format": "jpeg", "quality": 60}},
    "encode-webp": {"encode": {"step": "encode", "format": "webp", "quality": 60}},
    "thumbnail": {"thumbnails": [{"step": "thumbnail", "name": "small", "longest_px": 24, "format": "png"}]},
    "china-mark": {"steps": [{"step": "flatten"}, {"step": "upscale", "factor": 3}]},
}

LEVELS = {"encode-jpeg": 12, "encode-webp": 12}
"""How far a channel of a pixel may be from the golden one, of 255: encoders differ from version to version."""

OTHER_LEVELS = 3
"""Of the other steps: Pillow rounds to whole levels once or twice, and so do those who convert colors."""


def original() -> Image.Image:
    """Two colors that run into each other, a bright line, and a hole whose edge is half seen through."""
    picture = Image.new("RGBA", (WIDTH, HEIGHT))
    for y in range(HEIGHT):
        for x in range(WIDTH):
            away = math.hypot(x - 33, y - 15) - 9
            alpha = max(0, min(255, round(128 + away * 64)))
            bright = (250, 245, 90) if x == y // 2 + 6 else (x * 5, 200 - y * 6, 60 + y * 5)
            picture.putpixel((x, y), (*bright, alpha))
    return picture


def made(name: str, folder: Path) -> Image.Image:
    """What the step makes of the original, read back from its file."""
    path, plan = folder / "golden.png", FinishPlan.model_validate(PLANS[name])
    original().save(path, icc_profile=wide_profile() if name == "srgb" else None)
    china = China(producer="golden") if name == "china-mark" else None
    label = label_of(Disclosure(china=china), is_composite=False, model="gpt-image-2", identifier="golden")
    ended = make(path, plan, label, folder)
    assert isinstance(ended, Finished), ended.reason
    with Image.open(folder / ended.renditions[-1].file) as picture:
        return picture.convert(picture.mode)


def differences(found: Image.Image, golden: Image.Image, *, levels: int) -> Iterator[str]:
    """What is different, in words; nothing, where the pictures are alike within so many levels of each channel."""
    if (found.mode, found.size) != (golden.mode, golden.size):
        yield f"it is {found.mode} of {found.size}, and the golden one {golden.mode} of {golden.size}"
        return
    pairs = zip(_pixels(found), _pixels(golden), strict=True)
    apart = [
        (place, one, other) for place, (one, other) in enumerate(pairs) if _distance(one, other) > levels
    ]
    if apart:
        yield f"{len(apart)} of {found.width * found.height} pixels differ by more than {levels} levels"
    for place, one, other in apart[:SHOWN]:
        yield f"({place % found.width}, {place // found.width}) is {tuple(one)}, and was {tuple(other)}"


def _pixels(picture: Image.Image) -> list[bytes]:
    data, bands = picture.tobytes(), len(picture.getbands())
    return [data[at : at + bands] for at in range(0, len(data), bands)]


def _distance(one: bytes, other: bytes) -> int:
    """The colors of what cannot be seen do not count."""
    if len(one) == 4 and one[3] == other[3] == 0:
        return 0
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def draw() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    original().save(FOLDER / "original.png", optimize=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name in PLANS:
            made(name, Path(scratch)).save(FOLDER / f"{name}.png", optimize=True, icc_profile=None)


if __name__ == "__main__":
    draw()
