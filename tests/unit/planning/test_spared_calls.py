"""What a plan leaves out of its cost: calls that several pictures share, and pictures that the tenant has already."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.documents import Print
from core.state.lanes import Call, LaneStore, Lesson
from schemas.image import ImageFormat
from schemas.manifest import ImageSettings
from tests.unit.planning.desk import CSV, TENANT, Desk, catalog, manifest
from workers.order import fingerprint_of, parameters_of
from workers.planning import unchanged

GOOD = "A product photograph of {{ row.title }} on pale wood, soft light, no text."
KEEP = "Keep Image 1 exactly as it is, in other light."
IMAGE = ImageSettings(model="gpt-image-2", quality="low")


async def store(desk: Desk, prompt: str, *references: str, sha256: str = "ab" * 32, **about: Any) -> None:
    """A picture of an earlier batch, with the fingerprint that a worker gives it."""
    facts = {"model": "gpt-image-2", "parameters": parameters_of(IMAGE, "1024x1024"), "sample": 1, **about}
    fingerprint = fingerprint_of(prompt=prompt, references=list(references), **facts)
    await desk.documents.put_print(TENANT, fingerprint, Print("batch_1", "a.png", "originals/a.png", sha256))


async def test_two_channels_whose_pictures_are_made_at_the_same_pixels_share_a_call(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    templates = {"hero": {"prompt": GOOD}, "poster": {"prompt": KEEP, "from": "hero"}}
    asked = manifest(templates=templates, sizes=["amazon_main", "shopify", "1536x1024"])

    plan = await desk.plan(asked)
    twice = await desk.plan({**asked, "reuse": "never"})
    [alone] = [await desk.plan({**asked, "sizes": ["amazon_main", "1536x1024"]})]

    assert plan.cost.low == alone.cost.low
    assert Decimal(twice.cost.low) > Decimal(plan.cost.low)
    assert twice.cost.likely == plan.cost.likely
    assert (plan.duplicates.total, plan.duplicates.finished_anew) == (0, 6)


async def test_a_prompt_that_reads_the_size_shares_no_call(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    templates = {"hero": {"prompt": f"{GOOD} {{{{ size }}}}"}}

    asked = manifest(templates=templates, sizes=["amazon_main", "shopify"])
    plan, twice = await desk.plan(asked), await desk.plan({**asked, "reuse": "never"})

    assert (plan.cost.low, plan.duplicates.finished_anew) == (twice.cost.low, 0)


async def test_pictures_that_the_tenant_has_cost_nothing_and_are_held_all_the_same(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    templates = {"hero": {"prompt": GOOD}, "poster": {"prompt": KEEP, "from": "hero"}}
    asked = manifest(templates=templates, reuse="tenant", sizes=["1024x1024"])
    before = await desk.plan(asked)
    await store(desk, GOOD.replace("{{ row.title }}", "Chair"), sha256="cd" * 32)
    await store(desk, GOOD.replace("{{ row.title }}", "Table"), sha256="ef" * 32)
    await store(desk, KEEP, "cd" * 32)

    plan = await desk.plan(asked)
    within = await desk.plan({**asked, "reuse": "batch"})

    assert (plan.unchanged.total, plan.unchanged.by_template) == (3, {"hero": 2, "poster": 1})
    assert plan.unchanged.looked_at == plan.tasks.total == 6
    hero, poster = (float(before.cost.by_template[name]) / 3 for name in templates)
    assert float(plan.cost.likely) == pytest.approx(hero + 2 * poster)
    assert Decimal(plan.cost.low) == Decimal(before.cost.low) / 2
    assert (before.duration.seconds, plan.duration.seconds) == (36 + 2 * 80, 18 + 2 * 80)
    assert plan.cost.high == before.cost.high
    assert plan.digest == before.digest
    assert (within.unchanged.total, within.cost.likely) == (0, before.cost.likely)


async def test_an_uploaded_reference_counts_by_its_bytes_and_of_an_address_it_is_said_that_nobody_knows(
    desk: Desk,
) -> None:
    await desk.upload("products.csv", "sku,title,file\na,Chair,a.png\nb,Chair,https://example.com/b.png\n")
    await desk.upload("a.png", b"\x89PNG\r\n\x1a\n")
    upload = await desk.documents.find_upload(TENANT, "a.png")
    assert upload is not None
    await store(desk, "A Chair", upload.sha256)
    templates = {"hero": {"prompt": "A {{ row.title }}", "references": ["{{ row.file }}"]}}

    plan = await desk.plan(manifest(templates=templates, reuse="tenant", sizes=["1024x1024"]))

    assert plan.unchanged.by_template == {"hero": 1}
    assert plan.unchanged.unknown == 1


async def test_of_a_large_plan_some_pictures_are_looked_for_and_stand_for_the_rest(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unchanged, "MAX_LOOKED_AT", 20)
    await desk.upload("products.csv", catalog(100))
    for number in range(100):
        await store(desk, f"A Chair {number} in soft light")
    lights = {"light": {"soft": {"words": "soft"}, "hard": {"words": "hard"}}}
    templates = {"hero": {"prompt": "A {{ row.title }} in {{ variant.light.words }} light"}}

    plan = await desk.plan(
        manifest(templates=templates, variants=lights, reuse="tenant", sizes=["1024x1024"])
    )

    assert plan.unchanged.looked_at == 20
    assert 70 <= plan.unchanged.total <= 130  # half of 200, which is what there is


async def test_how_long_pictures_took_on_the_lane_of_late_is_part_of_the_time(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    await LaneStore(desk.redis).learn("main", Lesson(call=Call.SUCCEEDED, latency_s=30.0))

    plan = await desk.plan(manifest())

    assert (plan.duration.seconds, plan.duration.slots_needed) == (18 + 30, 3)


def test_the_parameters_of_a_fingerprint_are_those_that_are_asked_for() -> None:
    image = ImageSettings(model="gpt-image-2", quality="low", format=ImageFormat.WEBP, compression=90)

    assert parameters_of(image, "auto") == {
        "quality": "low", "size": "auto", "format": "webp", "compression": 90
    }  # fmt: skip


async def test_a_picture_that_is_there_spares_what_its_own_size_costs(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    asked = manifest(templates={"hero": {"prompt": GOOD}}, reuse="tenant", sizes=["1024x1024", "2048x1152"])
    for line in CSV.splitlines()[1:]:
        await store(desk, GOOD.replace("{{ row.title }}", line.split(",")[1]))

    plan = await desk.plan(asked)
    wide = await desk.plan({**asked, "sizes": ["2048x1152"]})

    assert plan.unchanged.by_size == {"hero": {"1024x1024": 3}}
    assert (plan.cost.likely, plan.cost.low) == (wide.cost.likely, wide.cost.low)


async def test_a_picture_of_a_sample_is_priced_and_held_at_its_own_size(desk: Desk) -> None:
    await desk.upload("products.csv", CSV)
    asked = manifest(templates={"hero": {"prompt": GOOD}}, image={"model": "gpt-image-2", "quality": "low"})

    both, small, wide = [
        (await desk.plan({**asked, "sizes": sizes, "sample": len(sizes)})).cost
        for sizes in (["1024x1024", "2048x1152"], ["1024x1024"], ["2048x1152"])
    ]

    assert Decimal(both.high) == Decimal(small.high) + Decimal(wide.high)
    assert Decimal(both.likely) == pytest.approx(
        Decimal(small.likely) + Decimal(wide.likely), rel=Decimal("0.01")
    )
