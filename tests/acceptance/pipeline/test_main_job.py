"""The main job: a catalog in, the right pictures with the right receipts out, for what they cost."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from io import BytesIO

from PIL import Image

from schemas.ids import attempt_id
from schemas.pricing import micros
from schemas.task import TaskState
from tests.processes import ROOT, Simulator, Worker
from tests.studio import MODEL, Studio, manifest, numbered

PHOTO = ROOT / "examples" / "photos" / "tee-oct-sand.jpg"
TEMPLATES = {
    "hero": {"prompt": "A photo of {{ row.title }}, {{ variant.light.words }}."},
    "studio": {
        "prompt": "Image 1 on white, {{ variant.light.words }}.",
        "references": ["{{ row.image_urls[0] }}"],
    },
    "banner": {"prompt": "A wide scene around Image 1.", "from": "hero", "sizes": ["1536x1024"]},
}
LIGHTS = {"light": {"soft": {"words": "soft light"}, "hard": {"words": "hard light"}}}


async def test_generations_edits_and_pictures_made_from_pictures_end_in_the_right_files(
    studio: Studio,
) -> None:
    catalog = studio.place.folder / "catalog.csv"
    catalog.write_text("sku,title,image_url\nA,Shirt,shirt.jpg\nB,Blouse,shirt.jpg\n")
    asked = manifest(templates=TEMPLATES, variants=LIGHTS, catalog={"source": "catalog.csv", "key": "sku"})
    uploads = {"catalog.csv": catalog, "shirt.jpg": PHOTO}

    batch = await studio.ended(await studio.submit({**asked, "spend": {"cap_usd": "5.00"}}, uploads))

    # The two rows share a photo and a prompt, so that one edit serves for both.
    assert (batch.counts["done"], batch.counts["skipped"], batch.counts["total"]) == (10, 2, 12)
    names = [
        f"{row}/{template}-{light}" for row in "AB" for template in TEMPLATES for light in ("soft", "hard")
    ]
    tasks = {
        task.asset_key: task for task in await studio.task_list(batch.id) if task.state is TaskState.DONE
    }
    assert {str(key).rsplit("-", 2)[0] for key in tasks} <= set(names)
    assert sorted(await studio.keys(batch.id, "pictures")) == sorted(
        [*map(str, tasks), *(f"{key}.json" for key in tasks)]
    )
    for key, task in tasks.items():
        data, receipt = await studio.picture(batch.id, task), await studio.receipt(batch.id, task)
        wanted = (1536, 1024) if "banner" in str(key) else (1024, 1024)
        assert Image.open(BytesIO(data)).size == (receipt.width, receipt.height) == wanted
        assert receipt.row_key == str(key)[0]
        assert len(receipt.references) == (0 if receipt.template == "hero" else 1)
        assert f"{receipt.template}-{receipt.variant['light']}" in str(key)
    photo = hashlib.sha256(PHOTO.read_bytes()).hexdigest()
    receipts = [await studio.receipt(batch.id, task) for task in tasks.values()]
    assert {receipt.references for receipt in receipts if receipt.template == "studio"} == {(photo,)}
    heroes = {
        receipt.original.sha256 for receipt in receipts if receipt.original and receipt.template == "hero"
    }
    assert {receipt.references[0] for receipt in receipts if receipt.template == "banner"} == heroes


async def test_a_receipt_says_what_was_asked_what_came_and_what_it_cost(
    studio: Studio, east: Simulator
) -> None:
    before = datetime.now(UTC)
    batch = await studio.ended(await studio.submit(manifest("teapot")))

    (task,) = await studio.task_list(batch.id)
    data, receipt = await studio.picture(batch.id, task), await studio.receipt(batch.id, task)
    (call,) = east.calls(batch.id)
    prompt = hashlib.sha256(b"A photo of teapot.").hexdigest()
    assert call["client_request_id"] == attempt_id(batch.id, 0, 1)
    assert (receipt.batch_id, receipt.task, receipt.attempt, receipt.lane) == (batch.id, 0, 1, "east")
    assert (receipt.model, receipt.request_id, receipt.format) == (MODEL, call["request_id"], "jpeg")
    assert (receipt.template, receipt.row_key, receipt.variant, receipt.sample) == ("hero", "row-0", {}, 1)
    assert receipt.asset == task.asset_key == "row-0/hero-default-1024x1024-1.jpg"
    assert receipt.prompt_digest == prompt
    assert len(receipt.template_version) > 0
    assert len(receipt.fingerprint) == 64
    assert receipt.sha256 == task.sha256 == hashlib.sha256(data).hexdigest()
    assert (receipt.width, receipt.height, receipt.bytes) == (1024, 1024, len(data))
    assert before <= receipt.created_at <= datetime.now(UTC)
    assert 0 < receipt.latency_s < 60
    assert receipt.usage is not None
    assert sum(receipt.usage.values()) == call["usage"]["total_tokens"]
    assert micros(receipt.cost_usd) == task.cost_usd_micros == call["cost_usd_micros"] > 0
    assert not receipt.cost_estimated


async def test_what_a_batch_has_spent_is_what_the_provider_charged(studio: Studio) -> None:
    batch = await studio.ended(await studio.submit(manifest(*numbered(40))))
    books = await studio.books(batch.id)
    assert (books.acknowledged, books.done, books.lost, books.duplicated) == (40, 40, 0, 0)
    assert (books.settled, books.held, books.surplus) == (books.charged, 0, 0)
    costs = [task.cost_usd_micros for task in await studio.task_list(batch.id)]
    assert sum(costs) == books.settled
    assert batch.estimated_usd_micros == books.charged


async def test_equal_prompts_in_a_batch_are_paid_for_once(studio: Studio, east: Simulator) -> None:
    batch = await studio.ended(await studio.submit(manifest("cup", "cup", "cup", "pot")))
    tasks = await studio.task_list(batch.id)
    assert sorted(task.state for task in tasks) == ["done", "done", "skipped", "skipped"]
    assert len(east.calls(batch.id)) == 2
    maker = next(task for task in tasks[:3] if task.state is TaskState.DONE)
    assert {task.same_as for task in tasks if task.state is TaskState.SKIPPED} == {maker.index}


async def test_templates_of_different_models_go_to_the_lanes_that_serve_them(studio: Studio) -> None:
    templates = {
        "hero": {"prompt": "A photo of {{ row.title }}."},
        "sketch": {"prompt": "A sketch of {{ row.title }}.", "image": {"model": "gpt-image-2.5-flare"}},
    }
    batch = await studio.ended(await studio.submit(manifest(*numbered(6), templates=templates)))
    models = {
        name: [call["model"] for call in lane.calls(batch.id)] for name, lane in studio.place.lanes.items()
    }
    assert models == {"east": [MODEL] * 6, "west": ["gpt-image-2.5-flare"] * 6}
    lanes = {(await studio.receipt(batch.id, task)).lane for task in await studio.task_list(batch.id)}
    assert lanes == {"east", "west"}
    books = await studio.books(batch.id)
    assert (books.done, books.settled, books.held) == (12, books.charged, 0)


async def test_two_workers_share_a_batch_and_make_no_picture_twice(
    studio: Studio, east: Simulator, worker: Worker
) -> None:
    east.latency(0.05)
    workers = [worker, studio.worker()]
    batch = await studio.ended(await studio.submit(manifest(*numbered(120))))
    books = await studio.books(batch.id)
    assert (books.done, books.duplicated, len(east.calls(batch.id))) == (120, 0, 120)
    assert (books.settled, books.held) == (books.charged, 0)
    shares = [each.ended_attempts(batch.id) for each in workers]
    assert min(shares) > 0
    assert sum(shares) == 120
