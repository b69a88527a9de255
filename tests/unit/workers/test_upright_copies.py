"""Upright copies: what a reference shows is sent, turned as it is seen, and nothing of where it was taken."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageCms, ImageOps, ImageStat, PngImagePlugin

from schemas.picture import PLAIN_MODES
from workers.inspecting import copier
from workers.inspecting.inspector import Inspector, PictureRefusedError

ORIENTATION, GPS = 0x0112, 0x8825
HERE = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)}
PLACED_XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf exif:GPSLatitude="52,31.2N"/></x:xmpmeta>'


@pytest.fixture
async def inspector() -> AsyncIterator[Inspector]:
    inspector = Inspector(1_000_000)
    yield inspector
    await inspector.aclose()


def photo(
    path: Path,
    *,
    kind: str = "jpeg",
    mode: str = "RGB",
    orientation: int | None = None,
    placed: bool = False,
    **options: Any,
) -> Path:
    """Sixteen pixels wide and eight high, white but for a dark corner on the left at the top."""
    exif, picture = Image.Exif(), Image.new("RGB", (16, 8), "white")
    picture.paste((40, 0, 80), (0, 0, 8, 4))
    if orientation is not None:
        exif[ORIENTATION] = orientation
    if placed:
        exif[GPS] = HERE
    about = {"exif": exif, "quality": 100, "subsampling": 0} if kind != "png" else {"exif": exif}
    picture.convert(mode).save(path, kind, **about, **options)
    return path


def opened(path: Path) -> Image.Image:
    return Image.open(BytesIO(path.read_bytes()))


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean over all pixels and channels, of 255."""
    stat = ImageStat.Stat(ImageChops.difference(one.convert("RGBA"), other.convert("RGBA")))
    return sum(stat.mean) / len(stat.mean)


def told_by_exiftool(path: Path) -> str:
    command = ["exiftool", "-EXIF:all", "-XMP:all", "-GPS:all", "-Comment", "-PNG:all", "-G", "-s", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_a_picture_is_as_large_as_it_is_seen(
    inspector: Inspector, tmp_path: Path, orientation: int
) -> None:
    facts = await inspector.inspect(photo(tmp_path / "x", orientation=orientation))

    assert facts.size == ("16x8" if orientation < 5 else "8x16")
    assert (facts.orientation, facts.is_plain) == (orientation, orientation == 1)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
async def test_a_plain_picture_is_sent_as_it_is(inspector: Inspector, tmp_path: Path, kind: str) -> None:
    assert (await inspector.inspect(photo(tmp_path / "x", kind=kind))).is_plain


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("about", [{"placed": True}, {"xmp": PLACED_XMP}], ids=["EXIF", "XMP"])
async def test_a_picture_that_says_where_it_was_taken_is_not_sent_as_it_is(
    inspector: Inspector, tmp_path: Path, kind: str, about: dict[str, Any]
) -> None:
    if kind == "png" and "xmp" in about:
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", about["xmp"].decode())
        about = {"pnginfo": text}
    assert not (await inspector.inspect(photo(tmp_path / "x", kind=kind, **about))).is_plain


async def test_exif_that_cannot_be_read_may_say_where_and_is_no_reason_to_refuse(
    inspector: Inspector, tmp_path: Path
) -> None:
    Image.new("RGB", (16, 8)).save(tmp_path / "x", "webp", exif=b"MM\0?\0\0\0\x08")

    assert not (await inspector.inspect(tmp_path / "x")).is_plain

    await inspector.copy(tmp_path / "x", into=tmp_path / "copy")
    assert (await inspector.inspect(tmp_path / "copy")).is_plain


async def test_of_several_photos_in_one_file_the_first_is_sent_alone(
    inspector: Inspector, tmp_path: Path
) -> None:
    first, behind = opened(photo(tmp_path / "first")), opened(photo(tmp_path / "behind", placed=True))
    first.save(tmp_path / "x", "MPO", save_all=True, append_images=[behind], quality=100)

    facts = await inspector.inspect(tmp_path / "x")
    assert (facts.media_type, facts.size, facts.is_plain) == ("image/jpeg", "16x8", False)

    await inspector.copy(tmp_path / "x", into=tmp_path / "copy")
    copy = opened(tmp_path / "copy")
    assert (copy.format, difference(copy, first) < 2) == ("JPEG", True)
    assert b"Exif" not in (tmp_path / "copy").read_bytes()


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("jpeg", "CMYK"), ("png", "P"), ("png", "1"), ("png", "I;16")],
)
async def test_pixels_of_another_kind_become_plain_ones(
    inspector: Inspector, tmp_path: Path, kind: str, mode: str
) -> None:
    path = tmp_path / "x"
    if mode == "I;16":
        Image.new(mode, (16, 8), 40_000).save(path, kind)
    else:
        photo(path, kind=kind, mode=mode)
    assert not (await inspector.inspect(path)).is_plain

    await inspector.copy(path, into=tmp_path / "copy")

    facts = await inspector.inspect(tmp_path / "copy")
    assert (facts.is_plain, facts.media_type, facts.size) == (True, f"image/{kind}", "16x8")
    copy = opened(tmp_path / "copy")
    if mode == "I;16":
        assert copy.getextrema() == (156, 156)
    else:
        assert difference(copy, opened(path).convert("RGB")) < 2


@pytest.mark.parametrize(
    ("mode", "color", "transparency", "is_seen"),
    [("P", 0, 0, False), ("P", 1, 0, True), ("L", 5, 5, False), ("I;16", 5, 5, False), ("I;16", 5, 6, True)],
)
async def test_what_is_seen_through_stays_so(
    inspector: Inspector, tmp_path: Path, mode: str, color: int, transparency: int, is_seen: bool
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    Image.new(mode, (3, 3), color).save(tmp_path / "x", "png", transparency=transparency, exif=exif)

    await inspector.copy(tmp_path / "x", into=tmp_path / "copy")

    facts = await inspector.inspect(tmp_path / "copy")
    assert (facts.is_plain, facts.has_alpha) == (True, True)
    assert facts.lowest_alpha == (255 if is_seen else 0)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
async def test_a_copy_shows_what_every_viewer_shows_and_tells_nothing_else(
    inspector: Inspector, tmp_path: Path, kind: str, orientation: int
) -> None:
    path = photo(tmp_path / "x", kind=kind, orientation=orientation, placed=True)
    seen = ImageOps.exif_transpose(opened(path))

    await inspector.copy(path, into=tmp_path / "copy")

    copy = opened(tmp_path / "copy")
    assert copy.size == seen.size
    assert difference(copy, seen) < (0.01 if kind == "png" else 2)
    assert (await inspector.inspect(tmp_path / "copy")).is_plain
    assert [line for line in told_by_exiftool(tmp_path / "copy").splitlines() if "GPS" in line] == []
    assert not {"exif", "xmp", "comment"} & copy.info.keys()


async def test_a_copy_keeps_what_its_colors_mean_and_no_comment(inspector: Inspector, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = photo(tmp_path / "x", orientation=6, icc_profile=profile, comment=b"12 Elm Street")

    await inspector.copy(path, into=tmp_path / "copy")

    assert opened(tmp_path / "copy").info["icc_profile"] == profile
    assert b"Elm Street" not in (tmp_path / "copy").read_bytes()


async def test_what_is_no_picture_has_no_copy(inspector: Inspector, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"text")
    with pytest.raises(PictureRefusedError, match="not a PNG"):
        await inspector.copy(tmp_path / "x", into=tmp_path / "copy")


async def test_a_copy_has_a_largest_size_and_the_process_that_looks_writes_nothing(
    inspector: Inspector, tmp_path: Path
) -> None:
    path = photo(tmp_path / "x", orientation=6)
    await inspector.inspect(path)
    await inspector.copy(path, into=tmp_path / "copy")

    assert inspector._child._process is not None and inspector._copier._process is not None
    for process, most in (
        (inspector._child._process, 0),
        (inspector._copier._process, copier.MAX_COPY_BYTES),
    ):
        limits = Path(f"/proc/{process.pid}/limits")
        if limits.exists():
            (line,) = [line for line in limits.read_text().splitlines() if line.startswith("Max file size")]
            assert int(line.split()[3]) == most


def test_every_plain_mode_stays_what_it_is() -> None:
    for mode in PLAIN_MODES:
        assert copier._plain(Image.new(mode, (2, 2))).mode == mode
