"""Pictures made larger by a provider: how large they come, how they are finished, and what is wrong with asking."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest

from schemas.errors import ManifestError
from schemas.finish import Crop
from schemas.manifest import Manifest
from schemas.manifest_check import check_manifest
from schemas.notation import ACCEPTED
from schemas.pricing import price_list, quote_call
from schemas.size import Size
from schemas.upscaler import provider_of, upscalers
from schemas.upscaling import finish_of, gone_preset, gone_problems, is_composite, makers_of, original_size

TODAY = date(2026, 11, 21)
HERO = {"prompt": "A mug", "sizes": ["1024x1024"]}


def written(hero: dict[str, Any] | None = None, **large: Any) -> dict[str, Any]:
    """A manifest with a template `large` that makes `hero` larger, unless its fields say otherwise."""
    return {
        "name": "n",
        "image": {"model": "gpt-image-2", "quality": "low", "format": "jpeg"},
        "templates": {"hero": HERO | (hero or {}), "large": {"from": "hero", "upscale": {}, **large}},
        "sizes": ["1024x1024"],
    }


def checked(**fields: Any) -> Manifest:
    return check_manifest(written(**fields))


def problems(data: dict[str, Any]) -> dict[str, str]:
    """Place -> what is said, of a manifest that must be refused."""
    with pytest.raises(ManifestError) as refused:
        check_manifest(data)
    return {problem.pointer: problem.detail for problem in refused.value.problems}


def test_it_comes_four_times_as_wide_and_as_high_as_what_it_starts_from() -> None:
    assert original_size(checked(), "large", "1024x1024") == Size(4096, 4096)
    wide = checked(hero={"sizes": ["1280x720"]}, sizes=["1280x720"])
    assert original_size(wide, "large", "1280x720") == Size(5120, 2880)


def test_a_preset_that_its_parent_is_not_made_for_starts_from_the_first_of_its_sizes() -> None:
    assert original_size(checked(sizes=["etsy"]), "large", "etsy") == Size(4096, 4096)


def test_its_settings_are_its_own_and_its_format_that_of_the_batch() -> None:
    image = checked(upscale={"lane": "big"}).image_of("large")
    assert (image.model, image.lane, image.quality) == ("stable-fast-upscale", "big", "4x")
    assert (image.format, checked(upscale={"format": "png"}).image_of("large").format) == ("jpeg", "png")


def test_it_has_none_of_the_batch_references() -> None:
    manifest = check_manifest({**written(), "references": ["logo.png"]})
    assert len(manifest.references_of("hero")) == 1
    assert manifest.references_of("large") == ()


@pytest.mark.parametrize(("size", "target"), [("etsy", "3000x2250"), ("ebay", "1600x1600")])
def test_a_preset_ends_at_its_own_pixels_whether_its_steps_lead_there_or_not(size: str, target: str) -> None:
    plan = finish_of(checked(sizes=[size]), "large", size)
    assert Crop(step="crop", to=target) in plan.steps
    assert (plan.preset, plan.enlarged) == (size, True)


def test_a_step_without_pixels_goes_to_those_of_the_larger_picture() -> None:
    manifest = check_manifest({**written(), "finish": [{"step": "pad"}]})
    assert finish_of(manifest, "large", "1024x1024").steps[0].size_after(Size(9, 9)) == Size(4096, 4096)
    assert finish_of(manifest, "hero", "1024x1024").steps[0].size_after(Size(9, 9)) == Size(1024, 1024)


def test_a_picture_that_would_be_finished_too_large_is_found_before_it_is_paid_for() -> None:
    said = problems({**written(), "finish": [{"step": "upscale", "factor": 3}]})
    assert said["/finish"].startswith("large, 1024x1024: upscale: 12288x12288 is too large")


@pytest.mark.parametrize("preset", ["square", "1x1_1k"])
def test_a_preset_that_cuts_a_larger_picture_back_to_what_it_started_from_is_refused(preset: str) -> None:
    of_its_own = problems(written(sizes=[preset]))
    inherited = problems({**written(), "sizes": [preset]})
    assert of_its_own.keys() == {"/templates/large/sizes/0"}
    assert inherited == {"/templates/large": of_its_own["/templates/large/sizes/0"]}
    assert "no larger than what it starts from: 'hero' is 1024x1024" in inherited["/templates/large"]
    assert "write 1024x1024 in its place to keep all 4096x4096" in inherited["/templates/large"]


def test_a_size_that_only_a_preset_names_is_to_be_written_out_in_both_templates() -> None:
    said = problems(written(hero={"sizes": ["square"]}, sizes=["square"]))
    assert (
        "write 1024x1024 in its place, in 'hero' as well, to keep all 4096x4096"
        in said["/templates/large/sizes/0"]
    )
    assert original_size(checked(hero={"sizes": ["1024x1024"]}), "large", "1024x1024") == Size(4096, 4096)


@pytest.mark.parametrize("size", ["1024x1024", "etsy"])
def test_a_step_that_makes_a_larger_picture_small_again_is_refused(size: str) -> None:
    said = problems({**written(sizes=[size]), "finish": [{"step": "resize", "to": "1024x1024"}]})
    assert said.keys() == {"/finish"}
    assert "no larger than what it starts from" in said["/finish"]


def test_a_picture_that_stays_longer_on_one_edge_than_what_it_started_from_is_made() -> None:
    finish = [{"step": "crop", "to": "1100x600"}]
    assert check_manifest({**written(), "finish": finish}).templates.keys() == {"hero", "large"}


def test_only_what_has_a_reference_behind_it_is_a_composite_however_far_back() -> None:
    scene = {"prompt": "Image 1 on a table", "from": "hero"}
    templates = {"hero": {"prompt": "A mug"}, "scene": scene, "closer": {**scene, "from": "scene"}}
    alone = check_manifest({**written(), "templates": templates})
    from_a_photo = {**templates, "hero": {"prompt": "Image 1", "references": ["photo.png"]}}
    kept = check_manifest({**written(), "templates": from_a_photo})
    added = {**templates, "closer": {**scene, "from": "scene", "references": ["logo.png"]}}
    late = check_manifest({**written(), "templates": added})

    assert [is_composite(alone, name) for name in templates] == [False, False, False]
    assert [is_composite(kept, name) for name in templates] == [True, True, True]
    assert [is_composite(late, name) for name in templates] == [False, False, True]


def test_what_is_made_larger_came_to_be_as_what_it_was_made_of() -> None:
    assert not is_composite(checked(), "large")
    assert is_composite(checked(hero={"references": ["photo.png"]}), "large")
    assert makers_of(checked(), "large") == "gpt-image-2, stable-fast-upscale"


@pytest.mark.parametrize(
    ("field", "value"),
    [("prompt", "A mug"), ("parts", {"subject": "A mug"}), ("references", ["a.png"]), ("mask", "m.png")],
)
def test_it_has_no_prompt_and_no_pictures_of_its_own(field: str, value: Any) -> None:
    said = problems(written(**{field: value}))
    assert f"leave `{field}` out" in said[f"/templates/large/{field}"]


def test_it_has_no_image_settings_of_its_own() -> None:
    said = problems(written(image={"quality": "high"}))
    assert said.keys() == {"/templates/large/image"}


def test_a_factor_that_is_not_offered_is_refused_with_those_that_are() -> None:
    said = problems(written(upscale={"factor": 2}))
    assert "makes pictures 4 times as wide and as high" in said["/templates/large/upscale/factor"]


def test_an_upscaler_that_nobody_knows_is_refused_with_those_that_are_known() -> None:
    said = problems(written(upscale={"model": "gpt-image-2"}))
    assert said == {
        "/templates/large/upscale/model": "There is no upscaler 'gpt-image-2'; known: stable-fast-upscale."
    }


def test_it_starts_from_another_template() -> None:
    data = written()
    del data["templates"]["large"]["from"]
    assert "name it with `from`" in problems(data)["/templates/large/upscale"]


def test_a_parent_that_is_larger_than_the_upscaler_takes_is_refused() -> None:
    said = problems(written(hero={"sizes": ["1536x1024"]}, sizes=["1536x1024"]))
    assert said == {
        "/templates/large/upscale": "the pictures of 'hero' are 1536x1024; stable-fast-upscale takes 1,048,576 "
        "pixels at most"
    }
    long = problems(written(hero={"sizes": ["1776x592"]}, sizes=["1776x592"]))
    assert "edges of 1,536 pixels at most" in long["/templates/large/upscale"]


def test_a_parent_whose_size_the_provider_chooses_is_refused() -> None:
    said = problems(written(hero={"sizes": ["auto"]}, sizes=["auto"]))
    assert "leaves its size to the provider" in said["/templates/large/upscale"]


def test_a_size_that_its_parent_is_not_made_in_is_refused_and_one_that_is_named_twice() -> None:
    said = problems(written(sizes=["1024x1024", "1280x720", "1024x1024"]))
    assert said.keys() == {"/templates/large/sizes/1", "/templates/large/sizes/2"}


def test_an_upscale_without_sizes_of_its_own_is_told_to_name_some_where_it_stands() -> None:
    data = written(hero={"sizes": ["1280x720", "square"]})
    data["templates"]["large"].pop("sizes", None)
    for sizes in ({}, {"sizes": ["1536x1024"]}):
        said = problems({**data, **sizes})
        assert list(said) == ["/templates/large"]
        assert (
            "give it `sizes`: of those of 'hero' (1280x720, square), or presets" in said["/templates/large"]
        )


def test_a_larger_picture_is_too_large_to_be_made_larger_again() -> None:
    data = written()
    data["templates"]["huge"] = {"from": "large", "upscale": {}}
    assert "'large' are 4096x4096" in problems(data)["/templates/huge/upscale"]


@pytest.mark.parametrize("wrong", [4, {"factor": "many"}, {"by": 4}, {"factor": 1}])
def test_a_malformed_one_is_said_once_and_nothing_follows_from_it(wrong: Any) -> None:
    said = problems(written(upscale=wrong))
    assert len(said) == 1
    assert next(iter(said)).startswith("/templates/large/upscale")


def test_circles_and_parents_that_are_not_there_are_said_as_ever() -> None:
    circle = written()
    circle["templates"]["large"]["from"] = "again"
    circle["templates"]["again"] = {"from": "large", "upscale": {}}
    circle["templates"]["outside"] = {"from": "large", "upscale": {}}
    assert problems(circle).keys() == {"/templates/large/from", "/templates/again/from"}
    lost = written()
    lost["templates"]["large"]["from"] = "nobody"
    assert problems(lost).keys() == {"/templates/large/from"}


def test_every_upscaler_has_a_price_that_is_the_same_at_most() -> None:
    for one in upscalers():
        price = quote_call(one.name)
        assert price is not None
        assert price.likely_usd_micros == price.high_usd_micros > 0
    assert quote_call("nobody") is None


def test_of_an_accepted_manifest_models_that_are_gone_are_named_and_the_rest_is_as_it_was() -> None:
    gone = {
        **written(upscale={"model": "enlarger-1"}),
        "image": {"model": "dall-e-3", "quality": "low", "format": "jpeg"},
    }
    assert problems(gone).keys() == {"/image/model", "/templates/large/upscale/model"}

    manifest = Manifest.model_validate(gone, context=ACCEPTED)

    assert {problem.pointer: problem.code for problem in gone_problems(manifest, TODAY)} == {
        "/templates/hero/image/model": "gone",
        "/templates/large/upscale/model": "gone",
    }
    assert original_size(manifest, "large", "1024x1024") == Size(4096, 4096)
    assert finish_of(manifest, "large", "1024x1024") == finish_of(checked(), "large", "1024x1024")
    assert list(gone_problems(checked(), TODAY)) == []


def test_of_an_accepted_manifest_presets_that_are_retired_are_named_and_the_rest_is_as_it_was() -> None:
    retired = {**written(), "sizes": ["fair_2019", "1024x1024"]}
    assert "'fair_2019' is neither a size" in " ".join(problems(retired).values())

    manifest = Manifest.model_validate(retired, context=ACCEPTED)

    assert manifest.sizes == ("fair_2019", "1024x1024")
    found = {problem.pointer: problem for problem in gone_problems(manifest, TODAY)}
    assert {pointer: problem.code for pointer, problem in found.items()} == {"/templates/large/sizes": "gone"}
    assert "'fair_2019' is neither a size" in found["/templates/large/sizes"].detail
    assert gone_preset(manifest, "large", "1024x1024") is None
    assert finish_of(manifest, "large", "1024x1024") == finish_of(checked(), "large", "1024x1024")


def test_a_larger_picture_is_not_made_where_nobody_knows_the_size_that_it_starts_from() -> None:
    retired = written()
    retired["templates"]["hero"]["sizes"] = ["fair_2019"]
    retired["templates"]["large"]["sizes"] = ["square"]

    manifest = Manifest.model_validate(retired, context=ACCEPTED)

    assert "'fair_2019'" in (gone_preset(manifest, "large", "square") or "")


def test_a_price_list_is_that_of_one_provider() -> None:
    """It changes with the prices of that provider alone."""
    lists = {name: price_list(name) for name in ("openai", "stability")}
    for name, told in lists.items():
        assert re.fullmatch(rf"{name} prices of \d{{4}}-\d\d-\d\d, sha256 [0-9a-f]{{12}}", told)
    assert len({told.partition(" ")[2] for told in lists.values()}) == 2
    assert {provider_of(one.name) for one in upscalers()} == {"stability"}
