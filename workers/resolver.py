"""The resolver: finds out what became of calls that may have been charged, and ends the doubt about them.

What it asks, in this order: the spool (the rescuer stores what is there), the receipt in storage, the provider's usage
report, the batch's `on_doubt`. Each doubt is looked at by one worker at a time; looking at it twice does no harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from core.documents import Documents
from core.settings import Settings
from core.state.doubts import Doubt, DoubtStore, Settled
from core.state.tasks import Moved, TaskStore
from core.telemetry.metrics import WorkerMetrics
from schemas.asset import Receipt
from schemas.errors import DarkroomError, UnavailableError
from schemas.failure import Charged
from schemas.image import ImageFormat
from schemas.pricing import micros
from schemas.rendering import cell_values, output_key, row_values
from schemas.rendition import checked
from schemas.task import TaskState
from workers.doubt_policy import Known, resolve
from workers.shelf import Campaign, CampaignShelf
from workers.usage.client import UsageReport
from workers.usage.evidence import first_minute, span_of

PART = 200
"""Doubts in one look."""

_SAYS = {
    Charged.YES: "The provider's usage report says that the call was charged; its picture never came.",
    Charged.NO: "The provider's usage report says that the call was not charged; it was sent often enough.",
}
_log = structlog.get_logger()


class Resolver:
    """Repeats its round; safe beside those of other workers."""

    def __init__(
        self,
        *,
        worker: str,
        doubts: DoubtStore,
        tasks: TaskStore,
        shelf: CampaignShelf,
        documents: Documents,
        reports: Mapping[str, UsageReport],
        settings: Settings,
        metrics: WorkerMetrics,
    ) -> None:
        self._worker = worker
        self._doubts = doubts
        self._tasks = tasks
        self._shelf = shelf
        self._documents = documents
        self._reports = reports
        self._settings = settings
        self._metrics = metrics

    async def resolve(self) -> int:
        """Looks at the doubts that are due. How many of them are resolved.

        One that cannot be looked at does not hold up the others; it is due again in a moment.
        """
        again_ms = int(self._settings.worker.rescue_every_s * 1000)
        due, now_ms = await self._doubts.due(limit=PART, again_ms=again_ms)
        evidence = await self._evidence_of(due, now_ms)
        return sum([await self._resolved(doubt, evidence[doubt], now_ms) for doubt in due])

    async def _resolved(self, doubt: Doubt, charged: Charged, now_ms: int) -> bool:
        try:
            return await self._by_receipt(doubt) or await self._by_policy(doubt, charged, now_ms)
        except UnavailableError as error:
            _log.warning("doubt.delayed", batch=doubt.batch_id, task=doubt.index, reason=error.detail)
        except Exception:
            _log.exception("doubt.stuck", batch=doubt.batch_id, task=doubt.index)
        return False

    # The receipt

    async def _by_receipt(self, doubt: Doubt) -> bool:
        """Ends a task whose picture is stored and whose end was never written down."""
        try:
            campaign = await self._shelf.get(doubt.tenant, doubt.batch_id)
            receipt = await self._find_receipt(doubt, campaign)
        except UnavailableError:
            raise
        except (DarkroomError, ValueError, LookupError) as error:
            _log.warning("campaign.unusable", batch=doubt.batch_id, reason=type(error).__name__)
            return False
        if receipt is None or not await self._end(doubt, campaign, receipt):
            return False
        self._report(doubt, by="receipt", charged=Charged.YES, to=TaskState.DONE)
        return True

    async def _find_receipt(self, doubt: Doubt, campaign: Campaign) -> Receipt | None:
        """The receipt of this very attempt, under any of the names its picture can have: what a preset encodes may have
        changed since."""
        cell = campaign.expansion.cell(doubt.index)
        row = await self._documents.planned_row(
            doubt.tenant, doubt.batch_id, cell.row, fence=campaign.rows_fence
        )
        stem = output_key(campaign.manifest, cell_values(campaign.manifest, cell, row_values(row.row)))
        stems = (stem, f"{stem}.attempt-{doubt.attempt}")
        for asset in (f"{name}.{kind.extension}" for name in stems for kind in ImageFormat):
            found = await self._documents.find_receipt(doubt.tenant, doubt.batch_id, asset)
            if found is not None and (found.task, found.attempt) == (doubt.index, doubt.attempt):
                return found
        return None

    async def _end(self, doubt: Doubt, campaign: Campaign, receipt: Receipt) -> bool:
        """Moves the task to its end; False when somebody else has hold of it."""
        spooled = await self._move(
            doubt, TaskState.SPOOLED, fence=doubt.fence, late=True, attempt=doubt.attempt
        )
        if spooled.status != "ok":
            return False
        done = await self._tasks.finish(
            batch=doubt.batch_id,
            index=doubt.index,
            fence=spooled.fence or doubt.fence,
            worker=self._worker,
            asset=receipt.asset,
            sha256=receipt.sha256,
            checks=checked(receipt.checks),
            attempt=receipt.attempt,
            cost=micros(receipt.cost_usd),
            tokens=None if receipt.usage is None else sum(receipt.usage.values()),
            ready=campaign.ready_after(campaign.expansion.cell(doubt.index)),
        )
        return done.status == "ok"

    # The usage report

    async def _evidence_of(self, due: list[Doubt], now_ms: int) -> dict[Doubt, Charged]:
        """What the reports say, asked before anything is settled: that would change what they are compared with."""
        return {doubt: await self._evidence(doubt, now_ms) for doubt in due}

    async def _evidence(self, doubt: Doubt, now_ms: int) -> Charged:
        report, deadline_s = self._reports.get(doubt.lane), self._settings.worker.call_deadline_s
        if report is None or doubt.was != TaskState.SENT or now_ms < doubt.since_ms + deadline_s * 1000:
            return Charged.UNKNOWN
        try:
            return await self._compared(doubt, report, now_ms)
        except UnavailableError as error:
            _log.warning("report.missing", lane=doubt.lane, reason=error.detail)
            return Charged.UNKNOWN

    async def _compared(self, doubt: Doubt, report: UsageReport, now_ms: int) -> Charged:
        """Unknown as well when a call of this span began or ended while the report was asked for."""
        deadline_s = self._settings.worker.call_deadline_s
        lag_ms = self._settings.lanes[doubt.lane].usage_lag_s * 1000
        first, last = first_minute(doubt.since_ms, deadline_s), now_ms // 60_000
        before = await self._doubts.minutes(doubt.lane, first, last)
        span = span_of(before, doubt.since_ms, now_ms, deadline_s=deadline_s)
        if span is None or now_ms < span.ended_ms + lag_ms:
            return Charged.UNKNOWN
        images = await report.images(span.first, span.end)
        after = await self._doubts.minutes(doubt.lane, first, last)
        is_same = span_of(after, doubt.since_ms, now_ms, deadline_s=deadline_s) == span
        return span.verdict(images) if is_same else Charged.UNKNOWN

    # The batch

    async def _by_policy(self, doubt: Doubt, charged: Charged, now_ms: int) -> bool:
        """Settles the doubt by what is known of it; False when it is too early."""
        resolution = resolve(self._known(doubt, charged, now_ms))
        if resolution is None:
            return False
        says = _SAYS.get(resolution.charged)
        settled = await self._doubts.settle(
            doubt, charged=resolution.charged, again=resolution.again, says=says
        )
        if settled is not Settled.STALE:
            by = "on_doubt" if resolution.charged is Charged.UNKNOWN else "report"
            to = TaskState.QUEUED if settled is Settled.QUEUE else TaskState.PARKED
            self._report(doubt, by=by, charged=resolution.charged, to=to)
        return True

    def _known(self, doubt: Doubt, charged: Charged, now_ms: int) -> Known:
        lane = self._settings.lanes.get(doubt.lane)
        return Known(
            has_left=doubt.was == TaskState.SENT,
            age_s=(now_ms - doubt.since_ms) / 1000,
            deadline_s=self._settings.worker.call_deadline_s,
            report_lag_s=lane.usage_lag_s if lane is not None and doubt.lane in self._reports else None,
            charged=charged,
            sends=doubt.sends,
            on_doubt=doubt.on_doubt,
        )

    async def _move(self, doubt: Doubt, to: TaskState, **facts: Any) -> Moved:
        return await self._tasks.move(
            batch=doubt.batch_id, index=doubt.index, to=to.value, worker=self._worker, **facts
        )

    def _report(self, doubt: Doubt, *, by: str, charged: Charged, to: TaskState) -> None:
        self._metrics.doubts_resolved.labels(to.value).inc()
        _log.info(
            "doubt.resolved",
            batch=doubt.batch_id,
            task=doubt.index,
            attempt=doubt.attempt,
            lane=doubt.lane,
            by=by,
            charged=charged.value,
            to=to.value,
        )
