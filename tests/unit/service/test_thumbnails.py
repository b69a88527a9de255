import io

import pytest
from PIL import Image

from service.exports.thumbnails import MAX_PIXELS, thumbnail


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(
    ("size", "small"), [((800, 400), (100, 50)), ((300, 900), (33, 100)), ((40, 20), (40, 20))]
)
def test_a_thumbnail_fits_its_square_and_keeps_its_shape(
    kind: str, size: tuple[int, int], small: tuple[int, int]
) -> None:
    made = thumbnail(encoded(Image.new("RGB", size, "#b5482f"), kind), 100)

    assert made is not None and made.mode == "RGB"
    assert made.size == small


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "I;16"])
def test_any_kind_of_picture_is_shown_on_white(mode: str) -> None:
    made = thumbnail(encoded(Image.new(mode, (50, 50), 0)), 10)

    assert made is not None and made.mode == "RGB"
    assert made.getpixel((5, 5)) == ((255, 255, 255) if mode in ("RGBA", "LA") else (0, 0, 0))


def test_a_picture_with_too_many_pixels_is_not_opened_further() -> None:
    data = bytearray(encoded(Image.new("1", (10, 10))))
    data[16:24] = (10_000).to_bytes(4) + (MAX_PIXELS // 10_000 + 1).to_bytes(4)

    assert thumbnail(bytes(data), 10) is None


WHOLE = encoded(Image.new("RGB", (50, 50)))
MOVING = encoded(Image.new("RGB", (9, 9)), "GIF")


@pytest.mark.parametrize(
    "data", [b"", b"no picture", WHOLE[:50], MOVING], ids=["empty", "text", "cut", "gif"]
)
def test_what_is_no_picture_of_ours_has_no_thumbnail(data: bytes) -> None:
    assert thumbnail(data, 10) is None
