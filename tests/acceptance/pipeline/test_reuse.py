"""`reuse: tenant`: a picture that any batch of the tenant has is not bought again."""

from __future__ import annotations

import asyncio
from typing import Any

from core.documents import owned_key
from tests.processes import Simulator
from tests.studio import TENANT, Studio, manifest, numbered

TEMPLATES = {
    "hero": {"prompt": "A photo for a test of reuse: {{ row.title }}."},
    "banner": {"prompt": "A wide scene around Image 1.", "from": "hero", "sizes": ["1536x1024"]},
}


def shared(*titles: str) -> dict[str, Any]:
    return {**manifest(*titles, templates=TEMPLATES), "reuse": "tenant"}


async def test_a_second_batch_takes_the_pictures_of_the_first_and_buys_what_is_new(
    studio: Studio, east: Simulator
) -> None:
    first = await studio.ended(await studio.submit({**shared("cup", "bowl"), "reuse": "batch"}))
    second = await studio.ended(await studio.submit(shared("cup", "bowl", "jug")))

    assert (first.counts["done"], second.counts["done"]) == (4, 6)
    assert (first.reused, second.reused) == (0, 4)
    assert len(east.calls(first.id)) == 4
    assert len(east.calls(second.id)) == 2  # the jug, and what is made from it
    assert second.spent_usd_micros == sum(call["cost_usd_micros"] for call in east.calls(second.id))
    assert second.held_usd_micros == 0
    earlier = {task.asset_key: task for task in await studio.task_list(first.id)}
    for task in await studio.task_list(second.id):
        receipt = await studio.receipt(second.id, task)
        if receipt.row_key == "row-2":
            assert receipt.reused_from is None
            continue
        source = earlier[task.asset_key]
        assert receipt.reused_from == f"{first.id}/{source.asset_key}"
        assert (receipt.cost_usd, receipt.usage, task.cost_usd_micros, task.sends) == ("0.00", None, 0, 0)
        assert receipt.original == (await studio.receipt(first.id, source)).original


async def test_what_a_sample_has_made_is_not_paid_again_by_the_whole_batch(
    studio: Studio, east: Simulator
) -> None:
    asked = shared(*(f"sampled {name}" for name in numbered(4)))
    sample = await studio.ended(await studio.submit({**asked, "sample": 3}))
    whole = await studio.ended(await studio.submit(asked))

    assert (sample.counts["done"], whole.counts["done"]) == (3, 8)
    assert len(east.calls(sample.id)) == 3
    assert len(east.calls(whole.id)) == 5
    assert whole.spent_usd_micros == sum(call["cost_usd_micros"] for call in east.calls(whole.id))
    sampled = {task.asset_key for task in await studio.task_list(sample.id)}
    receipts = [await studio.receipt(whole.id, task) for task in await studio.task_list(whole.id)]
    taken = {receipt.reused_from for receipt in receipts if receipt.reused_from}
    assert taken == {f"{sample.id}/{key}" for key in sampled}
    assert all(receipt.cost_usd == "0.00" for receipt in receipts if receipt.reused_from)
    assert whole.spent_usd_micros <= whole.estimated_usd_micros < 1.2 * whole.spent_usd_micros


async def test_two_batches_at_the_same_time_pay_each_picture_once(studio: Studio, east: Simulator) -> None:
    east.latency(0.1)
    asked = {**manifest(*(f"twin {name}" for name in numbered(10))), "reuse": "tenant"}
    ids = await asyncio.gather(studio.submit(asked), studio.submit(asked))

    batches = [await studio.ended(batch_id) for batch_id in ids]

    assert [batch.counts["done"] for batch in batches] == [10, 10]
    assert sum(len(east.calls(batch.id)) for batch in batches) == 10
    assert sum(batch.spent_usd_micros for batch in batches) == sum(
        call["cost_usd_micros"] for batch in batches for call in east.calls(batch.id)
    )


async def test_a_picture_that_was_deleted_is_bought_again(studio: Studio, east: Simulator) -> None:
    first = await studio.ended(await studio.submit(shared("cup")))
    for task in await studio.task_list(first.id):
        original = (await studio.receipt(first.id, task)).original
        assert original is not None
        await studio.documents.store.delete(owned_key(TENANT, first.id, original.key))

    second = await studio.ended(await studio.submit(shared("cup")))

    assert second.counts["done"] == 2
    assert len(east.calls(second.id)) == 2
