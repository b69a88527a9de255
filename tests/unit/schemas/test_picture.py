"""What the first bytes of a file say it is."""

from __future__ import annotations

import io

import pytest
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
