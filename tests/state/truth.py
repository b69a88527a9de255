"""What stands in Redis, compared with the model."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from redis import Redis

from core.state import keys
from schemas.task import ENDED, IN_FLIGHT, TaskState
from tests.state.model import ModelBatch, ModelTask

Row = tuple[str, int, ModelTask]


GROUPS = ("waiting", "running", "done", "failed", "parked", "skipped", "cancelled")


def group_of(state: TaskState) -> str:
    return "running" if state in IN_FLIGHT else state.value


def number(value: Any) -> int:
    return int(value or 0)


SNAPSHOT = """
local all = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind, content = redis.call('TYPE', key).ok, nil
  if kind == 'hash' then content = redis.call('HGETALL', key)
  elseif kind == 'zset' then content = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'set' then content = redis.call('SMEMBERS', key) end
  if content then all[#all + 1] = { key, kind, content } end
end
return all
"""
"""Every hash and set in Redis, in one round trip; lists hold parts of replays that are under way."""


def snapshot(client: Redis) -> dict[str, Any]:
    """Key -> dict of a hash or a sorted set, or a set; names as text, values as bytes."""
    found: dict[str, Any] = {}
    answer: Any = client.eval(SNAPSHOT, 0)
    for key, kind, content in answer:
        if kind == b"set":
            found[key.decode()] = {member.decode() for member in content}
        else:
            found[key.decode()] = dict(
                zip((name.decode() for name in content[::2]), content[1::2], strict=True)
            )
    return found


class Truth:
    """One look at Redis."""

    def __init__(self, client: Redis) -> None:
        self._all = snapshot(client)

    def at(self, key: str) -> Any:
        return self._all.get(key, {})

    def check_batch(self, name: str, batch: ModelBatch) -> None:
        fields = self.at(keys.batch(name))
        groups = Counter(group_of(task.state) for task in batch.tasks)
        for group in GROUPS:
            assert number(fields.get(f"n_{group}")) == groups[group], f"{name} counts {group} wrong"
        assert fields["state"].decode() == batch.state
        has_ended = batch.open == 0 and batch.closing is None and batch.state != "cancelled"
        assert (batch.state == "completed") == has_ended
        assert (name in (self.at(keys.CLOSING) or set())) == (batch.closing is not None)
        assert number(fields.get("open")) == batch.open
        assert number(fields.get("held")) == sum(task.hold for task in batch.tasks)
        assert number(fields.get("spent")) == sum(task.cost for task in batch.tasks)
        failures = {
            reason: int(count) for reason, count in self.at(keys.failures(name)).items() if int(count)
        }
        checks = Counter(task.checks["result"] for task in batch.tasks if task.checks)
        for result in ("pass", "warn", "fail"):
            assert number(fields.get(f"n_check_{result}")) == checks[result], f"{name} counts {result} wrong"
        assert number(fields.get("n_reused")) == sum(task.reused for task in batch.tasks)
        assert failures == Counter(task.failure for task in batch.tasks if task.state is TaskState.FAILED)

    def check_task(self, name: str, index: int, task: ModelTask) -> None:
        live, packed = self.at(keys.task(name, index)), self.at(keys.ended(name, index)).get(str(index))
        assert not (live and packed), "a task is live and ended at once"
        groups = [group for group in GROUPS if str(index) in self.at(keys.members(name, group))]
        if not (live or packed):
            assert (task.attempt, task.sends, task.cost, groups) == (0, 0, 0, [])
            return
        fields = msgspec.msgpack.decode(packed) if packed else live | {"state": live["state"].decode()}
        assert fields["state"] == task.state
        assert bool(packed) == (task.state in ENDED)
        for field in ("fence", "attempt", "sends", "cost", "hold"):
            assert number(fields.get(field)) == getattr(task, field), f"{field} of {name}:{index}"
        assert fields.get("checks") == task.checks
        listed = [
            kind for kind in ("fail", "warn") if str(index) in self.at(keys.members(name, f"check_{kind}"))
        ]
        result = task.checks["result"] if task.checks else "pass"
        assert listed == [result] * (result != "pass")
        assert groups == [group_of(task.state)] * (task.state not in (TaskState.QUEUED, TaskState.DONE))

    def check_lane(self, lane: str, rows: list[Row]) -> None:
        flying = {f"{name}:{index}" for name, index, task in rows if task.state in IN_FLIGHT}
        assert self.at(f"{keys.lane(lane)}:inflight").keys() == flying
        due = {
            f"{name}:{index}"
            for name in {row[0] for row in rows}
            for index in self.at(f"{keys.batch(name)}:due:{lane}")
        }
        assert due == {f"{name}:{index}" for name, index, task in rows if task.due}

    def check_shares(self, lane: str, batches: dict[str, ModelBatch]) -> None:
        flows = [batches[name] for name in self.at(f"{keys.lane(lane)}:ready")]
        tenants = Counter(f"tenant:{batch.priority}:{batch.tenant}" for batch in flows)
        classes = Counter(f"class:{pair.split(':')[1]}" for pair in tenants)
        shares = {field: int(count) for field, count in self.at(f"{keys.lane(lane)}:shares").items()}
        assert shares == tenants | classes

    def check_workers(self, workers: tuple[str, ...], rows: list[Row]) -> None:
        for worker in workers:
            mine = {f"{n}:{i}" for n, i, task in rows if task.state in IN_FLIGHT and task.worker == worker}
            assert (self.at(f"{keys.PREFIX}worker:{worker}:claims") or set()) == mine
            assert not mine or worker in self.at(keys.WORKERS)

    def check_endings(self, endings: Counter[str]) -> None:
        assert {outcome: int(count) for outcome, count in self.at(keys.ENDINGS).items()} == dict(endings)

    def check_budgets(self, batches: list[ModelBatch]) -> None:
        self._check_scope(keys.day_budget(""), "", batches)
        for tenant in {batch.tenant for batch in batches}:
            own = [batch for batch in batches if batch.tenant == tenant]
            self._check_scope(f"{keys.PREFIX}budget:month:", f":{tenant}", own)
            counted = [int(cost) for kind, cost in self.at(keys.COSTS).items() if kind.endswith(f" {tenant}")]
            assert sum(counted) == sum(task.cost for batch in own for task in batch.tasks)

    def _check_scope(self, start: str, end: str, batches: list[ModelBatch]) -> None:
        found = [fields for key, fields in self._all.items() if key.startswith(start) and key.endswith(end)]
        tasks = [task for batch in batches for task in batch.tasks]
        assert sum(number(fields.get("held")) for fields in found) == sum(task.hold for task in tasks)
        assert sum(number(fields.get("spent")) for fields in found) == sum(task.cost for task in tasks)
