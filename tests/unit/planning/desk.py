"""A planner on a real store and a real Redis, and the manifests it is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from redis.asyncio import Redis

from core.clock import SystemClock
from core.documents import Documents, PlannedRow
from core.lane_settings import LaneSettings
from core.queue import PlanJob
from core.record import PlannedBatch
from core.settings import BudgetSettings, ServiceSettings, Settings, StorageSettings
from core.state import keys
from core.state.batches import BatchStore, NewBatch
from core.state.connection import command
from core.state.lanes import LaneStore
from core.state.plans import PlanStore
from core.storage.opening import open_store
from core.storage.store import ObjectStore
from schemas.batch import Batch
from schemas.manifest_check import check_manifest
from schemas.plan import Plan
from schemas.pricing import micros
from workers.catalogs.reading import CatalogLimits
from workers.fetching.fetcher import Fetcher
from workers.planning.planner import Planner
from workers.planning.source import SourceOpener

TENANT = "acme"
CSV = "sku,title,color\na,Chair,red\nb,Table,\nc,كنبة,blue\n"
PNG = b"\x89PNG\r\n\x1a\n"
"""What a picture begins with; a plan looks no further."""

BATCH, PLAN = f"batch_{'0' * 26}", f"plan_{'0' * 26}"


def catalog(rows: int) -> str:
    """A table of so many rows."""
    return "sku,title\n" + "".join(f"sku-{number},Chair {number}\n" for number in range(rows))


def manifest(**fields: Any) -> dict[str, Any]:
    """A small manifest as a producer writes it, with other parts."""
    return {
        "name": "n",
        "catalog": {"source": "products.csv"},
        "image": {"model": "gpt-image-2", "quality": "low"},
        "templates": {"hero": {"prompt": "A picture of {{ row.title }}"}},
        **fields,
    }


def made_settings(folder: Path, **fields: Any) -> Settings:
    """Settings with a lane of plain limits, one to an upscaler and a budget, unless `fields` say otherwise."""
    given: dict[str, Any] = {
        "storage": StorageSettings(url=(folder / "store").as_uri()),
        "lanes": {
            "main": LaneSettings(api_key="key", images_per_minute=10),
            "upscaler": LaneSettings.model_validate({"adapter": "stability", "api_key": "key"}),
        },
        "budgets": BudgetSettings(tenant_month_usd="1000"),
        "service": ServiceSettings(),
    }
    return Settings(**(given | fields))


@dataclass
class Desk:
    """Where manifests are handed in and planned, without a worker process."""

    folder: Path
    redis: Redis
    documents: Documents
    fetcher: Fetcher

    @classmethod
    def at(cls, folder: Path, redis: Redis) -> Desk:
        settings = made_settings(folder)
        store = open_store(settings.storage.url, endpoint_url=None, threads=4)
        return cls(folder, redis, Documents(store), Fetcher(settings.fetch))

    async def aclose(self) -> None:
        await self.fetcher.aclose()
        await self.documents.store.aclose()

    async def upload(self, name: str, content: str | bytes) -> None:
        path = self.folder / "upload"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        await self.documents.put_upload(TENANT, name, path)

    def planner(self, **settings: Any) -> Planner:
        made = made_settings(self.folder, **settings)
        return Planner(
            documents=self.documents,
            batches=BatchStore(self.redis),
            plans=PlanStore(self.redis),
            lanes=LaneStore(self.redis),
            opener=SourceOpener(self.documents, self.fetcher, made.fetch, CatalogLimits()),
            settings=made,
            clock=SystemClock(),
        )

    async def make(self, job: PlanJob, planner: Planner | None = None) -> Plan | None:
        """Takes the plan of the batch that waits for it, and makes it."""
        fence = await BatchStore(self.redis).take_plan(BATCH)
        assert fence
        return await (planner or self.planner()).plan(job, fence=fence)

    async def plan(self, data: dict[str, Any], **settings: Any) -> Plan:
        """A dry run."""
        await self.documents.put_manifest(TENANT, PLAN, check_manifest(data))
        plan = await self.planner(**settings).plan(PlanJob(PLAN, TENANT, None), fence=0)
        assert plan is not None
        kept = await PlanStore(self.redis).get(TENANT, PLAN)
        assert kept == plan.model_copy(update={"prompts": ()})
        assert await self.documents.find_prompts(TENANT, plan) == list(plan.prompts)
        return plan

    async def shelve(self, data: dict[str, Any], *, expects: str | None = None) -> PlanJob:
        """A batch on the shelf, as the service puts it there, and the job to plan it.

        Args:
            expects: digest that its plan must have.
        """
        checked = check_manifest(data)
        await self.documents.put_manifest(TENANT, BATCH, checked)
        cap = checked.spend.cap_usd
        new = NewBatch(
            id=BATCH,
            tenant=TENANT,
            name=checked.name,
            priority=checked.priority,
            metadata=checked.metadata,
            plan_id=PLAN,
            cap_usd_micros=None if cap is None else micros(cap),
            on_doubt=checked.spend.on_doubt.value,
            reuse=checked.reuse.value,
            deadline_ms=None,
            created_at_ms=1,
            expects=expects,
        )
        await BatchStore(self.redis).create(new)
        return PlanJob(PLAN, TENANT, BATCH)

    async def submit(self, data: dict[str, Any], **settings: Any) -> tuple[Plan, Batch]:
        """A batch that has been planned, and its plan."""
        plan = await self.make(await self.shelve(data), self.planner(**settings))
        assert plan is not None
        return plan, await BatchStore(self.redis).get(TENANT, BATCH)

    async def is_idle(self) -> bool:
        """Whether no lane has work and nothing is held."""
        flows = [key async for key in self.redis.scan_iter(match="*:flow:*")]
        held = await command(self.redis, "HGET", keys.batch(BATCH), "held")
        return not flows and not int(held or 0)

    def page(self, number: int) -> list[Any]:
        """The lines of one page file of the batch."""
        path = (
            self.folder / "store" / "tenants" / TENANT / "batches" / BATCH / "rows/1" / f"{number:06d}.jsonl"
        )
        return [orjson.loads(line) for line in path.read_bytes().split(b"\n")]


class Frozen(Documents):
    """Of a planner that is frozen just before it writes a document, until something else has been done."""

    def __init__(self, store: ObjectStore, step: str, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__(store)
        self._step, self._meanwhile = step, meanwhile

    async def _freeze(self, step: str) -> None:
        if step == self._step:
            await self._meanwhile()

    async def put_page(
        self, tenant: str, batch_id: str, page: int, rows: Sequence[PlannedRow], *, fence: int
    ) -> None:
        await self._freeze("page")
        await super().put_page(tenant, batch_id, page, rows, fence=fence)

    async def put_prompts(self, tenant: str, plan: Plan) -> None:
        await self._freeze("prompts")
        await super().put_prompts(tenant, plan)

    async def put_planned(self, planned: PlannedBatch) -> None:
        await self._freeze("planned")
        await super().put_planned(planned)


def said(plan: Plan) -> dict[str, str]:
    """Place -> what is said there."""
    return {problem.pointer: problem.detail for problem in plan.errors}
