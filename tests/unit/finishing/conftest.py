"""Pictures that are drawn here, labels, and what exiftool reads in a file."""

from __future__ import annotations

import io
import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms

from schemas.disclosure import Disclosure, Label, label_of

FORMATS = ("png", "jpeg", "webp")


def noise(width: int, height: int, mode: str = "RGB", seed: int = 1) -> Image.Image:
    """Pixels without any order: what is lost or moved anywhere shows."""
    bands = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, (width, height), random.Random(seed).randbytes(width * height * bands))


def file_of(picture: Image.Image, kind: str = "png", **options: Any) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind.upper(), **options)
    return data.getvalue()


def read_back(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def wide_profile() -> bytes:
    """A profile whose red and green are swapped: nobody can mistake it for sRGB, nor miss a conversion."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {
        bytes(profile[at : at + 4]): at for at in range(132, 132 + 12 * int.from_bytes(profile[128:132]), 12)
    }
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    profile[red + 4 : red + 12], profile[green + 4 : green + 12] = (
        profile[green + 4 : green + 12],
        profile[red + 4 : red + 12],
    )
    return bytes(profile).replace("sRGB built-in".encode("utf-16-be"), "Swapped gamut".encode("utf-16-be"))


def told_by_exiftool(path: Path) -> dict[str, Any]:
    """Every fact that exiftool reads in a file, by `group:name`, with its warnings and errors."""
    done = subprocess.run(
        ["exiftool", "-j", "-G1", "-a", "-struct", "-Validate", "-Warning", "-Error", "-all", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    facts: dict[str, Any] = json.loads(done.stdout)[0]
    return facts


@pytest.fixture
def label() -> Label:
    return label_of(Disclosure(), is_composite=False, model="gpt-image-2", identifier="bat_1:0:1")
