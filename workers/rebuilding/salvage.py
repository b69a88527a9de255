"""Salvage: what storage still knows of a batch, put together from its receipts, pictures and task records."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from core.documents import Documents, owned_key
from core.record import PlannedBatch, TaskRecord
from core.state.actions import hold_of
from core.state.restoring import Paid, RestoredTask
from schemas.asset import Receipt
from schemas.failure import Charged, Failure, FailureClass
from schemas.pricing import micros
from schemas.rendition import Checked, checked
from schemas.task import ENDED, TaskState

_AT_ONCE = 256
_RECEIPT = ".json"


@dataclass(frozen=True, slots=True)
class _Picture:
    """Of a receipt, what a task needs."""

    asset: str
    attempt: int
    cost: int
    at: int
    sha256: str
    fingerprint: str
    checks: Checked | None
    surplus: bool
    reused: bool


@dataclass(slots=True)
class Salvage:
    """What was found.

    Args:
        damaged: receipts that cannot be read, and pictures without one, by their place in storage.
    """

    tasks: list[RestoredTask] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    @property
    def spent_usd_micros(self) -> int:
        return sum(paid.cost for task in self.tasks for paid in (*task.paid, *task.surplus))


class Surveyor:
    """Reads what there is of one batch, receipts side by side."""

    def __init__(self, documents: Documents, planned: PlannedBatch) -> None:
        self._documents = documents
        self._planned = planned
        self._pictures: defaultdict[int, list[_Picture]] = defaultdict(list)
        self._orphans: dict[int, tuple[int, str]] = {}
        self._described: set[str] = set()
        self._unread: set[str] = set()
        self._damaged: list[str] = []

    async def survey(self) -> Salvage:
        """
        Raises:
            ValueError: task records cannot be read, so that it is not known what is in doubt.
            UnavailableError: storage does not answer.
        """
        tenant, batch_id = self._planned.tenant, self._planned.id
        names = {name async for name in self._documents.picture_keys(tenant, batch_id)}
        assets = sorted(name.removesuffix(_RECEIPT) for name in names if name.endswith(_RECEIPT))
        for start in range(0, len(assets), _AT_ONCE):
            await asyncio.gather(*(self._read(asset) for asset in assets[start : start + _AT_ONCE]))
        originals = {name async for name in self._documents.original_keys(tenant, batch_id)}
        alone = sorted(originals - self._described)
        for start in range(0, len(alone), _AT_ONCE):
            await asyncio.gather(*(self._identify(name) for name in alone[start : start + _AT_ONCE]))
        records = {record.index: record for record in await self._documents.records(tenant, batch_id)}
        return Salvage(list(self._tasks(records)), self._damaged)

    async def _read(self, asset: str) -> None:
        """Takes up a receipt, if it can be read and is about a task of this batch."""
        tenant, batch_id = self._planned.tenant, self._planned.id
        try:
            receipt = await self._documents.find_receipt(tenant, batch_id, asset)
        except ValueError:
            receipt = None
        if receipt is None or not self._is_ours(receipt):
            self._damaged.append(self._documents.picture_url(tenant, batch_id, asset) + _RECEIPT)
            self._unread.add(asset.rpartition(".")[0])
            return
        if receipt.original is not None:
            self._described.add(receipt.original.key)
        self._pictures[receipt.task].append(_picture(receipt))

    def _is_ours(self, receipt: Receipt) -> bool:
        return receipt.batch_id == self._planned.id and 0 <= receipt.task < self._planned.total

    async def _identify(self, original: str) -> None:
        """A picture whose receipt is not there or damaged says itself which attempt made it."""
        tenant, batch_id = self._planned.tenant, self._planned.id
        there = await self._documents.store.stat(owned_key(tenant, batch_id, original))
        index, _, attempt = (there.metadata.get("attempt", "") if there else "").partition(".")
        if not (index.isdecimal() and attempt.isdecimal() and int(index) < self._planned.total):
            return
        if int(index) not in self._pictures:
            self._orphans[int(index)] = (int(attempt), original)

    def _tasks(self, records: dict[int, TaskRecord]) -> Iterator[RestoredTask]:
        for index in sorted({*self._pictures, *self._orphans, *records}):
            record = records.get(index)
            if index in self._pictures:
                yield _done(index, self._pictures[index], record)
            elif record is not None and _is_decided(record):
                yield _as_recorded(record)
            elif index in self._orphans:
                yield self._in_doubt(index, *self._orphans[index], record)
            elif record is not None:
                yield _as_recorded(record)

    def _in_doubt(self, index: int, attempt: int, original: str, record: TaskRecord | None) -> RestoredTask:
        """Paid for sure: it is not made again unless somebody says so; the spool of its worker may bring the receipt."""
        place = self._documents.store.url(owned_key(self._planned.tenant, self._planned.id, original))
        if original.removeprefix("originals/").rpartition(".")[0] not in self._unread:
            self._damaged.append(place)
        message = f"Its picture is stored, but no receipt that can be read: {place}."
        failure = Failure.of(FailureClass.DOUBTFUL, message, charged=Charged.YES).as_kept()
        blocks = [block for flow in self._planned.flows for block in flow["blocks"]]
        return RestoredTask(
            index=index,
            state=TaskState.PARKED,
            attempt=attempt,
            fence=attempt,
            sends=1,
            at=self._planned.started_at_ms,
            hold=hold_of(blocks, index),
            doubt=TaskState.STORED.value,
            failure=failure,
            paid=_paid(record, {}, self._planned.started_at_ms),
        )


def _picture(receipt: Receipt) -> _Picture:
    return _Picture(
        asset=receipt.asset,
        attempt=receipt.attempt,
        cost=micros(receipt.cost_usd),
        at=int(receipt.created_at.timestamp() * 1000),
        sha256=receipt.sha256,
        fingerprint=receipt.fingerprint,
        checks=checked(receipt.checks),
        surplus=receipt.surplus,
        reused=receipt.reused_from is not None,
    )


def _done(index: int, pictures: Sequence[_Picture], record: TaskRecord | None) -> RestoredTask:
    """The picture is the first that was stored under the task's own key, or else the first; others are surplus, also
    what was stored beside because Redis was gone when it came."""
    own, *others = sorted(pictures, key=lambda picture: (picture.surplus, picture.at))
    beside = {picture.attempt for picture in others}
    earlier = {
        attempt: cost for attempt, cost in (record.paid if record else {}).items() if attempt not in beside
    }
    return RestoredTask(
        index=index,
        state=TaskState.DONE,
        attempt=max(own.attempt, record.attempt if record else 0),
        fence=max(own.attempt, record.fence if record else 0),
        sends=max(len(pictures), record.sends if record else 0),
        crashes=record.crashes if record else 0,
        at=own.at,
        asset=own.asset,
        sha256=own.sha256,
        checks=own.checks.model_dump(exclude_defaults=True) if own.checks else None,
        fingerprint=own.fingerprint,
        reused=own.reused,
        paid=_paid(None, {**earlier, own.attempt: own.cost}, own.at),
        surplus=tuple(Paid(picture.attempt, picture.cost, picture.at) for picture in others),
    )


def _is_decided(record: TaskRecord) -> bool:
    """It ended without a picture, or its doubt has its money; a picture without a receipt says no more."""
    is_doubt = record.state is TaskState.PARKED and record.hold_usd_micros > 0
    return is_doubt or record.state in ENDED - {TaskState.DONE}


def _as_recorded(record: TaskRecord) -> RestoredTask:
    is_kept = record.state in ENDED - {TaskState.DONE} or record.state is TaskState.PARKED
    return RestoredTask(
        index=record.index,
        state=record.state if is_kept else TaskState.QUEUED,
        attempt=record.attempt,
        fence=record.fence,
        sends=record.sends,
        crashes=record.crashes,
        at=record.at_ms,
        hold=record.hold_usd_micros if record.state is TaskState.PARKED else 0,
        claim_fence=record.claim_fence,
        lane=record.lane,
        doubt=record.doubt,
        same_as=record.same_as,
        failure=record.failure,
        paid=_paid(record, {}, record.at_ms),
    )


def _paid(record: TaskRecord | None, more: dict[int, int], at: int) -> tuple[Paid, ...]:
    costs = {**(record.paid if record else {}), **more}
    return tuple(Paid(attempt, cost, at) for attempt, cost in sorted(costs.items()))
