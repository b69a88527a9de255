"""The heart: one attempt at one task, from a claim to what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from core.clock import Clock
from core.state.lanes import LaneStore, Learned
from core.state.tasks import Moved, TaskStore
from core.storage.store import UnreadableError
from schemas.claim import Claim
from schemas.errors import UnavailableError
from schemas.failure import Charged, Failure, FailureClass
from schemas.image import Answer
from schemas.manifest import OnDoubt, Reuse
from schemas.verdict import RetryIn, Verdict
from workers.admission.feedback import lesson_of
from workers.images.exchange import Client
from workers.keeper import BadPicture, PictureKeeper
from workers.moves import CALLED, UNCALLED, move_of, not_sent
from workers.order import Order
from workers.preparer import Prepared, Preparer
from workers.reporter import Reporter
from workers.retry_policy import MAX_CRASHES, History, decide
from workers.reuser import Reuser
from workers.shelf import Campaign, CampaignShelf
from workers.spool import SpoolFolder

WITHDRAWN_S = 5.0
"""How long a task rests that was not sent because Redis, storage or the disk failed."""

SEND_WITHIN_S = 5.0
"""A permit is good for so long after `sent` was asked for; a process that was frozen longer does not send."""

_log = structlog.get_logger()


@dataclass(slots=True)
class AttemptRunner:
    """Runs attempts. Holds no state of its own; any number may run side by side.

    Args:
        audited: lanes whose provider is asked first whether a doubtful call was charged.
    """

    worker: str
    shelf: CampaignShelf
    preparer: Preparer
    clients: Mapping[str, Client]
    spool: SpoolFolder
    keeper: PictureKeeper
    reuser: Reuser
    tasks: TaskStore
    lanes: LaneStore
    reporter: Reporter
    clock: Clock
    chance: Callable[[], float]
    audited: frozenset[str] = frozenset()

    async def run(self, claim: Claim, start_at_s: float) -> Verdict:
        """One attempt: prepare, wait for the permit, mark as sent, generate into the spool, keep, finish.

        Args:
            start_at_s: when the permit is valid, by the monotonic clock.
        Cancelled: a task not sent yet is found by the rescuer; a sent one is settled from the spool, or parked.
        """
        try:
            campaign = await self.shelf.get(claim.tenant, claim.batch_id)
        except (UnavailableError, OSError) as error:
            return await self._withdraw(claim, error)
        with self.reporter.attempt(claim, campaign):
            return await self._attempt(claim, campaign, start_at_s)

    async def _attempt(self, claim: Claim, campaign: Campaign, start_at_s: float) -> Verdict:
        try:
            with self.reporter.part("prepare"):
                prepared = await self._ready(claim, campaign, start_at_s)
        except (UnavailableError, OSError) as error:
            return await self._withdraw(claim, error)
        if not isinstance(prepared, Prepared):
            return await self._finish(claim, campaign, prepared, sent=None)
        answer = await self._generate(claim, prepared)
        verdict = await self._judge(claim, campaign, prepared, answer)
        return await self._finish(claim, campaign, verdict, sent=prepared.order)

    async def _ready(self, claim: Claim, campaign: Campaign, start_at_s: float) -> Prepared | Verdict:
        """A request that has to leave now, or what becomes of a task that is not sent."""
        try:
            return await self._readied(claim, campaign, start_at_s)
        except UnreadableError as error:
            return self._decide(claim, campaign, await self.preparer.unreadable(claim, error))

    async def _readied(self, claim: Claim, campaign: Campaign, start_at_s: float) -> Prepared | Verdict:
        prepared = await self.preparer.prepare(claim, campaign)
        if isinstance(prepared, Failure):
            return self._decide(claim, campaign, prepared)
        entry = self.spool.entry(claim.batch_id, claim.index, claim.attempt)
        if campaign.manifest.reuse is Reuse.TENANT and (
            kept := await self.reuser.reuse(entry, prepared.order)
        ):
            return kept
        return await self._mark_sent(claim, campaign, prepared, start_at_s) or prepared

    async def _withdraw(self, claim: Claim, error: UnavailableError | OSError) -> Verdict:
        """Redis, storage or the disk failed before anything was sent: the task rests for a moment."""
        _log.warning("attempt.withdrawn", reason=str(error))
        rest: dict[str, Any] = {"delay_us": int(WITHDRAWN_S * 1e6), "unused": "all"}
        await self.keeper.persist(lambda: self._move(claim, "waiting", **rest))
        self.spool.entry(claim.batch_id, claim.index, claim.attempt).remove()
        return RetryIn(WITHDRAWN_S)

    async def _mark_sent(
        self, claim: Claim, campaign: Campaign, prepared: Prepared, start_at_s: float
    ) -> Verdict | None:
        """Writes down durably that the request leaves now; None when it may."""
        entry = self.spool.entry(claim.batch_id, claim.index, claim.attempt)
        await asyncio.to_thread(entry.write_order, prepared.order)
        await self.clock.sleep(max(0.0, start_at_s - self.clock.monotonic()))
        asked_s = self.clock.monotonic()
        late_s, now_ms = asked_s - start_at_s, self.clock.now_ms()
        self.reporter.permitted(claim, campaign, prepared.request, late_s=late_s, now_ms=now_ms)
        reuse = campaign.manifest.reuse
        fingerprint = None if reuse is Reuse.NEVER else prepared.order.fingerprint
        asked = {"model": prepared.request.model, "quality": prepared.request.quality}
        moved = await self._move(claim, "sent", fingerprint=fingerprint, reuse=reuse.value, **asked)
        if moved.asset is not None and not campaign.finishes_alike(claim.index, moved.same_as):
            # A twin has the picture, and this task wants it finished otherwise: its original is taken for $0.
            if kept := await self.reuser.reuse_twin(entry, prepared.order, moved.asset):
                return kept
            await asyncio.to_thread(entry.write_order, prepared.order)  # it is not to be had, so it is bought
            asked_s, moved = self.clock.monotonic(), await self._move(claim, "sent", **asked)
        if moved.status == "ok" and self.clock.monotonic() - asked_s <= SEND_WITHIN_S:
            return None
        entry.remove()
        return not_sent(moved, claim.attempt, prepared.order.likely_usd_micros)

    async def _generate(self, claim: Claim, prepared: Prepared) -> Answer:
        entry = self.spool.entry(claim.batch_id, claim.index, claim.attempt)
        client, request = self.clients[claim.lane], prepared.request
        with self.reporter.call(request, client), self.reporter.holding(claim, request):
            answer = await client.generate(request, into=entry.picture)
            self.reporter.answered(claim, request, answer)
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
            # No answer tells what it cost, so it counts as the most.
            cost = 0 if free else claim.hold_usd_micros
            return self._decide(claim, campaign, answer.outcome, learned, cost=cost)
        entry = self.spool.entry(claim.batch_id, claim.index, claim.attempt)
        delivery = await self.keeper.delivery_of(entry, answer.outcome, answer.latency_s)
        learned = await self._learn(claim, answer)
        with self.reporter.part("store"):
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
        is_asked = failure.failure_class is FailureClass.DOUBTFUL and claim.lane in self.audited
        on_doubt = OnDoubt.PARK if is_asked else campaign.manifest.spend.on_doubt
        history = History(sends, claim.attempt, on_doubt, self.chance(), streak)
        return decide(failure, history, cost_usd_micros=cost)

    async def _finish(
        self, claim: Claim, campaign: Campaign, verdict: Verdict, *, sent: Order | None
    ) -> Verdict:
        """Writes down what becomes of the task, in one move; then the spool may forget the attempt.

        A worker that was taken for lost comes back with what its call cost; its verdict is too late where the task is to
        be made again, or was.
        """
        cell = campaign.expansion.cell(claim.index)
        move = move_of(verdict, campaign, cell, sent=sent is not None)
        if move is not None:
            move |= {"attempt": claim.attempt, "from_state": CALLED if sent else UNCALLED}
            await self.keeper.persist(lambda: self._move(claim, **move))
            if sent and move.get("cost"):  # where the move has posted it, this posts nothing
                await self.keeper.post_surplus(sent, cost=move["cost"])
        self.spool.entry(claim.batch_id, claim.index, claim.attempt).remove()
        self.reporter.ended(claim, campaign, cell, verdict, now_ms=self.clock.now_ms())
        return verdict

    async def put_aside(self, claim: Claim, reason: str) -> None:
        """After an error of our own: parked if the request may have left, else tried again, a few times."""
        message = f"An error in the worker: {reason}."
        doubt = Failure.of(FailureClass.DOUBTFUL, message).as_kept()
        parked = await self.keeper.persist(lambda: self._move(claim, "parked", failure=doubt))
        if parked.status != "illegal":
            return
        move: dict[str, Any] = {"to": "waiting", "delay_us": int(WITHDRAWN_S * 1e6), "from_state": "claimed"}
        if claim.crashes + 1 >= MAX_CRASHES:
            poison = Failure.of(FailureClass.POISON, message).as_kept()
            lost = await self.keeper.persist(
                lambda: self.shelf.lost_with(claim.tenant, claim.batch_id, claim.index)
            )
            move |= {"to": "failed", "failure": poison, "fail": lost}
        await self.keeper.persist(lambda: self._move(claim, **move, unused="all", crash=True))
        self.spool.entry(claim.batch_id, claim.index, claim.attempt).remove()

    async def _move(self, claim: Claim, to: str, **facts: Any) -> Moved:
        return await self.tasks.move(
            batch=claim.batch_id, index=claim.index, fence=claim.fence, to=to, worker=self.worker, **facts
        )
