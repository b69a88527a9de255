"""A plan of pictures that a provider makes larger: the tree, the price, the lane, and what is wrong with the lane."""

from __future__ import annotations

from typing import Any

import pytest

from core.lane_settings import LaneSettings
from tests.unit.planning.desk import Desk, manifest, said

LANES = {
    "main": LaneSettings(api_key="key", images_per_minute=10),
    "big": LaneSettings.model_validate({"adapter": "stability", "api_key": "key"}),
}


def larger(**upscale: Any) -> dict[str, Any]:
    """Two rows, each made once and then made larger."""
    templates = {
        "hero": {"prompt": "A product photograph of {{ row.title }} on pale wood, soft light, no text."},
        "large": {"from": "hero", "upscale": upscale},
    }
    rows = [{"id": "a", "title": "Chair"}, {"id": "b", "title": "Table"}]
    return manifest(templates=templates, catalog={"rows": rows}, sizes=["1024x1024"])


async def test_it_stands_in_the_tree_with_its_lane_its_factor_and_its_price(desk: Desk) -> None:
    plan = await desk.plan(larger(), lanes=LANES)

    assert (said(plan), plan.accepted) == ({}, True)
    found = {one.name: one for one in plan.templates}["large"]
    assert (found.parent, found.model, found.quality) == ("hero", "stable-fast-upscale", "4x")
    assert (found.lane, found.tasks, found.cost) == ("big", 2, "0.04")
    assert plan.tasks.by_model["stable-fast-upscale"] == 2
    assert {shown["template"] for shown in plan.prompts} == {"hero"}
    assert {found.template for found in plan.lint} <= {"hero"}


async def test_equal_rows_are_made_larger_once(desk: Desk) -> None:
    data = larger() | {"catalog": {"rows": [{"id": "a", "title": "Chair"}, {"id": "b", "title": "Chair"}]}}

    plan = await desk.plan(data, lanes=LANES)

    assert plan.duplicates.by_template == {"hero": 1, "large": 1}


@pytest.mark.parametrize(
    ("lane", "lanes", "place", "said_of_it"),
    [
        (
            None,
            ("main",),
            "model",
            "set DARKROOM_LANES__<NAME>__ADAPTER=stability, or use the finishing step",
        ),
        (
            "main",
            ("main", "big"),
            "lane",
            "lane 'main' does not serve stable-fast-upscale; those that do: big",
        ),
        (
            "none",
            ("main", "big"),
            "lane",
            "there is no lane 'none'; those that serve stable-fast-upscale: big",
        ),
    ],
)
async def test_a_lane_that_is_not_there_or_of_another_kind_is_named(
    desk: Desk, lane: str | None, lanes: tuple[str, ...], place: str, said_of_it: str
) -> None:
    data = larger(**({"lane": lane} if lane else {}))

    plan = await desk.plan(data, lanes={name: LANES[name] for name in lanes})

    assert said_of_it in said(plan)[f"/templates/large/upscale/{place}"]
    assert not plan.accepted
