"""The keeper: from a picture in the spool to a stored one with its receipt. What is paid for is never given up:
every step is repeated until it is done, and all of them can be repeated after a crash."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import structlog

from core.clock import Clock, moment
from core.documents import Documents, picture_key
from core.state.tasks import Moved, TaskStore
from schemas.errors import AlreadyStoredError, UnavailableError
from schemas.failure import Failure
from schemas.image import Generated, ImageFormat
from schemas.verdict import Done, Lost
from workers.order import Delivery, Order, cost_of, receipt_of
from workers.spool import SpoolEntry
from workers.verifier import verify

PRICE_LIST = "schemas/data/prices.toml"
_PATIENCE_S = (0.2, 0.5, 1, 2, 5, 10, 20, 30)
_log = structlog.get_logger()
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BadPicture:
    """Paid for and useless; its bytes are kept in storage under `rejected/`."""

    failure: Failure
    cost_usd_micros: int


class PictureKeeper:
    """Stores pictures.

    Args:
        worker: name of this process; late results move to it.
    """

    def __init__(self, worker: str, *, documents: Documents, tasks: TaskStore, clock: Clock) -> None:
        self._worker = worker
        self._documents = documents
        self._tasks = tasks
        self._clock = clock

    def delivery_of(self, entry: SpoolEntry, picture: Generated, latency_s: float) -> Delivery:
        """Writes down what came back, beside the picture."""
        delivery = Delivery(
            sha256=picture.sha256,
            size_bytes=picture.size_bytes,
            usage=None if picture.usage is None else asdict(picture.usage),
            request_id=picture.request_id,
            latency_s=latency_s,
            created_at=moment(self._clock.now_ms()).isoformat(),
        )
        entry.write_delivery(delivery)
        return delivery

    async def keep(self, entry: SpoolEntry, order: Order, delivery: Delivery) -> Done | BadPicture | Lost:
        """Verifies and stores a picture, and says what it cost.

        A second picture of a task that has one is stored beside it as surplus, and `Lost` is the answer.
        Cancelled: the picture stays in the spool; whoever finds it goes on here.
        """
        fence = await self._announce(order)
        verified = await asyncio.to_thread(verify, entry.picture, order)
        cost, _ = cost_of(order, delivery)
        if isinstance(verified, Failure):
            await self.persist(lambda: self._put_rejected(entry, order))
            return BadPicture(verified, cost)
        asset = await self.persist(lambda: self._put(entry, order, delivery, surplus=fence is None))
        receipt = receipt_of(
            order, delivery, asset=asset, width=verified.width, height=verified.height,
            price_list=PRICE_LIST, surplus=fence is None,
        )  # fmt: skip
        await self.persist(lambda: self._documents.put_receipt(order.tenant, order.batch_id, receipt))
        if fence is None:
            await self.persist(lambda: self._move(order, 0, "surplus", cost=cost))
            return Lost()
        await self.persist(lambda: self._move(order, fence, "stored", asset=asset, sha256=delivery.sha256))
        tokens = None if delivery.usage is None else sum(delivery.usage.values())
        return Done(asset, delivery.sha256, cost, tokens, fence)

    async def _announce(self, order: Order) -> int | None:
        """Moves the task to `spooled`; the fence to go on with, or None when it has a picture already."""
        moved = await self.persist(lambda: self._move(order, order.fence, "spooled"))
        if moved.status == "ok":
            return order.fence
        moved = await self.persist(lambda: self._move(order, order.fence, "spooled", late=True))
        _log.info(
            "result.late", status=moved.status, batch=order.batch_id, task=order.index, attempt=order.attempt
        )
        return moved.fence if moved.status == "ok" else None

    async def _put(self, entry: SpoolEntry, order: Order, delivery: Delivery, *, surplus: bool) -> str:
        """Stores the bytes under the task's key; when something else is there, under the attempt's own."""
        own = f"{order.asset_stem}.attempt-{order.attempt}.{ImageFormat(order.format).extension}"
        for asset in (own,) if surplus else (order.asset_key, own):
            key = picture_key(order.tenant, order.batch_id, asset)
            metadata = {"sha256": delivery.sha256, "attempt": f"{order.index}.{order.attempt}"}
            media_type = ImageFormat(order.format).media_type
            try:
                await self._documents.store.put_file(
                    key, entry.picture, media_type=media_type, metadata=metadata, overwrite=False
                )
            except AlreadyStoredError:
                there = await self._documents.store.stat(key)
                if there is None or there.metadata.get("sha256") != delivery.sha256:
                    continue
            return asset
        raise AlreadyStoredError(
            f"Two different pictures claim to be attempt {order.attempt} of task {order.index}."
        )

    async def _put_rejected(self, entry: SpoolEntry, order: Order) -> None:
        key = f"tenants/{order.tenant}/batches/{order.batch_id}/rejected/{order.index}.{order.attempt}"
        await self._documents.store.put_file(
            key, entry.picture, media_type="application/octet-stream", metadata={}, overwrite=True
        )

    async def _move(self, order: Order, fence: int, to: str, **facts: Any) -> Moved:
        return await self._tasks.move(
            batch=order.batch_id, index=order.index, fence=fence, to=to, worker=self._worker, **facts
        )

    async def persist(self, step: Callable[[], Awaitable[T]]) -> T:
        """Repeats a step for as long as a door is shut."""
        tries = 0
        while True:
            try:
                return await step()
            except UnavailableError as error:
                delay_s = _PATIENCE_S[min(tries, len(_PATIENCE_S) - 1)]
                _log.warning("storing.delayed", retry_in_s=delay_s, reason=error.detail)
                await self._clock.sleep(delay_s)
                tries += 1


def unwitnessed(entry: SpoolEntry) -> Delivery:
    """The delivery of a picture whose process died before it wrote one: no usage, so the price table counts."""
    data = entry.picture.read_bytes()
    modified = datetime.fromtimestamp(entry.picture.stat().st_mtime, UTC)
    return Delivery(hashlib.sha256(data).hexdigest(), len(data), None, None, 0.0, modified.isoformat())
