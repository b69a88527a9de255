"""The shelver: puts the tasks of batches that ended long ago into storage and takes them out of Redis."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import structlog

from core.clock import Clock
from core.documents import Documents
from core.state.batches import BatchStore
from core.state.shelving import ShelvingStore, parts_of
from schemas.batch import Batch
from schemas.errors import NotFoundError, UnavailableError

_DAY_MS = 24 * 3600 * 1000

_log = structlog.get_logger()


class Shelver:
    """Repeats its rounds; each is safe to repeat and safe beside other shelvers."""

    def __init__(
        self,
        *,
        worker: str,
        shelving: ShelvingStore,
        batches: BatchStore,
        documents: Documents,
        keep_days: int,
        clock: Clock,
    ) -> None:
        self._worker = worker
        self._shelving = shelving
        self._batches = batches
        self._documents = documents
        self._keep_days = keep_days
        self._clock = clock

    async def put_away(self) -> int:
        """Puts away what is due, if it is this worker's turn. How many batches that were.

        One that cannot be put away does not hold up the others; it is found again at the next turn.

        Raises:
            UnavailableError: storage or Redis does not answer; the next turn, which is soon, goes on.
        """
        if not await self._shelving.is_my_turn(self._worker):
            return 0
        before_ms = self._clock.now_ms() - self._keep_days * _DAY_MS
        due = self._shelving.due(before_ms=before_ms)
        try:
            return sum([await self._put_away(batch_id, before_ms) async for batch_id in due])
        except UnavailableError:
            with suppress(UnavailableError):  # where Redis is away, the turn ends by itself
                await self._shelving.cut_short()
            raise

    async def _put_away(self, batch_id: str, before_ms: int) -> bool:
        try:
            return await self._shelved(batch_id, before_ms)
        except UnavailableError:
            raise
        except Exception:
            _log.exception("shelving.stuck", batch=batch_id)
        return False

    async def _shelved(self, batch_id: str, before_ms: int) -> bool:
        """Storage first. Another shelver writes under another name: it may read what this one drops already."""
        batch = await self._found(batch_id)
        if batch is None:
            return False
        token = batch.put_away or await self._stored(batch)
        if token is None:
            return False
        await self._clear(batch, token)
        await self._shelving.again(batch, token, before_ms=before_ms)
        if not await self._shelving.drop(batch, token):
            return False
        _log.info("batch.put_away", batch=batch_id, tasks=batch.counts["total"])
        return True

    async def _stored(self, batch: Batch) -> str | None:
        """Under which name storage has the tasks now; None when what was read does not count."""
        times_back = await self._shelving.times_back(batch)
        name = f"{self._worker} {batch.version} {times_back}"
        token = hashlib.sha256(name.encode()).hexdigest()[:16]
        for part in range(parts_of(batch)):
            kept = await self._shelving.read(batch, part)
            await self._documents.put_ended(batch.tenant, batch.id, token, part, kept)
        return token if await self._shelving.put_away(batch, token, times_back=times_back) else None

    async def _clear(self, batch: Batch, token: str) -> None:
        """Removes what there is under other names: all of it had come back, or was never whole. Before the last task is
        dropped, after which nobody looks at the batch.

        What is found while the batch is away under this name will never be asked for: whoever wrote it read a batch that had
        not come back since, and is refused. So it is looked for first, and then whether the batch is away still.
        """
        others = await self._documents.ended_keys(batch.tenant, batch.id, but=token)
        found = await self._batches.get(batch.tenant, batch.id)
        for key in others if found.put_away == token else ():
            await self._documents.store.delete(key)

    async def _found(self, batch_id: str) -> Batch | None:
        """One that is not at rest stays: its parked tasks may move at any time."""
        tenant = await self._batches.owner_of(batch_id)
        try:
            batch = await self._batches.get(tenant or "", batch_id)
        except NotFoundError:
            return None
        return None if batch.counts["parked"] or batch.held_usd_micros else batch
