"""From an uploaded catalog to an open batch."""

from __future__ import annotations

import pytest

from core.documents import PAGE_ROWS
from core.state.batches import BatchStore
from core.state.plans import PlanStore
from schemas.batch import BatchState
from tests.unit.planning.desk import BATCH, CSV, PLAN, PNG, TENANT, Desk, Frozen, catalog, manifest, said


async def test_a_good_manifest_opens_its_batch(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)

    plan, batch = await desk.submit(manifest(samples=2, sizes=["square", "portrait"]))

    assert (plan.accepted, plan.errors, plan.refusal) == (True, (), None)
    assert (batch.state, batch.counts["queued"], batch.rows) == (BatchState.RUNNING, 12, 3)
    assert plan.tasks.by_template == {"hero": 12}
    assert not await desk.is_idle()
    assert plan.tasks.by_size == {"square": 6, "portrait": 6}
    assert plan.tasks.by_model == {"gpt-image-2": 12}
    assert plan.catalog.rows == 3
    assert (plan.catalog.dialect, plan.catalog.mapping["title"]) == ("csv", "title")
    assert plan.prompts[0]["prompt"] == "A picture of Chair"


async def test_a_plan_shows_the_first_prompts_of_every_template(desk: Desk) -> None:
    await desk.upload("products.csv", CSV + "".join(f"sku-{n},More {n},\n" for n in range(9)))
    texts = {name: {"prompt": f"{name} of {{{{ row.title }}}}"} for name in ("a", "b", "c", "d")}

    plan = await desk.plan(manifest(templates=texts))

    titles = [line.split(",")[1] for line in CSV.splitlines()[1:]]
    assert [shown["prompt"] for shown in plan.prompts] == [
        f"{name} of {title}" for title in titles[:3] for name in texts
    ]


async def test_a_dry_run_writes_no_rows_and_opens_nothing(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)

    plan = await desk.plan(manifest())

    assert plan.accepted
    assert not (desk.folder / "store" / "tenants" / TENANT / "batches").exists()
    assert await desk.is_idle()


async def test_a_dry_run_and_the_batch_have_the_same_digest(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)

    dry, (wet, _) = await desk.plan(manifest()), await desk.submit(manifest())

    assert dry.digest == wet.digest


async def test_rows_are_kept_in_pages_with_their_files_pinned(desk: Desk) -> None:
    await desk.upload("products.csv", catalog(PAGE_ROWS + 3))
    await desk.upload("logo.png", PNG + b"logo")
    data = manifest(templates={"hero": {"prompt": "{{ row.title }}", "references": ["logo.png"]}})

    plan, batch = await desk.submit(data)

    first, last = desk.page(0), desk.page(1)
    assert (len(first), len(last), batch.rows) == (PAGE_ROWS, 3, PAGE_ROWS + 3)
    assert (first[0]["row"]["key"], last[-1]["row"]["key"]) == ("sku-0", f"sku-{PAGE_ROWS + 2}")
    assert [(file.name, file.sha256) for file in plan.files] == [("logo.png", last[0]["files"]["logo.png"])]
    found = await desk.documents.planned_row(TENANT, BATCH, PAGE_ROWS + 1, fence=1)
    assert found.row.title == f"Chair {PAGE_ROWS + 1}"


async def test_columns_that_only_some_objects_have_are_empty_in_the_others(desk: Desk) -> None:
    await desk.upload(
        "products.jsonl",
        '{"sku": "a", "title": "Chair", "glow": "warm"}\n{"sku": "b", "title": "Table", "unread": 1}\n',
    )
    prompt = "{{ row.title }}{% if row.glow %} {{ row.glow }}{% endif %}"
    data = manifest(catalog={"source": "products.jsonl"}, templates={"hero": {"prompt": prompt}})

    plan, _ = await desk.submit(data)

    assert plan.accepted
    assert [line["row"]["attrs"] for line in desk.page(0)] == [{"glow": "warm"}, {"unread": 1, "glow": None}]


async def test_the_sources_own_columns_are_kept_for_feeds_that_ask_for_one(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    await desk.submit(manifest())
    assert desk.page(0)[0]["row"]["raw"]["title"] == "Chair"


async def test_without_a_catalog_there_is_one_row_and_no_field_of_it(desk: Desk) -> None:
    bare = manifest(templates={"hero": {"prompt": "A chair"}})
    reads = manifest()
    del bare["catalog"], reads["catalog"]

    good, bad = await desk.plan(bare), await desk.plan(reads)

    assert (good.tasks.total, good.accepted) == (1, True)
    assert "there is no catalog" in said(bad)["/templates/hero/prompt"]


async def test_inline_rows_are_read_like_a_catalog(desk: Desk) -> None:
    rows = [{"sku": "a", "title": "Chair"}, {"sku": "b", "title": None}, {"sku": "a", "title": "Sofa"}]

    good = await desk.plan(manifest(catalog={"rows": rows[:1]}))
    bad = await desk.plan(manifest(catalog={"rows": rows}))

    assert good.accepted
    assert set(said(bad)) == {"/catalog/rows/1/title", "/catalog/rows/2/sku"}


async def test_the_digest_changes_when_anything_does(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    await desk.upload("logo.png", PNG + b"one")
    data = manifest(templates={"hero": {"prompt": "{{ row.title }}", "references": ["logo.png"]}})
    digests = [(await desk.plan(data)).digest]
    assert (await desk.plan(data)).digest == digests[0]

    for other in ({"name": "m"}, {"samples": 2}, {"spend": {"cap_usd": "9"}}, {"metadata": {"a": "b"}}):
        digests.append((await desk.plan(data | other)).digest)
    await desk.upload("logo.png", PNG + b"two")
    digests.append((await desk.plan(data)).digest)
    await desk.upload("products.csv", CSV.replace("blue", "green"))
    digests.append((await desk.plan(data)).digest)

    assert None not in digests
    assert len(set(digests)) == 7


async def test_a_text_may_read_a_field_whose_name_it_works_out(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    prompt = "{% assign name = 'ti' | append: 'tle' %}{{ row[name] }} and {{ row.raw.title }}"

    plan = await desk.plan(manifest(templates={"hero": {"prompt": prompt}}))

    assert plan.errors == ()
    title = CSV.splitlines()[1].split(",")[1]
    assert plan.prompts[0]["prompt"] == f"{title} and {title}"


@pytest.mark.parametrize("step", ["page", "prompts", "planned"])
async def test_a_planner_that_was_frozen_leaves_what_another_one_made_of_the_batch(
    desk: Desk, step: str
) -> None:
    await desk.upload("products.csv", CSV)
    job, late = await desk.shelve(manifest()), desk.planner()

    async def quicker() -> None:
        await desk.upload("products.csv", catalog(2))
        await desk.make(job)

    late._documents = Frozen(desk.documents.store, step, quicker)
    assert await desk.make(job, late) is None

    batch, plan = (
        await BatchStore(desk.redis).get(TENANT, BATCH),
        await PlanStore(desk.redis).get(TENANT, PLAN),
    )
    planned = await desk.documents.find_planned(TENANT, BATCH)
    row = await desk.documents.planned_row(TENANT, BATCH, 0, fence=batch.rows_fence)
    assert planned is not None
    assert plan is not None
    assert (batch.state, batch.rows, planned.rows, plan.catalog.rows) == (BatchState.RUNNING, 2, 2, 2)
    assert (row.row.title, planned.rows_fence) == ("Chair 0", batch.rows_fence)
    shown = await desk.documents.find_prompts(TENANT, plan)
    assert [prompt["prompt"] for prompt in shown] == ["A picture of Chair 0", "A picture of Chair 1"]


async def test_a_planner_whose_plan_somebody_else_has_taken_does_not_open_the_batch(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    job, late, batches = await desk.shelve(manifest()), desk.planner(), BatchStore(desk.redis)
    late._documents = Frozen(desk.documents.store, "planned", lambda: batches.take_plan(BATCH))

    assert await desk.make(job, late) is None
    assert (await batches.get(TENANT, BATCH)).state is BatchState.PLANNING

    await desk.make(job)
    batch, planned = await batches.get(TENANT, BATCH), await desk.documents.find_planned(TENANT, BATCH)
    assert planned is not None
    assert (batch.state, batch.rows_fence, planned.rows_fence) == (BatchState.RUNNING, 3, 3)


async def test_a_planner_whose_plan_somebody_else_has_taken_does_not_reject_the_batch(desk: Desk) -> None:
    await desk.upload("products.csv", catalog(0))
    job, late, batches = await desk.shelve(manifest()), desk.planner(), BatchStore(desk.redis)
    late._documents = Frozen(desk.documents.store, "prompts", lambda: batches.take_plan(BATCH))

    assert await desk.make(job, late) is None
    assert (await batches.get(TENANT, BATCH)).state is BatchState.PLANNING

    await desk.upload("products.csv", CSV)
    await desk.make(job)
    assert (await batches.get(TENANT, BATCH)).state is BatchState.RUNNING
