"""Which sizes are legal, and what is said about the others."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.model import Model, find_model, live_models
from schemas.preset import Preset, find_preset, presets
from schemas.size import Size, is_experimental, resolve_size, size_problem


def named(name: str) -> Model:
    model = find_model(name)
    assert model is not None
    return model


MODEL = named("gpt-image-2")
LISTED = MODEL.model_copy(update={"sizes": ("1024x1024", "1536x1024")})
SIZES = st.builds(Size, st.integers(1, 5000), st.integers(1, 5000))


def is_legal(width: int, height: int) -> bool:
    """The published rule in its own words."""
    return (
        width % 16 == 0
        and height % 16 == 0
        and max(width, height) <= 3840
        and max(width, height) / min(width, height) <= 3
        and 655_360 <= width * height <= 8_294_400
    )


LEGAL = [
    # size, experimental
    ("1024x1024", False),
    ("1536x864", False),
    ("2048x1152", False),
    ("2560x1440", False),
    ("2048x2048", True),
    ("3840x2160", True),
    ("2160x3840", True),
    ("2880x2880", True),
    ("1024x640", False),
    ("816x816", False),
    ("1440x480", False),
    ("1920x1088", False),
]
ILLEGAL = [
    ("1920x1080", "1920x1080: the height 1080 is not a multiple of 16; use 1920x1088"),
    ("1080x1920", "1080x1920: the width 1080 is not a multiple of 16; use 1088x1920"),
    ("1000x1000", "1000x1000: the width 1000 and the height 1000 are not multiples of 16; use 1008x1008"),
    ("512x512", "512x512: it has 262,144 pixels, fewer than 655,360; use 816x816"),
    ("800x800", "800x800: it has 640,000 pixels, fewer than 655,360; use 816x816"),
    ("1456x480", "1456x480: its edges are 3.03 to 1, and at most 3 to 1 is allowed; use 1440x480"),
    ("3856x1936", "3856x1936: the longest edge 3856 is over 3840; use 3840x1936"),
    ("2896x2880", "2896x2880: it has 8,340,480 pixels, more than 8,294,400; use 2880x2880"),
    ("4096x1024", "4096x1024: the longest edge 4096 is over 3840; use 3072x1024"),
]


@pytest.mark.parametrize("model", live_models(), ids=lambda model: model.name)
@pytest.mark.parametrize("text", [text for text, _ in LEGAL])
def test_a_legal_size_has_no_problem(text: str, model: Model) -> None:
    assert size_problem(Size.parse(text), model) is None


@pytest.mark.parametrize(("text", "experimental"), LEGAL)
def test_a_size_is_experimental_above_2560x1440(text: str, experimental: bool) -> None:
    assert is_experimental(Size.parse(text)) is experimental


@pytest.mark.parametrize(("text", "problem"), ILLEGAL)
def test_an_illegal_size_is_told_its_first_broken_rule_and_the_nearest_legal_size(
    text: str, problem: str
) -> None:
    assert size_problem(Size.parse(text), MODEL) == problem


@given(SIZES)
@example(Size(1440, 480))
@example(Size(2880, 2880))
def test_a_size_has_a_problem_exactly_when_the_published_rule_is_broken(size: Size) -> None:
    assert (size_problem(size, MODEL) is None) == is_legal(size.width, size.height)


@given(st.integers(1, 240), st.integers(1, 240))
def test_sizes_on_the_grid_have_a_problem_exactly_when_the_published_rule_is_broken(
    across: int, down: int
) -> None:
    size = Size(across * 16, down * 16)
    assert (size_problem(size, MODEL) is None) == is_legal(size.width, size.height)


@given(SIZES)
@example(Size(1, 999_999))
@example(Size(999_999, 999_999))
@example(Size(3841, 1280))
@example(Size(1, 1))
def test_what_is_proposed_instead_is_legal(size: Size) -> None:
    if problem := size_problem(size, MODEL):
        proposed = Size.parse(problem.rsplit("use ", 1)[1])
        assert is_legal(proposed.width, proposed.height)


def test_a_model_with_a_list_of_sizes_makes_those() -> None:
    assert size_problem(Size(1536, 1024), LISTED) is None


def test_a_model_with_a_list_of_sizes_makes_no_other() -> None:
    assert size_problem(Size(1024, 1536), LISTED) == "1024x1536: gpt-image-2 makes only 1024x1024, 1536x1024"


@given(SIZES)
def test_a_size_reads_what_it_writes(size: Size) -> None:
    assert Size.parse(str(size)) == size


def test_sizes_are_ordered_by_width_then_height() -> None:
    assert sorted([Size(2048, 16), Size(1024, 1536), Size(1024, 1024)]) == [
        Size(1024, 1024),
        Size(1024, 1536),
        Size(2048, 16),
    ]


@pytest.mark.parametrize(
    "text",
    ["", "auto", "1024", "1024X1024", "1024×1024", "1024 x 1024", "0x1024", "-16x16", "1e3x1e3", "١٠٢٤x1024"],
)
def test_what_is_not_a_size_is_refused_with_the_way_to_write_one(text: str) -> None:
    with pytest.raises(
        ValueError, match=re.escape(f"'{text}' is neither a size such as 1536x1024 nor the name")
    ):
        Size.parse(text)


@pytest.mark.parametrize(
    ("text", "close"), [("squre", "square"), ("amazonmain", "amazon_main"), ("potrait", "portrait")]
)
def test_a_misspelt_preset_is_answered_with_the_close_ones(text: str, close: str) -> None:
    with pytest.raises(ValueError, match=rf"did you mean .*\b{close}\b.*\?"):
        resolve_size(text, MODEL)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1536x864", Size(1536, 864)),
        ("square", Size(1024, 1024)),
        ("portrait", Size(1024, 1536)),
        ("landscape", Size(1536, 1024)),
        ("wide", Size(2048, 1152)),
        ("amazon_main", Size(1920, 1920)),
        ("zalando", Size(1600, 2304)),
        ("meta_link", Size(1216, 640)),
    ],
)
def test_a_size_or_the_name_of_a_preset_becomes_the_size_to_ask_for(text: str, size: Size) -> None:
    assert resolve_size(text, MODEL) == size


def test_an_illegal_size_is_not_resolved() -> None:
    with pytest.raises(ValueError, match="use 1920x1088"):
        resolve_size("1920x1080", MODEL)


def test_a_preset_that_the_model_does_not_make_is_not_resolved() -> None:
    with pytest.raises(ValueError, match="makes only 1024x1024"):
        resolve_size("portrait", LISTED)


@pytest.mark.parametrize("model", live_models(), ids=lambda model: model.name)
def test_every_preset_is_made_by_every_live_model(model: Model) -> None:
    assert {preset.name: size_problem(preset.generate_at, model) for preset in presets()} == dict.fromkeys(
        (preset.name for preset in presets()), None
    )


@pytest.mark.parametrize("preset", presets(), ids=lambda preset: preset.name)
def test_no_preset_is_made_at_an_experimental_size(preset: Preset) -> None:
    assert not is_experimental(preset.generate_at)


@pytest.mark.parametrize("preset", presets(), ids=lambda preset: preset.name)
def test_a_preset_is_made_in_nearly_the_shape_its_channel_wants(preset: Preset) -> None:
    wanted = preset.target.width / preset.target.height
    made = preset.generate_at.width / preset.generate_at.height
    assert made == pytest.approx(wanted, rel=0.01)


def test_a_preset_that_nobody_knows_is_not_found() -> None:
    assert find_preset("1024x1024") is None
