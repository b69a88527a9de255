"""Random lives once more, with people who pause, resume, change caps and classes, and replay in bulk."""

from __future__ import annotations

from itertools import count

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from core.state.actions import ActionState, ActionStore, BulkAction, Chosen
from core.state.batches import Change
from schemas.batch import BatchState
from schemas.errors import ConflictError
from schemas.manifest import Priority
from schemas.task import ENDED, TaskState
from tests.state.model import ModelBatch
from tests.state.test_every_rule_holds import Machine

PAUSE, RESUME = Change(BatchState.PAUSED), Change(BatchState.RUNNING)
STEERABLE = ("running", "paused")
MADE = (TaskState.DONE, TaskState.SKIPPED)


class SteeredMachine(Machine):
    """The same, with an operator."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = count()

    def _steer(self, name: str, change: Change, *, is_allowed: bool = True) -> bool:
        """Whether the change was made, which has to be as the model says."""
        model = self.model[name]
        batch = self.run(self.world.batches.get(model.tenant, name))
        try:
            self.run(self.world.batches.steer(batch, change))
        except ConflictError:
            assert not (model.state in STEERABLE and is_allowed)
            return False
        assert model.state in STEERABLE
        assert is_allowed
        return True

    @precondition(lambda self: self.model)
    @rule(data=st.data(), change=st.sampled_from([PAUSE, RESUME, RESUME]))
    def pause_or_resume(self, data: st.DataObject, change: Change) -> None:
        name = data.draw(st.sampled_from(sorted(self.model)))
        model = self.model[name]
        if self._steer(name, change) and model.state != change.state:
            model.state = str(change.state)
            model.capped.clear()

    @precondition(lambda self: self.model)
    @rule(data=st.data(), cap=st.sampled_from([20, 100, 300]))
    def change_the_cap(self, data: st.DataObject, cap: int) -> None:
        name = data.draw(st.sampled_from(sorted(self.model)))
        model = self.model[name]
        used = sum(task.hold + task.cost for task in model.tasks)
        if self._steer(name, Change(cap_usd_micros=cap), is_allowed=used <= cap):
            model.capped = set() if model.state == "running" and cap != model.cap else model.capped
            model.cap = cap

    @precondition(lambda self: self.model)
    @rule(data=st.data(), priority=st.sampled_from(list(Priority)))
    def change_the_class(self, data: st.DataObject, priority: Priority) -> None:
        name = data.draw(st.sampled_from(sorted(self.model)))
        if self._steer(name, Change(priority=priority)):
            self.model[name].priority = priority.value

    @precondition(lambda self: self.model)
    @rule(data=st.data(), doubt=st.booleans())
    def replay_in_bulk(self, data: st.DataObject, doubt: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.model)))
        model = self.model[name]
        if not model.tasks:
            return
        indexes = data.draw(st.lists(st.integers(0, len(model.tasks) - 1), unique=True, min_size=1))
        parents = {child: parent for parent, child in model.children.items()}
        chosen = [Chosen(index, parents.get(index)) for index in indexes]
        action_id, store = f"action_{next(self.numbers)}", ActionStore(self.client)
        action = BulkAction(action_id, model.tenant, name, ActionState.RUNNING, len(chosen), 0, 0, doubt, 1)
        self.run(store.create(action, chosen))
        due = self._due(name)
        state = self.run(store.advance(action_id))
        if model.closing == "expired":  # that comes first
            model.close("expired", due, 500)
            assert state is ActionState.RUNNING
            return
        if model.state == "cancelling":
            assert state is ActionState.STOPPED
            return
        moved = replayed(model, chosen, doubt=doubt)
        assert self.run(store.get(model.tenant, action_id)).moved == moved


def replayed(model: ModelBatch, chosen: list[Chosen], *, doubt: bool) -> int:
    """Makes tasks of the model again; how many were moved."""
    again = {TaskState.FAILED, TaskState.CANCELLED} | ({TaskState.PARKED} if doubt else set())
    moved = queued = 0
    for one in chosen:
        task = model.tasks[one.index]
        if task.state not in again:
            continue
        moved += 1
        waits = one.parent is not None and model.tasks[one.parent].state not in MADE
        if waits and task.state in ENDED:
            task.state, task.failure = TaskState.FAILED, "parent_failed"
            continue
        queued += 1
        if task.state is TaskState.PARKED:
            task.post(task.hold)
        else:
            task.worker, task.has_account = None, True
        task.state, task.hold, task.due, task.failure = TaskState.QUEUED, 0, "now", None
        model.capped.discard(task.lane)
    if queued:
        model.overdue, model.state = False, "paused" if model.state == "paused" else "running"
    return moved


def test_no_life_of_a_steered_batch_breaks_an_invariant(redis_server: str) -> None:
    machine = type("SteeredMachineHere", (SteeredMachine,), {"url": redis_server})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=100,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
