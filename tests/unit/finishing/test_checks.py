"""Each rule passes what is good, warns of what a person has to look at, and fails what a channel would refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms, ImageDraw

from schemas.preset import Preset
from tests.unit.finishing.conftest import file_of, noise
from workers.finishing.checks import File, check

ALL: dict[str, Any] = {
    "min_size": "100x100",
    "formats": ("jpeg",),
    "max_bytes": 1_000_000,
    "srgb": True,
    "opaque": True,
    "white_corners": True,
    "fill_percent": (80, 95),
    "enlarged": False,
    "safe_zone": {"top_px": 20},
}


def preset(**rules: Any) -> Preset:
    formats = rules.get("formats", ())
    encode = [{"step": "encode", "format": formats[0]}] if formats else []
    return Preset.model_validate(
        {
            "name": "channel", "target": "200x200", "generate_at": "200x200", "rules": rules, "finish": encode,
            "source": "here", "checked_on": "2026-11-20", "confidence": "official",
        }
    )  # fmt: skip


def product(share: float = 0.9, size: int = 200, background: Any = "white") -> Image.Image:
    """A navy square in the middle, taking this share of the frame."""
    picture = Image.new("RGB", (size, size), background)
    edge = round(size * (1 - share) / 2)
    picture.paste("navy", (edge, edge, size - edge, size - edge))
    return picture


def result(rule: str, data: bytes, *, was_enlarged: bool = False, **rules: Any) -> tuple[str, str]:
    """What is said of one rule, and what was measured."""
    found = {it.rule: it for it in check(File(data, was_enlarged), preset(**rules), max_bytes=None)}
    return found[rule].result, found[rule].measured


def test_a_good_picture_passes_every_rule_and_each_says_what_it_wanted() -> None:
    found = check(
        File(file_of(product(), "jpeg", quality=92, subsampling=0), enlarged=False),
        preset(**ALL),
        max_bytes=None,
    )
    assert [(it.rule, it.result) for it in found if it.rule != "safe_zone"] == [
        (rule, "pass")
        for rule in (
            *("pixels", "orientation", "format", "enlarged", "bytes"),
            *("srgb", "opaque", "white_corners", "fill"),
        )
    ]
    assert all(it.measured and it.wanted for it in found)


def test_a_preset_without_rules_asks_for_its_pixels_upright_only() -> None:
    assert [it.rule for it in check(File(file_of(product()), enlarged=False), preset(), max_bytes=None)] == [
        "pixels",
        "orientation",
    ]


def test_without_a_preset_nothing_is_asked() -> None:
    assert check(File(file_of(product()), enlarged=False), None, max_bytes=None) == ()


@pytest.mark.parametrize(("size", "said"), [(200, "pass"), (150, "warn"), (100, "warn"), (99, "fail")])
def test_pixels_are_those_of_the_target_or_at_least_the_least(size: int, said: str) -> None:
    assert result("pixels", file_of(product(size=size)), min_size="100x100") == (said, f"{size}x{size}")


@pytest.mark.parametrize(("kind", "said"), [("jpeg", "pass"), ("png", "pass"), ("webp", "fail")])
def test_the_format_is_one_the_channel_takes(kind: str, said: str) -> None:
    assert result("format", file_of(product(), kind), formats=("jpeg", "png")) == (said, kind)


def test_bytes_are_counted_in_the_file() -> None:
    data = file_of(product())
    assert result("bytes", data, max_bytes=len(data)) == ("pass", f"{len(data):,}")
    assert result("bytes", data, max_bytes=len(data) - 1)[0] == "fail"


@pytest.mark.parametrize(("own", "said"), [(None, "pass"), (10_000_000, "pass"), (10, "fail")])
def test_the_smaller_cap_of_preset_and_manifest_holds(own: int | None, said: str) -> None:
    file = File(file_of(product()), enlarged=False)
    (found,) = [it for it in check(file, preset(max_bytes=1_000_000), max_bytes=own) if it.rule == "bytes"]
    assert found.result == said


def test_the_cap_of_a_manifest_holds_without_a_preset() -> None:
    (found,) = check(File(file_of(product()), enlarged=False), None, max_bytes=10)
    assert (found.rule, found.result, found.wanted) == ("bytes", "fail", "at most 10")


@pytest.mark.parametrize(("enlarged", "said"), [(False, "pass"), (True, "fail")])
def test_an_enlarged_picture_fails_where_the_channel_takes_none(enlarged: bool, said: str) -> None:
    assert result("enlarged", file_of(product()), was_enlarged=enlarged, **ALL)[0] == said


def test_what_a_rule_can_come_to_is_what_the_manual_says() -> None:
    """Over pictures that are bad in every way, and nearly good in every way."""
    bad = Image.new("RGBA", (50, 50)), noise(50, 50), product(background="navy")
    nearly = product(0.76, 150, "#f5f5f5"), product(0.7, 150), noise(150, 150)
    turned, lab = Image.Exif(), profile("LAB")
    turned[0x0112] = 6
    drawn = [file_of(picture, exif=turned, icc_profile=lab) for picture in (*bad, *nearly)]
    files = [File(data, enlarged=True) for data in drawn]
    found = {(it.rule, it.result) for file in files for it in check(file, preset(**ALL), max_bytes=1)}

    assert {it for it in found if it[1] != "pass"} == told_in_the_manual() - {("finishing", "fail")}


def told_in_the_manual() -> set[tuple[str, str]]:
    """What the table of rules says that each can come to, beside `pass`."""
    page = (Path(__file__).parents[3] / "docs" / "manifest.md").read_text()
    table = page.partition("| rule | `warn` | `fail` |\n|---|---|---|\n")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {
        (rule, word) for rule, warn, fail in rows for word, cell in (("warn", warn), ("fail", fail)) if cell
    }


# Colors and transparency


def profile(name: str) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()  # type: ignore[arg-type]


def test_colors_without_a_profile_and_with_srgb_pass() -> None:
    assert result("srgb", file_of(product()), srgb=True) == ("pass", "RGB")
    assert result("srgb", file_of(product(), icc_profile=profile("sRGB")), srgb=True)[0] == "pass"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (file_of(product(), icc_profile=profile("LAB")), "Lab"),
        (file_of(product(), icc_profile=b"nothing"), "unreadable"),
        (file_of(product().convert("CMYK"), "jpeg"), "CMYK"),
        (file_of(product().convert("L")), "L"),
    ],
    ids=["another", "broken", "cmyk", "gray"],
)
def test_other_colors_fail_with_their_name(data: bytes, said: str) -> None:
    found, measured = result("srgb", data, srgb=True)
    assert (found, said in measured) == ("fail", True)


def test_what_can_be_seen_through_fails_and_a_channel_that_hides_nothing_passes() -> None:
    clear = product().convert("RGBA")
    clear.putpixel((3, 3), (0, 0, 0, 254))
    assert result("opaque", file_of(clear), opaque=True) == ("fail", "alpha from 254")
    assert result("opaque", file_of(product().convert("RGBA")), opaque=True) == ("pass", "opaque")
    assert result("opaque", file_of(product(), "jpeg"), opaque=True) == ("pass", "opaque")


# The background


@pytest.mark.parametrize(
    ("level", "said"),
    [(255, "pass"), (250, "pass"), (249, "warn"), (240, "warn"), (239, "fail"), (0, "fail")],
)
@pytest.mark.parametrize("channel", [0, 1, 2])
def test_corners_are_white_in_every_channel(level: int, channel: int, said: str) -> None:
    color = [255, 255, 255]
    color[channel] = level
    data = file_of(product(background=tuple(color)))
    assert result("white_corners", data, white_corners=True) == (said, f"darkest {level} of 255")


@pytest.mark.parametrize("place", [(2, 2), (197, 2), (2, 197), (197, 197)])
def test_one_dark_pixel_in_any_corner_is_seen(place: tuple[int, int]) -> None:
    picture = product()
    picture.putpixel(place, (0, 0, 0))
    assert result("white_corners", file_of(picture), white_corners=True)[0] == "fail"


@pytest.mark.parametrize("quality", [60, 75, 92])
def test_jpeg_does_not_make_a_white_corner_gray(quality: int) -> None:
    data = file_of(product(0.92, 800), "jpeg", quality=quality)
    assert result("white_corners", data, white_corners=True)[0] == "pass"


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.9, "pass"),
        (0.8, "pass"),
        (0.95, "pass"),
        (0.77, "warn"),
        (0.74, "fail"),
        (0.99, "warn"),
        (0.2, "fail"),
    ],
)
def test_the_product_fills_as_much_of_the_frame_as_is_wanted(share: float, said: str) -> None:
    assert result("fill", file_of(product(share)), fill_percent=(80, 95))[0] == said


def test_the_longer_edge_of_the_product_is_what_fills_the_frame() -> None:
    picture = Image.new("RGB", (200, 200), "white")
    picture.paste("navy", (90, 10, 110, 190))
    assert result("fill", file_of(picture), fill_percent=(80, 95)) == ("pass", "90 %")


def test_the_fill_of_an_empty_frame_fails_and_of_a_full_one_cannot_be_told() -> None:
    assert result("fill", file_of(product(0)), fill_percent=(80, 95))[0] == "fail"
    found, measured = result("fill", file_of(product(background="green")), fill_percent=(80, 95))
    assert (found, "no white background" in measured) == ("warn", True)


def test_a_product_that_floats_on_nothing_is_measured_on_white() -> None:
    picture = Image.new("RGBA", (200, 200))
    picture.paste((0, 0, 128, 255), (10, 10, 190, 190))
    assert result("fill", file_of(picture), fill_percent=(80, 95)) == ("pass", "90 %")


# Safe zones

ZONES: dict[str, tuple[dict[str, int], tuple[int, int]]] = {
    "top": ({"top_px": 30}, (60, 8)),
    "bottom": ({"bottom_px": 30}, (60, 178)),
    "left": ({"left_px": 60}, (5, 95)),
    "right": ({"right_px": 60}, (145, 95)),
}


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("scale", [1, 3])
def test_text_in_a_zone_is_warned_of_and_only_in_that_zone(zone: str, scale: int) -> None:
    size = 200 * scale
    for side, (_, (x, y)) in ZONES.items():
        picture = Image.new("RGB", (size, size), "#8090a0")
        ImageDraw.Draw(picture).text((x * scale, y * scale), "SALE 50% OFF", "white", font_size=12 * scale)
        found = result("safe_zone", file_of(picture), safe_zone=ZONES[zone][0])[0]
        assert found == ("warn" if side == zone else "pass"), side


def test_a_quiet_background_is_no_text() -> None:
    picture = Image.linear_gradient("L").resize((200, 200)).convert("RGB")
    assert result("safe_zone", file_of(picture), safe_zone={"top_px": 60, "right_px": 60})[0] == "pass"


def test_a_zone_never_fails_a_picture() -> None:
    assert result("safe_zone", file_of(noise(200, 200)), safe_zone={"top_px": 200})[0] == "warn"


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_picture_lies_upright_in_its_file(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = result("orientation", file_of(product(), "jpeg", exif=exif))
    assert found == (("pass", "upright") if orientation == 1 else ("fail", f"EXIF orientation {orientation}"))
