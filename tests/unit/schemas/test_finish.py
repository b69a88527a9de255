"""Steps as a manifest writes them, and the plan that preset and manifest make together."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas.errors import ManifestError
from schemas.finish import Encode, Steps
from schemas.finish_plan import FinishPlan, plan_finish
from schemas.manifest_check import check_manifest

STEPS: TypeAdapter[Any] = TypeAdapter(Steps)


def plan(size: str, *steps: dict[str, Any]) -> FinishPlan:
    return plan_finish(size, STEPS.validate_python(steps))


def written(found: FinishPlan) -> list[str]:
    """The plan in words: every step with what it goes to."""
    return [" ".join(filter(None, (step.step, getattr(step, "to", None)))) for step in found.steps]


def problems(*steps: Any, sizes: tuple[str, ...] = ("1024x1024",), reuse: str = "batch") -> dict[str, str]:
    """What a manifest with these steps is told, by place."""
    manifest = {
        "name": "x",
        "image": {"model": "gpt-image-2"},
        "templates": {"hero": {"prompt": "a"}},
        "sizes": list(sizes),
        "finish": list(steps),
        "reuse": reuse,
    }
    try:
        check_manifest(manifest)
    except ManifestError as error:
        return {problem.pointer: problem.detail for problem in error.problems}
    return {}


# What is written


@pytest.mark.parametrize(
    "step", ["flatten", None, 3, [], {}, {"to": "8x8"}, {"step": "blur"}, {"step": ["crop"]}]
)
def test_what_is_no_step_is_told_how_one_is_written(step: Any) -> None:
    assert "`step: flatten`" in problems(step)["/finish/0"]


@pytest.mark.parametrize(
    ("step", "field", "said"),
    [
        ({"step": "crop", "to": "square"}, "to", "'square' is not a size in pixels"),
        ({"step": "crop", "to": 5}, "to", "a text"),
        ({"step": "crop", "to": "10001x10"}, "to", "too large for a finished picture"),
        ({"step": "crop", "to": "9000x9000"}, "to", "too large for a finished picture"),
        ({"step": "crop", "at": "middle"}, "at", "'center'"),
        ({"step": "pad", "color": "white"}, "color", "write it as in #ffffff"),
        ({"step": "resize"}, "to", "is required"),
        ({"step": "upscale", "factor": "2"}, "factor", "a number"),
        ({"step": "upscale", "factor": 1}, "factor", "more than 1"),
        ({"step": "upscale", "factor": 7}, "factor", "at most 6"),
        ({"step": "upscale", "factor": 2, "lane": "x"}, "lane", "there is no field"),
        ({"step": "flatten", "alpha": 1}, "alpha", "there is no field"),
        ({"step": "encode", "quality": True}, "quality", "a whole number"),
        ({"step": "encode", "format": "gif"}, "format", "'png', 'jpeg' or 'webp'"),
        ({"step": "encode", "max_bytes": 1}, "max_bytes", "1000"),
        ({"step": "thumbnail", "name": "../a"}, "name", "small letters"),
        ({"step": "thumbnail", "name": "a", "longest_px": 4}, "longest_px", "16"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_where_it_stands_in_the_manifest(step: Any, field: str, said: str) -> None:
    assert said in problems({"step": "srgb"}, step)[f"/finish/1/{field}"]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"step": "upscale"}, "either `to` or `factor`"),
        ({"step": "upscale", "to": "8x8", "factor": 2}, "either `to` or `factor`"),
        ({"step": "encode", "format": "png", "quality": 3}, "png has no quality"),
        ({"step": "encode", "format": "png", "max_bytes": 5000}, "png has no quality"),
    ],
)
def test_a_step_that_contradicts_itself_is_refused(step: Any, said: str) -> None:
    assert said in problems(step)["/finish/0"]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([{"step": "encode"}, {"step": "encode"}], "encoded once"),
        ([{"step": "thumbnail", "name": "a"}] * 2, "two thumbnails are named 'a'"),
        ([{"step": "srgb"}] * 21, "at most 20"),
    ],
)
def test_steps_that_contradict_each_other_are_refused(steps: list[Any], said: str) -> None:
    assert said in problems(*steps)["/finish"]


def test_every_wrong_step_is_reported_at_once() -> None:
    told = problems({"step": "crop", "to": "x"}, "flatten", {"step": "encode", "quality": 0})
    assert {"/finish/0/to", "/finish/1", "/finish/2/quality"} <= set(told)


def test_a_step_cannot_be_changed_afterwards() -> None:
    (step,) = STEPS.validate_python([{"step": "crop"}])
    with pytest.raises(ValidationError, match="frozen"):
        step.to = "8x8"


# What becomes of it


def test_a_preset_brings_its_own_steps() -> None:
    found = plan("amazon_main")
    assert found.preset == "amazon_main"
    assert written(found) == ["srgb", "flatten", "crop 2000x2000"]
    assert found.encode is not None
    assert (found.encode.format, found.encode.max_bytes) == ("jpeg", 10_000_000)


@pytest.mark.parametrize("size", ["1024x1024", "square", "auto"])
def test_a_size_alone_brings_none(size: str) -> None:
    found = plan(size)
    assert (found.steps, found.encode, found.thumbnails) == ((), None, ())


def test_the_steps_of_the_manifest_come_after_those_of_the_preset() -> None:
    found = plan("amazon_main", {"step": "resize", "to": "500x500"}, {"step": "thumbnail", "name": "small"})
    assert written(found) == ["srgb", "flatten", "crop 2000x2000", "resize 500x500"]
    assert [it.name for it in found.thumbnails] == ["small"]


def test_a_step_of_the_manifest_takes_the_place_of_the_same_one_in_the_preset() -> None:
    found = plan("amazon_main", {"step": "flatten", "color": "#000000"}, {"step": "encode", "format": "png"})
    assert written(found) == ["srgb", "crop 2000x2000", "flatten"]
    assert found.encode is not None
    assert (found.encode.format, found.encode.max_bytes) == ("png", None)


def test_a_pad_takes_the_place_of_a_crop_and_goes_to_the_same_pixels() -> None:
    assert written(plan("amazon_main", {"step": "pad"})) == ["srgb", "flatten", "pad 2000x2000"]


def test_a_crop_without_pixels_goes_to_the_size_that_was_written() -> None:
    assert written(plan("1536x1024", {"step": "crop"})) == ["crop 1536x1024"]


def test_a_crop_without_pixels_says_nothing_where_the_provider_chooses_the_size() -> None:
    with pytest.raises(
        ValueError, match="crop: the size `auto` has no pixels of its own; add `to: WIDTHxHEIGHT`"
    ):
        plan("auto", {"step": "crop"})
    assert written(plan("auto", {"step": "crop", "to": "8x8"})) == ["crop 8x8"]


def test_a_picture_that_would_become_too_large_is_refused_before_it_is_paid_for() -> None:
    with pytest.raises(ValueError, match="upscale: 11520x11520 is too large for a finished picture"):
        plan("1920x1920", {"step": "upscale", "factor": 6.0})
    with pytest.raises(ValueError, match="upscale: 12000x12000"):
        plan("amazon_main", {"step": "upscale", "factor": 6.0})
    large = plan("1024x1024", {"step": "upscale", "factor": 6.0}, {"step": "crop", "to": "100x100"})
    assert written(large) == ["upscale", "crop 100x100"]


def test_a_manifest_is_told_of_steps_that_its_sizes_do_not_take() -> None:
    told = problems({"step": "crop"}, sizes=("auto",))["/finish"]
    assert told == "crop: the size `auto` has no pixels of its own; add `to: WIDTHxHEIGHT`"
    told = problems({"step": "upscale", "factor": 6}, sizes=("1024x1024", "1920x1920"))["/finish"]
    assert told.startswith("1920x1920: upscale: 11520x11520 is too large")


def test_channels_that_are_made_at_one_size_share_a_picture_unless_nothing_is_reused() -> None:
    assert problems(sizes=("amazon_main", "amazon_secondary")) == {}
    told = problems(sizes=("amazon_main", "amazon_secondary"), reuse="never")["/sizes/1"]
    assert "asks for the same picture as amazon_main" in told
    assert problems(sizes=("amazon_main", "shopify"), reuse="never") == {}


def test_a_file_that_the_channel_does_not_take_is_refused_and_one_of_no_format_is_what_it_takes() -> None:
    told = problems({"step": "encode", "format": "webp"}, sizes=("amazon_main",))["/finish"]
    assert told == "amazon_main: encode: amazon_main takes jpeg or png, not webp"
    assert problems({"step": "encode", "format": "webp"}, sizes=("square",)) == {}
    assert problems({"step": "encode", "quality": 70}, sizes=("amazon_main",)) == {}
    encode = plan_finish("amazon_main", [Encode(step="encode", quality=70)]).encode
    assert encode == Encode(step="encode", format="jpeg", quality=70)
