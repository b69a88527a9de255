"""What was paid for is a whole picture of the format and size that were asked for, or it is named for what it is."""

from __future__ import annotations

import io
import random
import struct
import zlib
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from schemas.failure import Charged, Failure, FailureClass
from workers.order import Order
from workers.verifier import Verified, verify

FORMATS = ("png", "jpeg", "webp")


def encoded(kind: str, size: tuple[int, int] = (64, 48)) -> bytes:
    """A picture with noise in it, so that its data is long enough to be cut anywhere."""
    picture = Image.frombytes("RGB", size, random.Random(1).randbytes(size[0] * size[1] * 3))
    data = io.BytesIO()
    picture.save(data, kind.upper())
    return data.getvalue()


def checked(data: bytes, order: Order, folder: Path, **changes: object) -> Verified | Failure:
    path = folder / "picture"
    path.write_bytes(data)
    return verify(path, msgspec.structs.replace(order, **changes))


def refused(found: Verified | Failure) -> str:
    assert isinstance(found, Failure)
    assert (found.failure_class, found.charged) == (FailureClass.BAD_OUTPUT, Charged.YES)
    return found.message


@pytest.mark.parametrize("kind", FORMATS)
def test_a_good_picture_passes(kind: str, order: Order, tmp_path: Path) -> None:
    assert checked(encoded(kind), order, tmp_path, format=kind) == Verified(64, 48)


def test_where_the_provider_chooses_the_size_any_is_good(order: Order, tmp_path: Path) -> None:
    found = checked(encoded("png", (80, 16)), order, tmp_path, width=None, height=None)

    assert found == Verified(80, 16)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_of_another_size_is_refused_with_both_sizes(
    kind: str, order: Order, tmp_path: Path
) -> None:
    said = refused(checked(encoded(kind, (48, 64)), order, tmp_path, format=kind))

    assert "is 48x64; 64x48 was asked for" in said


@pytest.mark.parametrize(
    ("kind", "asked"), [("png", "webp"), ("jpeg", "png"), ("webp", "jpeg"), ("png", "jpeg")]
)
def test_a_picture_of_another_format_is_refused(kind: str, asked: str, order: Order, tmp_path: Path) -> None:
    said = refused(checked(encoded(kind), order, tmp_path, format=asked))

    assert f"is {kind}; {asked} was asked for" in said


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_cut_off_anywhere_is_refused(kind: str, order: Order, tmp_path: Path) -> None:
    data = encoded(kind)
    ends = {0, 1, 8, 20, *(len(data) * part // 20 for part in range(20)), len(data) - 20, len(data) - 13}

    passed = [end for end in ends if isinstance(checked(data[:end], order, tmp_path, format=kind), Verified)]

    assert passed == []


def test_a_png_with_one_bit_turned_over_is_refused_wherever_it_is(order: Order, tmp_path: Path) -> None:
    data = encoded("png")
    passed = []
    pixels_end = len(data) - 12  # after them, the end chunk holds nothing
    for place in range(8, pixels_end, max(1, len(data) // 40)):
        broken = bytearray(data)
        broken[place] ^= 1
        if isinstance(checked(bytes(broken), order, tmp_path), Verified):
            passed.append(place)

    assert passed == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        b"<html>Bad gateway</html>",
        b'{"error": {}}',
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x00\x00",
    ],
)
def test_what_is_no_picture_is_refused(data: bytes, order: Order, tmp_path: Path) -> None:
    assert "picture" in refused(checked(data, order, tmp_path))


def test_a_gif_is_refused_animated_or_not(order: Order, tmp_path: Path) -> None:
    still, moving = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (64, 48)).save(still, "GIF")
    Image.new("RGB", (64, 48)).save(
        moving, "GIF", save_all=True, append_images=[Image.new("RGB", (64, 48), "red")]
    )

    for data in (still, moving):
        assert "not a PNG, JPEG or WebP" in refused(checked(data.getvalue(), order, tmp_path))


def test_a_small_file_of_a_huge_picture_is_refused_without_decoding_it(order: Order, tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )

    refused(checked(data, order, tmp_path))


def test_more_pixels_than_are_ever_asked_for_are_refused(order: Order, tmp_path: Path) -> None:
    data = io.BytesIO()
    Image.new("1", (5008, 5008)).save(data, "PNG")

    assert "more than are ever asked for" in refused(checked(data.getvalue(), order, tmp_path))


def test_a_refusal_never_shows_bytes_or_paths(order: Order, tmp_path: Path) -> None:
    for data in (b"secret", encoded("png")[:100], encoded("jpeg")[:300]):
        said = refused(checked(data, order, tmp_path))
        assert str(tmp_path) not in said
        assert "secret" not in said


@pytest.mark.parametrize(
    ("size", "is_taken"),
    [((64, 48), True), ((62, 47), True), ((67, 50), True), ((48, 36), False), ((64, 40), False)],
)
def test_an_upscale_that_is_nearly_as_large_as_was_asked_for_is_taken(
    size: tuple[int, int], is_taken: bool, order: Order, tmp_path: Path
) -> None:
    found = checked(encoded("png", size), order, tmp_path, parameters={"factor": 4, "format": "png"})

    assert isinstance(found, Verified) is is_taken
