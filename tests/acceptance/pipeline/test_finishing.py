"""Finished pictures: what a preset and a manifest ask for is done to every one, and the original stays as it came."""

from __future__ import annotations

import hashlib
import json
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from core.documents import owned_key
from schemas.rendition import checked
from tests.processes import Simulator
from tests.studio import TENANT, Studio, manifest


async def stored(studio: Studio, batch_id: str, key: str) -> bytes:
    return await studio.documents.store.get_bytes(owned_key(TENANT, batch_id, key))


def label_of(data: bytes, folder: Path) -> dict[str, Any]:
    """What exiftool reads of a picture's label."""
    path = folder / "picture"
    path.write_bytes(data)
    command = ["exiftool", "-json", "-XMP-iptcExt:all", "-n", str(path)]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(json.loads(found)[0])


async def test_a_preset_is_finished_checked_and_labelled_and_its_original_is_kept(
    studio: Studio, tmp_path: Path
) -> None:
    finish = [{"step": "thumbnail", "name": "small", "longest_px": 128}]
    asked = {**manifest("jug"), "sizes": ["amazon_main"], "finish": finish}

    batch = await studio.ended(await studio.submit(asked))

    assert batch.counts["done"] == 1
    (task,) = await studio.task_list(batch.id)
    receipt, data = await studio.receipt(batch.id, task), await studio.picture(batch.id, task)
    assert Image.open(BytesIO(data)).size == (receipt.width, receipt.height) == (2000, 2000)
    assert receipt.preset == "amazon_main"
    assert {check.rule for check in receipt.checks} >= {"pixels", "format", "bytes"}
    assert task.checks == checked(receipt.checks)
    assert task.checks is not None and batch.checks[task.checks.result] == sum(batch.checks.values()) == 1
    assert task.sha256 == receipt.sha256 == hashlib.sha256(data).hexdigest()
    assert receipt.original is not None
    original = await stored(studio, batch.id, receipt.original.key)
    assert hashlib.sha256(original).hexdigest() == receipt.original.sha256
    assert Image.open(BytesIO(original)).size == (1920, 1920)
    small = receipt.thumbnails["small"]
    assert max(Image.open(BytesIO(await stored(studio, batch.id, small.key))).size) == small.width == 128
    label = label_of(data, tmp_path)
    assert str(label["DigitalSourceType"]).endswith("trainedAlgorithmicMedia")


async def test_a_picture_without_steps_is_its_original_with_a_label(studio: Studio, tmp_path: Path) -> None:
    batch = await studio.ended(await studio.submit(manifest("pot")))

    (task,) = await studio.task_list(batch.id)
    receipt, data = await studio.receipt(batch.id, task), await studio.picture(batch.id, task)
    assert receipt.original is not None
    original = await stored(studio, batch.id, receipt.original.key)
    assert Image.open(BytesIO(data)).tobytes() == Image.open(BytesIO(original)).tobytes()
    assert len(data) > len(original)
    assert "DigitalSourceType" in label_of(data, tmp_path)
    assert "DigitalSourceType" not in label_of(original, tmp_path)
    assert receipt.thumbnails == {}


async def test_one_picture_is_bought_for_all_channels_that_it_is_finished_for(
    studio: Studio, east: Simulator
) -> None:
    asked = {**manifest("vase"), "sizes": ["amazon_main", "walmart", "shopify"]}

    batch = await studio.ended(await studio.submit(asked))

    assert (batch.counts["done"], batch.counts["skipped"]) == (3, 0)
    (call,) = east.calls(batch.id)
    tasks = await studio.task_list(batch.id)
    receipts = {receipt.size: receipt for receipt in [await studio.receipt(batch.id, task) for task in tasks]}
    assert {size: receipt.preset for size, receipt in receipts.items()} == {
        size: size for size in asked["sizes"]
    }
    assert len({receipt.original.sha256 for receipt in receipts.values() if receipt.original}) == 1
    assert len({receipt.sha256 for receipt in receipts.values()}) == 3
    assert sorted(task.cost_usd_micros for task in tasks) == [0, 0, call["cost_usd_micros"]]
    assert (batch.spent_usd_micros, batch.held_usd_micros) == (call["cost_usd_micros"], 0)
