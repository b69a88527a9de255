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
from workers.verifier import Verified, verify

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

    async def delivery_of(self, entry: SpoolEntry, picture: Generated, latency_s: float) -> Delivery:
        """Writes down what came back, beside the picture; a disk that does not take it does not cost the picture."""
        delivery = Delivery(
            sha256=picture.sha256,
            size_bytes=picture.size_bytes,
            usage=None if picture.usage is None else asdict(picture.usage),
            request_id=picture.request_id,
            latency_s=latency_s,
            created_at=moment(self._clock.now_ms()).isoformat(),
        )
        try:
            await asyncio.to_thread(entry.write_delivery, delivery)
        except OSError as error:
            _log.warning("delivery.unwritten", reason=str(error))
        return delivery

    async def keep(self, entry: SpoolEntry, order: Order, delivery: Delivery) -> Done | BadPicture | Lost:
        """Verifies and stores a picture, and ends its task with it.

        A picture of a task that has another one is stored beside it as surplus, and `Lost` is the answer. A task that
        was taken from us meanwhile is taken back: what is paid for counts, whoever holds the lease.
        Cancelled: the picture stays in the spool; whoever finds it goes on here.
        """
        verified = await asyncio.to_thread(verify, entry.picture, order)
        cost, _ = cost_of(order, delivery)
        if isinstance(verified, Failure):
            await self.persist(lambda: self._put_rejected(entry, order))
            return BadPicture(verified, cost)
        while (moved := await self._announce(order)).status == "ok":
            asset = await self._store(entry, order, delivery, verified, surplus=False)
            if await self._end(order, moved.fence or order.fence, delivery, asset=asset, cost=cost):
                return Done(asset, delivery.sha256, cost)
        if moved.asset is not None and await self._is_of(order, moved.asset):
            return Done(
                moved.asset, delivery.sha256, cost
            )  # whoever ended it died before the spool forgot it
        await self._store(entry, order, delivery, verified, surplus=True)
        await self.post_surplus(order.batch_id, order.index, order.attempt, cost=cost)
        return Lost()

    async def post_surplus(self, batch_id: str, index: int, attempt: int, *, cost: int) -> None:
        """Adds what an attempt cost to what was spent, where its task will not: it is not ours any more."""
        move: dict[str, Any] = {
            "batch": batch_id, "index": index, "fence": 0, "to": "surplus", "worker": self._worker
        }  # fmt: skip
        await self.persist(lambda: self._tasks.move(**move, attempt=attempt, cost=cost))

    async def _announce(self, order: Order) -> Moved:
        """Moves the task to `spooled`; anything but ok says that it has a picture, or will have another one."""
        moved = await self.persist(lambda: self._move(order, order.fence, "spooled"))
        if moved.status == "ok":
            return moved
        if (moved.status, moved.state) == ("illegal", "stored"):  # by somebody who died before the end
            return Moved("ok")
        moved = await self.persist(lambda: self._move(order, order.fence, "spooled", late=True))
        _log.info(
            "result.late", status=moved.status, batch=order.batch_id, task=order.index, attempt=order.attempt
        )
        return moved

    async def _is_of(self, order: Order, asset: str) -> bool:
        """Whether a stored picture is that of this very attempt."""
        receipt = await self.persist(
            lambda: self._documents.find_receipt(order.tenant, order.batch_id, asset)
        )
        return receipt is not None and receipt.attempt == order.attempt

    async def _store(
        self, entry: SpoolEntry, order: Order, delivery: Delivery, verified: Verified, *, surplus: bool
    ) -> str:
        """Stores the picture, then its receipt; the key it got."""
        asset = await self.persist(lambda: self._put(entry, order, delivery, surplus=surplus))
        receipt = receipt_of(
            order, delivery, asset=asset, width=verified.width, height=verified.height,
            price_list=PRICE_LIST, surplus=surplus,
        )  # fmt: skip
        await self.persist(lambda: self._documents.put_receipt(order.tenant, order.batch_id, receipt))
        return asset

    async def _end(self, order: Order, fence: int, delivery: Delivery, *, asset: str, cost: int) -> bool:
        """Moves the task to its end, in one write; False when somebody took it away before."""
        tokens = None if delivery.usage is None else sum(delivery.usage.values())

        async def end() -> Moved:
            stored = self._move(order, fence, "stored", asset=asset, sha256=delivery.sha256)
            spent = {"attempt": order.attempt, "cost": cost, "tokens": tokens}
            done = self._move(order, fence, "done", **spent, ready=order.ready)
            return (await asyncio.gather(stored, done))[1]

        return (await self.persist(end)).status == "ok"

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
