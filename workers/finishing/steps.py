"""Steps: each is a function from a picture to a picture, by what `schemas.finish` says of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from PIL import Image, ImageCms, ImageColor

from schemas.finish import Crop, Flatten, Pad, Resize, Srgb, Step, Upscale, scaled
from schemas.size import Size

_KEPT = {
    "center": (0.5, 0.5),
    "top": (0.5, 0.0),
    "bottom": (0.5, 1.0),
    "left": (0.0, 0.5),
    "right": (1.0, 0.5),
}
"""Where what is cut off lies: 0 is all at the far end, 1 all at the near one."""

WHITE = "#ffffff"


def size_of(picture: Image.Image) -> Size:
    return Size(*picture.size)


def apply(step: Step, picture: Image.Image) -> Image.Image:
    """The picture after a step that changes its pixels: RGB or RGBA in, RGB or RGBA out."""
    run: Callable[[Any, Image.Image], Image.Image] = _STEPS[type(step)]
    return run(step, picture)


def scale_of(step: Step, size: Size) -> float:
    """How many times as large a picture of this size becomes, before anything is cut off or added."""
    if isinstance(step, Crop | Pad):
        wanted = step.size_after(size)
        across, down = wanted.width / size.width, wanted.height / size.height
        return max(across, down) if isinstance(step, Crop) else min(across, down)
    return step.size_after(size).width / size.width


def crop(step: Crop, picture: Image.Image) -> Image.Image:
    size, wanted = size_of(picture), step.size_after(size_of(picture))
    scale = scale_of(step, size)
    width, height = min(size.width, wanted.width / scale), min(size.height, wanted.height / scale)
    across, down = _KEPT[step.at]
    left, top = (size.width - width) * across, (size.height - height) * down
    if scale == 1:  # nothing is scaled: half a pixel aside would blur it all
        left, top = int(left), int(top)
    box = (left, top, min(size.width, left + width), min(size.height, top + height))
    return _resampled(picture, wanted, box)


def pad(step: Pad, picture: Image.Image) -> Image.Image:
    size, wanted = size_of(picture), step.size_after(size_of(picture))
    inner = _resampled(picture, scaled(size, scale_of(step, size)))
    if step.color is None:
        inner = inner.convert("RGBA")
    color = (0, 0, 0, 0) if step.color is None else ImageColor.getcolor(step.color, inner.mode)
    whole = Image.new(inner.mode, (wanted.width, wanted.height), color)
    whole.paste(inner, ((wanted.width - inner.width) // 2, (wanted.height - inner.height) // 2))
    return _with_profile_of(picture, whole)


def resize(step: Resize | Upscale, picture: Image.Image) -> Image.Image:
    return _resampled(picture, step.size_after(size_of(picture)))


def flatten(step: Flatten, picture: Image.Image) -> Image.Image:
    if picture.mode != "RGBA":
        return picture
    below = Image.new("RGBA", picture.size, step.color)
    return _with_profile_of(picture, Image.alpha_composite(below, picture).convert("RGB"))


def srgb(_step: Srgb, picture: Image.Image) -> Image.Image:
    """Converted from the picture's profile, and without one, which the web takes as sRGB.

    A profile that cannot be read says nothing about the colors, and is left out.
    """
    profile = picture.info.get("icc_profile")
    plain = picture.convert("RGB") if picture.mode == "RGBA" else picture
    if profile and not is_srgb(profile):
        plain = _converted(plain, profile)
    if picture.mode == "RGBA":
        plain.putalpha(picture.getchannel("A"))
    if plain is picture:
        plain = picture.copy()
    plain.info.pop("icc_profile", None)
    return plain


def is_srgb(profile: bytes) -> bool:
    return "srgb" in profile_name(profile).lower()


def profile_name(profile: bytes) -> str:
    """What a color profile calls itself; empty when it cannot be read."""
    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
    except (OSError, ImageCms.PyCMSError):
        return ""


def _converted(picture: Image.Image, profile: bytes) -> Image.Image:
    try:
        done = ImageCms.profileToProfile(
            picture,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (OSError, ImageCms.PyCMSError):
        return picture.convert("RGB")
    return done or picture


def _resampled(
    picture: Image.Image, size: Size, box: tuple[float, float, float, float] | None = None
) -> Image.Image:
    """By Lanczos; a picture with transparency is scaled with its colors weighed by it, so that edges get no fringes."""
    done = picture.resize((size.width, size.height), Image.Resampling.LANCZOS, box=box)
    return _with_profile_of(picture, done)


def _with_profile_of(picture: Image.Image, done: Image.Image) -> Image.Image:
    if profile := picture.info.get("icc_profile"):
        done.info["icc_profile"] = profile
    return done


_STEPS: dict[type, Callable[..., Image.Image]] = {
    Crop: crop,
    Pad: pad,
    Resize: resize,
    Upscale: resize,
    Flatten: flatten,
    Srgb: srgb,
}
