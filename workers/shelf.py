"""Manifests of running batches, kept in memory: read once per process, used by every attempt of the batch."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

import structlog

from core.documents import Documents
from core.state.batches import BatchStore
from schemas.errors import DarkroomError, UnavailableError
from schemas.expansion import Cell, Expansion
from schemas.finish_plan import FinishPlan
from schemas.manifest import Manifest
from schemas.upscaling import finish_of

_KEPT = 64
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Campaign:
    """A running batch as its workers know it: the manifest without its catalog, its expansion, its traceparent, and the
    fence of the plan that its rows are of."""

    manifest: Manifest
    expansion: Expansion
    started_at_ms: int = 0
    trace: str | None = None
    rows_fence: int = 0

    def ready_after(self, cell: Cell) -> list[int]:
        """Children that can start once `cell` is done."""
        return list(self.expansion.children_of(cell))

    def finishes_alike(self, index: int, other: int | None) -> bool:
        """Whether two tasks that have the same original make the same picture of it; so it is without another one."""
        if other is None:
            return True
        cells = (self.expansion.cell(index), self.expansion.cell(other))
        return cells[0].size == cells[1].size or len(set(map(self.finish_of, cells))) == 1

    def finish_of(self, cell: Cell) -> FinishPlan:
        """How the picture of a cell is finished."""
        return finish_of(self.manifest, cell.template, cell.size)

    def lost_with(self, cell: Cell) -> list[int]:
        """Tasks that cannot be made when `cell` fails."""
        return list(self.expansion.descendants_of(cell))


class CampaignShelf:
    """The campaigns that were used last."""

    def __init__(self, documents: Documents, batches: BatchStore) -> None:
        self._documents = documents
        self._batches = batches
        self._kept: OrderedDict[str, asyncio.Task[Campaign]] = OrderedDict()

    async def get(self, tenant: str, batch_id: str) -> Campaign:
        """The campaign of a started batch.

        Raises:
            NotFoundError, UnavailableError: it cannot be read.
        """
        if batch_id not in self._kept:
            self._kept[batch_id] = asyncio.create_task(self._read(tenant, batch_id))
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(batch_id)
        try:
            return await asyncio.shield(self._kept[batch_id])
        except Exception:
            self._kept.pop(batch_id, None)
            raise

    async def lost_with(self, tenant: str, batch_id: str, index: int) -> list[int]:
        """Tasks that cannot be made when task `index` fails; none when its manifest is not there or cannot be used.

        Raises:
            UnavailableError: storage or Redis does not answer.
        """
        try:
            campaign = await self.get(tenant, batch_id)
            return campaign.lost_with(campaign.expansion.cell(index))
        except UnavailableError:
            raise
        except (DarkroomError, ValueError, LookupError) as error:
            _log.warning("campaign.unusable", batch=batch_id, reason=type(error).__name__)
            return []

    async def _read(self, tenant: str, batch_id: str) -> Campaign:
        batch = await self._batches.get(tenant, batch_id)
        manifest = await self._documents.get_manifest(tenant, batch_id)
        manifest = manifest.model_copy(update={"catalog": None})  # its rows are paged, and may be many
        expansion, started_at_ms = Expansion(manifest, batch.rows), batch.started_at_ms or 0
        return Campaign(manifest, expansion, started_at_ms, batch.trace, batch.rows_fence)
