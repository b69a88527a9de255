"""A manifest that is wrong gets every error at once, each with its place."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from schemas.errors import ManifestError
from schemas.manifest import Manifest
from schemas.manifest_check import LATER, check_manifest

CONTRACT = """
darkroom: 1
name: apparel-autumn
priority: normal
metadata: {campaign: autumn-26}
catalog: {source: products.csv, dialect: auto, key: sku}
image: {model: gpt-image-2, quality: medium, format: webp, compression: 90, background: auto, moderation: auto}
templates:
  hero:
    prompt: |
      Clean product hero image of {{ row.title }}{% if row.color %} in {{ row.color }}{% endif %},
      {{ variant.season.light }}, plain background, no text, no logo.
    references: ["{{ row.image_urls[0] }}"]
    mask: null
  poster:
    from: hero
    prompt: "Make a detail page poster of Image 1 with the headline \\"{{ row.title | upcase }}\\"."
    sizes: [portrait]
    image: {quality: high}
variants:
  season:
    spring: {light: soft morning light}
    autumn: {light: golden hour light}
sizes: [square, 1536x1024]
samples: 2
finish: []
output: {key: "{{ row.key }}/{{ template }}-{{ variant_key }}-{{ size }}-{{ sample }}"}
spend: {cap_usd: "250.00", on_doubt: park}
reuse: batch
deadline: null
notify: []
"""

MINIMAL: dict[str, Any] = {
    "name": "n",
    "image": {"model": "gpt-image-2", "quality": "low"},
    "templates": {"hero": {"prompt": "A picture"}},
}


def changed(**fields: Any) -> dict[str, Any]:
    """The minimal manifest with other parts; `a__b` is field b of a."""
    data = copy.deepcopy(MINIMAL)
    for name, value in fields.items():
        *path, last = name.split("__")
        place = data
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return data


def problems(data: Any) -> dict[str, str]:
    """Place -> what is said, of a manifest that must be refused."""
    with pytest.raises(ManifestError) as refused:
        check_manifest(data)
    found = refused.value.problems
    assert len(found) == len({(problem.pointer, problem.detail) for problem in found}), "said twice"
    return {problem.pointer: problem.detail for problem in found}


def template(**fields: Any) -> dict[str, Any]:
    return changed(templates={"hero": {"prompt": "A picture", **fields}})


def test_the_contract_is_accepted_as_it_is_written() -> None:
    manifest = check_manifest(yaml.safe_load(CONTRACT))

    assert (manifest.templates["poster"].parent, manifest.spend.cap_usd) == ("hero", "250.00")
    assert Manifest.model_validate_json(manifest.model_dump_json(by_alias=True)) == manifest


def test_name_templates_and_model_are_all_that_is_needed() -> None:
    manifest = check_manifest(
        {"name": "n", "image": {"model": "gpt-image-2"}, "templates": {"hero": {"prompt": "x"}}}
    )

    assert (manifest.sizes, manifest.samples, manifest.priority) == (("1024x1024",), 1, "normal")


@pytest.mark.parametrize("value", [["hook"], [7], "hook", {"every": "0 6 * * 1"}, {}, 3, True])
@pytest.mark.parametrize("field", LATER)
def test_what_this_version_cannot_do_is_refused_by_name_and_hides_nothing(field: str, value: Any) -> None:
    said = problems(changed(spend__cap_usd="x", image__quality="max", **{field: value}))

    assert said.keys() == {f"/{field}", "/spend/cap_usd", "/image/quality"}
    assert "not available in this version" in said[f"/{field}"]


@pytest.mark.parametrize(
    ("data", "pointer", "says"),
    [
        (changed(naem="x"), "/naem", "no field 'naem' here; did you mean 'name'?"),
        (template(promt="x"), "/templates/hero/promt", "no field 'promt' here; did you mean 'prompt'?"),
        (changed(image__model="gpt-image-9"), "/image/model", "no model 'gpt-image-9'"),
        (changed(image__model="dall-e-3"), "/image/model", "use gpt-image-2.5-flare"),
        (
            changed(image__model="gpt-image-1.5"),
            "/image/model",
            "its shutdown date is 2026-12-01; use gpt-image-2.5",
        ),
        (changed(image__quality="max"), "/image/quality", "it knows low, medium, high"),
        (changed(image__complexity="low"), "/image/complexity", "no such setting"),
        (changed(sizes=["1024x1000"]), "/sizes/0", "use 1024x1008"),
        (changed(sizes=["sqare"]), "/sizes/0", "did you mean square"),
        (changed(sizes=["5008x5008"]), "/sizes/0", "over 3840"),
        (changed(sizes=["square", "square"]), "/sizes/1", "named twice"),
        (changed(sizes=["square", "1024x1024"], reuse="never"), "/sizes/1", "same picture as square"),
        (changed(sizes=[]), "/sizes", "it needs at least 1; it has 0"),
        (changed(sizes="square"), "/sizes", "this has to be a list"),
        (changed(samples=0), "/samples", "at least 1"),
        (changed(spend__cap_usd="0"), "/spend/cap_usd", "more than 0 dollars"),
        (changed(spend__cap_usd="-5"), "/spend/cap_usd", "more than 0 dollars"),
        (changed(spend__cap_usd="NaN"), "/spend/cap_usd", "more than 0 dollars"),
        (changed(spend__cap_usd="ten"), "/spend/cap_usd", "not an amount in dollars"),
        (changed(spend__cap_usd=True), "/spend/cap_usd", "decimal string"),
        (changed(spend__cap_usd="0.0000001"), "/spend/cap_usd", "at most 6 decimals"),
        (changed(spend__cap_usd="1", image__quality="auto"), "/image/quality", "'auto' has no price"),
        (changed(spend__cap_usd="1", image__quality=None), "/image/quality", "'auto' has no price"),
        (changed(spend__cap_usd="1", sizes=["auto"]), "/sizes/0", "'auto' has no price"),
        (changed(metadata={str(n): "x" for n in range(17)}), "/metadata", "at most 16"),
        (changed(templates={}), "/templates", "at least 1"),
        (changed(templates={"a b": {"prompt": "x"}}), "/templates/a b", "a name is up to 64 letters"),
        (changed(variants={"season": {}}), "/variants/season", "at least 1"),
        (changed(variants={"s": {"x": {"light": [1]}}}), "/variants/s/x/light", "a text, a number"),
        (changed(catalog={}), "/catalog", "either `source` or `rows`"),
        (changed(catalog={"rows": []}), "/catalog/rows", "at least 1"),
        (changed(catalog={"rows": [{"a": 1}, 7]}), "/catalog/rows/1", "object"),
        (changed(catalog={"rows": [{"sku": 1}], "dialect": "csv"}), "/catalog/dialect", "no dialect"),
        (template(prompt="x" * 32_001), "/templates/hero/prompt", "not be longer than 32000"),
        (template(prompt="{{ row.title"), "/templates/hero/prompt", "expected '}}'"),
        (template(prompt="{{ title }}"), "/templates/hero/prompt", "'title' is not known here"),
        (template(prompt="{{ row.title | fancy }}"), "/templates/hero/prompt", "no filter 'fancy'"),
        (template(mask="m.png"), "/templates/hero/mask", "needs a reference"),
        (template(references=["a"] * 17), "/templates/hero/references", "at most 16"),
        (template(**{"from": "nobody"}), "/templates/hero/from", "no template 'nobody'"),
        (template(**{"from": "hero"}), "/templates/hero/from", "made from itself"),
        (template(parent="hero"), "/templates/hero/parent", "no field 'parent' here"),
        (changed(output__key="{{ variant.season.light }}"), "/output/key", "no axis 'season'"),
        (changed(deadline="2027-01-01T00:00:00"), "/deadline", "a moment with its time zone"),
        (changed(darkroom=2), "/darkroom", "1"),
        ([], "", "object"),
        ({}, "/image/model", "'model' is required"),
    ],
)
def test_a_mistake_is_refused_at_its_place(data: Any, pointer: str, says: str) -> None:
    assert says in problems(data)[pointer]


def test_jpeg_cannot_be_transparent_whoever_of_template_and_defaults_says_so() -> None:
    plain = changed(image__format="jpeg", image__background="transparent")
    mixed = changed(image__background="transparent")
    mixed["templates"]["hero"]["image"] = {"format": "jpeg"}

    assert "jpeg has no transparency" in problems(plain)["/image/background"]
    assert "jpeg has no transparency" in problems(mixed)["/templates/hero/image/format"]


def test_compression_is_not_for_png() -> None:
    assert "png has none" in problems(changed(image__compression=80))["/image/compression"]
    own = template(image={"format": "png", "compression": 80})
    assert "png has none" in problems(own)["/templates/hero/image/compression"]


@pytest.mark.parametrize("own", [{"format": "png"}, {"format": None}, {"format": "png", "compression": None}])
def test_a_template_in_png_does_without_the_compression_of_the_whole_manifest(own: dict[str, Any]) -> None:
    data = template(image=own)
    data["image"] |= {"format": "webp", "compression": 90}

    assert check_manifest(data).image_of("hero").compression is None


def test_a_template_in_another_format_that_has_a_compression_keeps_that_of_the_manifest() -> None:
    data = template(image={"format": "jpeg"})
    data["image"] |= {"format": "webp", "compression": 90}

    assert check_manifest(data).image_of("hero").compression == 90


def test_a_null_of_a_template_leaves_a_setting_to_the_provider_except_the_model() -> None:
    data = template(image={"quality": None, "compression": None, "model": None})
    data["image"] |= {"format": "webp", "quality": "high", "compression": 90}
    checked = check_manifest(data)

    for manifest in (checked, Manifest.model_validate_json(checked.model_dump_json(exclude_unset=True))):
        image = manifest.image_of("hero")
        assert (image.model, image.format) == ("gpt-image-2", "webp")
        assert (image.quality, image.compression) == (None, None)


def test_the_picture_of_the_parent_counts_as_a_reference() -> None:
    data = changed(
        templates={"a": {"prompt": "x"}, "b": {"from": "a", "prompt": "x", "references": ["r.png"] * 16}}
    )

    assert problems(data) == {"/templates/b/references": "at most 16, with the picture of `from`"}


def test_every_template_of_a_circle_is_named_and_its_guests_are_not() -> None:
    ring = {name: {"prompt": "x", "from": parent} for name, parent in zip("abc", "bca", strict=True)}
    data = changed(templates={**ring, "d": {"prompt": "x", "from": "a"}})

    assert set(problems(data)) == {f"/templates/{name}/from" for name in "abc"}


def test_a_variant_field_that_some_choices_lack_is_named_with_them() -> None:
    data = template(prompt="{{ variant.season.light }} {{ variant.season.name }} {{ variant.place.x }}")
    data["variants"] = {"season": {"spring": {"light": "soft"}, "autumn": {}, "winter": {}}}

    with pytest.raises(ManifestError) as refused:
        check_manifest(data)

    said = {str(problem) for problem in refused.value.problems}
    assert said == {
        "/templates/hero/prompt: variant.season.light: 'light' is missing from autumn, winter",
        "/templates/hero/prompt: variant.place.x: there is no axis 'place'; known: season",
    }


def test_two_names_of_the_same_pixels_are_fine_where_the_prompt_tells_them_apart() -> None:
    data = template(prompt="A picture for {{ size }}")
    data["sizes"] = ["amazon_main", "amazon_secondary"]

    assert check_manifest(data).sizes == ("amazon_main", "amazon_secondary")


def test_one_mistake_hides_no_other() -> None:
    data = changed(
        image={"model": "gpt-image-9", "background": "transparent", "format": "jpeg"},
        sizes=["square", "blob"],
        templates={
            "hero": {"prompt": "{{ row.title", "references": ["{{ oops", "b.png"], "mask": "m.png"},
            "poster": {"from": "nobody", "prompt": "{{ variant.season.light }}"},
            "flyer": {"mask": "m.png"},
        },
        spend={"cap_usd": "-1"},
        notify=["hook"],
        wrong=1,
    )

    assert set(problems(data)) == {
        "/image/model",
        "/sizes/1",
        "/templates/hero/prompt",
        "/templates/hero/references/0",
        "/templates/poster/from",
        "/templates/poster/prompt",
        "/templates/flyer/prompt",
        "/templates/flyer/mask",
        "/spend/cap_usd",
        "/notify",
        "/wrong",
    }


def test_what_a_malformed_field_brings_about_is_not_said_as_well() -> None:
    data = changed(
        variants={"season": {"spring": {"light": ["a"]}}},
        templates={
            "hero": {"prompt": "{{ variant.season.light }}", "references": 5, "mask": "m.png"},
            "poster": {"from": "bad name", "prompt": "x"},
            "bad name": {"prompt": "x"},
        },
    )

    assert set(problems(data)) == {
        "/variants/season/spring/light",
        "/templates/hero/references",
        "/templates/poster/from",
        "/templates/bad name",
    }


def test_defaults_that_are_wrong_are_said_once_for_all_templates() -> None:
    data = changed(image__quality="max", sizes=["100x100"])
    data["templates"]["poster"] = {"prompt": "x"}

    assert set(problems(data)) == {"/image/quality", "/sizes/0"}


def test_a_great_many_mistakes_are_cut_and_say_so() -> None:
    with pytest.raises(ManifestError) as refused:
        check_manifest(changed(**{f"wrong_{n}": 1 for n in range(150)}))

    assert (len(refused.value.problems), refused.value.truncated) == (100, True)


@pytest.mark.parametrize("written", ["1.5", 1.5, "1.50", " 1.5 ", "1.50000000000000000000000000000000000000"])
def test_a_cap_is_kept_as_dollars_and_cents_however_it_is_written(written: Any) -> None:
    assert check_manifest(changed(spend__cap_usd=written)).spend.cap_usd == "1.50"


def test_a_manifest_is_not_changed_by_being_checked() -> None:
    data = changed(sizes=["blob"], image__model="gpt-image-9")
    before = copy.deepcopy(data)

    problems(data)

    assert data == before


BASE = {"name": "x", "image": {"model": "gpt-image-2"}, "templates": {"hero": {"prompt": "a"}}}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            {"templates": {"hero": {"promt": "a"}}},
            {"/templates/hero/promt": "there is no field 'promt' here; did you mean 'prompt'?"},
        ),
        (
            {"image": {"modle": "gpt-image-2"}},
            {"/image/modle": "there is no field 'modle' here; did you mean 'model'?"},
        ),
        ({"catalog": {"source": 7}}, {"/catalog/source": "this has to be a text; put a number, "}),
        ({"sizes": [7]}, {"/sizes/0": "this has to be a text; put a number, "}),
        ({"templates": {"hero": 7}}, {"/templates/hero": "this has to be an object with fields"}),
        (
            {"image": {"model": "gpt-image-2", "format": "gif", "compression": 7}},
            {"/image/format": "this has to be 'png', 'jpeg' or 'webp'"},
        ),
    ],
)
def test_what_only_follows_from_another_problem_is_not_told_beside_it(
    wrong: dict[str, Any], told: dict[str, str]
) -> None:
    with pytest.raises(ManifestError) as refused:
        check_manifest({**BASE, **wrong})
    found = {problem.pointer: problem.detail for problem in refused.value.problems}
    assert list(found) == list(told)
    assert all(found[pointer].startswith(says) for pointer, says in told.items())
