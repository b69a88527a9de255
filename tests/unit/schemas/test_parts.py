"""A prompt in parts is joined in one order, each part behind its label."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.errors import ManifestError
from schemas.manifest_check import check_manifest
from schemas.parts import LABELS, Parts, joined
from schemas.template import parsed, visible


def rendered(parts: dict[str, str], **row: Any) -> str:
    return parsed(joined(parts)).render({"row": visible(row, "row")})


def test_every_part_of_a_manifest_has_a_label_and_the_same_place() -> None:
    assert list(Parts.model_fields) == list(LABELS)


def test_the_order_of_writing_does_not_matter() -> None:
    assert (
        rendered({"light": "soft", "avoid": "clutter", "subject": "a chair", "use": "a shop"})
        == "Use: a shop\nSubject: a chair\nLight: soft\nAvoid: clutter"
    )


def test_a_part_that_comes_out_empty_leaves_no_line_behind() -> None:
    parts = {"subject": "{{ row.title }}", "light": " {% if row.light %}{{ row.light }}{% endif %} "}

    assert rendered(parts, title="a chair", light=None) == "Subject: a chair"
    assert rendered(parts, title="a chair", light="soft") == "Subject: a chair\nLight: soft"


def test_parts_read_what_they_read_and_nothing_of_each_other() -> None:
    text = joined({"subject": "{{ row.title }}", "light": "{{ variant.season.light }}"})

    assert parsed(text).reads == ("row.title", "variant.season.light")


def template(**fields: Any) -> dict[str, Any]:
    """A template beside a mistake that is found only when everything has the right shape."""
    catalog = {"rows": [{}], "dialect": "csv"}
    image = {"model": "gpt-image-2"}
    return {"name": "n", "image": image, "templates": {"hero": fields}, "catalog": catalog}


@pytest.mark.parametrize(
    ("fields", "pointer", "says"),
    [
        ({}, "/templates/hero/prompt", "one of `prompt`, `parts` and `upscale`"),
        (
            {"prompt": "x", "parts": {"use": "x"}},
            "/templates/hero/prompt",
            "one of `prompt`, `parts` and `upscale`",
        ),
        ({"parts": {}}, "/templates/hero/parts", "at least one part: use, audience"),
        ({"parts": {"ligth": "x"}}, "/templates/hero/parts/ligth", "did you mean 'light'?"),
        ({"parts": {"light": "{{ x"}}, "/templates/hero/parts/light", "expected '}}'"),
        ({"parts": {"light": "{{ variant.a.b }}"}}, "/templates/hero/parts/light", "no axis 'a'"),
        ({"parts": {"light": "{% if row.a %}x"}}, "/templates/hero/parts/light", "endif"),
    ],
)
def test_a_mistake_is_said_once_at_its_place_and_hides_nothing(
    fields: dict[str, Any], pointer: str, says: str
) -> None:
    with pytest.raises(ManifestError) as refused:
        check_manifest(template(**fields))

    said = {problem.pointer: problem.detail for problem in refused.value.problems}
    assert set(said) == {pointer, "/catalog/dialect"}
    assert says in said[pointer]
