"""What the beginning of a file says it is."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from schemas.picture import sniff_picture


@pytest.mark.parametrize("name", ["png", "jpeg", "webp"])
def test_a_real_picture_is_known_by_its_first_twelve_bytes(name: str) -> None:
    file = io.BytesIO()
    Image.new("RGB", (2, 2)).save(file, name)
    assert sniff_picture(file.getvalue()[:12]) == f"image/{name}"


@pytest.mark.parametrize(
    "head",
    [
        *(b"", b"\x89PNG", b"\xff\xd8", b"RIFF\x24\x00\x00\x00WAVE", b"RIFF", b"GIF89a", b"BM", b"%PDF-1.7"),
        *(b"<svg xmlns=", b"<!doctype html>", b" \x89PNG\r\n\x1a\n", b"\x00\x00\x00\x20ftypavif"),
    ],
)
def test_anything_else_is_no_picture_we_take(head: bytes) -> None:
    assert sniff_picture(head) is None


def moving(kind: str, frames: int) -> bytes:
    file = io.BytesIO()
    pictures = [Image.new("RGB", (40, 40), (place * 60, 0, 0)) for place in range(frames)]
    pictures[0].save(file, kind, save_all=True, append_images=pictures[1:], duration=40)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_a_picture_that_moves_is_none_that_we_take(kind: str) -> None:
    assert sniff_picture(moving(kind, 2)) is None
    assert sniff_picture(moving(kind, 1)) == f"image/{kind}"


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_what_stands_before_the_frames_hides_none_of_them(kind: str) -> None:
    file = io.BytesIO()
    pictures = [Image.new("RGB", (40, 40), color) for color in ("red", "blue", "green")]
    pictures[0].save(file, kind, save_all=True, append_images=pictures[1:], icc_profile=bytes(30_001))
    assert sniff_picture(file.getvalue()) is None


@given(st.sampled_from([b"\x89PNG\r\n\x1a\n", b"RIFF\x00\x00\x00\x00WEBP"]), st.binary(max_size=200))
def test_whatever_follows_the_first_bytes_the_end_is_reached(start: bytes, rest: bytes) -> None:
    assert sniff_picture(start + rest) in ("image/png", "image/webp", None)
