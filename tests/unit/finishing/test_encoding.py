"""Files: the format that was asked for, the best quality that fits, and no more bytes than there may be."""

from __future__ import annotations

import pytest
from PIL import Image

from schemas.finish import Encode
from tests.unit.finishing.conftest import FORMATS, file_of, noise, read_back
from workers.finishing.encoding import DEFAULT_QUALITY, LOWEST_QUALITY, encoded


def written(picture: Image.Image, kind: str = "png", spare_bytes: int = 0, **fields: object) -> bytes:
    step = Encode.model_validate({"step": "encode", **fields})
    return encoded(picture, step, kind=kind, spare_bytes=spare_bytes)


@pytest.mark.parametrize("kind", FORMATS)
def test_without_a_format_it_is_that_of_the_original(kind: str) -> None:
    assert read_back(written(noise(16, 16), kind)).format == kind.upper()


@pytest.mark.parametrize("wanted", FORMATS)
@pytest.mark.parametrize("kind", FORMATS)
def test_a_format_that_is_named_is_the_one_that_is_written(kind: str, wanted: str) -> None:
    assert read_back(written(noise(16, 16), kind, format=wanted)).format == wanted.upper()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_png_holds_every_pixel_as_it_was(mode: str) -> None:
    picture = noise(40, 30, mode)
    back = read_back(written(picture))
    assert (back.mode, back.tobytes()) == (mode, picture.tobytes())


def test_webp_keeps_transparency() -> None:
    picture = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    assert read_back(written(picture, format="webp")).getchannel("A").getextrema() == (0, 0)


def test_a_jpeg_shows_white_where_a_picture_is_seen_through() -> None:
    picture = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    assert read_back(written(picture, format="jpeg")).getextrema() == ((255, 255),) * 3


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_a_higher_quality_makes_a_larger_file_that_is_nearer_to_the_picture(kind: str) -> None:
    picture = noise(64, 64)

    def off(data: bytes) -> int:
        pairs = zip(read_back(data).convert("RGB").tobytes(), picture.tobytes(), strict=True)
        return sum(abs(a - b) for a, b in pairs)

    low, high = (written(picture, format=kind, quality=quality) for quality in (40, 95))
    assert len(low) < len(high)
    assert off(low) > off(high)


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
@pytest.mark.parametrize("part", [0.95, 0.8, 0.6])
def test_under_a_cap_it_is_the_highest_quality_that_fits(kind: str, part: float) -> None:
    picture = noise(96, 96)
    cap = int(len(written(picture, format=kind, quality=DEFAULT_QUALITY)) * part)

    data = written(picture, format=kind, max_bytes=cap)

    every = [
        written(picture, format=kind, quality=quality) for quality in range(LOWEST_QUALITY, DEFAULT_QUALITY)
    ]
    assert data == [it for it in every if len(it) <= cap][-1]


def test_a_cap_that_is_far_away_costs_no_quality() -> None:
    picture = noise(32, 32)
    assert written(picture, format="jpeg", max_bytes=1_000_000) == written(picture, format="jpeg")


def test_what_the_label_takes_is_left_free_below_the_cap() -> None:
    picture = noise(96, 96)
    cap = len(written(picture, format="jpeg", quality=80))

    assert len(written(picture, format="jpeg", max_bytes=cap, spare_bytes=1_500)) <= cap - 1_500


@pytest.mark.parametrize("quality", [None, 20])
def test_where_no_quality_fits_it_is_the_lowest_one_and_never_below_what_can_be_sold(
    quality: int | None,
) -> None:
    picture = noise(96, 96)
    lowest = written(picture, format="jpeg", quality=quality or LOWEST_QUALITY)
    assert written(picture, format="jpeg", quality=quality, max_bytes=1_000) == lowest


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_picture_makes_the_same_file(kind: str) -> None:
    assert written(noise(32, 32), kind) == written(noise(32, 32), kind)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_color_profile_is_written_with_the_picture(kind: str) -> None:
    picture = read_back(file_of(noise(16, 16), icc_profile=b"\0" * 128))
    assert read_back(written(picture, kind)).info["icc_profile"] == b"\0" * 128
