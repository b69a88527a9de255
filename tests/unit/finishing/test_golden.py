"""Each step of finishing makes of one picture what it made when somebody looked at it: the pictures in `goldens`."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from PIL import Image

from schemas.finish import Step
from tests.unit.finishing.golden import FOLDER, LEVELS, OTHER_LEVELS, PLANS, differences, made, original


def golden(name: str) -> Image.Image:
    with Image.open(FOLDER / f"{name}.png") as picture:
        return picture.convert(picture.mode)


def told(found: Image.Image, name: str) -> str:
    return "\n".join(differences(found, golden(name), levels=LEVELS.get(name, OTHER_LEVELS)))


@pytest.mark.parametrize("name", PLANS)
def test_a_step_makes_what_it_made_when_it_was_looked_at(name: str, tmp_path: Path) -> None:
    found = told(made(name, tmp_path), name)
    assert found == "", (
        f"{found}\nIf it is meant: python -m tests.unit.finishing.golden, and look at {name}.png"
    )


def test_the_original_is_drawn_as_it_was() -> None:
    assert told(original(), "original") == ""


def test_every_step_of_finishing_has_its_picture() -> None:
    steps = {kind.model_fields["step"].annotation for kind in get_args(get_args(Step)[0])}
    names = {get_args(literal)[0] for literal in steps}
    assert {next((step for step in names if plan.startswith(step)), "china-mark") for plan in PLANS} == {
        *names,
        "china-mark",
    }
    assert {path.stem for path in FOLDER.iterdir()} == {*PLANS, "original"}


def test_a_pixel_that_is_too_far_away_is_told_with_its_place() -> None:
    found = golden("crop")
    red, green, blue, alpha = (int(value) for value in found.tobytes()[:4])
    found.putpixel((0, 0), (red + OTHER_LEVELS + 1, green, blue, alpha))
    assert told(found, "crop") == (
        "1 of 576 pixels differ by more than 3 levels\n"
        f"(0, 0) is {(red + 4, green, blue, alpha)}, and was {(red, green, blue, alpha)}"
    )


def test_a_picture_of_another_size_is_told() -> None:
    assert told(golden("pad"), "resize") == "it is RGBA of (48, 48), and the golden one RGBA of (30, 20)"
