"""Checks: a finished file is measured against the rules of its preset. Pass, warn or fail, a line for each rule.

What is measured by looking at the picture (product fill, safe zones) is a heuristic, and only what is far off fails.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from PIL import Image, ImageChops, ImageFilter

from schemas.finish import Format
from schemas.preset import Preset, SafeZone
from schemas.rendition import Check, Result
from schemas.size import Size
from workers.finishing.opening import FORMATS, NAMES, UPRIGHT, orientation_of
from workers.finishing.steps import is_srgb, profile_name, size_of

WHITE_LEVEL, NEARLY_WHITE_LEVEL = 250, 240
"""Of 255, in every channel and pixel of the corners. JPEG rings by a few levels beside an edge that is near."""

CORNER_PERCENT = 2
"""Of the shorter edge: how much of each corner is looked at."""

PRODUCT_LEVEL = 16
"""What differs from white by more than this is product; a soft shadow mostly does not."""

FILL_SLACK_PERCENT = 5
EDGE_LEVEL = 64
MAX_EDGES_PERCENT = 2
"""In each square of a safe zone: the pixels on a strong edge, as of letters. A quiet background has almost none."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class File:
    """A finished file as whoever receives it sees it."""

    data: bytes
    enlarged: bool

    @cached_property
    def picture(self) -> Image.Image:
        """Lazy: what needs no pixels does not decode them."""
        return Image.open(io.BytesIO(self.data), formats=FORMATS)

    @cached_property
    def on_white(self) -> Image.Image:
        picture = self.picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")

    @property
    def format(self) -> Format:
        return NAMES[self.picture.format or ""]

    @property
    def size(self) -> Size:
        return size_of(self.picture)


def check(file: File, preset: Preset | None, *, max_bytes: int | None) -> tuple[Check, ...]:
    """Every rule of the preset that there is; `max_bytes` is that of the manifest, and holds beside the preset's."""
    found = list(_file_rules(file, preset)) if preset else []
    caps = [cap for cap in (max_bytes, preset.rules.max_bytes if preset else None) if cap is not None]
    if caps:
        small_enough: Result = "pass" if len(file.data) <= min(caps) else "fail"
        wanted = f"at most {min(caps):,}"
        found.append(Check(rule="bytes", result=small_enough, measured=f"{len(file.data):,}", wanted=wanted))
    return (*found, *(_picture_rules(file, preset) if preset else ()))


def _file_rules(file: File, preset: Preset) -> Iterator[Check]:
    rules = preset.rules
    yield _pixels(file.size, preset.target, rules.min_size)
    yield _orientation(file.picture)
    if rules.formats:
        result: Result = "pass" if file.format in rules.formats else "fail"
        yield Check(rule="format", result=result, measured=file.format, wanted=" or ".join(rules.formats))
    if not rules.enlarged:
        result, measured = ("fail", "enlarged") if file.enlarged else ("pass", "not enlarged")
        yield Check(rule="enlarged", result=result, measured=measured, wanted="not enlarged")


def _picture_rules(file: File, preset: Preset) -> Iterator[Check]:
    rules = preset.rules
    if rules.srgb:
        yield _colors(file.picture)
    if rules.opaque:
        yield _opacity(file.picture)
    if rules.white_corners:
        yield _corners(file.on_white)
    if rules.fill_percent:
        yield _fill(file.on_white, *rules.fill_percent)
    if rules.safe_zone:
        yield _safe_zone(file.on_white, preset.target, rules.safe_zone)


def _pixels(size: Size, target: Size, least: Size | None) -> Check:
    result: Result = "pass" if size == target else "warn"
    if least and (size.width < least.width or size.height < least.height):
        result = "fail"
    wanted = f"{target}, at least {least}" if least else str(target)
    return Check(rule="pixels", result=result, measured=str(size), wanted=wanted)


def _orientation(picture: Image.Image) -> Check:
    """Of any channel: some turn a picture by its EXIF, some do not."""
    found = orientation_of(picture)
    result: Result = "pass" if found == UPRIGHT else "fail"
    measured = "upright" if found == UPRIGHT else f"EXIF orientation {found}"
    return Check(rule="orientation", result=result, measured=measured, wanted="upright")


def _colors(picture: Image.Image) -> Check:
    profile = picture.info.get("icc_profile")
    measured = f"{picture.mode}, {profile_name(profile) or 'unreadable profile'}" if profile else picture.mode
    result: Result = "pass" if picture.mode in ("RGB", "RGBA") else "fail"
    if profile and not is_srgb(profile):
        result = "fail"
    return Check(rule="srgb", result=result, measured=measured, wanted="RGB, sRGB or no profile")


def _opacity(picture: Image.Image) -> Check:
    least = 255
    if picture.has_transparency_data:
        least = int(picture.convert("RGBA").getchannel("A").getextrema()[0])  # type: ignore[arg-type]
    result: Result = "pass" if least == 255 else "fail"
    measured = "opaque" if least == 255 else f"alpha from {least}"
    return Check(rule="opaque", result=result, measured=measured, wanted="opaque")


def _corners(picture: Image.Image) -> Check:
    darkest = _darkest_corner(picture)
    result: Result = "pass" if darkest >= WHITE_LEVEL else "warn" if darkest >= NEARLY_WHITE_LEVEL else "fail"
    measured = f"darkest {darkest} of 255"
    return Check(rule="white_corners", result=result, measured=measured, wanted=f"{WHITE_LEVEL} or more")


def _darkest_corner(picture: Image.Image) -> int:
    edge = max(1, min(picture.size) * CORNER_PERCENT // 100)
    right, bottom = picture.width - edge, picture.height - edge
    corners = [picture.crop((x, y, x + edge, y + edge)) for x in (0, right) for y in (0, bottom)]
    return min(_least(band) for corner in corners for band in corner.split())


def _least(band: Image.Image) -> int:
    return next(level for level, count in enumerate(band.histogram()) if count)


def _fill(picture: Image.Image, least: int, most: int) -> Check:
    wanted = f"{least} to {most} % of the frame"
    if _darkest_corner(picture) < NEARLY_WHITE_LEVEL:
        return Check(rule="fill", result="warn", measured="no white background to tell it by", wanted=wanted)
    red, green, blue = (band.point(lambda level: 255 - level) for band in picture.split())
    ink = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    box = ink.point(lambda level: 255 * (level > PRODUCT_LEVEL)).getbbox()
    if box is None:
        return Check(rule="fill", result="fail", measured="nothing on the background", wanted=wanted)
    fill = round(max((box[2] - box[0]) / picture.width, (box[3] - box[1]) / picture.height) * 100)
    off = max(least - fill, fill - most, 0)
    result: Result = "pass" if off == 0 else "warn" if off <= FILL_SLACK_PERCENT else "fail"
    return Check(rule="fill", result=result, measured=f"{fill} %", wanted=wanted)


def _safe_zone(picture: Image.Image, target: Size, zone: SafeZone) -> Check:
    """Only ever a warning: an edge is not always a letter."""
    edges = picture.convert("L").filter(ImageFilter.FIND_EDGES).point(lambda level: level > EDGE_LEVEL)
    shares = [_share(edges, box) for strip in _strips(edges, target, zone) for box in _squares(*strip)]
    most = max(shares, default=0.0)
    return Check(
        rule="safe_zone",
        result="pass" if most <= MAX_EDGES_PERCENT else "warn",
        measured=f"{most:.1f} % edges where there are most",
        wanted=f"at most {MAX_EDGES_PERCENT} %",
    )


def _share(edges: Image.Image, box: Box) -> float:
    quiet, strong = edges.crop(box).histogram()[:2]
    return 100 * strong / (quiet + strong)


def _strips(edges: Image.Image, target: Size, zone: SafeZone) -> Iterator[Box]:
    """The four strips, in proportion where the picture has other pixels than the target; the filter's rim left out."""
    across, down = edges.width / target.width, edges.height / target.height
    right, bottom = edges.width - 1, edges.height - 1
    strips = (
        (1, 1, right, zone.top_px * down),
        (1, bottom - zone.bottom_px * down, right, bottom),
        (1, 1, zone.left_px * across, bottom),
        (right - zone.right_px * across, 1, right, bottom),
    )
    for strip in strips:
        left, top, end, low = map(round, strip)
        if left < end and top < low:
            yield left, top, end, low


def _squares(left: int, top: int, right: int, bottom: int) -> Iterator[Box]:
    """A strip in squares as wide as itself, so that a word counts as much in a long strip as in a short one."""
    edge = min(right - left, bottom - top)
    for x in range(left, right, edge):
        for y in range(top, bottom, edge):
            yield x, y, min(x + edge, right), min(y + edge, bottom)
