"""A studio: Redis, simulators, storage and workers around one folder, submitted to as the service does it."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from core.documents import Documents, picture_key
from core.queue import JobQueue, PlanJob
from core.state import keys
from core.state.batches import BatchStore, NewBatch
from core.state.connection import command, connect, connect_for_jobs
from core.state.lanes import LaneStore
from core.state.overview import overview
from core.state.tasks import TaskStore
from core.storage.opening import open_store
from schemas.asset import Receipt
from schemas.batch import ENDED, Batch
from schemas.errors import UnavailableError
from schemas.ids import new_id
from schemas.manifest_check import check_manifest
from schemas.pricing import micros
from schemas.task import Task
from tests.processes import RedisServer, Simulator, Worker

T = TypeVar("T")

TENANT = "acme"
MODEL = "gpt-image-2.6-flare"
WITHIN_S = 180.0
"""Longest wait for anything; what is waited for comes in seconds on a machine that has nothing else to do."""


@dataclass(frozen=True)
class Books:
    """What became of a batch's tasks and money, in the words of the provider's ledger and ours.

    lost: acknowledged tasks that are in no final state. duplicated: tasks that were charged more than once.
    charged counts what the ledger calls unknown, too. Money in micro-dollars.
    """

    acknowledged: int
    done: int
    lost: int
    duplicated: int
    charged: int
    settled: int
    held: int
    surplus: int
    unaccounted: int

    def __add__(self, other: Books) -> Books:
        """The books of several batches."""
        return Books(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    def __str__(self) -> str:
        names = [each.name for each in fields(self)]
        wide = [max(len(name), 9) for name in names]
        rows = (names, [f"{value:,}" for value in astuple(self)])
        return "\n".join("  ".join(map(str.rjust, row, wide)) for row in rows)


@dataclass(frozen=True)
class Place:
    """What the processes of a test are told: where everything is.

    Args:
        lanes: simulators by the name of their lane.
        more: further settings of the workers.
    """

    folder: Path
    redis: RedisServer
    lanes: Mapping[str, Simulator]
    storage_url: str | None = None
    endpoint_url: str | None = None
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def storage(self) -> str:
        return self.storage_url or (self.folder / "store").as_uri()

    def settings(self) -> dict[str, str]:
        """The environment of a worker; leases are short, so that tests are."""
        settings = {
            "DARKROOM_REDIS__URL": self.redis.url,
            "DARKROOM_STORAGE__URL": self.storage,
            "DARKROOM_SPOOL__DIR": str(self.folder / "spool"),
            "DARKROOM_SPOOL__MIN_FREE_BYTES": "1000000",
            "DARKROOM_BUDGETS__TENANT_MONTH_USD": "1000",
            "DARKROOM_WORKER__LEASE_S": "3",
            "DARKROOM_WORKER__RENEW_S": "0.5",
            "DARKROOM_WORKER__RESCUE_EVERY_S": "0.5",
            "DARKROOM_WORKER__DRAIN_S": "30",
        }
        if self.endpoint_url is not None:
            settings["DARKROOM_STORAGE__ENDPOINT_URL"] = self.endpoint_url
        for name, simulator in self.lanes.items():
            lane = f"DARKROOM_LANES__{name.upper()}__"
            settings |= {f"{lane}BASE_URL": f"{simulator.url}/v1", f"{lane}API_KEY": f"key-of-{name}"}
        return settings | dict(self.more)


class Studio:
    """The producer's and the operator's end of a place. Closing it ends every worker that it started."""

    def __init__(self, place: Place) -> None:
        self.place = place
        store = open_store(place.storage, endpoint_url=place.endpoint_url, threads=4)
        self.documents = Documents(store)
        self.client = connect(place.redis.url)
        self.batches, self.tasks = BatchStore(self.client), TaskStore(self.client)
        self._ending = ExitStack()
        self._queue: JobQueue | None = None
        self.workers: list[Worker] = []
        self._tenants: dict[str, str] = {}

    async def aclose(self) -> None:
        self._ending.close()
        if self._queue is not None:
            await self._queue.aclose()
        await self.client.aclose()
        await self.documents.store.aclose()

    def worker(self, *words: str, **settings: str) -> Worker:
        """Starts a worker; `words` replace its command line, `settings` are further variables."""
        log = self.place.folder / f"worker-{len(self.workers) + 1}-{os.urandom(3).hex()}.log"
        worker = Worker(log, {**self.place.settings(), **settings}, *words)
        self._ending.callback(worker.kill)
        self.workers.append(worker)
        return worker

    async def limit_slots(self, count: int) -> None:
        """At most so many calls in flight on the lane `east`, over all workers."""
        await command(self.client, "HSET", keys.lane("east"), "max_concurrency", count)

    async def paused_for(self, lane: str) -> str | None:
        """Why a lane is paused."""
        lanes = {found.name: found for found in (await overview(self.client)).lanes}
        return lanes[lane].paused_for

    async def replay(self, batch_id: str, index: int) -> None:
        """Puts a parked task back into the queue, as an operator does who takes it for not charged."""
        fence = int(await command(self.client, "HGET", keys.task(batch_id, index), "fence"))
        moved = await self.tasks.move(
            batch=batch_id, index=index, fence=fence, to="queued", worker="operator"
        )
        assert moved.status == "ok"

    async def lose_rows(self, batch_id: str) -> None:
        """Takes a batch's rows out of storage, which no worker expects."""
        prefix = f"tenants/{TENANT}/batches/{batch_id}/rows/"
        for key in [key async for key in self.documents.store.list_keys(prefix)]:
            await self.documents.store.delete(key)

    async def hurry(self, batch_id: str, lane: str) -> None:
        """What is due later is due now."""
        due = f"{keys.batch(batch_id)}:due:{lane}"
        for member in await self.client.zrange(due, 0, -1):
            await self.client.zadd(due, {member: 0}, xx=True)
        await self.client.zadd(f"{keys.lane(lane)}:asleep", {batch_id: 0}, xx=True)

    async def forget(self) -> None:
        """Empties Redis and the ledgers, for the next test with the same processes."""
        await self.client.flushall()
        for name, simulator in self.place.lanes.items():
            simulator.clear()
            await LaneStore(self.client).configure(name, limits={}, max_concurrency=1000)

    async def submit(
        self, manifest: Mapping[str, Any], uploads: Mapping[str, Path] | None = None, *, tenant: str = TENANT
    ) -> str:
        """Hands in a manifest as the service does; the id of its batch."""
        checked, now_ms = check_manifest(dict(manifest)), time.time_ns() // 1_000_000
        batch_id = new_id("batch", now_ms=now_ms, random_bytes=os.urandom(10))
        for name, path in (uploads or {}).items():
            await self.documents.put_upload(tenant, name, path)
        await self.documents.put_manifest(tenant, batch_id, checked)
        cap, deadline = checked.spend.cap_usd, checked.deadline
        await self.batches.create(
            NewBatch(
                id=batch_id,
                tenant=tenant,
                name=checked.name,
                priority=checked.priority,
                metadata={},
                plan_id=f"plan_{batch_id.removeprefix('batch_')}",
                cap_usd_micros=micros(cap) if cap else None,
                on_doubt=checked.spend.on_doubt.value,
                reuse=checked.reuse.value,
                deadline_ms=int(deadline.timestamp() * 1000) if deadline else None,
                created_at_ms=now_ms,
            )
        )
        self._queue = self._queue or JobQueue(connect_for_jobs(self.place.redis.url))
        await self._queue.enqueue_plan(PlanJob(f"plan_{batch_id.removeprefix('batch_')}", tenant, batch_id))
        self._tenants[batch_id] = tenant
        return batch_id

    async def batch(self, batch_id: str) -> Batch:
        return await self.batches.get(self._tenants.get(batch_id, TENANT), batch_id)

    async def task_list(self, batch_id: str) -> list[Task]:
        return (await self.tasks.page(await self.batch(batch_id), start=0, limit=100_000))[0]

    async def ended(self, batch_id: str, within_s: float = WITHIN_S) -> Batch:
        """Waits until nothing of the batch is left to run."""
        return await self.until(batch_id, lambda batch: batch.state in ENDED, within_s)

    async def until(self, batch_id: str, is_so: Callable[[Batch], bool], within_s: float = WITHIN_S) -> Batch:
        """Waits until the batch stands as asked."""

        async def look() -> Batch | None:
            batch = await self.batch(batch_id)
            return batch if is_so(batch) else None

        return await eventually(look, within_s)

    async def picture(self, batch_id: str, task: Task) -> bytes:
        """The stored bytes of a task."""
        assert task.asset_key is not None
        return await self.documents.store.get_bytes(picture_key(TENANT, batch_id, task.asset_key))

    async def receipt(self, batch_id: str, task: Task) -> Receipt:
        assert task.asset_key is not None
        found = await self.documents.find_receipt(TENANT, batch_id, task.asset_key)
        assert found is not None
        return found

    async def receipts(self, batch_id: str) -> list[Receipt]:
        """Every receipt of a batch, those of surplus pictures included."""
        stored = [key for key in await self.keys(batch_id, "pictures") if key.endswith(".json")]
        found = [
            await self.documents.find_receipt(TENANT, batch_id, key.removesuffix(".json")) for key in stored
        ]
        return [receipt for receipt in found if receipt is not None]

    async def keys(self, batch_id: str, shelf: str) -> list[str]:
        """Names of what is stored of a batch under `pictures` or `rejected`."""
        prefix = f"tenants/{TENANT}/batches/{batch_id}/{shelf}/"
        return [key.removeprefix(prefix) async for key in self.documents.store.list_keys(prefix)]

    def calls(self, batch_id: str) -> list[dict[str, Any]]:
        """What the ledgers say of a batch."""
        return [call for simulator in self.place.lanes.values() for call in simulator.calls(batch_id)]

    async def books(self, batch_id: str) -> Books:
        """Compares our books with the ledgers; printed, so that a failure shows them."""
        batch, calls = await self.batch(batch_id), self.calls(batch_id)
        final = sum(batch.counts[name] for name in ("done", "failed", "parked", "skipped", "cancelled"))
        paid = Counter(call["client_request_id"].split(":")[1] for call in calls if call["charged"])
        charged = sum(call["cost_usd_micros"] for call in calls if call["charged"])
        surplus = int(await command(self.client, "HGET", keys.batch(batch_id), "surplus_usd_micros") or 0)
        books = Books(
            acknowledged=batch.counts["total"],
            done=batch.counts["done"],
            lost=batch.counts["total"] - final,
            duplicated=sum(count > 1 for count in paid.values()),
            charged=charged,
            settled=batch.spent_usd_micros - surplus,
            held=batch.held_usd_micros,
            surplus=surplus,
            unaccounted=max(0, charged - batch.spent_usd_micros - batch.held_usd_micros),
        )
        print(f"\n{books}")
        return books


async def eventually(look: Callable[[], Awaitable[T | None]], within_s: float = WITHIN_S) -> T:
    """Looks until there is something to see. Redis may be away in the meantime."""
    found, end_s = None, time.monotonic() + within_s
    while not found:
        assert time.monotonic() < end_s, f"it did not happen within {within_s:.0f} s"
        await asyncio.sleep(0.05)
        with suppress(UnavailableError):
            found = await look()
    return found


def manifest(*titles: str, **changes: Any) -> dict[str, Any]:
    """One small picture for each title; `changes` replace fields of the manifest."""
    rows = [{"id": f"row-{place}", "title": title} for place, title in enumerate(titles)]
    return {
        "darkroom": 1,
        "name": "a test",
        "catalog": {"rows": rows, "key": "id"},
        "image": {"model": MODEL, "quality": "low", "format": "jpeg"},
        "templates": {"hero": {"prompt": "A photo of {{ row.title }}."}},
        "sizes": ["1024x1024"],
        **changes,
    }


def numbered(count: int) -> list[str]:
    return [f"product {number}" for number in range(count)]
