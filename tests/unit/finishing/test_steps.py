"""What every step does to the pixels, against pictures that are worked out here."""

from __future__ import annotations

from math import ceil, floor, pi, sin
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from schemas.finish import Crop, Flatten, Pad, Resize, Srgb, Step, Upscale
from schemas.size import Size
from tests.unit.finishing.conftest import noise, wide_profile
from workers.finishing.steps import apply, scale_of, size_of

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
LANCZOS_LEVELS = 2
"""Pillow rounds to whole levels twice, across and then down, and keeps its weights in 22 bits."""


def drawn(*rows: str) -> Image.Image:
    """A picture of one letter a pixel: r, g, b, w."""
    colors = {"r": RED, "g": GREEN, "b": BLUE, "w": WHITE}
    picture = Image.new("RGB", (len(rows[0]), len(rows)))
    picture.putdata([colors[letter] for row in rows for letter in row])
    return picture


def crop(**fields: Any) -> Crop:
    return Crop(step="crop", **fields)


def pad(**fields: Any) -> Pad:
    return Pad(step="pad", **fields)


def same(one: Image.Image, other: Image.Image) -> bool:
    return (one.mode, one.size, one.tobytes()) == (other.mode, other.size, other.tobytes())


# Crop


@pytest.mark.parametrize(
    ("to", "at", "kept"),
    [
        ("2x2", "center", ("gb", "gb")),
        ("2x2", "left", ("rg", "rg")),
        ("2x2", "right", ("bw", "bw")),
        ("2x2", "top", ("gb", "gb")),
    ],
)
def test_a_crop_keeps_what_it_says_to_the_pixel(to: str, at: str, kept: tuple[str, ...]) -> None:
    picture = drawn("rgbw", "rgbw")
    assert same(apply(crop(to=to, at=at), picture), drawn(*kept))


@pytest.mark.parametrize(
    ("at", "kept"), [("top", ("rr", "gg")), ("center", ("gg", "bb")), ("bottom", ("bb", "ww"))]
)
def test_a_crop_of_a_tall_picture_keeps_what_it_says(at: str, kept: tuple[str, ...]) -> None:
    assert same(apply(crop(to="2x2", at=at), drawn("rr", "gg", "bb", "ww")), drawn(*kept))


def test_a_crop_by_an_odd_number_of_pixels_moves_nothing_by_half_a_pixel() -> None:
    picture = noise(9, 8)
    assert same(apply(crop(to="8x8"), picture), picture.crop((0, 0, 8, 8)))


def test_a_crop_to_the_size_of_the_picture_changes_nothing() -> None:
    picture = noise(31, 17)
    assert same(apply(crop(to="31x17"), picture), picture)
    assert same(apply(crop(), picture), picture)


def lanczos(line: list[float], box: tuple[float, float], length: int) -> list[float]:
    """One line resampled, as the textbook has it: sinc windowed by a wider sinc, wider still when made smaller."""
    scale = (box[1] - box[0]) / length
    reach = 3 * max(scale, 1.0)

    def weight(x: float) -> float:
        if x == 0:
            return 1.0
        return 3 * sin(pi * x) * sin(pi * x / 3) / (pi * x) ** 2 if abs(x) < 3 else 0.0

    done = []
    for place in range(length):
        center = box[0] + (place + 0.5) * scale
        near = range(max(0, floor(center - reach)), min(len(line), ceil(center + reach)))
        weights = [weight((at + 0.5 - center) / max(scale, 1.0)) for at in near]
        value = sum(w * line[at] for w, at in zip(weights, near, strict=True)) / sum(weights)
        done.append(min(255.0, max(0.0, value)))
    return done


def resampled(
    picture: Image.Image, box: tuple[float, float, float, float], size: tuple[int, int]
) -> list[float]:
    """One band of the picture, across and then down."""
    pixels, width = list(picture.tobytes()), picture.width
    rows = [[float(v) for v in pixels[y * width : (y + 1) * width]] for y in range(picture.height)]
    across = [lanczos(row, (box[0], box[2]), size[0]) for row in rows]
    columns = [lanczos([row[x] for row in across], (box[1], box[3]), size[1]) for x in range(size[0])]
    return [columns[x][y] for y in range(size[1]) for x in range(size[0])]


@pytest.mark.parametrize(
    ("step", "box", "size"),
    [
        (crop(to="12x12"), (4.0, 0.0, 20.0, 16.0), (12, 12)),
        (crop(to="32x32", at="left"), (0.0, 0.0, 16.0, 16.0), (32, 32)),
        (crop(to="10x3", at="bottom"), (0.0, 8.8, 24.0, 16.0), (10, 3)),
        (Resize(step="resize", to="12x100"), (0.0, 0.0, 24.0, 16.0), (12, 8)),
        (Upscale(step="upscale", factor=1.5), (0.0, 0.0, 24.0, 16.0), (36, 24)),
        (Upscale(step="upscale", to="30x32"), (0.0, 0.0, 24.0, 16.0), (48, 32)),
    ],
    ids=lambda value: value.step if isinstance(value, Crop | Resize | Upscale) else None,
)
def test_what_is_scaled_is_scaled_by_lanczos(
    step: Step, box: tuple[float, float, float, float], size: tuple[int, int]
) -> None:
    picture = noise(24, 16)

    done = apply(step, picture)

    assert done.size == size
    for band in range(3):
        wanted = resampled(picture.getchannel(band), box, size)
        found = done.getchannel(band).tobytes()
        assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= LANCZOS_LEVELS


# Pad, resize, upscale


def test_a_pad_keeps_the_whole_picture_and_fills_the_rest() -> None:
    assert same(
        apply(pad(to="4x4", color="#0000ff"), drawn("rrgg", "rrgg")), drawn("bbbb", "rrgg", "rrgg", "bbbb")
    )


def test_a_pad_without_a_color_fills_with_nothing() -> None:
    done = apply(pad(to="4x2", color=None), drawn("rr", "rr"))
    clear = (0, 0, 0, 0)
    assert done.mode == "RGBA"
    assert list(done.tobytes()) == [*clear, *RED, 255, *RED, 255, *clear] * 2


def test_a_pad_with_a_color_leaves_what_is_seen_through_as_it_is() -> None:
    done = apply(pad(to="3x1", color="#ffffff"), Image.new("RGBA", (1, 1), (255, 0, 0, 0)))
    assert list(done.getchannel("A").tobytes()) == [255, 0, 255]


def test_a_resize_never_makes_a_picture_larger_and_an_upscale_never_smaller() -> None:
    picture = noise(24, 16)
    assert same(apply(Resize(step="resize", to="100x100"), picture), picture)
    assert same(apply(Upscale(step="upscale", to="10x10"), picture), picture)


SIDES = st.integers(1, 60)
SIZES = st.builds(lambda width, height: f"{width}x{height}", SIDES, SIDES)
EDGES = st.sampled_from(["center", "top", "left", "bottom", "right"])
STEPS = st.one_of(
    st.builds(lambda to, at: crop(to=to, at=at), SIZES, EDGES),
    st.builds(lambda to: pad(to=to), SIZES),
    st.builds(lambda to: Resize(step="resize", to=to), SIZES),
    st.builds(lambda to: Upscale(step="upscale", to=to), SIZES),
    st.builds(lambda factor: Upscale(step="upscale", factor=factor), st.floats(1.01, 6)),
)


@settings(deadline=None)
@given(SIDES, SIDES, STEPS, st.sampled_from(["RGB", "RGBA"]))
def test_a_step_leaves_the_size_that_the_plan_says(width: int, height: int, step: Step, mode: str) -> None:
    picture = Image.new(mode, (width, height), "red")

    done = apply(step, picture)

    assert size_of(done) == step.size_after(Size(width, height))
    assert done.mode == mode
    assert scale_of(step, Size(width, height)) > 0


@settings(deadline=None)
@given(SIDES, SIDES, STEPS.filter(lambda step: step.step != "pad"))
def test_a_picture_of_one_color_stays_of_that_color(width: int, height: int, step: Step) -> None:
    done = apply(step, Image.new("RGB", (width, height), (200, 100, 50)))
    assert done.getextrema() == ((200, 200), (100, 100), (50, 50))


@pytest.mark.parametrize(
    ("step", "scale"),
    [
        (crop(to="48x48"), 3.0),
        (crop(to="24x16"), 1.0),
        (pad(to="48x48"), 2.0),
        (pad(to="48x8"), 0.5),
        (Resize(step="resize", to="12x12"), 0.5),
        (Upscale(step="upscale", factor=2), 2.0),
        (Flatten(step="flatten"), 1.0),
    ],
)
def test_it_is_known_how_much_a_step_enlarges(step: Step, scale: float) -> None:
    assert scale_of(step, Size(24, 16)) == scale


# Transparency


def test_what_is_seen_through_lies_on_the_color() -> None:
    picture = Image.new("RGBA", (3, 1))
    picture.putdata([(255, 0, 0, 255), (255, 0, 0, 0), (255, 0, 0, 51)])

    done = apply(Flatten(step="flatten", color="#0000ff"), picture)

    assert (done.mode, list(done.tobytes())) == ("RGB", [255, 0, 0, 0, 0, 255, 51, 0, 204])


def test_a_picture_without_transparency_is_flat_already() -> None:
    picture = noise(8, 8)
    assert same(apply(Flatten(step="flatten"), picture), picture)


def test_colors_that_cannot_be_seen_do_not_bleed_into_edges_when_scaled() -> None:
    picture = Image.new("RGBA", (32, 32), (0, 255, 0, 0))
    picture.paste((255, 0, 0, 255), (8, 8, 24, 24))

    done = apply(Resize(step="resize", to="10x10"), picture)

    seen = [pixel for pixel in zip(*[iter(done.tobytes())] * 4, strict=True) if pixel[3] > 8]
    assert seen
    assert max(green for _, green, _, _ in seen) <= 8


# Colors


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colors_are_converted_from_the_profile_and_the_profile_goes(mode: str) -> None:
    picture = Image.new(mode, (2, 2), (255, 0, 0))
    picture.info["icc_profile"] = wide_profile()

    done = apply(Srgb(step="srgb"), picture)

    red, green, blue = done.getpixel((0, 0))[:3]  # type: ignore[index]
    assert (done.mode, red <= 3, green >= 252, blue <= 3) == (mode, True, True, True)
    assert "icc_profile" not in done.info
    assert picture.getpixel((0, 0))[:2] == (255, 0)  # type: ignore[index]


def test_transparency_outlives_the_conversion() -> None:
    picture = noise(4, 4, "RGBA")
    alpha = picture.getchannel("A").tobytes()
    picture.info["icc_profile"] = wide_profile()
    assert apply(Srgb(step="srgb"), picture).getchannel("A").tobytes() == alpha


@pytest.mark.parametrize("profile", [None, b"", b"not a profile", "srgb"])
def test_without_a_profile_or_with_srgb_itself_or_a_broken_one_no_pixel_changes(
    profile: bytes | str | None,
) -> None:
    if profile == "srgb":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = noise(8, 8)
    if profile is not None:
        picture.info["icc_profile"] = profile

    done = apply(Srgb(step="srgb"), picture)

    assert same(done, picture)
    assert "icc_profile" not in done.info


@pytest.mark.parametrize(
    "step", [crop(to="4x4"), pad(to="9x9"), Resize(step="resize", to="4x4"), Flatten(step="flatten")]
)
def test_a_profile_that_is_not_converted_stays_with_the_picture(step: Step) -> None:
    picture = noise(8, 8, "RGBA")
    picture.info["icc_profile"] = b"profile"
    assert apply(step, picture).info["icc_profile"] == b"profile"
