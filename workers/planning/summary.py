"""Summing up: what a plan shows of the priced blocks, besides their cost and duration, and what is kept of it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from core.documents import Upload
from core.record import PlannedBatch
from schemas.batch import Batch
from schemas.expansion import Expansion
from schemas.manifest import Manifest
from schemas.plan import Plan, PlanCost, PlanTemplate
from schemas.pricing import micros
from workers.planning.pricer import PricedBlock, flows_of


def variants_of(expansion: Expansion) -> dict[str, dict[str, int]]:
    """Pictures by axis and choice."""
    if expansion.manifest.sample is None:
        pictures = expansion.total // max(expansion.grid.variants.count, 1)
        counts = expansion.grid.variants.counts()
        return {axis: {name: n * pictures for name, n in found.items()} for axis, found in counts.items()}
    chosen = [Counter[str]() for _ in expansion.manifest.variants]
    for cell in expansion:
        for counter, choice in zip(chosen, cell.variant, strict=True):
            counter[choice] += 1
    return {
        axis: {name: counter[name] for name in choices}
        for (axis, choices), counter in zip(expansion.manifest.variants.items(), chosen, strict=True)
    }


def tree_of(manifest: Manifest, blocks: Sequence[PricedBlock], cost: PlanCost) -> tuple[PlanTemplate, ...]:
    """The templates that are made, each after the one it is made from."""
    mine = {name: [found for found in blocks if found.block.template == name] for name in manifest.templates}

    def branch(name: str, depth: int) -> list[PlanTemplate]:
        template, found = manifest.templates[name], mine[name]
        below = [other for other, parts in manifest.templates.items() if parts.parent == name]
        told = PlanTemplate(
            name=name,
            parent=template.parent,
            depth=depth,
            model=manifest.image_of(name).model or "",
            quality=manifest.image_of(name).quality or "auto",
            lane=found[0].lane if found else "",
            tasks=sum(priced.block.count for priced in found),
            cost=cost.by_template.get(name, "0.00"),
        )
        return [told, *(deeper for other in below for deeper in branch(other, depth + 1))]

    roots = [name for name, template in manifest.templates.items() if template.parent is None]
    return tuple(told for name in roots for told in branch(name, 0))


def digest_of(
    manifest: Manifest,
    rows_digest: str | None,
    blocks: Sequence[PricedBlock],
    files: Mapping[str, Upload | None],
) -> str:
    """Names everything that decides what is made and what it costs: manifest, rows, prices, uploaded files. What the
    tenant has already is not among it: a sample that is made meanwhile changes no plan."""
    named = str([(name, upload.sha256 if upload else None) for name, upload in sorted(files.items())])
    prices = str([(priced.block.template, priced.quotes) for priced in blocks])
    words = manifest.model_dump_json(by_alias=True) + (rows_digest or "") + prices
    return hashlib.sha256((words + named).encode()).hexdigest()


def planned_batch(
    batch: Batch,
    expansion: Expansion,
    plan: Plan,
    blocks: Sequence[PricedBlock],
    *,
    fence: int,
    now_ms: int,
) -> PlannedBatch:
    """What its plan made of a batch."""
    manifest = expansion.manifest
    return PlannedBatch(
        id=batch.id,
        tenant=batch.tenant,
        name=batch.name,
        priority=batch.priority.value,
        metadata=batch.metadata,
        plan_id=batch.plan_id,
        cap_usd_micros=batch.cap_usd_micros,
        on_doubt=manifest.spend.on_doubt.value,
        reuse=manifest.reuse.value,
        deadline_ms=int(manifest.deadline.timestamp() * 1000) if manifest.deadline else None,
        created_at_ms=batch.created_at_ms,
        started_at_ms=now_ms,
        total=plan.tasks.total,
        rows=expansion.rows,
        estimated_usd_micros=micros(plan.cost.likely),
        flows=[asdict(flow) for flow in flows_of(blocks)],
        rows_fence=fence,
    )
