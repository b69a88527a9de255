"""What a catalog can have wrong: everything at once, each with its place, and nothing is spent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from core.lane_settings import LaneSettings
from core.settings import BudgetSettings, FetchSettings, ServiceSettings
from schemas.batch import BatchState
from tests.unit.planning.desk import CSV, PNG, Desk, catalog, manifest, said
from workers.fetching.fetcher import Fetcher


async def test_every_mistake_of_the_catalog_comes_at_once_and_nothing_is_spent(desk: Desk) -> None:
    await desk.upload(
        "products.csv", "sku,title,color\na,Chair,red\na,Twice,red\n,None,red\nd,,red\ne,Sofa,\n"
    )
    data = manifest(templates={"hero": {"prompt": "{{ row.title }} in {{ row.color }}"}})

    plan, batch = await desk.submit(data, lanes={})

    assert set(said(plan)) == {
        "/catalog/rows/1/sku",
        "/catalog/rows/2/sku",
        "/catalog/rows/3/title",
        "/catalog/rows/4/color",
        "/image/model",
    }
    assert not plan.accepted
    assert (batch.state, batch.counts["total"], batch.held_usd_micros) == (BatchState.REJECTED, 0, 0)
    assert {problem.pointer for problem in batch.problems} == set(said(plan))
    assert await desk.is_idle()


async def test_an_empty_field_is_named_by_row_template_and_the_producers_own_column(desk: Desk) -> None:
    await desk.upload("products.csv", "SKU,Product Name,Fabric Care\na,Chair,wash\nb,Table,\nc,,wash\n")
    data = manifest(templates={"hero": {"prompt": "{{ row.title }} {{ row.fabric_care }}"}})

    found = said(await desk.plan(data))

    assert set(found) == {"/catalog/rows/1/Fabric Care", "/catalog/rows/2/Product Name"}
    assert (
        "'row.title' is empty, and /templates/hero/prompt needs it" in found["/catalog/rows/2/Product Name"]
    )


async def test_a_field_that_no_row_has_is_named_once_with_what_was_meant(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    data = manifest(
        templates={"hero": {"prompt": "{{ row.titel }}", "references": ["{{ row.photo }}"]}},
        output={"key": "{{ row.key }}/{{ row.ean }}-{{ template }}-{{ size }}-{{ sample }}"},
    )

    found = said(await desk.plan(data))

    assert set(found) == {"/templates/hero/prompt", "/templates/hero/references/0", "/output/key"}
    assert "no row has a field or column 'titel'; did you mean row.title?" in found["/templates/hero/prompt"]


@pytest.mark.parametrize(
    ("content", "says"), [("sku,title\n", "no rows"), ("", "empty"), ("\n\n", "empty"), (b"\x00\x01\x02", "")]
)
async def test_an_empty_or_unreadable_catalog_is_refused(desk: Desk, content: Any, says: str) -> None:
    await desk.upload("products.csv", content)

    plan, batch = await desk.submit(manifest())

    assert [problem.pointer for problem in plan.errors] == ["/catalog/source"]
    assert says in plan.errors[0].detail
    assert batch.state is BatchState.REJECTED


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("missing.csv", "nothing was uploaded as 'missing.csv'"),
        ("ftp://host/a.csv", "an uploaded file, an https:// or an s3:// address"),
        ("s3://bucket/a.csv", "is not opened to manifests"),
        ("http://host/a.csv", "Only https:// is fetched"),
        ("https://127.0.0.1/a.csv", ""),
    ],
)
async def test_a_catalog_that_cannot_be_had_is_refused(desk: Desk, source: str, says: str) -> None:
    found = said(await desk.plan(manifest(catalog={"source": source})))

    assert list(found) == ["/catalog/source"]
    assert says in found["/catalog/source"]


async def test_missing_references_are_named_by_row_or_by_template_whoever_names_them(desk: Desk) -> None:
    await desk.upload("products.csv", "sku,title,photo\na,Chair,a.png\nb,Table,b.png\nc,Sofa,ftp://x/c.png\n")
    await desk.upload("a.png", PNG)
    hero = {
        "prompt": "x",
        "references": ["{{ row.image_urls[0] }}", "logo.png"],
        "mask": "https://host/mask.png",
    }
    data = manifest(templates={"hero": hero})

    plan = await desk.plan(data)

    found = said(plan)
    assert found["/catalog/rows/1"] == "'b.png' was not uploaded"
    assert found["/templates/hero/references/1"] == "'logo.png' was not uploaded"
    assert found["/catalog/rows/2/photo"] == (
        "/templates/hero/references/0 names 'ftp://x/c.png' (column 'photo'): Only https:// is fetched."
    )
    assert len(plan.errors) == 3
    assert [(file.name, file.sha256 is None) for file in plan.files] == [
        ("b.png", True), ("logo.png", True), ("a.png", False)
    ]  # fmt: skip


async def test_a_reference_by_http_is_refused_by_the_plan_unless_the_operator_allows_it(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    data = manifest(templates={"hero": {"prompt": "x", "references": ["http://shop.example/a.png"]}})

    refused = said(await desk.plan(data))
    await desk.fetcher.aclose()
    desk.fetcher = Fetcher(FetchSettings(allow_http=True))

    assert refused == {"/templates/hero/references/0": "Only https:// is fetched."}
    assert said(await desk.plan(data)) == {}


async def test_names_that_nothing_can_be_stored_under_are_missing_files(desk: Desk) -> None:
    data = manifest(templates={"hero": {"prompt": "x", "references": ["../../etc/passwd"]}})
    await desk.upload("products.csv", CSV)

    assert said(await desk.plan(data)) == {
        "/templates/hero/references/0": "'../../etc/passwd' was not uploaded"
    }


async def test_a_prompt_that_is_too_long_or_empty_in_some_row_is_refused(desk: Desk) -> None:
    await desk.upload("products.csv", f"sku,title\na,{'x' * 40_000}\nb,fine\nc,gone\n")
    data = manifest(templates={"hero": {"prompt": "{% if row.key != 'c' %}{{ row.title }}{% endif %}"}})

    found = said(await desk.plan(data))

    assert "40,000 characters long; at most 32,000 fit" in found["/catalog/rows/0"]
    assert "is empty" in found["/catalog/rows/2"]


async def test_a_mistake_that_no_row_can_mend_is_said_once(desk: Desk) -> None:
    await desk.upload("products.csv", catalog(700))
    data = manifest(
        templates={"hero": {"prompt": "{{ variant.season.light }}"}},
        variants={"season": {"spring": {"light": None}}},
    )

    found = said(await desk.plan(data))

    assert list(found) == ["/templates/hero/prompt"]


async def test_a_great_many_mistakes_are_cut(desk: Desk) -> None:
    await desk.upload("products.csv", catalog(1200))
    hero = {"prompt": "x", "references": ["{{ row.key }}.png"]}

    plan = await desk.plan(manifest(templates={"hero": hero}))

    assert (len(plan.errors), plan.errors_truncated) == (100, True)


async def test_a_mistake_that_many_rows_have_is_said_once_with_the_first_and_how_many(desk: Desk) -> None:
    lines = (f"s{n},{'' if n % 2 else 'Chair'},{'' if n == 3 else 'red'}\n" for n in range(1200))
    await desk.upload("products.csv", "sku,title,color\n" + "".join(lines))
    prompts = {"hero": "{{ row.title }}", "detail": "{{ row.color }}"}

    plan = await desk.plan(manifest(templates={name: {"prompt": text} for name, text in prompts.items()}))

    title, color = plan.errors
    assert (title.pointer, title.row) == ("/catalog/rows/1/title", 2)
    assert title.detail.startswith("'row.title' is empty, and /templates/hero/prompt needs it")
    assert title.detail.endswith(" (in 600 rows: 2, 4, 6, 8, 10, ...)")
    assert (color.pointer, color.row) == ("/catalog/rows/3/color", 4)
    assert "rows:" not in color.detail


async def test_addresses_that_are_refused_for_one_reason_are_said_once_with_the_cell_of_the_first(
    desk: Desk,
) -> None:
    secret = "http://me:password@shop.example/" + "a" * 80 + ".png?signature=secret"
    await desk.upload("products.csv", f"sku,photo\na,https://x/a.png\nb,{secret}\nc,http://x/c.png\n")
    hero = {"prompt": "x", "references": ["{{ row.image_urls[0] }}"]}

    plan = await desk.plan(manifest(templates={"hero": hero}))

    (found,) = plan.errors
    assert (found.pointer, found.row) == ("/catalog/rows/1/photo", 2)
    assert found.detail == (
        f"/templates/hero/references/0 names 'http://shop.example/{'a' * 40}...' (column 'photo'): "
        "Only https:// is fetched. (in 2 rows: 2, 3)"
    )


async def test_an_empty_option_of_a_shop_is_looked_for_in_the_cell_that_is_empty(desk: Desk) -> None:
    header = "Handle,Title,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant SKU\n"
    await desk.upload("products.csv", f"{header}shirt,Shirt,Size,M,Color,,sku-1\n")

    plan = await desk.plan(manifest(templates={"hero": {"prompt": "{{ row.color }}"}}))

    assert [problem.pointer for problem in plan.errors] == ["/catalog/rows/0/Option2 Value"]


async def test_missing_files_are_all_named_at_once_although_the_catalog_is_one_of_them(desk: Desk) -> None:
    hero = {"prompt": "x", "references": ["logo.png", "{{ row.image_urls[0] }}"], "mask": "mask.png"}
    source = {"source": "products.csv", "mapping": "mapping.yaml"}

    plan = await desk.plan(manifest(templates={"hero": hero}, catalog=source))

    assert said(plan) == {
        "/catalog/source": "nothing was uploaded as 'products.csv'; upload it first",
        "/catalog/mapping": "nothing was uploaded as 'mapping.yaml'; upload it first",
        "/templates/hero/references/0": "'logo.png' was not uploaded",
        "/templates/hero/mask": "'mask.png' was not uploaded",
    }
    assert {file.name for file in plan.files} == {"logo.png", "mask.png"}


async def test_without_a_catalog_nothing_is_said_of_rows(desk: Desk) -> None:
    data = manifest()
    del data["catalog"]

    plan = await desk.plan({**data, "templates": {"hero": {"prompt": "{% if false %}x{% endif %}"}}})

    (found,) = plan.errors
    assert (found.pointer, found.row, found.detail) == (
        "/templates/hero/prompt", None, "the prompt of 'hero' is empty"
    )  # fmt: skip
    good = await desk.plan({**data, "templates": {"hero": {"prompt": "A mug"}}})
    assert (good.catalog.rows, good.prompts[0]["row_key"]) == (0, None)
    assert good.lint
    assert {advice.row for advice in good.lint} == {None}


@pytest.mark.parametrize(
    ("key", "rows", "pointers"),
    [
        ("{{ row.title }}", "a,Chair\nb,Chair\n", {"/catalog/rows/1"}),
        ("{{ row.key }}", "a,Chair\n", set()),
        ("same", "a,Chair\nb,Table\n", {"/catalog/rows/1"}),
        ("../../{{ row.title }}", "a,..\nb,Table\n", {"/catalog/rows/0"}),
        (None, "a?,Chair\na*,Table\n", {"/catalog/rows/1"}),
        (None, "../x,Chair\nx,Table\n", {"/catalog/rows/1"}),
        (None, "a/b,Chair\na,Table\nb,Sofa\n", set()),
    ],
)
async def test_two_pictures_never_get_one_key(
    desk: Desk, key: str | None, rows: str, pointers: set[str]
) -> None:
    await desk.upload("products.csv", f"sku,title\n{rows}")

    plan = await desk.plan(manifest(**({"output": {"key": key}} if key else {})))

    assert set(said(plan)) == pointers


async def test_names_that_run_into_each_other_in_the_usual_key_are_found(desk: Desk) -> None:
    """`a-b` in season `c` and `a` in season `b-c` are both stored as `a-b-c`."""
    await desk.upload("products.csv", CSV)
    data = manifest(
        templates={"a": {"prompt": "x"}, "a-b": {"prompt": "x"}}, variants={"season": {"b-c": {}, "c": {}}}
    )

    assert "already stored as 'a/a-b-c-1024x1024-1'" in said(await desk.plan(data))["/catalog/rows/0"]


async def test_samples_that_the_key_does_not_tell_apart_are_found(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    data = manifest(samples=2, output={"key": "{{ row.key }}/{{ template }}-{{ size }}"})

    assert "make output.key tell them apart" in said(await desk.plan(data))["/catalog/rows/0"]


async def test_more_pictures_than_a_batch_may_have_are_refused_without_trying_them(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    axes: dict[str, Any] = {f"axis{n}": {f"v{m}": {} for m in range(50)} for n in range(8)}
    data = manifest(variants=axes, templates={"hero": {"prompt": "{{ variant_key }}"}})

    plan = await asyncio.wait_for(desk.plan(data, service=ServiceSettings(max_tasks=100)), 60)

    assert "at most 100 are allowed" in said(plan)[""]


@pytest.mark.parametrize(
    ("settings", "fields", "says"),
    [
        ({"budgets": BudgetSettings()}, {}, "no monthly budget"),
        ({"budgets": BudgetSettings(tenant_month_usd="0.01")}, {}, "the tenant's monthly budget of $0.01"),
        (
            {"budgets": BudgetSettings(tenant_month_usd="9", house_day_usd="0.01")},
            {},
            "the house's daily budget of $0.01",
        ),
        ({}, {"spend": {"cap_usd": "0.01"}}, "over the manifest's cap of $0.01"),
    ],
)
async def test_what_would_cost_more_than_it_may_is_refused(
    desk: Desk, settings: dict[str, Any], fields: dict[str, Any], says: str
) -> None:
    await desk.upload("products.csv", CSV)

    plan, batch = await desk.submit(manifest(**fields), **settings)

    assert (plan.accepted, plan.errors) == (False, ())
    assert says in (plan.refusal or "")
    assert (batch.state, batch.refusal, batch.problems) == (BatchState.REJECTED, plan.refusal, ())
    assert await desk.is_idle()


async def test_a_model_without_a_lane_is_refused_where_it_is_named(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    lanes = {"main": LaneSettings(api_key="key", models=("gpt-image-2",))}
    other = {"prompt": "x", "image": {"model": "gpt-image-2.5-flare"}}
    data = manifest(templates={"hero": {"prompt": "x"}, "other": other})

    found = said(await desk.plan(data, lanes=lanes))

    assert found == {
        "/templates/other/image/model": "no lane serves gpt-image-2.5-flare here; lanes: main",
    }


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("west", "there is no lane 'west'; those that serve gpt-image-2.6-flare: main, pool"),
        ("old", "lane 'old' does not serve gpt-image-2.6-flare; those that do: main, pool"),
        ("first", "lane 'first' shares its work with group 'pool'; name the group"),
    ],
)
async def test_a_lane_that_cannot_be_meant_is_refused_where_it_is_named(
    desk: Desk, named: str, says: str
) -> None:
    await desk.upload("products.csv", CSV)
    flare = ("gpt-image-2.6-flare",)
    lanes = {
        "main": LaneSettings(api_key="key", models=flare),
        "old": LaneSettings(api_key="key", models=("gpt-image-2",)),
        "first": LaneSettings(api_key="key", models=flare, group="pool"),
        "second": LaneSettings(api_key="key", models=flare, group="pool"),
    }
    data = manifest(image={"model": flare[0], "quality": "low", "lane": named})

    assert said(await desk.plan(data, lanes=lanes)) == {"/image/lane": says}


async def test_a_picture_that_no_minute_of_the_lane_can_hold_is_refused(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    lanes = {"main": LaneSettings(api_key="key", tokens_per_minute=50)}

    assert "lane 'main' has 50 a minute" in said(await desk.plan(manifest(), lanes=lanes))["/image/model"]


async def test_numbers_that_json_cannot_hold_are_a_mistake_of_their_row(desk: Desk) -> None:
    rows = [{"sku": "a", "title": "Chair"}, {"sku": "b", "title": "Table", "serial": 10**30}]

    found = said(await desk.plan(manifest(catalog={"rows": rows})))

    assert found == {
        "/catalog/rows/1": "it holds a number of more than 64 bits or a text that is not Unicode"
    }


async def test_no_prompt_is_in_an_error(desk: Desk) -> None:
    await desk.upload("products.csv", "sku,title,color\na,Velvet Dream,\n")
    data = manifest(templates={"hero": {"prompt": "Secret recipe: {{ row.title }} {{ row.color }}"}})

    plan = await desk.plan(data)

    assert plan.errors
    assert not any("Secret" in problem.detail or "Velvet" in problem.detail for problem in plan.errors)
