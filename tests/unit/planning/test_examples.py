"""Every example is planned for real: nothing about it is wrong, and no prompt of it gives reason for advice."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.processes import ROOT
from tests.unit.planning.desk import Desk, said

EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))


async def upload_beside(desk: Desk, folder: Path, names: list[str]) -> None:
    for name in names:
        await desk.upload(name, (folder / name).read_bytes())


def test_there_is_one_for_every_workflow() -> None:
    assert {path.stem for path in EXAMPLES} >= {
        "text_to_image",
        "structured_prompts",
        "literal_text",
        "localised_campaign",
        "ecommerce_set",
        "targeted_edit",
        "inpainting",
        "style_references",
        "series",
        "refinement",
        "variations",
        "drafts",
        "sizes",
        "cut_outs",
        "upscaled",
        "ideas",
    }


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
async def test_it_runs_as_it_stands(desk: Desk, path: Path) -> None:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    if source := (data.get("catalog") or {}).get("source"):
        await upload_beside(desk, path.parent, [source])
    first = await desk.plan(data)
    await upload_beside(desk, path.parent, [file.name for file in first.files])

    plan = await desk.plan(data)

    assert said(plan) == {}
    assert (plan.accepted, plan.refusal) == (True, None)
    assert plan.cost.cap is not None
    assert [f"{found.template}: {found.rule}" for found in plan.lint] == []
