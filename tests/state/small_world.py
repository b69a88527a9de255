"""A world small enough to be gone through as a whole: two workers, a provider, a disk and storage around a real Redis.

What happens in Redis is done by the real scripts. Everything else is a value, `Now`, so that a moment can be gone back
to. The steps follow `workers/runner.py`, `workers/keeper.py`, `workers/rescuer.py` and the resolver, and stop wherever
those wait for somebody: between any two of them a process may die, freeze, or be overtaken. It allows more than can
happen: a frozen process sends however late it is, and a doubt is resolved while its answer may still come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from core.state import keys
from core.state.doubts import DoubtStore, Settled
from core.state.scripts import Scripts
from core.state.tasks import Moved
from schemas.failure import Charged, Failure, FailureClass
from schemas.manifest import OnDoubt
from schemas.task import TaskState
from schemas.verdict import GiveUp, Park, RetryIn
from tests.state.snapshots import View
from tests.state.world import World
from workers.doubt_policy import Known, resolve
from workers.moves import CALLED
from workers.retry_policy import MAX_CRASHES, History, decide

PRICE = 10
"""Of every picture: what is held for it, and what it costs."""
LEASE_MS = 10**15


@dataclass(frozen=True, slots=True)
class Limits:
    """How many accidents may happen.

    Args:
        troubles: free refusals of the provider, useless pictures, and requests that were marked as sent and then not sent.
    """

    crashes: int
    expiries: int
    troubles: int


@dataclass(frozen=True, slots=True)
class Call:
    """A request at the provider, until its answer was heard or its caller is gone."""

    caller: str
    index: int
    attempt: int
    is_charged: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """A whole picture in the spool folder of `owner`, with its order."""

    owner: str
    index: int
    attempt: int
    fence: int


@dataclass(frozen=True, slots=True)
class Hands:
    """What a process has in memory.

    Args:
        step: what it does next, a method of `SmallWorld`.
        fence: of the order; `held_fence` is that of a late result.
        owner: whose spool the picture is in.
        known: the state of a lost claim, or the picture that a task has already.
        sends, crashes: as they were when it was claimed or found.
    """

    step: str
    index: int
    fence: int
    attempt: int
    owner: str
    sends: int = 0
    crashes: int = 0
    held_fence: int = 0
    known: str = ""


@dataclass(frozen=True, slots=True)
class Now:
    """Everything outside of Redis.

    Args:
        lives: how often each process was started before.
        stored: pictures in storage, as (task, attempt, whether under the key of the task).
        charged: what the provider charged, as (task, attempt).
        doubted: attempts whose price was posted because they may have been charged.
    """

    lives: tuple[int, int] = (0, 0)
    hands: tuple[Hands | None, Hands | None] = (None, None)
    calls: frozenset[Call] = frozenset()
    spool: frozenset[Entry] = frozenset()
    stored: frozenset[tuple[int, int, bool]] = frozenset()
    charged: frozenset[tuple[int, int]] = frozenset()
    doubted: frozenset[tuple[int, int]] = frozenset()
    crashes: int = 0
    expiries: int = 0
    troubles: int = 0

    def name(self, place: int) -> str:
        return f"{'AB'[place]}{self.lives[place]}"

    def holding(self, place: int, hands: Hands | None) -> Now:
        """The same with other things in the hands of a process."""
        return replace(self, hands=(hands, self.hands[1]) if place == 0 else (self.hands[0], hands))


@dataclass(frozen=True, slots=True)
class Step:
    """Something that can happen next. What is no accident happens sooner or later, if nothing else does.

    Args:
        take: does it, and says what is then; what is known already, for a step that leaves Redis alone.
    """

    name: str
    is_accident: bool
    take: Callable[[], Awaitable[Now]] | Now


class SmallWorld:
    """What can happen, and what happens then."""

    def __init__(self, world: World, batch_id: str, on_doubt: OnDoubt, limits: Limits) -> None:
        self._world = world
        self._doubts, self._scripts = DoubtStore(world.redis), Scripts(world.redis)
        self._batch_id = batch_id
        self._on_doubt = on_doubt
        self._limits = limits

    def steps(self, now: Now, view: View) -> Iterator[Step]:
        """Every step that is possible at this moment.

        What concerns nobody else comes first: in which order it and the steps of others happen makes no difference.
        """
        own = [place for place, hands in enumerate(now.hands) if hands and hands.step in ("send", "forget")]
        for place in own[:1] or (0, 1):
            hands = now.hands[place]
            steps = self._idle(now, view, place) if hands is None else self._busy(now, view, place, hands)
            for name, take in steps:
                yield Step(f"{now.name(place)} {name}", is_accident=False, take=take)
            yield from self._accidents(now, view, place)

    # What a process does

    def _idle(self, now: Now, view: View, place: int) -> Iterator[tuple[str, Any]]:
        if view.states & {TaskState.QUEUED, TaskState.WAITING}:
            yield "claims", lambda: self._claim(now, place)
        if view.expired & view.holders:
            yield "looks for lost claims", lambda: self._look(now, place)
        if view.doubts:
            yield "resolves a doubt", lambda: self._resolve(now, place)
        replayed = {hands.owner for hands in now.hands if hands}
        for entry in now.spool:
            if entry.owner not in {now.name(0), now.name(1)} | replayed:
                found = Hands("announce", entry.index, entry.fence, entry.attempt, entry.owner)
                yield f"replays {entry.owner}", now.holding(place, found)

    def _busy(self, now: Now, view: View, place: int, hands: Hands) -> Iterator[tuple[str, Any]]:
        if hands.step == "wait":
            yield from self._hearing(now, place, hands)
            return
        if hands.step == "announce_late" and view.expired & view.holders:  # it may wait for just that
            yield "takes back meanwhile", lambda: self._take_back_meanwhile(now, place, hands)
        step = getattr(self, f"_{hands.step}")
        is_local = hands.step in ("send", "put", "forget")
        yield hands.step, step(now, place, hands) if is_local else partial(step, now, place, hands)

    def _hearing(self, now: Now, place: int, hands: Hands) -> Iterator[tuple[str, Any]]:
        for call in now.calls:
            if (call.caller, call.index, call.attempt) != (hands.owner, hands.index, hands.attempt):
                continue
            after = replace(now, calls=now.calls - {call})
            if call.is_charged:
                yield "spools", self._spooled(after, place, hands)
            else:
                yield "is refused", partial(self._decide, after, place, hands, FailureClass.SERVER_ERROR)

    async def _claim(self, now: Now, place: int) -> Now:
        """After a renewal of the lease. Earlier it makes no difference: who is taken for lost need not be taken back."""
        await self._scripts.run("renew", now.name(place), LEASE_MS)
        claims = await self._world.claim(1, worker=now.name(place))
        if not claims:
            return now
        claim, name = claims[0], now.name(place)
        held = Hands("mark", claim.index, claim.fence, claim.attempt, name, claim.sends)
        return now.holding(place, held)

    async def _mark(self, now: Now, place: int, hands: Hands) -> Now:
        moved = await self._move(now, place, hands, "sent")
        return now.holding(place, replace(hands, step="send") if moved.status == "ok" else None)

    def _send(self, now: Now, place: int, hands: Hands) -> Now:
        """It is charged at once: when it is shows nowhere, and its answer is heard later, or never."""
        call = Call(hands.owner, hands.index, hands.attempt, is_charged=True)
        after = replace(now, calls=now.calls | {call}, charged=now.charged | {(hands.index, hands.attempt)})
        return after.holding(place, replace(hands, step="wait"))

    def _send_in_vain(self, now: Now, place: int, hands: Hands) -> Now:
        call = Call(hands.owner, hands.index, hands.attempt, is_charged=False)
        after = replace(now, calls=now.calls | {call}, troubles=now.troubles + 1)
        return after.holding(place, replace(hands, step="wait"))

    async def _decide(self, now: Now, place: int, hands: Hands, failure_class: FailureClass) -> Now:
        cost = 0 if failure_class is FailureClass.SERVER_ERROR else PRICE
        history = History(hands.sends + 1, hands.attempt, self._on_doubt, chance=0.0)
        verdict = decide(Failure.of(failure_class, "It failed."), history, cost_usd_micros=cost)
        to = {Park: "parked", RetryIn: "waiting", GiveUp: "failed"}[type(verdict)]
        facts: dict[str, Any] = {"delay_us": 0, "failure": {"class": failure_class.value}}
        cost = 0 if to == "parked" else cost
        await self._move(now, place, hands, to, attempt=hands.attempt, from_state=CALLED, cost=cost, **facts)
        if cost:
            await self._post(now, place, hands)
        doubted = now.doubted | {(hands.index, hands.attempt)} if cost else now.doubted
        return replace(now, doubted=doubted).holding(place, None)

    def _spooled(self, now: Now, place: int, hands: Hands) -> Now:
        """Who dies before the answer is whole on disk might as well not have heard it."""
        entry = Entry(hands.owner, hands.index, hands.attempt, hands.fence)
        return replace(now, spool=now.spool | {entry}).holding(place, replace(hands, step="announce"))

    async def _announce(self, now: Now, place: int, hands: Hands) -> Now:
        moved = await self._move(now, place, hands, "spooled")
        is_ours = moved.status == "ok" or (moved.status, moved.state) == ("illegal", "stored")
        step = "put" if is_ours else "announce_late"
        return now.holding(place, replace(hands, step=step, held_fence=hands.fence))

    async def _announce_late(self, now: Now, place: int, hands: Hands) -> Now:
        moved = await self._move(now, place, hands, "spooled", late=True, attempt=hands.attempt)
        if moved.status == "ok":
            return now.holding(place, replace(hands, step="put", held_fence=moved.fence or hands.fence))
        if moved.status == "illegal" and moved.state in ("spooled", "stored"):
            return now  # it waits until the other picture is stored, or its worker is taken for lost
        return now.holding(place, replace(hands, step="put_beside", known=moved.asset or ""))

    def _put(self, now: Now, place: int, hands: Hands) -> Now:
        """The key of the task, unless another picture has it."""
        taken = {attempt for index, attempt, is_first in now.stored if index == hands.index and is_first}
        picture = (hands.index, hands.attempt, not taken or hands.attempt in taken)
        return replace(now, stored=now.stored | {picture}).holding(place, replace(hands, step="end"))

    async def _end(self, now: Now, place: int, hands: Hands) -> Now:
        """Both moves in one write."""
        stored = {"fence": hands.held_fence, "asset": f"by-attempt-{hands.attempt}", "sha256": "ab"}
        done = {"fence": hands.held_fence, "attempt": hands.attempt, "cost": PRICE}
        _, moved = await asyncio.gather(
            self._move(now, place, hands, "stored", **stored), self._move(now, place, hands, "done", **done)
        )
        return now.holding(place, replace(hands, step="forget" if moved.status == "ok" else "announce"))

    async def _put_beside(self, now: Now, place: int, hands: Hands) -> Now:
        if hands.known == f"by-attempt-{hands.attempt}":
            return now.holding(place, replace(hands, step="forget"))
        stored = now.stored | {(hands.index, hands.attempt, False)}
        return replace(now, stored=stored).holding(place, replace(hands, step="post_surplus"))

    async def _post_surplus(self, now: Now, place: int, hands: Hands) -> Now:
        await self._post(now, place, hands)
        return now.holding(place, replace(hands, step="forget"))

    def _forget(self, now: Now, place: int, hands: Hands) -> Now:
        entry = Entry(hands.owner, hands.index, hands.attempt, hands.fence)
        return replace(now, spool=now.spool - {entry}).holding(place, None)

    # Rescue and doubts

    async def _look(self, now: Now, place: int) -> Now:
        lost = await self._world.claims.lost()
        if not lost:
            return now
        found = min(lost, key=lambda each: (each.worker, each.index))
        crashed = Hands("take_back", found.index, found.fence, found.attempt, found.worker)
        return now.holding(
            place, replace(crashed, known=found.state, crashes=min(found.crashes, MAX_CRASHES))
        )

    async def _take_back(self, now: Now, place: int, hands: Hands) -> Now:
        doubt = {"class": "doubtful"}
        facts: dict[str, Any] = {"to": "parked", "failure": doubt}
        if hands.known == TaskState.CLAIMED:
            is_poison = hands.crashes + 1 >= MAX_CRASHES
            facts = {"to": "failed", "failure": {"class": "poison"}} if is_poison else {"to": "queued"}
            facts["unused"] = "all"
        await self._world.tasks.move(
            batch=self._batch_id, index=hands.index, fence=hands.fence, worker=hands.owner,
            from_state=hands.known, crash=True, **facts,
        )  # fmt: skip
        if hands.owner in (now.name(0), now.name(1)):  # it lives: one expiry costs it one claim
            await self._scripts.run("renew", hands.owner, LEASE_MS)
        return now.holding(place, None)

    async def _take_back_meanwhile(self, now: Now, place: int, hands: Hands) -> Now:
        looking = await self._look(now.holding(place, None), place)
        found = looking.hands[place]
        return now if found is None else (await self._take_back(looking, place, found)).holding(place, hands)

    async def _resolve(self, now: Now, place: int) -> Now:
        doubts, _ = await self._doubts.due(limit=1, again_ms=0)
        if not doubts:
            return now
        doubt = doubts[0]
        known = Known(
            has_left=doubt.was == TaskState.SENT, age_s=10**6, deadline_s=1, report_lag_s=None,
            charged=Charged.UNKNOWN, sends=doubt.sends, on_doubt=self._on_doubt,
        )  # fmt: skip
        resolution = resolve(known)
        assert resolution is not None
        settled = await self._doubts.settle(doubt, charged=resolution.charged, again=resolution.again)
        if settled is not Settled.QUEUE:
            return now
        return replace(now, doubted=now.doubted | {(doubt.index, doubt.attempt)})

    # Accidents

    def _accidents(self, now: Now, view: View, place: int) -> Iterator[Step]:
        hands, name = now.hands[place], now.name(place)
        if now.crashes < self._limits.crashes and hands is not None:
            yield Step(f"{name} dies", True, lambda: self._die(now, place))
        if now.expiries < self._limits.expiries and name in view.alive & view.holders:
            frozen = replace(now, expiries=now.expiries + 1)
            yield Step(f"{name} freezes", True, self._doing(partial(self._world.lose, name), frozen))
        if hands is None:
            return
        if hands.step == "wait":
            yield Step(f"{name} hears nothing", True, lambda: self._hear(now, place, hands, "doubtful"))
        if hands.step == "wait" and now.troubles < self._limits.troubles:
            cheated = replace(now, troubles=now.troubles + 1)
            yield Step(f"{name} is cheated", True, lambda: self._hear(cheated, place, hands, "bad_output"))
        if hands.step == "send" and now.troubles < self._limits.troubles:
            yield Step(f"{name} does not send", True, lambda: self._withdraw(now, place, hands))
            yield Step(f"{name} sends and is refused", True, self._send_in_vain(now, place, hands))

    async def _hear(self, now: Now, place: int, hands: Hands, what: str) -> Now:
        """Nothing, or a picture that was paid for and is of no use."""
        return self._unheard(await self._decide(now, place, hands, FailureClass(what)))

    async def _die(self, now: Now, place: int) -> Now:
        """What was in memory is gone, and another life begins. Its lease runs out: being looked for may take longer."""
        lives = (now.lives[0] + (place == 0), now.lives[1] + (place == 1))
        await self._world.redis.zadd(keys.WORKERS, {now.name(place): 1}, xx=True)
        after = replace(now, lives=lives, crashes=now.crashes + 1).holding(place, None)
        return self._unheard(after)

    async def _withdraw(self, now: Now, place: int, hands: Hands) -> Now:
        """The answer to `sent` was lost, or came too late: nothing leaves."""
        after = replace(now, troubles=now.troubles + 1)
        await self._move(now, place, hands, "waiting", delay_us=0, unused="all")
        return after.holding(place, None)

    def _unheard(self, now: Now) -> Now:
        """Without the calls whose answer nobody waits for any more."""
        waiting = {(h.owner, h.index, h.attempt) for h in now.hands if h and h.step == "wait"}
        kept = {call for call in now.calls if (call.caller, call.index, call.attempt) in waiting}
        return replace(now, calls=frozenset(kept))

    # Doing it

    async def _move(self, now: Now, place: int, hands: Hands, to: str, **facts: Any) -> Moved:
        about: dict[str, Any] = {
            "batch": self._batch_id,
            "index": hands.index,
            "fence": hands.fence,
            "to": to,
        }
        return await self._world.tasks.move(worker=now.name(place), **(about | facts))

    async def _post(self, now: Now, place: int, hands: Hands) -> None:
        await self._move(now, place, hands, "surplus", fence=0, attempt=hands.attempt, cost=PRICE)

    @staticmethod
    def _doing(work: Callable[[], Awaitable[Any]], now: Now) -> Callable[[], Awaitable[Now]]:
        async def take() -> Now:
            await work()
            return now

        return take
