"""From a manifest to a plan or a batch: check it, keep it, ask for the plan, wait a moment for what is found early."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from core.queue import PlanJob
from core.state.batches import NewBatch
from core.state.plans import KEPT_S
from core.telemetry.traces import Fact
from schemas.batch import Batch, BatchState
from schemas.errors import ConflictError, ManifestError, NotFoundError, Problem
from schemas.expansion import Expansion
from schemas.ids import new_id
from schemas.manifest import Manifest
from schemas.manifest_check import check_manifest
from schemas.plan import PLAN_CHANGED, PLAN_FAILED, Plan
from schemas.pricing import micros
from service.equipment import Equipment
from service.problems import ProblemError

_ABANDONED_MS = 30_000
"""A submission that has put nothing on the shelf for so long is dead, and its key is free to finish it."""

_FIRST_LOOK_S, _SLOWEST_LOOK_S = 0.02, 0.5
_MOMENT: TypeAdapter[Any] = TypeAdapter(AwareDatetime)

T = TypeVar("T")


def accepted_manifest(data: dict[str, Any], *, now_ms: int, max_tasks: int) -> Manifest:
    """The manifest in `data`, when it has no problem that shows before its catalog is read.

    Raises:
        ManifestError: with every problem.
    """
    problems, truncated, manifest = _deadline_problems(data.get("deadline"), now_ms), False, None
    try:
        manifest = check_manifest(data)
    except ManifestError as error:
        problems, truncated = [*error.problems, *problems], error.truncated
    if manifest is not None:
        problems += _size_problems(manifest, max_tasks)
    if problems or manifest is None:
        raise ManifestError(problems, truncated=truncated)
    return manifest


def _deadline_problems(deadline: Any, now_ms: int) -> list[Problem]:
    """Looked for in the data, so that other problems do not hide this one."""
    try:
        moment = None if deadline is None else _MOMENT.validate_python(deadline)
    except ValidationError:
        return []  # the shape says so
    if moment is None or moment.timestamp() * 1000 > now_ms:
        return []
    return [Problem("/deadline", "past", f"the deadline {moment.isoformat()} has already passed")]


def _size_problems(manifest: Manifest, max_tasks: int) -> list[Problem]:
    """Of a catalog that is read later, one row is counted: more will only be more."""
    rows = len(manifest.catalog.rows or (None,)) if manifest.catalog else 1
    total = Expansion(manifest, rows).grid.total
    if total <= max_tasks:
        return []
    return [
        Problem(
            "",
            "too_many_tasks",
            f"{total:,} pictures are more than the {max_tasks:,} one batch may have; split it",
        )
    ]


class Submitter:
    """Takes manifests of one tenant."""

    def __init__(self, desk: Equipment, tenant: str) -> None:
        self._desk = desk
        self._tenant = tenant

    async def plan(self, manifest: Manifest) -> tuple[str, Plan | None]:
        """The id of a new plan, and the plan if it is made within `plan_wait_s`. Nothing is spent.

        Raises:
            UnavailableError: it could not be asked for.
        """
        plan_id = self._new_id("plan", self._desk.clock.now_ms())
        await self._desk.documents.put_manifest(self._tenant, plan_id, manifest)
        trace = self._desk.traces.traceparent
        await self._desk.queue.enqueue_plan(PlanJob(plan_id, self._tenant, None, trace))
        wait_s = self._desk.settings.service.plan_wait_s
        plan = await self._waited(
            lambda: self._desk.plans.get(self._tenant, plan_id), lambda found: found is not None, wait_s
        )
        return plan_id, await self._with_prompts(plan)

    async def find_plan(self, plan_id: str) -> Plan | None:
        """A plan; None while it is being made.

        Raises:
            NotFoundError: there is none, or none any more.
        """
        plan = await self._desk.plans.get(self._tenant, plan_id)
        if plan is None and not await self._is_being_planned(plan_id):
            raise NotFoundError(f"There is no plan '{plan_id}'; plans are kept for {KEPT_S // 3600} hours.")
        return await self._with_prompts(plan)

    async def _with_prompts(self, plan: Plan | None) -> Plan | None:
        if plan is None:
            return None
        prompts = await self._desk.documents.find_prompts(self._tenant, plan)
        return plan.model_copy(update={"prompts": tuple(prompts)})

    async def submit(
        self,
        manifest: Manifest,
        *,
        fingerprint: str,
        idempotency_key: str | None,
        expects: str | None = None,
    ) -> tuple[Batch, bool]:
        """The batch of a manifest, after at most `submit_wait_s`; whether it is one that was submitted before.

        Every step can be repeated, so that a submission that died half-way is finished by the next one with its key.

        Args:
            fingerprint: of everything that was sent; the same key with another one is refused.
            expects: digest of the plan that was looked at; a batch with another plan is rejected.
        Raises:
            ProblemError: the batch was rejected, or the key is in use or was used for something else.
            UnavailableError: try again with the same key.
        """
        now_ms = self._desk.clock.now_ms()
        own_id = self._new_id("batch", now_ms)
        earlier_id = await self._earlier(idempotency_key, fingerprint, own_id)
        batch = None if earlier_id is None else await self._resumed(earlier_id, now_ms)
        if batch is None:
            batch = await self._create(earlier_id or own_id, manifest, now_ms, expects)
        batch_id = batch.id
        if batch.state is BatchState.PLANNING:
            await self._desk.queue.enqueue_plan(PlanJob(batch.plan_id, self._tenant, batch_id, batch.trace))
        batch = await self._waited(
            lambda: self._desk.batches.get(self._tenant, batch_id),
            lambda found: found.state is not BatchState.PLANNING,
            self._desk.settings.service.submit_wait_s,
        )
        await self._require_accepted(batch)
        return batch, earlier_id is not None

    async def _resumed(self, batch_id: str, now_ms: int) -> Batch | None:
        """The batch of an earlier request with the same key; None where that died before there was one."""
        batch = await self._find(batch_id)
        if batch is None and batch_id > self._id_at("batch", now_ms - _ABANDONED_MS):
            raise ProblemError("submission_under_way", "The first request with this key has not ended yet.")
        return batch

    async def _earlier(self, key: str | None, fingerprint: str, batch_id: str) -> str | None:
        if key is None:
            return None
        try:
            return await self._desk.batches.idempotent(self._tenant, key, fingerprint, batch_id)
        except ConflictError as error:
            raise ProblemError("idempotency_key_reused", error.detail) from error

    async def _find(self, batch_id: str) -> Batch | None:
        try:
            return await self._desk.batches.get(self._tenant, batch_id)
        except NotFoundError:
            return None

    async def _create(self, batch_id: str, manifest: Manifest, now_ms: int, expects: str | None) -> Batch:
        """The manifest first: a batch on the shelf always has one. All that becomes of it is traced below this."""
        facts: dict[str, Fact] = {"darkroom.batch.id": batch_id, "darkroom.tenant": self._tenant}
        with self._desk.traces.span("batch", kind="producer", facts=facts):
            await self._desk.documents.put_manifest(self._tenant, batch_id, manifest)
            return await self._desk.batches.create(self._new_batch(batch_id, manifest, now_ms, expects))

    def _new_batch(self, batch_id: str, manifest: Manifest, now_ms: int, expects: str | None) -> NewBatch:
        cap, deadline = manifest.spend.cap_usd, manifest.deadline
        return NewBatch(
            id=batch_id,
            tenant=self._tenant,
            name=manifest.label,
            priority=manifest.priority,
            metadata=manifest.metadata,
            plan_id=_sibling(batch_id, "plan"),
            cap_usd_micros=None if cap is None else micros(cap),
            on_doubt=manifest.spend.on_doubt.value,
            reuse=manifest.reuse.value,
            deadline_ms=None if deadline is None else int(deadline.timestamp() * 1000),
            created_at_ms=now_ms,
            expects=expects,
            trace=self._desk.traces.traceparent,
        )

    async def _require_accepted(self, batch: Batch) -> None:
        if batch.state is not BatchState.REJECTED:
            return
        refusal, members = batch.refusal or "The batch was rejected.", {"batch_id": batch.id}
        if not batch.problems:
            raise ProblemError("spend_refused", refusal, members=members)
        for code in (PLAN_CHANGED, PLAN_FAILED):
            if any(problem.code == code for problem in batch.problems):
                raise ProblemError(code, refusal, members=members)
        plan = await self._desk.plans.get(self._tenant, batch.plan_id)
        raise ProblemError(
            "manifest_invalid",
            refusal,
            problems=batch.problems,
            truncated=plan is not None and plan.errors_truncated,
            members=members,
        )

    async def _is_being_planned(self, plan_id: str) -> bool:
        if plan_id < self._id_at("plan", self._desk.clock.now_ms() - KEPT_S * 1000):
            return False
        batch = await self._find(_sibling(plan_id, "batch"))
        if batch is not None:
            return batch.state is BatchState.PLANNING
        try:
            await self._desk.documents.get_manifest(self._tenant, plan_id)
        except NotFoundError:
            return False
        return True

    async def _waited(
        self, read: Callable[[], Awaitable[T]], is_settled: Callable[[T], bool], wait_s: float
    ) -> T:
        """What is read once it is settled, or as it stands when the time is up; looked at less and less often."""
        clock, pause_s = self._desk.clock, _FIRST_LOOK_S
        until = clock.monotonic() + wait_s
        found = await read()
        while not is_settled(found) and (left_s := until - clock.monotonic()) > 0:
            await clock.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 1.5, _SLOWEST_LOOK_S)
            found = await read()
        return found

    def _new_id(self, prefix: str, now_ms: int) -> str:
        return new_id(prefix, now_ms=now_ms, random_bytes=self._desk.chance(10))

    def _id_at(self, prefix: str, moment_ms: int) -> str:
        """Ids made before that moment sort before this."""
        return new_id(prefix, now_ms=moment_ms, random_bytes=bytes(10))


def fingerprint_of(*parts: bytes) -> str:
    """Names what was sent: each part with its length, so that nothing can move from one into the next."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _sibling(one_id: str, prefix: str) -> str:
    """The plan of a batch, and the batch of a plan, differ in their prefix alone."""
    return f"{prefix}_{one_id.partition('_')[2]}"
