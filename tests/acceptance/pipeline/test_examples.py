"""Every example makes pictures: the first few of each, against the simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.processes import ROOT
from tests.studio import MODEL, Studio

EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
FEW = 4
"""Enough for the longest chain of an example."""


def few_of(data: dict[str, Any]) -> dict[str, Any]:
    """A sample of it, with the model that these workers have a lane for."""
    return {**data, "image": {**data["image"], "model": MODEL}, "sample": FEW}


def files_of(data: dict[str, Any], folder: Path) -> dict[str, Path]:
    """Everything beside the manifest that could be meant; only what is named is read."""
    source = (data.get("catalog") or {}).get("source")
    names = [
        path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if path.suffix in (".jpg", ".png")
    ]
    text = yaml.safe_dump(data) + ((folder / source).read_text() if source else "")
    return {name: folder / name for name in [*names, *([source] if source else [])] if name in text}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
async def test_a_few_of_its_pictures_are_made(studio: Studio, path: Path) -> None:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))

    batch = await studio.ended(await studio.submit(few_of(data), files_of(data, path.parent)))

    assert (batch.problems, batch.refusal) == ((), None)
    made = batch.counts["done"] + batch.counts["skipped"]
    assert made == batch.counts["total"], (batch.counts, batch.failures_by_class, batch.refusal)
    assert 0 < batch.counts["total"] <= FEW
    receipts = await studio.receipts(batch.id)
    assert len(receipts) == batch.counts["done"] > 0
