"""The service, asked over HTTP without a socket, on a real Redis and a folder; the planner's part is played by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx

from core.documents import PlannedRow
from core.settings import load_settings
from schemas.batch import Batch
from schemas.catalog import Row
from service.app import build
from service.equipment import Equipment
from tests.plans import plan_of, planned
from tests.state.world import Block, World, flows_of

KEY = "the-key-of-these-tests"
NOW_MS = 1_795_248_000_000  # 2026-11-21T08:00:00Z

MANIFEST: dict[str, Any] = {
    "name": "autumn",
    "catalog": {"rows": [{"sku": "a", "title": "Shirt"}, {"sku": "b", "title": "Hat"}], "key": "sku"},
    "image": {"model": "gpt-image-2", "quality": "low"},
    "templates": {"hero": {"prompt": "A photo of {{ row.title }}, {{ variant.season.light }}."}},
    "variants": {"season": {"spring": {"light": "soft light"}, "autumn": {"light": "golden light"}}},
}
"""Two rows in two variants: four tasks."""


class HandClock:
    """Stands still until somebody sleeps; `on_sleep` is what happens meanwhile."""

    def __init__(self) -> None:
        self.slept_s = 0.0
        self.on_sleep: Callable[[], Awaitable[object]] | None = None

    def now_ms(self) -> int:
        return NOW_MS + int(self.slept_s * 1000)

    def monotonic(self) -> float:
        return self.slept_s

    async def sleep(self, delay_s: float) -> None:
        self.slept_s += delay_s
        if self.on_sleep is not None:
            await self.on_sleep()


@dataclass
class Service:
    """A running service, and what is behind it."""

    client: httpx.AsyncClient
    desk: Equipment
    clock: HandClock
    world: World

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await self.client.request(method, path, **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.ask("GET", path, **options)

    async def submit(self, manifest: Any = MANIFEST, **options: Any) -> httpx.Response:
        return await self.ask("POST", "/v1/batches", json=manifest, **options)

    async def batch(self, manifest: dict[str, Any] = MANIFEST) -> Batch:
        """A batch in planning."""
        answer = await self.submit(manifest)
        assert answer.status_code == 202, answer.text
        return await self.desk.batches.get("default", answer.json()["id"])

    async def running(self, manifest: dict[str, Any] = MANIFEST) -> Batch:
        """A batch whose plan was accepted, with its rows where the planner puts them."""
        batch = await self.batch(manifest)
        titles = [row["title"] for row in manifest["catalog"]["rows"]]
        rows = [Row(number=10 * place, key=f"row-{place}", title=t) for place, t in enumerate(titles, 1)]
        return await self.opened(batch, rows, 2 * len(rows), estimated_usd_micros=40_000)

    async def opened(self, batch: Batch, rows: Sequence[Row], total: int, **figures: Any) -> Batch:
        """A batch in planning is started with these rows, and so many tasks on `lane`."""
        fence = await self.desk.batches.take_plan(batch.id)
        page = [PlannedRow(row, {}) for row in rows]
        await self.desk.documents.put_page(batch.tenant, batch.id, 0, page, fence=fence)
        flows = flows_of({"lane": [Block(total)]})
        made = planned(batch, flows, fence=fence, total=total, rows=len(rows), **figures)
        assert await self.desk.batches.start(made, plan_of(batch.plan_id))
        await self.world.lane()
        return await self.desk.batches.get(batch.tenant, batch.id)


@asynccontextmanager
async def serving(
    redis_url: str, folder: Path, *, storage: Mapping[str, str] | None = None, **own: Any
) -> AsyncIterator[Service]:
    """A service, started; `own` are its settings, `storage` those of its storage."""
    settings = load_settings(
        redis={"url": redis_url},
        storage={"url": (folder / "store").as_uri(), **(storage or {})},
        service={"bootstrap_key": KEY, "submit_wait_s": 0, "plan_wait_s": 0, **own},
    )
    clock = HandClock()
    app = build(settings, clock=clock)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://darkroom.test",
            headers={"Authorization": f"Bearer {KEY}"},
        ) as client,
    ):
        desk: Equipment = app.state.equipment
        yield Service(client, desk, clock, World(desk.redis))


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The body of an answer that has to be this problem, whole."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"/problems/{code}"
    assert body["title"]
    assert body["detail"]
    assert unquote(body["instance"]) == answer.request.url.path
    assert body["request_id"] == answer.headers["x-request-id"]
    assert isinstance(body["retryable"], bool)
    assert body["errors_truncated"] in (True, False)
    assert all(set(one) == {"pointer", "code", "detail"} for one in body["errors"])
    return body


def pointers(body: dict[str, Any]) -> set[str]:
    return {one["pointer"] for one in body["errors"]}
