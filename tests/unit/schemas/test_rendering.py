"""What templates see of a row and a cell, and the key that follows."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.catalog import CANONICAL_FIELDS, Row
from schemas.expansion import Cell, Expansion
from schemas.manifest import Manifest
from schemas.rendering import cell_values, output_key, row_fields, row_values
from schemas.template import TemplateError, parsed

ROW = Row(number=3, key="a/b ?", title="Chair", attrs={"fabric": "wool", "title": "other", "note": ""})


def manifest(**fields: Any) -> Manifest:
    return Manifest.model_validate(
        {
            "name": "n",
            "image": {"model": "gpt-image-2"},
            "templates": {"hero": {"prompt": "x"}},
            "variants": {"season": {"autumn": {"light": "golden"}}},
            **fields,
        }
    )


def shown(text: str, row: Row = ROW) -> str:
    made = manifest()
    cell = Expansion(made, 1).cell(0)
    return parsed(text).render(cell_values(made, cell, row_values(row)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ row.title }} {{ row.attrs.title }}", "Chair other"),
        ("{{ row.fabric }} {{ row.attrs.fabric }}", "wool wool"),
        ("{{ row.key }} {{ row.number }}", "a/b ? 3"),
        ("{{ row.note | default: 'none' }}", "none"),
        ("{{ template }}/{{ variant_key }}/{{ size }}/{{ sample }}", "hero/autumn/1024x1024/1"),
        ("{{ variant.season.name }} {{ variant.season.light }}", "autumn golden"),
    ],
)
def test_a_template_sees_the_row_its_variant_and_its_place(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_every_canonical_field_may_be_asked_for_whatever_the_source_has() -> None:
    bare = Row(number=1, key="k")

    for field in CANONICAL_FIELDS:
        assert shown(f"{{% if row.{field} %}}{{% endif %}}ok", bare) == "ok"
    assert row_fields({"fabric": None}) == {*CANONICAL_FIELDS, "fabric"}


def test_the_output_key_is_safe_and_keeps_the_folders_of_the_row_key() -> None:
    made = manifest()
    values = cell_values(made, Cell(0, "hero", 0, ("autumn",), "square", 2), row_values(ROW))

    assert output_key(made, values) == "a/b _/hero-autumn-square-2"


def test_a_key_that_an_empty_field_would_make_is_refused() -> None:
    made = manifest(output={"key": "{{ row.sku }}"})

    with pytest.raises(TemplateError, match=r"'row.sku' is empty"):
        output_key(made, cell_values(made, Expansion(made, 1).cell(0), row_values(ROW)))


def test_of_a_row_only_what_is_read_is_made_ready() -> None:
    assert row_values(ROW, {"title", "fabric", "gone"}) == {"title": "Chair", "fabric": "wool"}
    everything = {*CANONICAL_FIELDS, "fabric", "note"}
    assert row_values(ROW).keys() == row_values(ROW, {"title", "*"}).keys() == everything
