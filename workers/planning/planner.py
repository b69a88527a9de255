"""The planner: reads the catalog as a stream, checks and pages it, prices the work, and opens or rejects the batch."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import orjson
import structlog

from core.clock import Clock, moment
from core.documents import PAGE_ROWS, Documents, PlannedRow
from core.queue import PlanJob
from core.settings import Settings
from core.state.batches import BatchStore
from core.state.lanes import LaneStore
from core.state.plans import PlanStore
from schemas.catalog import Row
from schemas.errors import ManifestError, NotFoundError, Problem
from schemas.expansion import Expansion
from schemas.manifest import Manifest, Reuse
from schemas.plan import (
    PLAN_CHANGED,
    Plan,
    PlanCatalog,
    PlanCost,
    PlanDuplicates,
    PlanDuration,
    PlanFile,
    PlanProblem,
    PlanTasks,
    PlanUnchanged,
)
from schemas.pricing import micros, usd
from schemas.upscaling import gone_problems
from workers.catalogs.record import row_problem
from workers.inspecting.inspector import Inspector
from workers.planning.checker import RowChecker, row_of
from workers.planning.files.finder import MAX_PROBLEMS, FileFinder, NeededFile
from workers.planning.files.masks import MaskJudge
from workers.planning.linter import farewells
from workers.planning.pricer import PricedBlock, Pricer, Spared, cost_of, duration_of, tasks_of
from workers.planning.source import Source, SourceOpener
from workers.planning.summary import digest_of, planned_batch, tree_of, variants_of
from workers.planning.unchanged import PrintFinder, some_rows

MAX_FILES_SHOWN = 10_000
MAX_COLUMNS_NOTED = 1_000
_CHANGED = Problem(
    "",
    PLAN_CHANGED,
    "Something has changed since the plan that was looked at: the manifest, its catalog, a file or a price. Nothing was "
    "spent; plan again.",
)
_log = structlog.get_logger()
T = TypeVar("T")


@dataclass(slots=True)
class _Draft:
    """What is found out while planning, under the fence of the plan. Problems of files are apart, with their finder: a plan
    goes on to name all files."""

    fence: int
    checker: RowChecker
    finder: FileFinder
    problems: list[Problem] = field(default_factory=list)
    rows: int = 0
    source: Source | None = None
    blocks: list[PricedBlock] = field(default_factory=list)
    expansion: Expansion | None = None
    duplicates: PlanDuplicates = field(default_factory=PlanDuplicates)
    unchanged: PlanUnchanged = field(default_factory=PlanUnchanged)
    cost: PlanCost | None = None
    latencies_s: dict[str, float] = field(default_factory=dict)
    digest: str | None = None
    refusal: str | None = None

    @property
    def is_full(self) -> bool:
        return len(self.problems) + len(self.checker.mistakes) > MAX_PROBLEMS


class _OvertakenError(Exception):
    """The batch does not wait for this plan any more."""


class Planner:
    """Plans manifests; one at a time is enough for a process."""

    def __init__(
        self,
        *,
        documents: Documents,
        batches: BatchStore,
        plans: PlanStore,
        lanes: LaneStore,
        opener: SourceOpener,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._documents = documents
        self._batches = batches
        self._plans = plans
        self._lanes = lanes
        self._opener = opener
        self._settings = settings
        self._clock = clock

    async def plan(self, job: PlanJob, *, fence: int) -> Plan | None:
        """Plans a manifest and keeps the plan; a batch is then opened, or rejected with every problem.

        None for a batch that has not waited for this plan to its end: it was cancelled, or this process was frozen and
        another one was quicker. What is in storage of the plan by then stays for the caller to remove.

        Args:
            fence: under which the plan of the batch was taken; of no meaning without a batch.
        """
        manifest = await self._documents.get_manifest(job.tenant, job.batch_id or job.plan_id)
        draft = self._begun(job.tenant, manifest, fence)
        with tempfile.TemporaryDirectory(prefix="darkroom-plan-") as scratch:
            try:
                await self._survey(job, manifest, draft, Path(scratch))
            except ManifestError as error:
                draft.problems += error.problems
            except _OvertakenError:
                return None
        plan = await asyncio.to_thread(_plan_of, job, manifest, draft, self._settings)
        await self._documents.put_prompts(job.tenant, plan)
        if job.batch_id is None:
            await self._plans.put(job.tenant, job.plan_id, plan)
        elif not await self._decide(job.tenant, job.batch_id, plan, draft):
            return None
        _log.info(
            "plan.made",
            plan=job.plan_id,
            tasks=plan.tasks.total,
            problems=len(plan.errors),
            accepted=plan.accepted,
        )
        return plan

    def _begun(self, tenant: str, manifest: Manifest, fence: int) -> _Draft:
        checker = RowChecker(manifest, partial(self._opener.refusal_of, tenant))
        most = self._settings.fetch.max_picture_bytes
        finder = FileFinder(tenant, manifest, self._documents, self._opener.folders(), max_bytes=most)
        return _Draft(fence, checker, finder)

    async def _survey(self, job: PlanJob, manifest: Manifest, draft: _Draft, scratch: Path) -> None:
        """Two passes: the first finds every column and every broken row, the second fills and checks templates."""
        if gone := list(gone_problems(manifest, moment(self._clock.now_ms()).date())):
            raise ManifestError(gone)
        draft.source = await self._opened(job.tenant, draft.finder, draft.checker, scratch)
        rows_file, attrs = scratch / "rows.jsonl", dict[str, None]()
        await asyncio.to_thread(_copy_rows, draft, rows_file, attrs)
        draft.problems += draft.source.problems(draft.rows)
        if draft.rows == 0 and not draft.problems:
            draft.problems.append(Problem("/catalog/source", "empty", "the catalog has no rows"))
        draft.checker.rows = draft.rows
        expansion = draft.expansion = Expansion(manifest, draft.rows)
        is_too_large = expansion.grid.total > self._settings.service.max_tasks
        if is_too_large:
            most = self._settings.service.max_tasks
            detail = f"this makes {expansion.grid.total:,} pictures; at most {most:,} are allowed"
            draft.problems.append(Problem("", "too_many_tasks", detail))
        unknown = [] if draft.is_full or not draft.rows else list(draft.checker.unknown_fields(attrs))
        draft.problems += unknown
        if not (draft.is_full or unknown or is_too_large):
            inspector = Inspector(self._settings.fetch.max_picture_pixels)
            masks = MaskJudge(job.tenant, self._documents, draft.finder, inspector)
            async with aclosing(inspector):
                await self._check_pages(job, draft, masks, rows_file, attrs)
        pricer = Pricer(expansion, draft.checker.tallies, self._settings, draft.finder.most)
        draft.problems += [*draft.checker.mistakes.told(), *pricer.problems(), *draft.finder.problems]
        if not draft.problems:
            draft.blocks = pricer.blocks()
            if manifest.reuse is not Reuse.NEVER:
                draft.duplicates = draft.checker.twins.found(expansion)
            if manifest.reuse is Reuse.TENANT:
                draft.unchanged = await self._unchanged(job.tenant, draft, rows_file, attrs)
            draft.cost = cost_of(draft.blocks, manifest.spend, _spared(manifest, draft))
            draft.latencies_s = await self._latencies_s({priced.lane for priced in draft.blocks})
            draft.refusal = self._refusal(draft.cost)

    async def _opened(self, tenant: str, finder: FileFinder, checker: RowChecker, scratch: Path) -> Source:
        """
        Raises:
            ManifestError: the catalog cannot be had or read; names missing files as well, as far as no row decides them.
        """
        try:
            source = await self._opener.open(tenant, checker.manifest, scratch)
        except ManifestError as error:
            await finder.find([checker.needed_by_all()])
            raise ManifestError((*error.problems, *checker.mistakes.told(), *finder.problems)) from error
        checker.mapping = source.mapping
        return source

    async def _unchanged(
        self, tenant: str, draft: _Draft, rows_file: Path, attrs: dict[str, None]
    ) -> PlanUnchanged:
        assert draft.expansion is not None
        finder = PrintFinder(self._documents, tenant, draft.expansion, draft.finder)
        wanted = {cell.row for cell in finder.cells()}
        filled = draft.checker.filled(attrs)
        return await finder.look(await asyncio.to_thread(some_rows, rows_file, filled, wanted))

    async def _latencies_s(self, groups: set[str]) -> dict[str, float]:
        """How long a picture takes, by group; of several lanes the slowest counts."""
        found = dict[str, float]()
        for group in groups:
            each = [await self._lanes.mean_latency_s(lane) for lane in self._settings.groups[group]]
            found |= {group: max(known)} if (known := [one for one in each if one is not None]) else {}
        return found

    async def _check_pages(
        self, job: PlanJob, draft: _Draft, masks: MaskJudge, rows_file: Path, attrs: dict[str, None]
    ) -> None:
        digest = hashlib.sha256()
        with rows_file.open("rb") as lines:
            for page in range(-(-draft.rows // PAGE_ROWS)):
                await self._look_up(job, draft)
                rows, names = await asyncio.to_thread(_check_page, draft, lines, attrs, digest.update)
                await draft.finder.find(names)
                await masks.judge(names)
                is_good = not (draft.problems or draft.checker.mistakes or draft.finder.problems)
                if job.batch_id is not None and is_good:
                    planned = await asyncio.to_thread(_planned, draft, rows, names)
                    about = (job.tenant, job.batch_id, page)
                    await self._documents.put_page(*about, planned, fence=draft.fence)
                if draft.is_full:
                    break
            else:
                draft.digest = digest.hexdigest()

    async def _look_up(self, job: PlanJob, draft: _Draft) -> None:
        """
        Raises:
            _OvertakenError: whatever the plan would come to, nobody waits for it.
        """
        if job.batch_id is not None and not await self._batches.holds_plan(job.batch_id, draft.fence):
            raise _OvertakenError

    def _refusal(self, cost: PlanCost) -> str | None:
        if self._settings.budgets.tenant_month_usd is None:
            return "This tenant has no monthly budget, so it cannot spend; set DARKROOM_BUDGETS__TENANT_MONTH_USD."
        caps = {
            "the manifest's cap": micros(cost.cap) if cost.cap else None,
            "the tenant's monthly budget": self._settings.budgets.tenant_month_usd,
            "the house's daily budget": self._settings.budgets.house_day_usd,
        }
        for name, cap in caps.items():
            if cap is not None and micros(cost.low) > cap:
                return f"This will cost at least ${cost.low}, which is over {name} of ${usd(cap)}."
        return None

    async def _decide(self, tenant: str, batch_id: str, plan: Plan, draft: _Draft) -> bool:
        """Opens or rejects the batch, and keeps the plan with that. False when somebody else has decided, or will."""
        try:
            batch = await self._batches.get(tenant, batch_id)
        except NotFoundError:
            return False
        has_changed = plan.accepted and batch.expects not in (None, plan.digest)
        if has_changed or not plan.accepted:
            refusal = plan.refusal or f"{len(plan.errors)} problems in the manifest or its catalog."
            return await self._batches.reject(
                batch_id,
                fence=draft.fence,
                plan=plan,
                refusal=_CHANGED.detail if has_changed else refusal,
                problems=[_CHANGED] if has_changed else draft.problems[:MAX_PROBLEMS],
                finished_at_ms=self._clock.now_ms(),
            )
        assert draft.expansion is not None
        moment_ms = self._clock.now_ms()
        planned = planned_batch(
            batch, draft.expansion, plan, draft.blocks, fence=draft.fence, now_ms=moment_ms
        )
        await self._documents.put_planned(planned)
        return await self._batches.start(planned, plan)


def _copy_rows(draft: _Draft, path: Path, attrs: dict[str, None]) -> None:
    """First pass: good rows to a file, one a line; the names of their columns to `attrs`, all that are read."""
    assert draft.source is not None
    read = draft.checker.fields_read
    with path.open("wb") as out:
        for row in draft.source.rows:
            if isinstance(row, Problem):
                draft.problems.append(row)
                if draft.is_full:
                    return
                continue
            draft.rows += 1
            attrs |= {name: None for name in row.attrs if name in read or len(attrs) < MAX_COLUMNS_NOTED}
            try:
                out.write(orjson.dumps(vars(row)) + b"\n")
            except TypeError:
                detail = "it holds a number of more than 64 bits or a text that is not Unicode"
                draft.problems.append(row_problem(row.number, "bad_value", detail))


def _check_page(
    draft: _Draft, lines: Iterator[bytes], attrs: dict[str, None], digest: Callable[[bytes], None]
) -> tuple[list[Row], list[list[NeededFile]]]:
    """Second pass over one page: its rows, with every column that any row has and a text reads, and for each row the
    files it needs."""
    filled = draft.checker.filled(attrs)
    rows: list[Row] = []
    files: list[list[NeededFile]] = []
    for line in islice(lines, PAGE_ROWS):
        digest(line)
        row = row_of(line, filled)
        rows.append(row)
        files.append(draft.checker.check(row))
    return rows, files


def _planned(draft: _Draft, rows: list[Row], files: list[list[NeededFile]]) -> list[PlannedRow]:
    """Rows as workers and feeds will read them: with the files they need."""
    return [draft.finder.planned(row, needed) for row, needed in zip(rows, files, strict=True)]


def _plan_of(job: PlanJob, manifest: Manifest, draft: _Draft, settings: Settings) -> Plan:
    shown = sorted(draft.finder.files.items(), key=lambda found: (found[1] is not None, found[0]))[
        :MAX_FILES_SHOWN
    ]
    cost = draft.cost or PlanCost(likely="0.00", high="0.00", cap=manifest.spend.cap_usd, by_template={})
    return Plan(
        id=job.plan_id,
        accepted=draft.cost is not None and draft.refusal is None,
        refusal=draft.refusal,
        digest=digest_of(manifest, draft.digest, draft.blocks, draft.finder.files),
        name=manifest.label,
        tasks=_tasks(draft),
        cost=cost,
        duration=duration_of(
            draft.blocks, settings.limits, settings.slots, draft.latencies_s, draft.unchanged.by_size
        )
        if draft.blocks
        else PlanDuration(seconds=None, limited_by=None),
        catalog=_catalog(manifest, draft),
        templates=tree_of(manifest, draft.blocks, cost) if draft.blocks else (),
        prompts=tuple(draft.checker.prompts),
        lint=(*farewells(manifest), *draft.checker.linter.told()),
        linted_rows=draft.checker.linter.linted_rows,
        duplicates=draft.duplicates,
        unchanged=draft.unchanged,
        files=tuple(PlanFile(name=name, sha256=upload.sha256 if upload else None) for name, upload in shown),
        files_total=len(draft.finder.files),
        errors=tuple(PlanProblem(**problem.as_dict()) for problem in draft.problems[:MAX_PROBLEMS]),
        errors_truncated=len(draft.problems) > MAX_PROBLEMS,
    )


def _catalog(manifest: Manifest, draft: _Draft) -> PlanCatalog:
    mapping = draft.source.mapping if draft.source else {}
    return PlanCatalog(
        rows=draft.rows if manifest.catalog else 0,
        dialect=draft.source.dialect if draft.source else None,
        mapping={name: ", ".join(columns) for name, columns in mapping.items()},
        left_out=draft.source.left_out if draft.source else 0,
        advice=draft.source.advice if draft.source else None,
    )


def _tasks(draft: _Draft) -> PlanTasks:
    if draft.expansion is None or not draft.blocks:
        return PlanTasks(total=0, by_template={}, by_size={}, by_model={})
    return tasks_of(draft.blocks).model_copy(update={"by_variant": variants_of(draft.expansion)})


def _spared(manifest: Manifest, draft: _Draft) -> Spared:
    """What is not paid for because of `reuse`."""
    if manifest.reuse is Reuse.NEVER:
        return Spared()
    sizes = {} if manifest.sample else draft.checker.twins.shared_sizes
    return Spared(draft.duplicates.by_template, sizes, draft.unchanged.by_size)
