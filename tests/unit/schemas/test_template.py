"""What a prompt template sees, what it refuses, and where its limits are."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.template import PromptTemplate, TemplateError, condition, parsed, visible

SECRET = "Velvet Dream Sofa"
ROW: dict[str, Any] = {
    "title": SECRET,
    "color": None,
    "price": None,
    "stock": 3,
    "image_urls": ("a.png",),
    "category_path": (),
    "attrs": {"fabric": None, "care": ""},
    "raw": {"Title": SECRET},
    "long": "x" * 1000,
}
VALUES: dict[str, Any] = {
    "row": visible(ROW, "row"),
    "variant": visible(
        {"season": {"name": "autumn", "light": "golden", "extra": "", "mood": None}}, "variant"
    ),
    "variant_key": "autumn",
    "template": "hero",
    "size": "square",
    "sample": 1,
}


def rendered(text: str) -> str:
    return parsed(text).render(VALUES)


def refusal(text: str) -> TemplateError:
    with pytest.raises(TemplateError) as refused:
        rendered(text)
    return refused.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  {{ row.title }}\n", SECRET),
        ("{{ template }} {{ variant_key }} {{ size }} {{ sample }}", "hero autumn square 1"),
        ("{{ variant.season.light }}/{{ variant.season.name }}", "golden/autumn"),
        ("[{{ variant.season.extra }}]", "[]"),
        ("{{ row.color | default: 'red' }}", "red"),
        ("{{ row.image_urls[0] }} {{ row.image_urls[3] | default: 'none' }}", "a.png none"),
        ("{% for url in row.image_urls %}{{ url }}{{ forloop.index }}{% endfor %}", "a.png1"),
        ("{% for part in row.category_path %}x{% else %}no parts{% endfor %}", "no parts"),
        ("{{ row.category_path.size }}{{ row.category_path | size }}", "00"),
        ("{% assign shout = row.title | upcase %}{{ shout }}", SECRET.upper()),
        ("{% raw %}{{ row.title }}{% endraw %}", "{{ row.title }}"),
        ("{% if row.stock > 2 %}many{% endif %}", "many"),
    ],
)
def test_a_template_renders_what_it_reads(text: str, expected: str) -> None:
    assert rendered(text) == expected


@pytest.mark.parametrize("field", ["color", "category_path", "image_urls[7]", "attrs.care", "attrs.fabric"])
@pytest.mark.parametrize(
    "test", ["{0}", "{0} != blank", "{0} != empty", "{0} != nil", "{0}.size > 0", "{0} contains 'x'"]
)
def test_an_empty_field_is_false_by_every_way_of_asking(field: str, test: str) -> None:
    condition = test.format(f"row.{field}")

    assert rendered(f"{{% if {condition} %}}has it{{% else %}}lacks it{{% endif %}}") == "lacks it"


@pytest.mark.parametrize(
    "text",
    [
        "{{ row.color }}",
        "{{ row.color | upcase }}",
        "{{ row.color | append: '!' }}",
        "{{ 'in ' | append: row.color }}",
        "{{ row.price | times: 2 }}",
        "{{ 2 | plus: row.price }}",
        "{{ row.category_path | join: ' > ' }}",
        "{{ row.category_path | first }}",
        "{{ row.category_path.first }}",
        "{{ row.category_path }}",
        "{{ row.image_urls[1] }}",
        "{{ row.attrs.care }}",
        "{{ row.attrs.fabric }}",
        "{{ variant.season.mood }}",
        "{% assign color = row.color %}{{ color }}",
        "{% echo row.color %}",
    ],
)
def test_an_empty_value_is_never_printed(text: str) -> None:
    error = refusal(text)

    assert error.field is not None
    assert f"'{error.field}' is empty" in str(error)
    assert error.field.split("[")[0] in parsed(text).reads


@pytest.mark.parametrize(
    "text", ["{{ row.raw }}", "{{ row }}", "{{ variant.season }}", "{{ row.raw | upcase }}"]
)
def test_an_object_is_never_printed(text: str) -> None:
    assert "is an object; name one of its fields" in str(refusal(text))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{{ row.nope }}", "row.nope"),
        ("{% if row.nope %}x{% endif %}", "row.nope"),
        ("{{ row.nope | default: 'x' }}", "row.nope"),
        ("{{ row.raw['Body (HTML)'] }}", "row.raw.Body (HTML)"),
        ("{{ variant.season.nope }}", "variant.season.nope"),
        ("{{ row[row.title] }}", "row"),
        ("{{ row.raw[row.title] }}", "row.raw"),
        ("{{ row.title.__class__ }}", "row.title.__class__"),
        ("{{ row.image_urls.append }}", "row.image_urls.append"),
        ("{{ row.raw.items }}", "row.raw.items"),
        ("{{ row.color.path }}{{ row.color.__class__.__init__ }}", None),
    ],
)
def test_an_unknown_name_is_an_error_and_no_attribute_of_python(text: str, field: str | None) -> None:
    error = refusal(text)

    assert error.field == field or field is None
    assert "bound method" not in str(error)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{ 'now' | date: '%Y' }}", "it can read the clock"),
        ("{% include 'other' %}", "tag 'include' is not available"),
        ("{% render 'other' %}", "tag 'render' is not available"),
        ("{% tablerow x in row.image_urls %}{% endtablerow %}", "tag 'tablerow' is not available"),
        ("{{ row.title | shout }}", "no filter 'shout'"),
        ("{{ forloop.index }}", "'forloop' is not known here"),
        ("{{ title }}", "'title' is not known here"),
        ("{% if row.title %}", "endif"),
        ("{% blub %}", "blub"),
        ("{% if true %}" * 3000 + "{% endif %}" * 3000, "limit"),
    ],
)
def test_what_a_prompt_cannot_be_is_refused_before_it_is_rendered(text: str, says: str) -> None:
    with pytest.raises(TemplateError, match=re.escape(says)):
        PromptTemplate(text)


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("{{ row.title }}{{ row['title'] }}", ("row.title",)),
        ("{{ row.image_urls[0] }}", ("row.image_urls",)),
        ("{{ row.raw['Body (HTML)'] }}", ("row.raw.Body (HTML)",)),
        ("{{ row[row.title] }}", ("row", "row.title")),
        ("{% for url in row.image_urls limit: row.stock %}{{ url }}{% endfor %}", ("row.image_urls", "row.stock")),
        ("{% assign x = row.title %}{{ x }}{{ x.y }}", ("row.title",)),
        ("{% capture x %}{{ row.title }}{% endcapture %}{{ x }}", ("row.title",)),
        ("{{ row.title | default: row.color | append: variant.season.light }}",
         ("row.color", "row.title", "variant.season.light")),
        ("{% if row.color == size %}{{ sample }}{% elsif row.stock %}{% endif %}",
         ("row.color", "row.stock", "sample", "size")),
        ("{% case row.color %}{% when row.title %}{% endcase %}", ("row.color", "row.title")),
        ("{% unless variant_key contains 'x' %}{% endunless %}", ("variant_key",)),
        ("plain", ()),
    ],
)  # fmt: skip
def test_what_a_template_reads_is_known_without_rendering(text: str, reads: tuple[str, ...]) -> None:
    assert parsed(text).reads == parsed(text).needs == reads


@pytest.mark.parametrize(
    ("text", "reads", "needs"),
    [
        ("{% if row.color %}{% assign size = 'one' %}{% endif %}{{ size }}", ("row.color", "size"), ("row.color",)),
        ("{% capture sample %}{{ sample }}!{% endcapture %}{{ sample }}", ("sample",), ()),
        ("{{ row.title }}{% assign row = variant.light %}{{ row.words }}",
         ("row.title", "row.words", "variant.light"), ("row.title", "variant.light")),
    ],
)  # fmt: skip
def test_a_name_that_a_template_sets_itself_may_still_be_read_and_is_not_needed(
    text: str, reads: tuple[str, ...], needs: tuple[str, ...]
) -> None:
    assert (parsed(text).reads, parsed(text).needs) == (reads, needs)


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in (1..20000) %}x{% endfor %}",
        "{% for i in (1..200) %}{% for j in (1..200) %}x{% endfor %}{% endfor %}",
        "{% for i in (1..99999999999999999999999) %}x{% endfor %}",
        "{% for i in (1..200) %}{{ row.long }}{% endfor %}",
        "{% capture all %}{% for i in (1..9000) %}{{ row.long }}{% endfor %}{% endcapture %}",
        "{% assign a = row.long %}{% for i in (1..40) %}{% assign a = a | append: a %}{% endfor %}",
        "{% assign a = row.long | replace: 'x', row.long %}{{ a | replace: 'x', a }}",
        "{{ (1..999999999) | join: 'x' }}",
        "{{ (1..9000) | join: row.long }}",
        "{% assign l = (1..9000) | reverse | concat: row.image_urls %}{{ l | join: row.long }}",
        "{{ (1..999999999) | reverse | size }}",
        "{{ (1..999999999) | sort | first }}",
        "{% assign n = 9 %}{% for i in (1..40) %}{% assign n = n | times: n %}{% endfor %}",
        "{% for i in (1..9999) %}{% assign n = i %}{% endfor %}" * 100,
        "{% for i in (1..900) %}" + "{% assign n = i %}" * 1000 + "{% endfor %}",
        "{% for i in (1..50) %}" + "".join(f"{{% assign n{n} = 1 %}}" for n in range(900)) + "{% endfor %}",
        "{% assign l = (1..9999) | reverse %}{{ l" + " | sort" * 1000 + " | size }}",
        "{% assign l = (1..9999) | reverse | uniq %}",
    ],
)
def test_a_template_that_takes_too_much_is_stopped(text: str) -> None:
    assert "limit reached" in str(refusal(text))


@pytest.mark.parametrize(
    "text",
    [
        "{{ row.stock | divided_by: 0 }}",
        "{{ row.stock | modulo: 0 }}",
        "{{ row.title | truncate: row.title }}",
        "{{ row.title | slice: row.title }}",
        "{{ row.title | concat: row.title }}",
        "{{ row.title | base64_decode }}",
        "{{ row.title | append }}",
        "{{ row.raw.Title | sum }}",
        "{{ row.image_urls | sum: row.title }}",
        "{{ row.image_urls | map: row.title | sort: row.title | sum }}",
        "{% if row.title > 3 %}{% endif %}",
        "{% for x in row.image_urls limit: row.title %}{% endfor %}",
        "{{ row[row.title] }}",
        "{{ row.raw[row.title].x }}",
        "{{ row.title.first }}",
    ],
)
def test_an_error_names_values_and_never_shows_them(text: str) -> None:
    try:
        rendered(text)
    except TemplateError as error:
        assert not re.search("velvet|dream|sofa", f"{error} {error.field}", re.IGNORECASE)  # noqa: PT017


@given(
    st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), max_size=200),
    st.sampled_from(["title", "attrs.note"]),
)
def test_text_of_any_script_comes_through_untouched(text: str, field: str) -> None:
    shown = text.strip()
    row = {"title": shown or "x", "attrs": {"note": shown or "x"}}

    result = parsed(f"<{{{{ row.{field} }}}}>").render({**VALUES, "row": visible(row, "row")})

    assert result == f"<{shown or 'x'}>"


@pytest.mark.parametrize(
    "text", ["كنبة مخمل", "天鵝絨沙發 ソファ", "🛋️👩‍👩‍👧", "“quotes” 'single' \"double\" <b>&amp;</b>"]
)
def test_the_template_itself_may_be_of_any_script(text: str) -> None:
    assert rendered(f"{text}: {{{{ row.stock }}}}") == f"{text}: 3"


def test_the_version_of_a_template_is_the_digest_of_its_text() -> None:
    assert parsed("a {{ row.title }}").version != parsed("a {{row.title}}").version
    assert parsed("a {{ row.title }}").version == PromptTemplate("a {{ row.title }}").version


def test_a_long_prompt_with_a_plain_loop_is_no_work() -> None:
    text = "A kilim on a wall. " * 700 + "{% for i in (1..300) %}{{ i }} {% endfor %}"

    assert rendered(text).endswith(" 300")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("A line\nand {{ row.title | shout }}", "(in its line 2, column 20, at 'shout }}')"),
        ("A line\n  {{ rwo.title }}", "(in its line 2, column 6, at 'rwo.title }}')"),
        ("A {{ row.title ! 3 }} line\nand", "(in its line 1, column 16, at '! 3 }} line')"),
        ("a {% include 'x' %}", "(in its line 1, column 6, at 'include 'x'')"),
        ("a\n{{ row.x | date: '%Y' }}", "(in its line 2, column 12, at 'date: '%Y' }')"),
        ("{{ row.x }} {{ }}", "(in its line 1, column 13, at '{{ }}')"),
        ("{% if row.x %}{% endif %}\n{% if row.y %}", "(in its line 2, column 1, at '{% if row.y')"),
        ("{% if row.x %}\n{% if row.y %}{% endif %}", "(in its line 1, column 1, at '{% if row.x')"),
        ("a {{ row.x", "(in its line 1, column 3, at '{{ row.x')"),
    ],
)
def test_what_cannot_be_parsed_is_told_with_its_place_and_few_characters_of_it(text: str, place: str) -> None:
    with pytest.raises(TemplateError) as refused:
        parsed(text)
    assert str(refused.value).endswith(place)


def test_a_block_that_is_never_closed_is_told_with_what_closes_it() -> None:
    with pytest.raises(TemplateError, match=r"nothing closes the tag 'if'; end it with {% endif %} "):
        parsed("{% if row.x %}a")


def test_a_filter_that_is_misspelled_is_told_with_the_one_that_was_meant() -> None:
    with pytest.raises(TemplateError, match=r"there is no filter 'upcasee'; did you mean 'upcase'\?"):
        parsed("{{ row.x | upcasee }}")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("row.color = 3", "(in its line 1, column 11, at '= 3')"),
        ("rows.color", "(in its line 1, column 1, at 'rows.color')"),
    ],
)
def test_the_place_in_a_condition_is_counted_in_what_was_written(text: str, place: str) -> None:
    with pytest.raises(TemplateError) as refused:
        condition(text)
    assert str(refused.value).endswith(place)


@pytest.mark.parametrize("start", ["{{", "{%"])
def test_a_text_of_nothing_but_open_braces_is_refused_without_looking_for_their_ends(start: str) -> None:
    with pytest.raises(TemplateError, match=f"nothing closes '{start}' "):
        parsed("{{ row.x }}{% if row.x %}{% endif %}" + start * 15_000)
