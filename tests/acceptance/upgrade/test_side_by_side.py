"""While an upgrade lasts, and after it was taken back, what the later version wrote is read by the one before."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from core.documents import Documents, PlannedRow
from core.state import keys
from core.state.plans import PlanStore
from core.storage.folder import FolderStore
from schemas.asset import Receipt
from schemas.catalog import Row
from schemas.errors import Problem
from schemas.rendition import Checked
from tests.acceptance.upgrade.leftovers import unpack
from tests.acceptance.upgrade.test_upgrade import RELEASES
from tests.plans import plan_of, rejected
from tests.state.world import World
from tests.studio import TENANT

LATER: dict[str, Any] = {"of_a_later_version": {"what": 1}}


async def rewrite(documents: Documents, folder: str, *path: str) -> None:
    """Adds a field of a later version to the one document below a folder, and to what lies in it there."""
    (key,) = [key async for key in documents.store.list_keys(f"tenants/{TENANT}/{folder}")]
    text = await documents.store.get_bytes(key)
    document = inner = json.loads(text)
    for name in path:
        inner = inner[name]
    document |= LATER
    inner |= LATER
    await documents.store.put_bytes(
        key, json.dumps(document).encode(), media_type="application/json", overwrite=True
    )


async def test_an_upload_with_fields_of_a_later_version_is_read(documents: Documents, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"a,b")
    upload = await documents.put_upload(TENANT, "feed.csv", file)
    pinned = await documents.pin(TENANT, "b_1", "https://shop.example/feed.csv", file)
    await rewrite(documents, "uploads/names/")
    await rewrite(documents, "batches/b_1/references/")
    assert await documents.find_upload(TENANT, "feed.csv") == upload
    assert await documents.find_pin(TENANT, "b_1", "https://shop.example/feed.csv") == pinned


async def test_a_row_with_fields_of_a_later_version_is_read(documents: Documents) -> None:
    planned = PlannedRow(Row(number=1, key="mug", attrs={"glaze": "blue"}), {"a.png": "ab"})
    await documents.put_page(TENANT, "b_1", 0, [planned], fence=3)
    await rewrite(documents, "batches/b_1/rows/", "row")
    assert await documents.planned_row(TENANT, "b_1", 0, fence=3) == planned


async def test_what_checks_came_to_with_fields_of_a_later_version_is_read(world: World) -> None:
    await world.lane()
    batch = await world.batch(1)
    (claim,) = await world.claim(1)
    await world.walk(claim, "sent", "spooled", "stored", "done", cost=1, checks={"result": "pass"} | LATER)
    (task,) = await world.tasks.several(await world.look(batch), range(1))
    assert task.checks == Checked(result="pass")


async def test_problems_with_fields_of_a_later_version_are_read(world: World) -> None:
    problem = Problem.at_row(3, "missing_value", "there is none")
    batch = await world.plan({})
    assert await rejected(world.batches, batch, "no", [problem])
    await world.redis.hset(keys.batch(batch.id), "problems", json.dumps([asdict(problem) | LATER]))
    assert (await world.look(batch)).problems == (problem,)


async def test_a_receipt_with_fields_of_a_later_version_is_read(tmp_path: Path) -> None:
    unpack(RELEASES[-1], tmp_path)
    store = FolderStore(tmp_path / "store", threads=1)
    stored = [key async for key in store.list_keys(f"tenants/{TENANT}/batches/")]
    key = next(key for key in stored if "/pictures/" in key and key.endswith(".json"))
    receipt = Receipt.model_validate_json(await store.get_bytes(key))
    later = json.dumps(receipt.model_dump(mode="json") | LATER).encode()
    await store.put_bytes(key, later, media_type="application/json", overwrite=True)

    found = await Documents(store).find_receipt(TENANT, receipt.batch_id, receipt.asset)

    await store.aclose()
    assert found == receipt


async def test_a_plan_with_fields_of_a_later_version_is_read(redis: Redis) -> None:
    plan = plan_of("plan_1")
    made = plan.model_dump(mode="json")
    await redis.set(keys.plan("acme", plan.id), json.dumps(made | LATER | {"cost": made["cost"] | LATER}))

    assert await PlanStore(redis).get("acme", plan.id) == plan
