"""A prompt that is cut into passages comes out as the whole of it would, whatever it is made of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.parts import joined
from schemas.template import TemplateError, parsed, visible

ROW = {"title": "Mug", "color": "", "tags": ("a", "b"), "description": "<p>Of clay</p>"}
VALUES: dict[str, Any] = {
    "row": visible(ROW, "row"),
    "variant": visible({"light": {"name": "low", "words": "low light", "title": ""}}, "variant"),
    "variant_key": "low",
    "template": "hero",
    "size": "square",
    "sample": 2,
}
PIECES = (
    "A word. ",
    "{{ row.title }} ",
    "{{ row.description | strip_html }}",
    "{% if row.color %}in {{ row.color }}{% else %}plain{% endif %}",
    "{{ row.color }}",
    "{{ variant.light.words }}",
    "{{ row.title }} in {{ variant.light.name }}",
    "{%- if size == 'square' -%} squarely {%- endif -%}",
    "{% unless row.title == variant.light.title %}{{ sample }}{% endunless %}",
    "{% assign size = row.title | upcase %}",
    "{{ size }}",
    "{% assign tone = variant.light.words %}",
    "{% if row.color %}{% assign tone = row.title %}{% endif %}",
    "{% assign tone = 'none' %}{{ tone }}",
    "{% capture tone %}{{ row.title }}{% endcapture %}{% if tone != '' %}{{ tone }}{% endif %}",
    "{% capture tone %}{% if row.color %}{% assign note = 'x' %}{% endif %}{% endcapture %}",
    "{% assign note = 'y' %}{{ note }}",
    "{% cycle 'one', 'two' %}",
    "{% increment turn %}",
    "{% for tag in row.tags limit: 1 %}{{ tag }}{% endfor %}",
    "{% for tag in row.tags offset: continue %}{{ tag }}{% endfor %}",
    "{% comment %}{{ row.title }}{% endcomment %}",
    "{{ row.title | append: variant.light.words }}",
    "{{ row.tags[5] }}",
)


def in_passages(text: str) -> str | None:
    prompt = parsed(text)
    try:
        return "".join(prompt.text_of(place, VALUES) for place in range(len(prompt.passages))).strip()
    except TemplateError:
        return None


def whole(text: str) -> str | None:
    try:
        return parsed(text).render(VALUES)
    except TemplateError:
        return None


@example("{% assign size = row.title %}{{ variant.light.words }}{{ size }}")
@example("{% assign tone = 'none' %}{{ variant.light.words }}{{ row.title }}{{ tone }}")
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join))
def test_the_passages_of_a_template_make_up_its_text_and_fail_where_it_fails(text: str) -> None:
    try:
        parsed(text)
    except TemplateError:
        return  # it reads what it set only later
    assert in_passages(text) == whole(text)


def test_what_a_variant_changes_is_cut_from_what_the_row_decides() -> None:
    prompt = parsed("{{ row.title }}, {{ variant.light.words }}, no text; {{ row.description }}")

    assert [(one.reads_row, one.reads_cell) for one in prompt.passages] == [
        (True, False),
        (False, True),
        (True, False),
    ]


def test_the_parts_of_a_prompt_are_passages_although_they_share_a_name() -> None:
    text = joined({"subject": "{{ row.title }}", "light": "{{ variant.light.words }}", "avoid": "text"})

    assert [sorted(one.reads) for one in parsed(text).passages] == [["row"], ["variant"]]
    assert in_passages(text) == whole(text)


@pytest.mark.parametrize(
    "text",
    [
        "{% cycle 'one', 'two' %}{{ variant.light.words }}{% cycle 'one', 'two' %}{{ row.title }}",
        "{% if row.color %}{% assign tone = 'x' %}{% endif %}{{ variant.light.words }}{{ row.title }}",
        "{% increment turn %}{{ variant.light.words }}{{ row.title }}{% increment turn %}",
    ],
    ids=["a cycle goes on", "a name may be set or not", "a counter goes on"],
)
def test_a_template_whose_parts_need_each_other_stays_whole(text: str) -> None:
    assert len(parsed(text).passages) == 1


@pytest.mark.parametrize(
    "filters",
    [" | split: '' | join: ''" * 3 + " | size", " | upcase"],
    ids=["work", "room for names"],
)
def test_the_passages_together_may_take_no_more_than_the_whole(filters: str) -> None:
    each = [f"{{% assign long_{place} = row.title{filters} %}}" for place in range(3)]
    prompt = parsed("{{ variant.light.words }}".join(each))
    values = {**VALUES, "row": visible({"title": "x" * 120_000}, "row")}

    with pytest.raises(TemplateError, match="too much"):
        prompt.render(values)
    with pytest.raises(TemplateError, match="too much"):
        [prompt.text_of(place, values) for place in range(len(prompt.passages))]
