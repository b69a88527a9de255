"""What a plan shows besides problems: the tree, choices, twins, advice, and the digest that a submission may name."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.state.batches import BatchStore
from schemas.batch import BatchState
from schemas.plan import PLAN_CHANGED
from tests.unit.planning.desk import CSV, PNG, TENANT, Desk, catalog, manifest

LIGHTS = {"light": {"soft": {"words": "soft light"}, "hard": {"words": "hard light"}}}
GOOD = "A product photograph of {{ row.title }} on pale wood, soft light, no text."


async def test_the_tree_of_templates_is_shown_with_what_each_branch_costs(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    keep = "Keep Image 1 exactly as it is, in other light."
    templates = {
        "third": {"prompt": keep, "from": "second", "image": {"quality": "high"}},
        "first": {"prompt": GOOD, "samples": 2},
        "second": {"prompt": keep, "from": "first"},
        "other": {"prompt": GOOD, "from": "first"},
    }

    plan = await desk.plan(manifest(templates=templates, catalog={"source": "products.csv"}))

    assert [
        (found.depth, found.name, found.parent, found.tasks, found.quality) for found in plan.templates
    ] == [
        (0, "first", None, 6, "low"),
        (1, "second", "first", 3, "low"),
        (2, "third", "second", 3, "high"),
        (1, "other", "first", 3, "low"),
    ]
    assert {found.name: found.cost for found in plan.templates} == plan.cost.by_template
    assert {found.lane for found in plan.templates} == {"main"}


async def test_pictures_are_counted_by_axis_and_choice(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    seasons: dict[str, Any] = {"season": {"spring": {}, "autumn": {}}}
    rules = {"exclude": [{"season": "spring", "light": "hard"}]}

    plan = await desk.plan(manifest(variants={**seasons, **LIGHTS}, combinations=rules, samples=2))
    few = await desk.plan(manifest(variants={**seasons, **LIGHTS}, combinations=rules, sample=2))

    assert plan.tasks.by_variant == {"season": {"spring": 6, "autumn": 12}, "light": {"soft": 12, "hard": 6}}
    assert plan.tasks.total == 18
    assert sum(few.tasks.by_variant["light"].values()) == few.tasks.total == 2


async def test_variants_that_nothing_reads_are_the_same_picture(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    templates = {
        "hero": {"prompt": GOOD},
        "poster": {"prompt": "Keep Image 1, in {{ variant.light.words }}.", "from": "hero"},
    }

    plan = await desk.plan(manifest(templates=templates, variants=LIGHTS))
    twice = await desk.plan(manifest(templates=templates, variants=LIGHTS, reuse="never"))

    assert plan.duplicates.by_template == {"hero": 3}
    assert (plan.duplicates.total, plan.duplicates.rows) == (3, ())
    assert plan.duplicates.axes == {"hero": ("light",)}
    hero, poster = (float(plan.cost.by_template[name]) for name in templates)
    assert Decimal(plan.cost.low) == Decimal(twice.cost.low) * 9 / 12
    assert float(plan.cost.likely) == hero + poster
    assert (twice.duplicates.total, twice.duplicates.finished_anew) == (0, 0)  # each is made, and paid
    assert (twice.cost.likely, twice.tasks) == (plan.cost.likely, plan.tasks)


async def test_rows_that_come_out_the_same_are_named_and_so_is_what_is_made_from_them(desk: Desk) -> None:
    await desk.upload("products.csv", "sku,title\na,Chair\nb,Table\nc,Chair\n")
    templates = {"hero": {"prompt": GOOD}, "poster": {"prompt": "Keep Image 1.", "from": "hero"}}

    plan = await desk.plan(manifest(templates=templates, samples=2))

    assert plan.duplicates.by_template == {"hero": 2, "poster": 2}
    first, third = plan.duplicates.rows[0].same_as_row, plan.duplicates.rows[0].row
    assert [(one.template, one.row, one.same_as_row) for one in plan.duplicates.rows] == [
        ("hero", third, first),
        ("poster", third, first),
    ]
    assert third == first + 2


async def test_the_same_words_in_another_quality_or_from_another_parent_are_no_twins(desk: Desk) -> None:
    await desk.upload("products.csv", "sku,title\na,Chair\n")
    templates = {
        "one": {"prompt": GOOD},
        "two": {"prompt": GOOD, "image": {"quality": "high"}},
        "below_one": {"prompt": "Keep Image 1.", "from": "one"},
        "below_two": {"prompt": "Keep Image 1.", "from": "two"},
    }
    same = {"one": {"prompt": GOOD}, "two": {"prompt": GOOD}}

    assert (await desk.plan(manifest(templates=templates))).duplicates.total == 0
    assert (await desk.plan(manifest(templates=same))).duplicates.by_template == {"two": 1}


async def test_a_cap_is_held_against_what_is_made_and_not_against_what_is_the_same(desk: Desk) -> None:
    await desk.upload("products.csv", "sku,title\na,Chair\nb,Chair\n")
    open_ended = await desk.plan(manifest(templates={"hero": {"prompt": GOOD}}))

    capped = manifest(templates={"hero": {"prompt": GOOD}}, spend={"cap_usd": open_ended.cost.low})

    assert (await desk.plan(capped)).accepted
    assert not (await desk.plan({**capped, "reuse": "never"})).accepted


async def test_advice_names_the_rule_the_first_row_and_how_often(desk: Desk) -> None:
    rows = "".join(
        f"{n},Chair {n},{'A chair' if n % 2 else 'A photo of a chair at noon'}\n" for n in range(10)
    )
    await desk.upload("products.csv", f"sku,title,words\n{rows}")

    variants = {"side": {"left": {"word": "left"}, "right": {"word": "right"}}}
    hero = {"prompt": "{{ row.words }} {{ variant.side.word }}"}
    plan = await desk.plan(manifest(templates={"hero": hero}, variants=variants))

    [found] = plan.lint
    assert (found.rule, found.template, found.count, found.rows) == ("vague", "hero", 10, 5)
    assert plan.linted_rows == 10
    assert plan.accepted
    assert "name at least one" in found.message
    assert found.row == 2  # the second row has the first of them


async def test_only_some_rows_of_a_great_many_are_looked_at(desk: Desk) -> None:
    await desk.upload("products.csv", catalog(1000))

    plan = await desk.plan(manifest(templates={"hero": {"prompt": "A {{ row.title }}"}}))

    assert [(found.count, found.rows) for found in plan.lint] == [(100, 100)]
    assert plan.linted_rows == 100


async def test_of_a_template_with_many_prompts_to_a_row_fewer_rows_are_looked_at_and_said(desk: Desk) -> None:
    await desk.upload("products.csv", catalog(100))
    templates = {"hero": {"prompt": GOOD}, "many": {"prompt": "A {{ row.title }} {{ variant.side.name }}"}}
    variants: dict[str, Any] = {"side": {f"side-{n}": {} for n in range(20)}}

    plan = await desk.plan(manifest(templates=templates, variants=variants))

    assert [(found.template, found.count, found.rows) for found in plan.lint] == [("many", 1000, 50)]
    assert plan.linted_rows == 50


async def test_waiting_for_the_last_answers_is_part_of_the_time(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    flat = {"hero": {"prompt": GOOD}, "poster": {"prompt": GOOD + " {{ row.key }}"}}
    deep = {"hero": {"prompt": GOOD}, "poster": {"prompt": "Keep Image 1.", "from": "hero"}}

    one = (await desk.plan(manifest(templates=flat))).duration.seconds
    two = (await desk.plan(manifest(templates=deep))).duration.seconds

    assert (one, two) == (36 + 80, 36 + 160)


async def guarded(desk: Desk, digest: str | None, **fields: Any) -> BatchState:
    """The state of a batch that names the digest of a plan."""
    job = await desk.shelve(manifest(**fields), expects=digest)
    await desk.make(job)
    batch = await BatchStore(desk.redis).get(TENANT, job.batch_id or "")
    assert [problem.code for problem in batch.problems] == (
        [PLAN_CHANGED] if batch.state is BatchState.REJECTED else []
    )
    return batch.state


async def test_a_batch_that_names_its_plan_runs_only_as_long_as_nothing_has_changed(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    digest = (await desk.plan(manifest())).digest

    assert await guarded(desk, digest) is BatchState.RUNNING
    await desk.redis.flushdb()
    assert await guarded(desk, digest, samples=2) is BatchState.REJECTED
    await desk.redis.flushdb()
    await desk.upload("products.csv", CSV.replace("Chair", "Throne"))
    assert await guarded(desk, digest) is BatchState.REJECTED
    assert await desk.is_idle()


async def test_a_sample_opens_a_batch_of_its_own_with_only_so_many_tasks(desk: Desk) -> None:
    await desk.upload("products.csv", catalog(50))
    templates = {"hero": {"prompt": GOOD}, "poster": {"prompt": "Keep Image 1.", "from": "hero"}}

    plan, batch = await desk.submit(manifest(templates=templates, sample=3))

    assert (plan.tasks.total, batch.counts["queued"], plan.name) == (3, 3, "n (sample of 3)")
    assert plan.tasks.by_template == {"hero": 2, "poster": 1}
    assert plan.catalog.rows == 50


async def test_a_cap_that_covers_the_cheapest_call_there_can_be_is_no_reason_to_refuse(desk: Desk) -> None:
    """What a reference takes follows from its pixels, which nobody knows yet: 8,192 micro-dollars of 600 x 600, and far less
    of a small one."""
    await desk.upload("products.csv", catalog(20))
    await desk.upload("shoe.png", PNG)
    templates = {"hero": {"prompt": GOOD, "references": ["shoe.png"]}}
    asked = manifest(templates=templates, sizes=["1024x1024"])

    fits, short = [await desk.plan({**asked, "spend": {"cap_usd": cap}}) for cap in ("0.285", "0.117599")]

    assert (fits.accepted, fits.cost.low) == (True, "0.1176")  # 20 x 196 tokens
    assert short.refusal == (
        "This will cost at least $0.1176, which is over the manifest's cap of $0.117599."
    )


@pytest.mark.parametrize(
    ("prompt", "rules", "idle"),
    [
        ("{{ variant.a.name }}", {}, ("b", "c")),
        ("{{ variant_key }}", {}, ()),
        ("plain", {}, ("a", "b", "c")),
        ("{{ variant.a.name }}", {"zip": [["a", "b"]]}, ("c",)),
        ("{{ variant.c.name }}", {"zip": [["a", "b"]]}, ("a", "b")),
        ("{{ variant.a.name }}{{ variant.c.name }}", {"zip": [["a", "b"]]}, ()),
        ("{{ variant.a.name }}", {"exclude": [{"b": "one"}]}, ("c",)),
    ],
)
async def test_axes_that_make_no_difference_are_named_unless_another_one_says_the_same(
    desk: Desk, prompt: str, rules: dict[str, Any], idle: tuple[str, ...]
) -> None:
    axis: dict[str, Any] = {"one": {}, "two": {}}
    variants = {"a": axis, "b": axis, "c": axis, "alone": {"only": {}}}
    asked = {"catalog": None, "templates": {"hero": {"prompt": prompt}}, "combinations": rules}

    plan = await desk.plan(manifest(variants=variants, **asked))

    assert plan.duplicates.axes == ({"hero": idle} if idle else {})
    assert bool(plan.duplicates.total) == bool(idle)


async def test_a_table_that_looks_like_a_shops_export_is_told_with_what_to_do(desk: Desk) -> None:
    await desk.upload("products.csv", "sku,rodzaj,title\nm,variable,Mug\nm-w,variation,White Mug\n")
    given = {"source": "products.csv"}

    plain = await desk.plan(manifest(catalog=given))
    meant = await desk.plan(manifest(catalog={**given, "dialect": "csv"}))

    assert plain.accepted
    assert plain.catalog.advice is not None
    assert "column 'rodzaj'" in plain.catalog.advice
    assert "say dialect: csv" in plain.catalog.advice
    assert meant.catalog.advice is None
