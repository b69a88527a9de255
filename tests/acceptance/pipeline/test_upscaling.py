"""Pictures that a provider makes larger: each is a task of its own, with its own price, receipt and label."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from core.documents import owned_key
from schemas.asset import Receipt
from tests.acceptance.pipeline.test_finishing import label_of
from tests.processes import Simulator
from tests.studio import TENANT, Studio, manifest

PATH = "/v2beta/stable-image/upscale/fast"


def larger(*titles: str, **changes: Any) -> dict[str, Any]:
    """Each title once, and once larger."""
    templates = {
        "hero": {"prompt": "A photo of {{ row.title }}."},
        "large": {"from": "hero", "upscale": {"factor": 4}},
    }
    return manifest(*titles, **{"templates": templates, **changes})


async def receipts(studio: Studio, batch_id: str, template: str) -> list[Receipt]:
    return [found for found in await studio.receipts(batch_id) if found.template == template]


def upscales(east: Simulator, batch_id: str) -> list[dict[str, Any]]:
    return [call for call in east.calls(batch_id) if call["path"] == PATH]


async def test_a_picture_is_made_and_then_made_larger_and_both_are_accounted_for(
    studio: Studio, east: Simulator, tmp_path: Path
) -> None:
    batch = await studio.ended(await studio.submit(larger("cup", "bowl")))

    assert (batch.counts["done"], batch.failures_by_class) == (4, {}), await studio.task_list(batch.id)
    books = await studio.books(batch.id)
    assert (books.settled, books.held, books.surplus) == (books.charged, 0, 0)
    assert [call["cost_usd_micros"] for call in upscales(east, batch.id)] == [20_000, 20_000]
    parents = {found.row_key: found for found in await receipts(studio, batch.id, "hero")}
    for made in await receipts(studio, batch.id, "large"):
        parent = parents[made.row_key]
        assert parent.original is not None
        assert made.references == (parent.original.sha256,)
        assert (made.lane, made.model, made.cost_usd) == ("big", "stable-fast-upscale", "0.02")
        assert made.parameters == {"factor": 4, "size": "4096x4096", "format": "jpeg"}
        assert (made.cost_estimated, made.enlarged, made.usage, made.prompt_digest) == (False, True, None, "")
        assert made.original is not None
        assert (made.original.width, made.width) == (4096, 4096)
        data = await studio.documents.store.get_bytes(owned_key(TENANT, batch.id, f"pictures/{made.asset}"))
        assert Image.open(BytesIO(data)).size == (4096, 4096)
        label = label_of(data, tmp_path)
        assert str(label["DigitalSourceType"]).endswith("/trainedAlgorithmicMedia")
        assert label["AISystemUsed"] == "gpt-image-2.6-flare, stable-fast-upscale"


async def test_a_preset_is_finished_from_the_larger_picture(studio: Studio) -> None:
    templates = {**larger()["templates"]}
    templates["large"] = {**templates["large"], "sizes": ["etsy"]}

    batch = await studio.ended(await studio.submit(larger("jug", templates=templates)))

    (made,) = await receipts(studio, batch.id, "large")
    assert (made.preset, made.width, made.height) == ("etsy", 3000, 2250)
    assert {check.rule: check.result for check in made.checks}["pixels"] == "pass"


async def test_the_same_picture_is_made_larger_once(studio: Studio, east: Simulator) -> None:
    templates = {**larger()["templates"]}
    templates["large"] = {**templates["large"], "samples": 2}
    asked = {**larger("vase", templates=templates), "reuse": "tenant"}

    first = await studio.ended(await studio.submit(asked))
    second = await studio.ended(await studio.submit(asked))

    assert [batch.counts["done"] + batch.counts["skipped"] for batch in (first, second)] == [3, 3]
    assert (len(await receipts(studio, first.id, "large")) > 0, second.spent_usd_micros) == (True, 0)
    assert (len(upscales(east, first.id)), east.calls(second.id)) == (1, [])


async def test_a_refused_upscale_fails_alone_and_costs_nothing(studio: Studio, east: Simulator) -> None:
    east.script({"kind": "unverified_403", "match": {"path": PATH}})

    batch = await studio.ended(await studio.submit(larger("pot")))

    assert (batch.counts["done"], batch.failures_by_class) == (1, {"moderation_blocked": 1})
    books = await studio.books(batch.id)
    assert (books.settled, books.held) == (books.charged, 0)


async def test_an_upscale_that_breaks_off_is_a_doubt_and_its_money_stays_held(
    studio: Studio, east: Simulator
) -> None:
    east.script({"kind": "reset", "at_percent": 50, "match": {"path": PATH}})

    batch_id = await studio.submit(larger("pan"))
    batch = await studio.until(batch_id, lambda found: found.counts["parked"] == 1)

    assert (batch.counts["done"], batch.held_usd_micros) == (1, 20_000)
    books = await studio.books(batch_id)
    assert (books.duplicated, books.unaccounted) == (0, 0)
