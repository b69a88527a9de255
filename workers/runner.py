"""The heart: one attempt at one task, from a claim to what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from core.clock import Clock
from core.state.lanes import LaneStore, Learned
from core.state.tasks import Moved, TaskStore
from core.telemetry.metrics import Metrics
from schemas.claim import Claim
from schemas.errors import UnavailableError
from schemas.expansion import Cell
from schemas.failure import Charged, Failure, FailureClass
from schemas.image import Answer
from schemas.manifest import Reuse
from schemas.verdict import Done, GiveUp, Lost, Park, Release, RetryIn, Skip, Verdict
from workers.admission.feedback import lesson_of
from workers.images.client import ImagesClient
from workers.keeper import BadPicture, PictureKeeper
from workers.preparer import Prepared, Preparer
from workers.retry_policy import MAX_CRASHES, History, decide
from workers.shelf import Campaign, CampaignShelf
from workers.spool import SpoolFolder

TWIN_WAIT_S, TWIN_WAIT_CAP_S = 5.0, 60.0
"""How long a task waits for its twin at first, and at most: twice as long each time, for untouched tasks to go first."""

WITHDRAWN_S = 5.0
"""How long a task rests that was not sent because Redis, storage or the disk failed."""

SEND_WITHIN_S = 5.0
"""A permit is good for so long after `sent` was asked for; a process that was frozen longer does not send."""

_log = structlog.get_logger()


@dataclass(slots=True)
class AttemptRunner:
    """Runs attempts. Holds no state of its own; any number may run side by side."""

    worker: str
    shelf: CampaignShelf
    preparer: Preparer
    clients: Mapping[str, ImagesClient]
    spool: SpoolFolder
    keeper: PictureKeeper
    tasks: TaskStore
    lanes: LaneStore
    metrics: Metrics
    clock: Clock
    chance: Callable[[], float]

    async def run(self, claim: Claim, start_at_s: float) -> Verdict:
        """One attempt: prepare, wait for the permit, mark as sent, generate into the spool, keep, finish.

        Args:
            start_at_s: when the permit is valid, by the monotonic clock.
        Cancelled: a task not sent yet is found by the rescuer; a sent one is settled from the spool, or parked.
        """
        try:
            campaign = await self.shelf.get(claim.tenant, claim.batch_id)
            prepared = await self._ready(claim, campaign, start_at_s)
        except (UnavailableError, OSError) as error:
            return await self._withdraw(claim, error)
        if not isinstance(prepared, Prepared):
            return await self._finish(claim, campaign, prepared, sent=False)
        answer = await self._generate(claim, prepared)
        verdict = await self._judge(claim, campaign, prepared, answer)
        return await self._finish(claim, campaign, verdict, sent=True)

    async def _ready(self, claim: Claim, campaign: Campaign, start_at_s: float) -> Prepared | Verdict:
        """A request that has to leave now, or what becomes of a task that is not sent."""
        prepared = await self.preparer.prepare(claim, campaign)
        if isinstance(prepared, Failure):
            return self._decide(claim, campaign, prepared)
        reused = None if campaign.manifest.reuse is Reuse.NEVER else prepared.order.fingerprint
        return await self._mark_sent(claim, prepared, reused, start_at_s) or prepared

    async def _withdraw(self, claim: Claim, error: UnavailableError | OSError) -> Verdict:
        """Redis, storage or the disk failed before anything was sent: the task rests for a moment."""
        _log.warning("attempt.withdrawn", reason=str(error))
        rest: dict[str, Any] = {"delay_us": int(WITHDRAWN_S * 1e6), "unused": "all"}
        await self.keeper.persist(lambda: self._move(claim, "waiting", **rest))
        self.spool.entry(claim.batch_id, claim.index, claim.attempt).remove()
        return RetryIn(WITHDRAWN_S)

    async def _mark_sent(
        self, claim: Claim, prepared: Prepared, fingerprint: str | None, start_at_s: float
    ) -> Verdict | None:
        """Writes down durably that the request leaves now; None when it may."""
        entry = self.spool.entry(claim.batch_id, claim.index, claim.attempt)
        await asyncio.to_thread(entry.write_order, prepared.order)
        await self.clock.sleep(max(0.0, start_at_s - self.clock.monotonic()))
        asked_s = self.clock.monotonic()
        moved = await self._move(claim, "sent", fingerprint=fingerprint)
        if moved.status == "ok" and self.clock.monotonic() - asked_s <= SEND_WITHIN_S:
            return None
        entry.remove()
        return _not_sent(moved, claim.attempt)

    async def _generate(self, claim: Claim, prepared: Prepared) -> Answer:
        entry = self.spool.entry(claim.batch_id, claim.index, claim.attempt)
        answer = await self.clients[claim.lane].generate(prepared.request, into=entry.picture)
        labels = (claim.lane, prepared.request.model, prepared.request.operation)
        outcome = answer.outcome.failure_class.value if isinstance(answer.outcome, Failure) else "ok"
        self.metrics.attempts.labels(*labels, outcome).inc()
        self.metrics.call_seconds.labels(*labels).observe(answer.latency_s)
        return answer

    async def _learn(self, claim: Claim, answer: Answer) -> Learned:
        """Teaches the lane; a lesson lost is learnt from the next answer, a picture is not."""
        lesson = lesson_of(answer)
        if lesson.is_empty:
            return Learned()
        try:
            return await self.lanes.learn(claim.lane, lesson, attempt_id=claim.attempt_id)
        except UnavailableError as error:
            _log.warning("lesson.lost", reason=error.detail)
            return Learned()

    async def _judge(self, claim: Claim, campaign: Campaign, prepared: Prepared, answer: Answer) -> Verdict:
        """What the answer means for the task; a good picture is stored, and its task ended, here.

        What a picture cost is written down before anything else is done with its answer.
        """
        if isinstance(answer.outcome, Failure):
            learned = await self._learn(claim, answer)
            free = answer.outcome.charged is Charged.NO
            cost = (
                0 if free else prepared.order.likely_usd_micros
            )  # what may have been charged counts as spent
            return self._decide(claim, campaign, answer.outcome, learned, cost=cost)
        entry = self.spool.entry(claim.batch_id, claim.index, claim.attempt)
        delivery = await self.keeper.delivery_of(entry, answer.outcome, answer.latency_s)
        learned = await self._learn(claim, answer)
        kept = await self.keeper.keep(entry, prepared.order, delivery)
        if isinstance(kept, BadPicture):
            return self._decide(claim, campaign, kept.failure, learned, cost=kept.cost_usd_micros)
        return kept

    def _decide(
        self,
        claim: Claim,
        campaign: Campaign,
        failure: Failure,
        learned: Learned | None = None,
        *,
        cost: int = 0,
    ) -> Verdict:
        """`learned`: what the answer to the request taught; None when no request was sent."""
        sends, streak = (claim.sends + 1, learned.streak) if learned else (claim.sends, 0)
        on_doubt = campaign.manifest.spend.on_doubt
        history = History(sends, claim.attempt, on_doubt, self.chance(), streak)
        return decide(failure, history, cost_usd_micros=cost)

    async def _finish(self, claim: Claim, campaign: Campaign, verdict: Verdict, *, sent: bool) -> Verdict:
        """Writes down what becomes of the task, in one move; then the spool may forget the attempt."""
        cell = campaign.expansion.cell(claim.index)
        move = _move_of(verdict, campaign, cell, sent=sent)
        if move is not None:
            moved = await self.keeper.persist(lambda: self._move(claim, attempt=claim.attempt, **move))
            if moved.status != "ok" and move.get("cost"):
                await self.keeper.post_surplus(claim.batch_id, claim.index, claim.attempt, cost=move["cost"])
        self.spool.entry(claim.batch_id, claim.index, claim.attempt).remove()
        self._report(claim, campaign, cell, verdict)
        return verdict

    def _report(self, claim: Claim, campaign: Campaign, cell: Cell, verdict: Verdict) -> None:
        name = type(verdict).__name__.lower()
        self.metrics.tasks.labels(name).inc()
        image = campaign.manifest.image_of(cell.template)
        cost = getattr(verdict, "cost_usd_micros", 0)
        self.metrics.cost_usd.labels(claim.lane, image.model, image.quality or "auto").inc(cost / 1e6)
        failure = getattr(verdict, "failure", None)
        facts = {"failure_class": failure.failure_class.value, "reason": failure.message} if failure else {}
        _log.info("attempt.ended", verdict=name, template=cell.template, cost_usd_micros=cost, **facts)

    async def put_aside(self, claim: Claim, reason: str) -> None:
        """After an error of our own: parked if the request may have left, else tried again, a few times."""
        message = f"An error in the worker: {reason}."
        doubt = {"class": FailureClass.DOUBTFUL.value, "message": message, "charged": "unknown"}
        parked = await self.keeper.persist(lambda: self._move(claim, "parked", failure=doubt))
        if parked.status != "illegal":
            return
        move: dict[str, Any] = {"to": "waiting", "delay_us": int(WITHDRAWN_S * 1e6)}
        if claim.crashes + 1 >= MAX_CRASHES:
            poison = {"class": FailureClass.POISON.value, "message": message, "charged": "no"}
            lost = await self.keeper.persist(
                lambda: self.shelf.lost_with(claim.tenant, claim.batch_id, claim.index)
            )
            move = {"to": "failed", "failure": poison, "fail": lost}
        await self.keeper.persist(lambda: self._move(claim, **move, unused="all", crash=True))
        self.spool.entry(claim.batch_id, claim.index, claim.attempt).remove()

    async def _move(self, claim: Claim, to: str, **facts: Any) -> Moved:
        return await self.tasks.move(
            batch=claim.batch_id, index=claim.index, fence=claim.fence, to=to, worker=self.worker, **facts
        )


def _not_sent(moved: Moved, attempt: int) -> Verdict:
    """Why the request does not leave: another task has this picture, or will; the batch ended; the claim is gone."""
    if moved.status == "duplicate" and moved.same_as is not None:
        wait_s = min(TWIN_WAIT_S * 2 ** min(attempt - 1, 10), TWIN_WAIT_CAP_S)
        return Skip(moved.same_as) if moved.state == "done" else RetryIn(wait_s)
    return Lost() if moved.status in ("stale", "illegal") else Release()


def _move_of(verdict: Verdict, campaign: Campaign, cell: Cell, *, sent: bool) -> dict[str, Any] | None:
    """The verdict as a move, if one is left to make; what was never used goes back to the limits."""
    unused = {} if sent else {"unused": "all"}
    match verdict:
        case Skip():
            return {
                "to": "skipped",
                "same_as": verdict.same_as,
                "ready": campaign.ready_after(cell),
                **unused,
            }
        case RetryIn():
            delay_us = int(verdict.delay_s * 1e6)
            spent = {"cost": verdict.cost_usd_micros, "failure": _facts(verdict.failure)}
            return {"to": "waiting", "delay_us": delay_us, **spent, **unused}
        case Release():
            return {"to": "queued", "failure": _facts(verdict.failure), "unused": "images" if sent else "all"}
        case Park():
            return {"to": "parked", "failure": _facts(verdict.failure)}
        case GiveUp():
            lost = campaign.lost_with(cell)
            spent = {"cost": verdict.cost_usd_micros, "failure": _facts(verdict.failure)}
            return {"to": "failed", "fail": lost, **spent, **unused}
        case Done() | Lost():
            return None


def _facts(failure: Failure | None) -> dict[str, Any] | None:
    """A failure as it is kept with the task: what is known, and nothing secret."""
    if failure is None:
        return None
    known = {name: value for name, value in asdict(failure).items() if value not in (None, (), "")}
    return {
        "class": known.pop("failure_class").value,
        **{name: _plain(value) for name, value in known.items()},
    }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
