"""The reuser: a picture that the tenant has already takes the place of a call, and costs nothing."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import structlog

from core.clock import Clock, moment
from core.documents import Documents, Print, owned_key
from schemas.errors import NotFoundError
from schemas.verdict import Done, Lost
from workers.keeper import BadPicture, PictureKeeper
from workers.order import Delivery, Order
from workers.spool import SpoolEntry

_log = structlog.get_logger()


class Reuser:
    """Looks for pictures by their fingerprint."""

    def __init__(self, documents: Documents, keeper: PictureKeeper, clock: Clock) -> None:
        self._documents = documents
        self._keeper = keeper
        self._clock = clock

    async def reuse(self, entry: SpoolEntry, order: Order) -> Done | Lost | None:
        """Takes the tenant's latest original of the same fingerprint; None when there is none.

        Raises:
            UnavailableError, OSError: storage or the disk does not answer; nothing has changed.
        """
        found = await self._documents.find_print(order.tenant, order.fingerprint)
        return None if found is None else await self._take(entry, order, found)

    async def reuse_twin(self, entry: SpoolEntry, order: Order, asset: str) -> Done | Lost | None:
        """Takes the original of another picture of the same batch; None when it is not there, or nobody can tell where it
        is. Raises as `reuse` does."""
        try:
            receipt = await self._documents.find_receipt(order.tenant, order.batch_id, asset)
        except ValueError:
            _log.warning("receipt.damaged", batch=order.batch_id, asset=asset)
            return None
        if receipt is None or receipt.original is None:
            return None
        found = Print(order.batch_id, asset, receipt.original.key, receipt.original.sha256)
        return await self._take(entry, order, found)

    async def _take(self, entry: SpoolEntry, order: Order, found: Print) -> Done | Lost | None:
        """Stores an original as this task's own, finished by its own plan, with its own receipt.

        It stands in the spool as an answer would, last of all: whoever finds it there knows that it cost nothing.
        """
        part = entry.picture.with_name(f"{entry.picture.name}.part")
        try:
            await self._documents.store.get_file(
                owned_key(order.tenant, found.batch_id, found.original), part
            )
        except NotFoundError:
            return None
        size_bytes = await asyncio.to_thread(_size_of, part, found.sha256)
        source = f"{found.batch_id}/{found.asset}"
        if size_bytes is None:
            _log.warning("reuse.refused", source=source)
            return None
        created_at = moment(self._clock.now_ms()).isoformat()
        delivery = Delivery(found.sha256, size_bytes, None, None, 0.0, created_at, reused_from=source)
        await asyncio.to_thread(entry.write_order, order)
        await asyncio.to_thread(entry.write_delivery, delivery)
        part.replace(entry.picture)
        kept = await self._keeper.keep(entry, order, delivery)
        if isinstance(kept, BadPicture):
            entry.remove()  # else it would stand in the spool for the answer to the call that is made now
            return None
        return kept


def _size_of(picture: Path, sha256: str) -> int | None:
    """Its bytes, or None when it is not the picture that the fingerprint stands for."""
    data = picture.read_bytes()
    return len(data) if hashlib.sha256(data).hexdigest() == sha256 else None
