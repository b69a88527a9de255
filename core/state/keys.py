"""Key names that Python reads directly; the scripts build the same names in `lua/lib/1_keys.lua` (a test compares)."""

from __future__ import annotations

PREFIX = "darkroom:"
WORKERS = f"{PREFIX}workers"
FLEET = f"{PREFIX}fleet"
"""When each worker began, as since:<worker>, in milliseconds; and how many there should be, as `expected`."""

LANES = f"{PREFIX}lanes"
TENANTS = f"{PREFIX}tenants"
DEADLINES = f"{PREFIX}deadlines"
CLOSING = f"{PREFIX}closing"
"""Batches that are being closed, part by part."""

UNRECORDED = f"{PREFIX}unrecorded"
"""What storage is to be told of batches, as <batch>:<page of tasks> or <batch>:steering by when, in milliseconds."""
ACTIONS = f"{PREFIX}actions"
"""Bulk actions that are under way."""

STRANDED = f"{PREFIX}stranded"
"""Parked tasks whose paid picture is on the disk of a worker that is gone, as <batch>:<index>."""

DOUBTS = f"{PREFIX}doubts"
"""Parked tasks that nobody has resolved yet, as <batch>:<index> by when they are looked at, in milliseconds."""

ENDINGS = f"{PREFIX}endings"
"""How many tasks ended as what, over all batches, as <done | skipped | cancelled | failure class> -> count."""

COSTS = f"{PREFIX}costs"
"""What was ever spent, as <lane> <model> <quality> <tenant | other> -> micro-dollars."""

NAMED = f"{PREFIX}named"
"""Tenants with figures of their own."""

SHELVING = f"{PREFIX}shelving"
"""Who looks for batches to put away this hour."""

ENDED_PER_KEY = 100
"""Ended tasks share a hash by the hundred: one key for all of them instead of one for each."""


def batch(batch_id: str) -> str:
    return f"{PREFIX}batch:{batch_id}"


def failures(batch_id: str) -> str:
    return f"{batch(batch_id)}:failures"


def members(batch_id: str, group: str) -> str:
    """Indexes of the batch's tasks in one group of states, or whose picture is `check_fail` or `check_warn`; sorted."""
    return f"{batch(batch_id)}:in:{group}"


def task(batch_id: str, index: int) -> str:
    return f"{batch(batch_id)}:task:{index}"


def ended(batch_id: str, index: int) -> str:
    return f"{batch(batch_id)}:ended:{index // ENDED_PER_KEY}"


def posted(batch_id: str, index: int) -> str:
    """What was posted for each attempt of these tasks, as <index>:<attempt> -> micro-dollars."""
    return f"{batch(batch_id)}:posted:{index // ENDED_PER_KEY}"


def claims(worker: str) -> str:
    """What a worker holds, as <batch>:<index>."""
    return f"{PREFIX}worker:{worker}:claims"


def flow(batch_id: str, lane: str) -> str:
    """A batch's share of a lane, or of a group of lanes."""
    return f"{batch(batch_id)}:flow:{lane}"


def due(batch_id: str, lane: str) -> str:
    """Tasks of a flow that were touched and wait for their time."""
    return f"{batch(batch_id)}:due:{lane}"


def action(action_id: str) -> str:
    """A bulk action; with `:parts` behind it, what is left of its selection."""
    return f"{PREFIX}action:{action_id}"


def tenant_batches(tenant: str) -> str:
    return f"{PREFIX}tenant:{tenant}:batches"


def idempotency(tenant: str, key: str) -> str:
    return f"{PREFIX}idempotency:{tenant}:{key}"


def plan(tenant: str, plan_id: str) -> str:
    return f"{PREFIX}plan:{tenant}:{plan_id}"


def planners(plan_id: str) -> str:
    """The workers that began to make a plan and did not say that they ended."""
    return f"{PREFIX}planners:{plan_id}"


def lane(name: str) -> str:
    return f"{PREFIX}lane:{name}"


def calls(lane_name: str, minute: int) -> str:
    """What a lane sent in a minute since the epoch; kept for a day."""
    return f"{lane(lane_name)}:calls:{minute}"


def month_budget(tenant: str, month: str) -> str:
    """`month` as 2026-11."""
    return f"{PREFIX}budget:month:{month}:{tenant}"


def day_budget(day: str) -> str:
    """`day` as 2026-11-21."""
    return f"{PREFIX}budget:day:{day}"
