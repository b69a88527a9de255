"""What is stored of a picture: the original, what was finished of it, and a receipt that is true of both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from core.clock import SystemClock
from core.documents import Documents, owned_key
from schemas.finish_plan import FinishPlan
from tests.finishing import FINISHER, signed
from workers.finishing.finisher import Finisher
from workers.keeper import unwitnessed
from workers.order import Order
from workers.patience import Patience
from workers.spool import Spool, SpoolEntry
from workers.storer import Stored, Storer
from workers.verifier import Verified

HURRIED = Finisher(processes=1, deadline_s=0.001, memory_bytes=2**31)


@pytest.fixture
async def finisher() -> AsyncIterator[Finisher]:
    yield FINISHER
    await FINISHER.aclose()


@pytest.fixture
def entry(tmp_path: Path, order: Order) -> SpoolEntry:
    entry = Spool(tmp_path / "spool", 0).open("w1").entry(order.batch_id, order.index, order.attempt)
    Image.effect_noise((64, 48), 50).convert("RGB").save(entry.picture, "PNG")
    return entry


async def store(
    documents: Documents, finisher: Finisher, entry: SpoolEntry, order: Order, *, surplus: bool = False
) -> Stored:
    storer = Storer(documents, finisher, Patience(SystemClock()))
    return await storer.store(entry, order, unwitnessed(entry), Verified(64, 48), surplus=surplus)


def asking(order: Order, *steps: dict[str, object]) -> Order:
    return msgspec.structs.replace(
        order, finish=FinishPlan.model_validate({"steps": steps}).model_dump(mode="json")
    )


async def test_what_cannot_be_finished_is_stored_as_it_came_with_its_label_and_a_check_that_failed(
    documents: Documents, entry: SpoolEntry, order: Order
) -> None:
    order = asking(order, {"step": "upscale", "factor": 2})

    stored = await store(documents, HURRIED, entry, order)

    receipt = await documents.find_receipt(order.tenant, order.batch_id, stored.asset)
    assert receipt is not None
    assert [(check.rule, check.result) for check in receipt.checks] == [("finishing", "fail")]
    assert (receipt.asset, receipt.width, receipt.height) == ("sku-1/hero.png", 64, 48)
    assert receipt.original is not None
    assert receipt.bytes > receipt.original.bytes  # by its label


async def test_an_order_with_fields_of_a_later_version_is_carried_out(
    documents: Documents, entry: SpoolEntry, order: Order, finisher: Finisher
) -> None:
    plain = asking(order, {"step": "resize", "to": "32x24"})
    later = {"of_a_later_version": 1}
    order = msgspec.structs.replace(plain, finish=plain.finish | later, label=plain.label | later)

    stored = await store(documents, finisher, entry, order)

    receipt = await documents.find_receipt(order.tenant, order.batch_id, stored.asset)
    assert receipt is not None
    assert (receipt.width, receipt.height) == (32, 24)


@pytest.mark.parametrize("is_signed", [True, False])
async def test_the_receipt_says_what_is_disclosed_and_whether_the_provider_signed(
    documents: Documents, entry: SpoolEntry, order: Order, is_signed: bool
) -> None:
    if is_signed:
        entry.picture.write_bytes(signed(entry.picture.read_bytes(), "png"))
    china = {"producer": "001", "visible": False}
    label = {**order.label, "contains_synthetic_performer": True, "china": china}

    stored = await store(documents, FINISHER, entry, msgspec.structs.replace(order, label=label))

    receipt = await documents.find_receipt(order.tenant, order.batch_id, stored.asset)
    assert receipt is not None
    assert receipt.provider_c2pa is is_signed
    assert receipt.source_type == "trainedAlgorithmicMedia"
    assert receipt.contains_synthetic_performer
    assert receipt.china is not None and receipt.china.producer == "001"


async def test_of_a_picture_that_could_not_be_looked_into_no_signature_is_denied(
    documents: Documents, entry: SpoolEntry, order: Order
) -> None:
    entry.picture.write_bytes(entry.picture.read_bytes()[:40])

    stored = await store(documents, FINISHER, entry, order)

    receipt = await documents.find_receipt(order.tenant, order.batch_id, stored.asset)
    assert receipt is not None and receipt.provider_c2pa is None


async def test_storing_once_more_after_a_crash_changes_nothing(
    documents: Documents, finisher: Finisher, entry: SpoolEntry, order: Order
) -> None:
    order = asking(order, {"step": "crop", "to": "32x32"})
    first = await store(documents, finisher, entry, order)
    names = [key async for key in documents.store.list_keys("tenants/")]

    assert await store(documents, finisher, entry, order) == first

    assert [key async for key in documents.store.list_keys("tenants/")] == names


async def test_a_second_picture_of_a_task_leaves_the_files_of_the_first_alone(
    documents: Documents, entry: SpoolEntry, order: Order
) -> None:
    first = await store(documents, FINISHER, entry, order)
    kept = await documents.store.get_bytes(owned_key(order.tenant, order.batch_id, f"pictures/{first.asset}"))
    later = msgspec.structs.replace(order, attempt=order.attempt + 1)
    Image.new("RGB", (64, 48), "teal").save(entry.picture, "PNG")

    second = await store(documents, FINISHER, entry, later)
    third = await store(documents, FINISHER, entry, later, surplus=True)

    assert second.asset == third.asset == "sku-1/hero.attempt-3.png"
    same = owned_key(order.tenant, order.batch_id, f"pictures/{first.asset}")
    assert await documents.store.get_bytes(same) == kept
