"""A plan fills in what its workers will fill in, although it does no part of a text twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalog import Row
from schemas.manifest import Manifest
from schemas.manifest_check import check_manifest
from schemas.rendering import cell_values, row_values
from schemas.template import PromptTemplate, TemplateError, parsed
from tests.unit.planning.desk import manifest
from workers.planning import checker, filler
from workers.planning.filler import Filler

PROMPT = "{{ row.title }} in {{ variant.light.words }}, {{ row.color | default: 'plain' }} at {{ size }}"
ROWS = [
    Row(number=1, key="a", title="Mug", color="red"),
    Row(number=2, key="b", title="Cup"),
    Row(number=3, key="c", title="C" * 31_990),
    Row(number=4, key="d", color="red"),
]


def campaign(prompt: str) -> Manifest:
    light = {"low": {"words": "low light"}, "soft": {"words": "soft light"}}
    return check_manifest(
        manifest(
            templates={"hero": {"prompt": prompt}},
            variants={"light": light},
            sizes=["square", "portrait"],
            samples=2,
        )
    )


def outcome(render: Any, *given: Any) -> str:
    try:
        return str(render(*given))
    except TemplateError as error:
        return f"{error} ({error.field})"


@pytest.mark.parametrize(
    "text",
    [
        PROMPT,
        " {{ variant.light.words }} {{ row.title }} ",
        "{{ row.title }}",
        "refs/{{ variant.light.name }}.png",
        "{% cycle 'a', 'b' %} {{ row.title }} {{ variant.light.words }} {% cycle 'a', 'b' %}",
        "{{ row.title }}{{ variant.light.words }}{{ row.color }}",
        "{% capture row %}{{ row.title }}{% endcapture %}{{ row }}",
        "{% if sample == 2 %}{% assign row = variant.light %}{% endif %}{{ row.title | default: row.words }}",
        "{% if row.color %}{% assign size = 'a square' %}{% endif %}{{ size }}{{ row.title }}",
    ],
)
def test_what_is_filled_in_is_what_a_worker_fills_in_for_each_row_and_cell(text: str) -> None:
    made = campaign(text)
    known = Filler(made)
    for row in ROWS:
        known.next_row()
        values = row_values(row)
        for cell in known.cells("hero", ("variant", "size")):
            plain = outcome(parsed(text).render, cell_values(made, cell, values))
            assert outcome(known.filled, text, cell, values) == plain


PIECES = (
    "{{ row.title }}, ",
    "{{ row.color | default: 'plain' }}, ",
    "{{ variant.light.words | default: 'no light' }}, ",
    "{{ size }}, ",
    "{{ sample }}, ",
    "{{ word | default: 'nothing' }}, ",
    "{{ row.words | default: variant.title | default: 'neither' }}, ",
    "{% assign word = size %}",
    "{% assign size = 'one for all' %}",
    "{% assign sample = row.key %}",
    "{% assign variant = row %}",
    "{% assign row = variant.light %}",
    "{% capture word %}{{ word | default: 'a' }} {{ sample }}{% endcapture %}",
    "{% capture size %}{{ size }} of {{ variant_key }}{% endcapture %}",
)
CONDITIONS = ("row.color", "sample == 2", "size == 'square'", "variant.light.words == 'soft light'", "word")


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Words, and values that the text may have set itself before, for some rows and cells or all of them."""
    made = "{% assign word = 'word' %}" if draw(st.booleans()) else "{% capture word %}{% endcapture %}"
    for piece in draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6)):
        asked = draw(st.none() | st.sampled_from(CONDITIONS))
        made += piece if asked is None else f"{{% if {asked} %}}{piece}{{% endif %}}"
    return made


@given(text=texts())
@settings(max_examples=150, deadline=None)
def test_of_any_text_a_plan_sees_all_that_workers_will_fill_in_and_nothing_else(text: str) -> None:
    made, every = campaign("plain"), ("variant", "size", "sample")
    known, others = Filler(made), Filler(made)
    for row in ROWS[:2]:
        known.next_row()
        values = row_values(row, checker._fields_read(text))
        seen = {outcome(known.filled, text, cell, values) for cell in known.cells("hero", parsed(text).reads)}
        sent = {
            outcome(parsed(text).render, cell_values(made, cell, row_values(row)))
            for cell in others.cells("hero", every)
        }
        assert seen == sent


def test_what_the_row_decides_is_filled_in_once_a_row_and_the_rest_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, text_of = campaign(PROMPT), PromptTemplate.text_of
    counts = dict[int, int]()

    def counted(prompt: PromptTemplate, place: int, values: Mapping[str, Any]) -> str:
        counts[place] = counts.get(place, 0) + 1
        return text_of(prompt, place, values)

    monkeypatch.setattr(PromptTemplate, "text_of", counted)
    known = Filler(made)
    for row in ROWS[:2]:
        known.next_row()
        for cell in known.cells("hero", ("variant", "size")):
            known.filled(PROMPT, cell, row_values(row))

    row_parts, cell_parts = 2, 4
    assert list(counts.values()) == [row_parts, cell_parts, row_parts, cell_parts]


def test_texts_that_come_out_empty_are_not_kept_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filler, "_KEPT_CHARS", 250)
    text = "{% if variant.light.words == size %}never{% endif %}{{ row.title }}"
    known = Filler(campaign(text))
    for cell in known.cells("hero", ("variant", "size")):
        assert known.filled(text, cell, row_values(ROWS[0])) == "Mug"

    assert len(known._of_cell) == 3
