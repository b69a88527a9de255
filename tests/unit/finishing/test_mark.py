"""The mark that can be seen: where it is, how large, and on what."""

from __future__ import annotations

import pytest
from PIL import Image, ImageChops

from tests.unit.finishing.conftest import noise
from workers.finishing.mark import marked


def changed(before: Image.Image, after: Image.Image) -> tuple[int, int, int, int]:
    """The box of every pixel that is not as it was."""
    box = ImageChops.difference(before.convert("RGB"), after.convert("RGB")).getbbox()
    assert box is not None
    return box


@pytest.mark.parametrize(
    "size", [(1024, 1024), (1536, 1024), (480, 1440), (1440, 480), (3840, 2160), (64, 64)]
)
@pytest.mark.parametrize("color", ["white", "black", "gray"])
def test_the_mark_is_in_the_lower_right_corner_and_at_least_as_high_as_is_asked_for(
    size: tuple[int, int], color: str
) -> None:
    picture = Image.new("RGB", size, color)

    left, top, right, bottom = changed(picture, marked(picture))

    short = min(size)
    assert bottom - top >= 0.05 * short
    assert left > size[0] - short
    assert top > size[1] - 0.15 * short
    assert 0 <= size[0] - right <= 0.06 * short
    assert 0 <= size[1] - bottom <= 0.06 * short


@pytest.mark.parametrize("color", ["white", "black", "gray", "red", "yellow"])
def test_the_mark_stands_out_on_any_color(color: str) -> None:
    picture = Image.new("RGB", (512, 512), color)
    done = marked(picture).crop(changed(picture, marked(picture))).convert("L")
    assert done.getextrema() == (0, 255)


def test_the_mark_changes_nothing_else_and_not_the_picture_it_is_given() -> None:
    picture = noise(300, 300)
    before = picture.tobytes()

    left, top, _, _ = changed(picture, marked(picture))

    assert picture.tobytes() == before
    assert (left, top) > (200, 200)


def test_the_mark_can_be_seen_where_the_picture_cannot() -> None:
    picture = Image.new("RGBA", (256, 256))
    done = marked(picture)
    box = done.getchannel("A").getbbox()
    assert box is not None
    assert done.getchannel("A").crop(box).getextrema()[1] == 255
    assert done.crop(box).convert("RGB").getextrema() == ((0, 255),) * 3
