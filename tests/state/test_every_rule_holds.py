"""Random lives of random batches against the model, with every invariant checked after every step."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import redis as blocking_redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core.state import keys
from core.state.connection import connect
from schemas.claim import Claim
from schemas.manifest import Priority
from schemas.task import ENDED, IN_FLIGHT, TaskState
from tests.state.model import ModelBatch, ModelTask
from tests.state.truth import Truth
from tests.state.world import Block, World

LANES, WORKERS, TENANTS = ("east", "west"), ("w1", "w2", "w3"), ("acme", "zeta")
MONTH_CAP, DAY_CAP, CONCURRENCY = 900, 1500, 7
CHECKS = (
    None,
    {"result": "pass"},
    {"result": "warn", "warned": ["fill"]},
    {"result": "fail", "failed": ["pixels"]},
)
FAILURES = ("bad_row", "server_error")


class Machine(RuleBasedStateMachine):
    """Producers, claimants, workers that crash and a clock that jumps, all at once."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.sync: Any = blocking_redis.Redis.from_url(self.url)
        self.sync.flushdb()
        self.client = connect(self.url)
        self.world = World(self.client, month_cap=MONTH_CAP, day_cap=DAY_CAP)
        self.model: dict[str, ModelBatch] = {}
        self.endings: Counter[str] = Counter()
        self.ended: dict[tuple[str, int], str | None] = {}

    def run(self, awaitable: Any) -> Any:
        return self.loop.run_until_complete(awaitable)

    def teardown(self) -> None:
        self.run(self.client.aclose())
        self.sync.close()
        self.loop.close()

    @initialize()
    def lanes(self) -> None:
        for lane in LANES:
            self.run(self.world.lane(lane, max_concurrency=CONCURRENCY))
            self.sync.hset(f"darkroom:lane:{lane}", mapping={"calls": 10**9, "retry_tenths": 10**9})

    @precondition(lambda self: len(self.model) < 4)
    @rule(
        tenant=st.sampled_from(TENANTS), priority=st.sampled_from(list(Priority)), sizes=st.tuples(*[st.integers(0, 4)] * 3),
        hold=st.sampled_from([10, 40]), cap=st.sampled_from([None, 95, 200]), child_lane=st.sampled_from(LANES),
    )  # fmt: skip
    def submit(
        self,
        tenant: str,
        priority: Priority,
        sizes: tuple[int, int, int],
        hold: int,
        cap: int | None,
        child_lane: str,
    ) -> None:
        parents, others, children = sizes[0], sizes[1], min(sizes[2], sizes[0])
        east, west = [Block(parents, hold)], [Block(others, 20)]
        kin = Block(children, 30, dependent=True)
        (east if child_lane == "east" else west).append(kin)
        batch = self.run(
            self.world.batch({"east": east, "west": west}, tenant=tenant, priority=priority, cap=cap)
        )
        rows = [("east", block) for block in east] + [("west", block) for block in west]
        tasks = [ModelTask(lane, b.hold, b.dependent) for lane, b in rows for _ in range(b.count)]
        first = next((i for i, task in enumerate(tasks) if task.dependent), 0)
        model = ModelBatch(tenant, priority.value, cap, tasks, {i: first + i for i in range(children)})
        self.model[batch.id] = model
        model.settle_state()

    @precondition(lambda self: self.model)
    @rule(lane=st.sampled_from(LANES), worker=st.sampled_from(WORKERS), want=st.integers(1, 10))
    def claim(self, lane: str, worker: str, want: int) -> None:
        claims, wait = self.run(self.world.claims.claim(lane, worker=worker, want=want))
        for claim in claims:
            self._check_claim(claim, worker)
        left = self._left_over(lane)
        assert len(claims) <= want
        if wait is None:
            assert len(claims) == want
        elif wait.limited_by == "concurrency":
            assert self._in_flight(lane) >= CONCURRENCY
        else:
            assert wait.limited_by in ("idle", "budget")
            assert all(lane in batch.capped for batch in left), "a task could have been claimed"

    def _in_flight(self, lane: str) -> int:
        tasks = [task for model in self.model.values() for task in model.tasks]
        return sum(task.lane == lane and task.state in IN_FLIGHT for task in tasks)

    def _check_claim(self, claim: Claim, worker: str) -> None:
        task = self.model[claim.batch_id].claim(claim.index, worker)
        assert task.lane == claim.lane
        assert (claim.fence, claim.attempt, claim.sends) == (task.fence, task.attempt, task.sends)
        assert claim.hold_usd_micros == task.hold_price
        assert not self._refused(self.model[claim.batch_id], 0), "a cap was crossed"

    def _refused(self, batch: ModelBatch, hold: int) -> bool:
        def used(batches: list[ModelBatch]) -> int:
            return hold + sum(task.hold + task.cost for each in batches for task in each.tasks)

        everybody = list(self.model.values())
        of_tenant = [each for each in everybody if each.tenant == batch.tenant]
        over_own = batch.cap is not None and used([batch]) > batch.cap
        return over_own or used(of_tenant) > MONTH_CAP or used(everybody) > DAY_CAP

    def _left_over(self, lane: str) -> list[ModelBatch]:
        """Batches with something to claim; those that a cap refused sleep for a while."""
        found = []
        for batch in self.model.values():
            left = [task for task in batch.tasks if task.lane == lane and task.is_claimable]
            if any(self._refused(batch, task.hold_price) for task in left):
                batch.capped.add(lane)
            if left and batch.state == "running" and not batch.overdue:
                found.append(batch)
        return found

    def _pick(self, data: st.DataObject, states: frozenset[TaskState]) -> tuple[str, int, ModelTask] | None:
        found = [
            (name, index, task)
            for name, batch in self.model.items()
            for index, task in enumerate(batch.tasks)
            if task.state in states
        ]
        return data.draw(st.sampled_from(found)) if found else None

    def _move(self, name: str, index: int, to: TaskState, **more: Any) -> None:
        batch, task = self.model[name], self.model[name].tasks[index]
        move: dict[str, Any] = {"fence": task.fence, "worker": task.worker or "w1", **more}
        if to is TaskState.FAILED:
            move["failure"] = move.get("failure", {"class": "bad_row"})
        if to is TaskState.STORED:
            move |= {"asset": "picture.png", "sha256": "ab"}
        if index in batch.children and to is TaskState.DONE:
            child = batch.children[index]
            move["ready"] = [child]
        if index in batch.children and to is TaskState.FAILED:
            move["fail"] = [batch.children[index]]
        delay_us = 0 if move.get("due") == "now" else 3_600_000_000
        sent = {**{key: value for key, value in move.items() if key != "due"}, "delay_us": delay_us}
        moved = self.run(self.world.tasks.move(batch=name, index=index, to=to.value, **sent))
        was_due = [each.due for each in batch.tasks]
        assert moved.status == batch.move(index, to, {"due": "later", **move}), (to, move, moved)
        woken = [each for each, due in zip(batch.tasks, was_due, strict=True) if each.due == "now" != due]
        batch.capped -= {each.lane for each in woken}

    @precondition(
        lambda self: any(task.state in IN_FLIGHT for batch in self.model.values() for task in batch.tasks)
    )
    @rule(data=st.data(), crooked=st.booleans())
    def work(self, data: st.DataObject, crooked: bool) -> None:
        picked = self._pick(data, IN_FLIGHT)
        if picked is None:
            return
        name, index, task = picked
        straight = {"claimed": "sent", "sent": "spooled", "spooled": "stored", "stored": "done"}[
            task.state.value
        ]
        to = data.draw(st.sampled_from(list(TaskState))) if crooked else TaskState(straight)
        more: dict[str, Any] = {
            "cost": data.draw(st.integers(0, 12)),
            "due": data.draw(st.sampled_from(["now", "later"])),
        }
        if to is TaskState.DONE:
            more["checks"] = data.draw(st.sampled_from(CHECKS))
            more["reused"] = data.draw(st.booleans())
        if to is TaskState.SENT:
            more["fingerprint"] = data.draw(st.sampled_from([None, "one", "two"]))
        if to in (TaskState.QUEUED, TaskState.WAITING) and data.draw(st.booleans()):
            more["unused"] = "all"
        self._move(name, index, to, **more)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), to=st.sampled_from(list(TaskState)), fence=st.sampled_from([0, 0, 0, -1, 1]))
    def move_anything(self, data: st.DataObject, to: TaskState, fence: int) -> None:
        if picked := self._pick(data, frozenset(TaskState)):
            name, index, task = picked
            self._move(
                name,
                index,
                to,
                fence=task.fence + fence,
                failure={"class": data.draw(st.sampled_from(FAILURES))},
            )

    @precondition(lambda self: self.model)
    @rule(data=st.data(), worker=st.sampled_from(WORKERS))
    def a_paid_result_turns_up_late(self, data: st.DataObject, worker: str) -> None:
        if picked := self._pick(data, frozenset(TaskState)):
            self._move(picked[0], picked[1], TaskState.SPOOLED, fence=0, worker=worker, late=True)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        if picked := self._pick(data, ENDED):
            ended = self.model[picked[0]].tasks[picked[1]].state
            self._move(picked[0], picked[1], TaskState.QUEUED, from_state=ended.value)

    @rule(worker=st.sampled_from(WORKERS))
    def lose_a_worker(self, worker: str) -> None:
        self.run(self.world.lose(worker))
        lost = self.run(self.world.claims.lost())
        ours = {
            (name, index, task.fence, task.state.value)
            for name, batch in self.model.items()
            for index, task in enumerate(batch.tasks)
            if task.state in IN_FLIGHT and task.worker == worker
        }
        assert {(each.batch_id, each.index, each.fence, each.state) for each in lost} == ours
        for each in lost:
            to = TaskState.QUEUED if each.state == "claimed" else TaskState.PARKED
            self._move(each.batch_id, each.index, to, crash=True)
        assert self.run(self.world.claims.lost()) == []

    @precondition(lambda self: self.model)
    @rule(data=st.data(), reason=st.sampled_from(["cancelled", "expired"]), most=st.sampled_from([1, 2, 500]))
    def close(self, data: st.DataObject, reason: str, most: int) -> None:
        """One part of it, after which anything else may happen before the next."""
        name = data.draw(st.sampled_from(sorted(self.model)))
        batch = self.model[name]
        if reason == "expired" and batch.state in ("running", "paused"):
            batch.overdue = True
            self.sync.hset(f"darkroom:batch:{name}", "deadline", 1)
        due = self._due(name)
        answer = self.run(self.world.batches._scripts.run("close", name, reason, "", most))
        assert answer.decode() == batch.close(reason, due, most)

    def _due(self, name: str) -> list[int]:
        """What is due of a batch, in the order in which it is taken."""
        return [int(index) for lane in LANES for index in self.sync.zrange(keys.due(name, lane), 0, -1)]

    @rule()
    def time_passes(self) -> None:
        for lane in LANES:
            self.run(self.world.time_passes(lane))
        for batch in self.model.values():
            batch.capped.clear()
            for task in batch.tasks:
                task.due = "now" if task.due else None

    @invariant()
    def everything_adds_up(self) -> None:
        truth = Truth(self.sync)
        everybody = [
            (name, index, task)
            for name, batch in self.model.items()
            for index, task in enumerate(batch.tasks)
        ]
        for name, batch in self.model.items():
            truth.check_batch(name, batch)
            for index, task in enumerate(batch.tasks):
                truth.check_task(name, index, task)
        for lane in LANES:
            truth.check_lane(lane, [row for row in everybody if row[2].lane == lane])
            truth.check_shares(lane, self.model)
        truth.check_endings(self._endings(everybody))
        truth.check_workers(WORKERS, everybody)
        truth.check_budgets(list(self.model.values()))

    def _endings(self, everybody: list[tuple[str, int, ModelTask]]) -> Counter[str]:
        """How often a task had not ended so at one step, and had at the next. One that had ended and waits for its parent,
        which is made again, has not ended once more."""
        for name, index, task in everybody:
            outcome = (task.failure or task.state.value) if task.state in ENDED else None
            was = self.ended.get((name, index))
            if outcome and outcome != was and not (was and outcome == "parent_failed"):
                self.endings[outcome] += 1
            self.ended[name, index] = outcome
        return self.endings


def test_no_life_of_any_batch_breaks_an_invariant(redis_server: str) -> None:
    machine = type("MachineHere", (Machine,), {"url": redis_server})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=200,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate, Phase.shrink],
        ),
    )
