"""The keeper: from a picture in the spool to a stored one with its receipt. What is paid for is never given up:
every step is repeated until it is done, and all of them can be repeated after a crash."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from core.clock import Clock, moment
from core.documents import Documents, owned_key
from core.state.tasks import Moved, TaskStore
from core.storage.store import UnreadableError
from schemas.asset import Receipt
from schemas.errors import UnavailableError
from schemas.failure import Failure
from schemas.image import Generated
from schemas.rendition import checked
from schemas.verdict import Done, Lost
from workers.order import Delivery, Order, cost_of
from workers.patience import Patience
from workers.spool import SpoolEntry
from workers.storer import Stored, Storer
from workers.verifier import verify

_log = structlog.get_logger()


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

    def __init__(
        self,
        worker: str,
        *,
        documents: Documents,
        tasks: TaskStore,
        storer: Storer,
        patience: Patience,
        clock: Clock,
    ) -> None:
        self._worker = worker
        self._documents = documents
        self._tasks = tasks
        self._storer = storer
        self.persist = patience.persist
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
        stored: Stored | None = None
        while (moved := await self._announce(order)).status == "ok":
            stored = await self._storer.store(entry, order, delivery, verified, surplus=False)
            if await self._end(order, moved.fence or order.fence, delivery, stored, cost):
                return _done(order, delivery, stored, cost)
        own = None if moved.asset is None else await self._own_receipt(order, moved.asset)
        if own is not None:  # whoever ended it died before the spool forgot it
            return Done(own.asset, own.sha256, cost)
        if stored is None or moved.asset is not None:  # else Redis was lost behind the store, which has it
            await self._storer.store(entry, order, delivery, verified, surplus=True)
        await self.post_surplus(order, cost=cost)
        return Lost()

    async def post_surplus(self, order: Order, *, cost: int) -> None:
        """Adds what an attempt cost to what was spent, where its task will not: it is not ours any more."""
        paid = {"attempt": order.attempt, "cost": cost, "lane": order.lane, **_asked(order)}
        await self.persist(lambda: self._move(order, 0, "surplus", **paid))

    async def _announce(self, order: Order) -> Moved:
        """Moves the task to `spooled`; anything but ok says that it has a picture, or will have another one."""
        moved = await self.persist(lambda: self._move(order, order.fence, "spooled"))
        if moved.status == "ok":
            return moved
        if (moved.status, moved.state) == ("illegal", "stored"):  # by somebody who died before the end
            return Moved("ok")
        moved = await self.persist(lambda: self._announce_late(order))
        _log.info(
            "result.late", status=moved.status, batch=order.batch_id, task=order.index, attempt=order.attempt
        )
        return moved

    async def _announce_late(self, order: Order) -> Moved:
        """
        Raises:
            UnavailableError: a picture of the task is being stored; by somebody who died, it may be this very one.
        """
        late = {"late": True, "attempt": order.attempt, **_asked(order)}
        moved = await self._move(order, order.fence, "spooled", **late)
        if moved.status == "illegal" and moved.state in ("spooled", "stored"):
            raise UnavailableError("Another picture of its task is being stored; this one waits for that.")
        return moved

    async def _own_receipt(self, order: Order, asset: str) -> Receipt | None:
        """The receipt of a stored picture, if it is that of this very attempt. Where it alone cannot be read this picture is
        kept beside the other: an attempt is posted once in any case. Storage that gives out nothing at all is waited for."""

        async def find() -> Receipt | None:
            try:
                return await self._documents.find_receipt(order.tenant, order.batch_id, asset)
            except UnreadableError as error:
                await self._documents.store.check()
                _log.warning("receipt.unreadable", batch=order.batch_id, asset=asset, reason=error.detail)
            except ValueError:
                _log.warning("receipt.damaged", batch=order.batch_id, asset=asset)
            return None

        receipt = await self.persist(find)
        return receipt if receipt is not None and receipt.attempt == order.attempt else None

    async def _end(self, order: Order, fence: int, delivery: Delivery, stored: Stored, cost: int) -> bool:
        """Moves the task to its end; False when somebody took it away before."""
        tokens = None if delivery.usage is None else sum(delivery.usage.values())
        facts: dict[str, Any] = {
            **self._about(order, fence),
            "asset": stored.asset,
            "sha256": stored.sha256,
            "checks": checked(stored.checks),
            "attempt": order.attempt,
            "cost": cost,
            "tokens": tokens,
            "ready": order.ready,
        }
        if delivery.reused_from is not None:
            facts |= {"unused": "all", "reused": True}
        return (await self.persist(lambda: self._tasks.finish(**facts))).status == "ok"

    async def _put_rejected(self, entry: SpoolEntry, order: Order) -> None:
        key = owned_key(order.tenant, order.batch_id, f"rejected/{order.index}.{order.attempt}")
        await self._documents.store.put_file(
            key, entry.picture, media_type="application/octet-stream", metadata={}, overwrite=True
        )

    async def _move(self, order: Order, fence: int, to: str, **facts: Any) -> Moved:
        return await self._tasks.move(to=to, **self._about(order, fence), **facts)

    def _about(self, order: Order, fence: int) -> dict[str, Any]:
        return {"batch": order.batch_id, "index": order.index, "fence": fence, "worker": self._worker}


def _asked(order: Order) -> dict[str, Any]:
    """What its money is counted by."""
    return {"model": order.model, "quality": order.parameters.get("quality", "auto")}


def _done(order: Order, delivery: Delivery, stored: Stored, cost: int) -> Done:
    avoided = 0 if delivery.reused_from is None else order.likely_usd_micros
    checks = tuple((stored.preset or "none", check.rule, check.result) for check in stored.checks)
    return Done(stored.asset, stored.sha256, cost, avoided, checks)


def unwitnessed(entry: SpoolEntry) -> Delivery:
    """The delivery of a picture whose process died before it wrote one: no usage, so the price table counts."""
    data = entry.picture.read_bytes()
    modified = datetime.fromtimestamp(entry.picture.stat().st_mtime, UTC)
    return Delivery(hashlib.sha256(data).hexdigest(), len(data), None, None, 0.0, modified.isoformat())
