"""Presets: which there are, and that each leads from what is made to what its channel wants."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.model import data_file
from schemas.preset import Preset, find_preset, presets
from schemas.size import MAX_EDGE_PX, Size, is_experimental

SHAPES = ("1x1", "2x3", "3x2", "4x5", "16x9", "9x16", "3x1", "1x3")
OLD = {
    "square", "portrait", "landscape", "wide", "tall", "amazon_main", "amazon_secondary", "google_merchant",
    "google_lifestyle", "shopify", "walmart", "ebay", "etsy", "zalando", "meta_1x1", "meta_4x5", "ig_3x4",
    "meta_story", "meta_reels", "meta_link", "meta_carousel", "tiktok_9x16", "pinterest", "gads_landscape",
    "gads_portrait", "og", "hero_16x9",
}  # fmt: skip


def named(name: str) -> Preset:
    preset = find_preset(name)
    assert preset is not None
    return preset


def test_every_shape_has_three_sizes_and_every_channel_its_own() -> None:
    shapes = {f"{shape}_{size}" for shape in SHAPES for size in ("1k", "2k", "4k")}
    assert {preset.name for preset in presets()} == OLD | shapes


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_has_its_ratio_and_about_its_megapixels(shape: str) -> None:
    across, down = map(int, shape.split("x"))
    for size, megapixels in (("1k", 1.05), ("2k", 4.2), ("4k", 8.3)):
        target = named(f"{shape}_{size}").target
        assert target.width * down == target.height * across
        assert max(target.width, target.height) <= MAX_EDGE_PX
        at_the_edge = max(target.width, target.height) == MAX_EDGE_PX
        assert at_the_edge or target.pixels / 1e6 == pytest.approx(megapixels, rel=0.15)


@pytest.mark.parametrize("preset", presets(), ids=lambda preset: preset.name)
def test_a_preset_is_made_at_its_target_where_that_is_legal_and_not_experimental(preset: Preset) -> None:
    grid = preset.target.width % 16 == 0 == preset.target.height % 16
    if preset.name.endswith("k") and grid and not is_experimental(preset.target):
        assert preset.generate_at == preset.target


@pytest.mark.parametrize("preset", presets(), ids=lambda preset: preset.name)
def test_where_no_picture_may_be_enlarged_none_is(preset: Preset) -> None:
    if not preset.rules.enlarged:
        assert preset.generate_at.width >= preset.target.width
        assert preset.generate_at.height >= preset.target.height


@pytest.mark.parametrize("preset", presets(), ids=lambda preset: preset.name)
def test_the_rules_of_a_preset_can_be_kept_by_its_own_steps(preset: Preset) -> None:
    steps, rules = {step.step: step for step in preset.finish}, preset.rules
    assert not rules.srgb or "srgb" in steps
    assert not rules.opaque or "flatten" in steps
    assert rules.max_bytes is None or getattr(steps["encode"], "max_bytes", None) == rules.max_bytes
    assert rules.min_size is None or (
        rules.min_size.width <= preset.target.width and rules.min_size.height <= preset.target.height
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"generate_at": "1024x1024"}, "its steps lead to 1024x1024, and 2000x2000 is wanted"),
        ({"finish": [{"step": "crop"}, {"step": "resize", "to": "100x100"}]}, "lead to 100x100"),
        ({"rules": {"formats": ["jpeg"]}}, "do not end in one of its formats"),
        ({"rules": {"opaque": True}, "finish": [{"step": "pad", "color": None}]}, "must be opaque"),
        ({"rules": {"colour": True}}, "Extra inputs"),
        ({"source": ""}, "at least 1 character"),
    ],
)
def test_a_preset_that_contradicts_itself_is_not_loaded(changes: dict[str, Any], said: str) -> None:
    good = {
        "name": "channel", "target": "2000x2000", "generate_at": "2000x2000",
        "source": "here", "checked_on": "2026-11-20", "confidence": "secondary",
    }  # fmt: skip
    assert Preset.model_validate(good).target == Size(2000, 2000)
    with pytest.raises(ValidationError, match=said):
        Preset.model_validate(good | changes)


def test_what_comes_from_others_than_the_channel_itself_is_marked() -> None:
    told = {name: entry["confidence"] for name, entry in data_file("presets").items()}
    assert {name for name in told if name.startswith(("meta", "amazon", "pinterest", "tiktok", "etsy"))} == {
        name for name, confidence in told.items() if confidence != "official" and name.startswith(
            ("meta", "amazon", "pinterest", "tiktok", "etsy")
        )
    }  # fmt: skip


@pytest.mark.parametrize("preset", presets(), ids=lambda preset: preset.name)
def test_what_counts_as_confirmed_names_an_address(preset: Preset) -> None:
    assert preset.source.startswith("https://") == (preset.confidence != "unconfirmed")


@pytest.mark.parametrize("name", ["meta_story", "meta_reels"])
def test_a_safe_zone_covers_its_share_of_the_target(name: str) -> None:
    preset = named(name)
    zone = preset.rules.safe_zone
    assert zone is not None

    assert zone.top_px == pytest.approx(0.14 * preset.target.height, abs=1)
    share = {"meta_story": 0.20, "meta_reels": 0.35}[name]
    assert zone.bottom_px == pytest.approx(share * preset.target.height, abs=1)
