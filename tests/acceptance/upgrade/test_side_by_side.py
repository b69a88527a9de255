"""While an upgrade lasts, and after it was taken back, what the later version wrote is read by the one before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from core.documents import Documents
from core.state import keys
from core.state.plans import PlanStore
from core.storage.folder import FolderStore
from schemas.asset import Receipt
from tests.acceptance.http.stage import plan_of
from tests.acceptance.upgrade.leftovers import unpack
from tests.acceptance.upgrade.test_upgrade import RELEASES
from tests.studio import TENANT

LATER: dict[str, Any] = {"of_a_later_version": {"what": 1}}


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
