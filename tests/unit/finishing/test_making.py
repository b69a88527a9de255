"""From an original and a plan to finished files: what is made, what it is called, and what cannot be made."""

from __future__ import annotations

import hashlib
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms
from pydantic import TypeAdapter

from schemas.disclosure import China, Label
from schemas.finish import Steps
from schemas.finish_plan import FinishPlan, plan_finish
from schemas.preset import Preset, presets
from schemas.rendition import Finished, Unfinished
from tests.unit.finishing.conftest import FORMATS, file_of, noise, read_back, told_by_exiftool
from workers.finishing.making import make, renditions_of

STEPS: TypeAdapter[Any] = TypeAdapter(Steps)


def plan_of(size: str, *steps: dict[str, Any]) -> FinishPlan:
    return plan_finish(size, STEPS.validate_python(steps))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def original(folder: Path, picture: Image.Image | bytes, kind: str = "png", **options: Any) -> Path:
    path = folder / "bat_1.0.1.picture"
    path.write_bytes(picture if isinstance(picture, bytes) else file_of(picture, kind, **options))
    return path


def finished(path: Path, plan: FinishPlan, label: Label) -> Finished:
    """What was made; proves on the way that the original was not touched, and that the files are as they are told."""
    before = path.read_bytes()
    done = make(path, plan, label, path.parent)
    assert isinstance(done, Finished), done
    assert path.read_bytes() == before
    for it in done.renditions:
        data = (path.parent / it.file).read_bytes()
        picture = read_back(data)
        assert (picture.format, *picture.size) == (it.format.upper(), it.width, it.height)
        assert (len(data), hashlib.sha256(data).hexdigest()) == (it.bytes, it.sha256)
    assert {path.parent / it.file for it in done.renditions} == set(renditions_of(path, path.parent))
    return done


def product(size: tuple[int, int]) -> Image.Image:
    """What a good answer for a channel looks like: a product on white, filling most of the frame."""
    picture = Image.new("RGB", size, "white")
    aside, above = size[0] // 16, size[1] // 16
    picture.paste((30, 60, 90), (aside, above, size[0] - aside, size[1] - above))
    return picture


# Channels


@pytest.mark.parametrize("preset", presets(), ids=lambda preset: preset.name)
def test_a_good_picture_of_every_preset_becomes_what_its_channel_wants(
    preset: Preset, folder: Path, label: Label
) -> None:
    path = original(
        folder, product((preset.generate_at.width, preset.generate_at.height)), "jpeg", quality=95
    )

    done = finished(path, plan_finish(preset.name, ()), label)

    main = done.renditions[0]
    assert (main.name, main.width, main.height) == ("main", preset.target.width, preset.target.height)
    assert [it for it in done.checks if it.result != "pass" and it.rule != "safe_zone"] == []
    assert b"bat_1:0:1" in (folder / main.file).read_bytes()


def test_a_transparent_wide_gamut_png_becomes_a_white_srgb_jpeg_for_a_marketplace(
    folder: Path, label: Label
) -> None:
    clear = Image.new("RGBA", (1920, 1920))
    clear.paste((30, 60, 90, 255), (120, 120, 1800, 1800))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = original(folder, clear, icc_profile=profile)

    done = finished(path, plan_finish("amazon_main", ()), label)

    picture = read_back((folder / done.renditions[0].file).read_bytes())
    assert (picture.mode, picture.getpixel((5, 5)), "icc_profile" in picture.info) == (
        "RGB",
        (255, 255, 255),
        False,
    )
    assert {it.result for it in done.checks} == {"pass"}
    assert done.enlarged


def test_a_bad_picture_is_finished_all_the_same_and_its_checks_say_why_it_is_bad(
    folder: Path, label: Label
) -> None:
    path = original(folder, noise(1920, 1920))
    done = finished(path, plan_finish("amazon_main", ()), label)
    assert {it.rule: it.result for it in done.checks if it.result != "pass"} == {
        "white_corners": "fail",
        "fill": "warn",
    }


# Steps and files


def test_steps_run_in_the_order_they_are_written_and_encoding_comes_last(folder: Path, label: Label) -> None:
    path = original(folder, Image.new("RGB", (64, 32), "red"))
    plan = plan_of(
        "64x32",
        {"step": "encode", "format": "webp"},
        {"step": "resize", "to": "32x32"},
        {"step": "pad", "to": "32x32", "color": "#0000ff"},
    )

    main = finished(path, plan, label).renditions[0]

    assert (main.file, main.width, main.height) == ("bat_1.0.1.finished.main.webp", 32, 32)


def test_thumbnails_are_of_the_finished_picture_and_labelled_too(folder: Path, label: Label) -> None:
    path = original(folder, noise(64, 48))
    plan = plan_of(
        "64x48",
        {"step": "thumbnail", "name": "small", "longest_px": 16},
        {"step": "crop", "to": "48x48"},
        {"step": "thumbnail", "name": "large", "longest_px": 512, "format": "png"},
    )

    done = finished(path, plan, label)

    assert [(it.name, it.file, it.width, it.height) for it in done.renditions] == [
        ("main", "bat_1.0.1.finished.main.png", 48, 48),
        ("small", "bat_1.0.1.finished.small.webp", 16, 16),
        ("large", "bat_1.0.1.finished.large.png", 48, 48),
    ]
    assert all(
        told_by_exiftool(folder / it.file)["XMP-iptcExt:AISystemUsed"] == "gpt-image-2"
        for it in done.renditions
    )


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("thumbnails", [(), ({"step": "thumbnail", "name": "small"},)])
def test_where_nothing_is_to_be_changed_no_pixel_is(
    kind: str, thumbnails: tuple[dict[str, Any], ...], folder: Path, label: Label
) -> None:
    path = original(folder, noise(64, 48), kind)

    main = finished(path, plan_of("64x48", *thumbnails), label).renditions[0]

    made = read_back((folder / main.file).read_bytes())
    assert made.tobytes() == read_back(path.read_bytes()).tobytes()
    assert told_by_exiftool(folder / main.file)["XMP-dc:Identifier"] == "bat_1:0:1"


def test_the_same_original_makes_the_same_files(folder: Path, label: Label) -> None:
    path = original(folder, noise(320, 200))
    plan = plan_of("320x200", {"step": "crop", "to": "100x100"}, {"step": "thumbnail", "name": "small"})
    assert finished(path, plan, label) == finished(path, plan, label)


def test_a_cap_holds_for_the_file_with_its_label(folder: Path, label: Label) -> None:
    path = original(folder, noise(200, 200))
    results = set()
    for cap in (1_000, 20_000, 40_000, 80_000):
        plan = plan_of("200x200", {"step": "encode", "format": "jpeg", "max_bytes": cap})
        done = finished(path, plan, label)
        (said,) = done.checks
        assert (said.rule, said.result == "pass") == ("bytes", done.renditions[0].bytes <= cap)
        results.add(said.result)
    assert results == {"pass", "fail"}


def test_a_picture_that_lies_on_its_side_is_turned_upright(folder: Path, label: Label) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = original(folder, noise(64, 48), "jpeg", exif=exif)

    done = finished(path, plan_of("48x64", {"step": "crop", "to": "48x64"}), label)

    made = read_back((folder / done.renditions[0].file).read_bytes())
    assert made.size == (48, 64)
    assert 0x0112 not in made.getexif()


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_picture_that_lies_on_its_side_is_turned_where_only_its_label_is_written(
    kind: str, folder: Path, label: Label
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6

    done = finished(original(folder, noise(64, 48), kind, exif=exif), plan_finish("auto", ()), label)

    (rendition,) = done.renditions
    made = read_back((folder / rendition.file).read_bytes())
    assert made.size == (rendition.width, rendition.height) == (48, 64)
    assert 0x0112 not in made.getexif()


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "CMYK"])
def test_pictures_of_every_plain_kind_are_finished(mode: str, folder: Path, label: Label) -> None:
    picture = Image.new("RGB", (40, 40), "white").convert(mode)
    path = original(folder, picture, "jpeg" if mode == "CMYK" else "png")
    done = finished(path, plan_of("40x40", {"step": "crop", "to": "20x20"}), label)
    made = read_back((folder / done.renditions[0].file).read_bytes()).convert("RGB")
    assert made.getextrema() == ((255, 255),) * 3


# Marks and signatures


def test_the_mark_for_china_is_on_main_and_thumbnails_unless_it_is_left_to_who_shows_them(
    folder: Path, label: Label
) -> None:
    path = original(folder, Image.new("RGB", (256, 256), "gray"))
    plan = plan_of("256x256", {"step": "thumbnail", "name": "small", "longest_px": 128, "format": "png"})

    def colors(visible: bool) -> list[int]:
        labelled = label.model_copy(update={"china": China(producer="maker", visible=visible)})
        done = finished(path, plan, labelled)
        pictures = [read_back((folder / it.file).read_bytes()) for it in done.renditions]
        return [len(picture.getcolors(maxcolors=70_000) or ()) for picture in pictures]

    assert colors(visible=False) == [1, 1]
    assert min(colors(visible=True)) > 2


def test_it_is_recorded_whether_the_original_is_signed_whatever_is_done_to_it(
    folder: Path, label: Label
) -> None:
    data = file_of(noise(16, 16))
    chunk = struct.pack(">I", 4) + b"caBX" + b"jumb" + struct.pack(">I", zlib.crc32(b"caBXjumb"))
    for plan in (plan_of("16x16"), plan_of("16x16", {"step": "crop", "to": "8x8"})):
        assert finished(original(folder, data[:33] + chunk + data[33:]), plan, label).c2pa
        assert not finished(original(folder, data), plan, label).c2pa


def test_a_picture_is_enlarged_when_any_step_did_it(folder: Path, label: Label) -> None:
    path = original(folder, noise(64, 64))
    shrunk = plan_of("64x64", {"step": "crop", "to": "32x32"})
    grown = plan_of("64x64", {"step": "upscale", "factor": 2.0}, {"step": "resize", "to": "10x10"})
    assert not finished(path, shrunk, label).enlarged
    assert finished(path, grown, label).enlarged


# What cannot be finished


def bomb(width: int, height: int, rows: bytes = b"") -> bytes:
    """A PNG of a few bytes that says it is huge."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def refused(path: Path, plan: FinishPlan, label: Label) -> str:
    done = make(path, plan, label, path.parent)
    assert isinstance(done, Unfinished)
    assert not done.again
    assert str(path.parent) not in done.reason
    return done.reason


ANY_PLAN = [plan_finish("auto", ()), plan_of("64x64", {"step": "crop", "to": "8x8"})]


@pytest.mark.parametrize("plan", ANY_PLAN, ids=["untouched", "cropped"])
@pytest.mark.parametrize("size", [(60_000, 60_000), (12_000, 9_000), (5_001, 5_000)])
def test_a_small_file_of_a_huge_picture_is_refused_without_decoding_it(
    size: tuple[int, int], plan: FinishPlan, folder: Path, label: Label
) -> None:
    assert "more pixels than" in refused(original(folder, bomb(*size)), plan, label)


def test_text_that_unpacks_to_hundreds_of_megabytes_is_refused(folder: Path, label: Label) -> None:
    body = b"comment\0\0" + zlib.compress(b"\0" * 300_000_000, 1)
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    data = file_of(noise(16, 16))
    assert "damaged" in refused(original(folder, data[:33] + chunk + data[33:]), ANY_PLAN[1], label)


@pytest.mark.parametrize("plan", ANY_PLAN, ids=["untouched", "cropped"])
@pytest.mark.parametrize(
    "data", [b"", b"<html>", b"\x89PNG\r\n\x1a\n", file_of(Image.new("RGB", (4, 4)), "gif")]
)
def test_what_is_no_picture_is_refused(data: bytes, plan: FinishPlan, folder: Path, label: Label) -> None:
    assert "damaged" in refused(original(folder, data), plan, label)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_that_is_cut_off_is_refused_when_its_pixels_are_needed(
    kind: str, folder: Path, label: Label
) -> None:
    data = file_of(noise(64, 64), kind)
    assert "damaged" in refused(original(folder, data[: len(data) // 2]), ANY_PLAN[1], label)


def test_a_picture_with_deep_gray_pixels_is_refused_by_name(folder: Path, label: Label) -> None:
    assert "I;16" in refused(original(folder, Image.new("I;16", (64, 64))), ANY_PLAN[1], label)


def test_a_disk_that_takes_nothing_is_no_fault_of_the_picture(folder: Path, label: Label) -> None:
    path = original(folder, noise(16, 16))
    done = make(path, ANY_PLAN[1], label, folder / "missing")
    assert done == Unfinished(reason="the disk does not do its part: No such file or directory")


def test_a_size_the_provider_chose_may_turn_out_too_large_to_enlarge(folder: Path, label: Label) -> None:
    path = original(folder, Image.new("1", (3000, 2000)))
    plan = plan_of("auto", {"step": "upscale", "factor": 5.0})
    assert "upscale: 15000x10000 is too large" in refused(path, plan, label)


def test_a_plan_outlives_the_process_as_json() -> None:
    for preset in presets():
        plan = plan_of(preset.name, {"step": "thumbnail", "name": "small"})
        assert FinishPlan.model_validate_json(plan.model_dump_json()) == plan
