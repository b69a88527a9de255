"""What a manifest will likely cost, the most it can, and how the claim script counts through it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.lane_settings import LaneSettings
from schemas.batch import most_resends
from schemas.expansion import Expansion
from schemas.lane import Limits
from schemas.manifest import Manifest, OnDoubt, Spend
from schemas.pricing import micros
from tests.unit.planning.desk import made_settings
from workers.planning.checker import PromptTally
from workers.planning.pricer import PricedBlock, Pricer, Spared, cost_of, duration_of, flows_of, tasks_of

EXAMPLE: dict[str, Any] = {
    "name": "apparel-autumn",
    "catalog": {"source": "products.csv"},
    "image": {"model": "gpt-image-2", "quality": "medium", "format": "webp", "compression": 90},
    "templates": {
        "hero": {"prompt": "x", "references": ["{{ row.image_urls[0] }}"]},
        "poster": {"prompt": "x", "from": "hero", "sizes": ["portrait"], "image": {"quality": "high"}},
    },
    "variants": {"season": {"spring": {}, "autumn": {}}},
    "sizes": ["square", "1536x1024"],
    "samples": 2,
    "spend": {"cap_usd": "250.00"},
}
TALLIES = {"hero": PromptTally(4, 400, 120), "poster": PromptTally(4, 317, 80)}
LANES = {"main": LaneSettings(api_key="key", images_per_minute=10, tokens_per_minute=100_000)}
SLOTS = {"main": 1000}


def priced(
    folder: Path, data: dict[str, Any] = EXAMPLE, lanes: dict[str, LaneSettings] = LANES
) -> list[PricedBlock]:
    """The blocks over two rows."""
    expansion = Expansion(Manifest.model_validate(data), 2)
    named = {
        name: len(template.references) + (template.parent is not None)
        for name, template in expansion.manifest.templates.items()
    }
    return Pricer(expansion, TALLIES, made_settings(folder, lanes=lanes), named).blocks()


def test_a_template_goes_to_the_lane_or_group_it_names_and_else_to_the_first_that_serves_its_model(
    tmp_path: Path,
) -> None:
    flare = LaneSettings(api_key="key", models=("gpt-image-2.5-flare",), images_per_minute=10)
    lanes = {
        "a": flare,
        "b": flare.model_copy(update={"group": "pool"}),
        "c": flare.model_copy(update={"group": "pool"}),
    }
    templates = {"hero": {"prompt": "x"}, "other": {"prompt": "x", "image": {"lane": "pool"}}}
    data = EXAMPLE | {"image": {"model": "gpt-image-2.5-flare", "quality": "low"}, "templates": templates}

    flows = flows_of(priced(tmp_path, data, lanes))

    assert [flow.lane for flow in flows] == ["a", "pool"]
    assert made_settings(tmp_path, lanes=lanes).limits["pool"].images_per_minute == 20


def test_the_example_costs_what_it_costs_by_hand(tmp_path: Path) -> None:
    """Output tokens: medium square 1,756 and 1536x1024 1,372; high portrait 5,488. One reference each.

    Likely, micro-dollars: hero (31 text x 5) + (1,280 x 8) + output x 30 = 63,075 and 51,555; poster (80 bytes on
    average, rounded up: 26 text x 5) + 10,240 + 164,640 = 175,010. Eight pictures each.
    """
    cost = cost_of(priced(tmp_path), Spend(cap_usd="250.00"), Spared())

    assert cost.by_template == {"hero": "0.91704", "poster": "1.40008"}
    assert cost.low == "2.06784"  # (52,680 + 41,160 + 164,640) x 8: of output alone
    assert (cost.likely, cost.high, cost.cap) == ("2.31712", "2.383232", "250.00")


@pytest.mark.parametrize(("samples", "dearest", "others"), [(2, 5, 0), (1, 4, 1)])
def test_what_may_be_paid_a_second_time_in_doubt_is_part_of_the_most(
    tmp_path: Path, samples: int, dearest: int, others: int
) -> None:
    """Five of a small batch: posters first, of which there are eight or four; then heroes of 1,024 x 1,024."""
    blocks = priced(tmp_path, EXAMPLE | {"samples": samples})

    once, again = (cost_of(blocks, Spend(on_doubt=each), Spared()) for each in OnDoubt)

    assert micros(again.high) - micros(once.high) == dearest * 177_648 + others * 65_888
    assert (once.low, once.likely) == (again.low, again.likely)


def test_in_a_large_batch_one_picture_in_a_hundred_may_be_paid_twice() -> None:
    assert [most_resends(tasks) for tasks in (0, 3, 8, 599, 600, 700)] == [0, 3, 5, 5, 6, 7]


def test_the_claim_script_gets_every_template_with_what_is_held_for_each_size(tmp_path: Path) -> None:
    """High: every byte of the longest prompt a token and 64 more, a reference 1,536."""
    [flow] = flows_of(priced(tmp_path))

    assert (flow.lane, flow.length) == ("main", 16)
    assert flow.blocks == (
        {
            "first": 0,
            "count": 16,
            "samples": 2,
            "dependent": False,
            "holds": [65_888, 54_368],
            "tokens": [3_476, 3_092],
        },
        {
            "first": 16,
            "count": 8,
            "samples": 2,
            "dependent": True,
            "holds": [177_648],
            "tokens": [7_168],
        },
    )


def test_tasks_are_counted_by_what_they_are(tmp_path: Path) -> None:
    tasks = tasks_of(priced(tmp_path))

    assert (tasks.total, tasks.by_template) == (24, {"hero": 16, "poster": 8})
    assert tasks.by_size == {"square": 8, "1536x1024": 8, "portrait": 8}


def test_the_slowest_limit_of_the_slowest_lane_decides_how_long_it_takes(tmp_path: Path) -> None:
    """24 pictures at 10 a minute, and the answers of the last hero and its poster."""
    duration = duration_of(priced(tmp_path), {"main": LANES["main"].limits}, SLOTS, {}, {})

    assert (duration.seconds, duration.limited_by, duration.slots_needed) == (
        144.0 + 2 * 80,
        "main: images a minute",
        14,
    )


def test_what_a_lane_was_measured_at_counts_and_no_more_calls_are_needed_than_there_are_pictures(
    tmp_path: Path,
) -> None:
    """At 24 a minute the 24 pictures take a minute; calls of 100 s would use 40 slots, and of 30 s use 12."""
    quick = {"main": Limits(images_per_minute=24)}

    slow, fast = (
        duration_of(priced(tmp_path), quick, SLOTS, {"main": latency_s}, {}) for latency_s in (100.0, 30.0)
    )

    assert (slow.seconds, slow.slots_needed) == (60 + 2 * 100, 24)
    assert (fast.seconds, fast.slots_needed) == (60 + 2 * 30, 12)


def test_calls_side_by_side_follow_from_the_limit_that_binds(tmp_path: Path) -> None:
    """Tokens for six minutes: 24 pictures are 4 a minute, of 80 s each."""
    blocks = priced(tmp_path)
    tokens = sum(block.likely_tokens for block in blocks)
    limits = Limits(images_per_minute=1000, tokens_per_minute=tokens / 6)

    found = duration_of(blocks, {"main": limits}, SLOTS, {}, {})

    assert (found.seconds, found.limited_by) == (6 * 60 + 2 * 80, "main: tokens a minute")
    assert found.slots_needed == 6  # 4 a minute for 80 s are 5.33


def test_a_limit_is_named_where_pictures_wait_for_it(tmp_path: Path) -> None:
    """24 pictures at 20 a minute are sent within 72 s: answers of 80 s are waited for, and with those of 30 s the limit."""
    limits = {"main": Limits(images_per_minute=20)}

    slow, fast = (duration_of(priced(tmp_path), limits, SLOTS, {"main": one}, {}) for one in (80.0, 30.0))

    assert (slow.limited_by, fast.limited_by) == ("main: time of a call", "main: images a minute")


def test_pictures_that_are_there_take_no_time(tmp_path: Path) -> None:
    limits, blocks = {"main": Limits(images_per_minute=1, tokens_per_minute=1e9)}, priced(tmp_path)
    there = {"hero": {"square": 8, "1536x1024": 6}, "poster": {"portrait": 3}}

    some = duration_of(blocks, limits, SLOTS, {"main": 10.0}, there)
    none = duration_of(
        blocks,
        limits,
        SLOTS,
        {"main": 10.0},
        {"hero": {"square": 8, "1536x1024": 8}, "poster": {"portrait": 8}},
    )

    assert (some.seconds, some.slots_needed) == (7 * 60 + 2 * 10, 1)
    assert (none.seconds, none.limited_by, none.slots_needed) == (0.0, None, 0)


def test_a_lane_without_limits_takes_as_long_as_its_calls(tmp_path: Path) -> None:
    found = duration_of(priced(tmp_path), {"main": Limits()}, SLOTS, {}, {})

    assert (found.seconds, found.limited_by, found.slots_needed) == (2 * 80.0, "main: time of a call", 24)


def test_calls_in_flight_that_are_too_few_for_a_limit_decide(tmp_path: Path) -> None:
    """With 2 calls of 80 s there are 1.5 pictures a minute, and not 250: 24 of them take 16 minutes, a poster included."""
    for limits in (Limits(images_per_minute=250), Limits()):
        found = duration_of(priced(tmp_path), {"main": limits}, {"main": 2}, {}, {})

        assert (found.seconds, found.slots_needed) == (22 * 80 / 2 + 2 * 80, 2)
        assert found.limited_by == "main: calls in flight"


def test_calls_that_are_enough_for_a_limit_do_not_decide(tmp_path: Path) -> None:
    found = duration_of(priced(tmp_path), {"main": Limits(images_per_minute=6)}, {"main": 12}, {}, {})

    assert (found.seconds, found.limited_by) == (240 + 2 * 80, "main: images a minute")
    assert found.slots_needed == 8


def test_lanes_of_a_group_have_their_calls_in_flight_together(tmp_path: Path) -> None:
    lane = {"api_key": "key", "group": "both"}
    lanes = {name: LaneSettings.model_validate(lane | {"max_concurrency": 7}) for name in ("a", "b")}

    assert made_settings(tmp_path, lanes=lanes).slots == {"both": 14}


def test_templates_go_to_the_lanes_of_their_models(tmp_path: Path) -> None:
    lanes = {
        "old": LaneSettings(api_key="key", models=("gpt-image-2",)),
        "new": LaneSettings(api_key="key", models=("gpt-image-2.5-flare",)),
    }
    poster = {**EXAMPLE["templates"]["poster"], "image": {"model": "gpt-image-2.5-flare", "quality": "low"}}
    data = {**EXAMPLE, "templates": {**EXAMPLE["templates"], "poster": poster}}

    flows = {flow.lane: flow for flow in flows_of(priced(tmp_path, data, lanes))}

    assert {lane: flow.length for lane, flow in flows.items()} == {"old": 16, "new": 0}
    assert [block["first"] for block in flows["new"].blocks] == [16]


@pytest.mark.parametrize(
    "change", [{"sizes": ["auto"]}, {"image": {"model": "gpt-image-2", "quality": "auto"}}]
)
def test_what_the_provider_chooses_is_priced_as_the_dearest(tmp_path: Path, change: dict[str, Any]) -> None:
    plain = {**EXAMPLE, "templates": {"hero": {"prompt": "x"}}, "sizes": ["square"], "spend": {}}

    named, chosen = priced(tmp_path, plain), priced(tmp_path, plain | change)

    assert chosen[0].high_usd_micros > named[0].high_usd_micros
