"""Each rule of the prompt lint speaks where there is reason, and only there."""

from __future__ import annotations

import pytest

from schemas.lint import RULES, Looked, lint

GOOD = "A product photograph of a chair on pale wood, soft morning light, no people, no text, no logo."
GOOD_EDIT = "Change only the background of Image 1 to oak. Keep everything else exactly as it is."

GIVEN = [
    ("vague", Looked("A chair"), Looked("A chair against a brick wall")),
    (
        "conflicting_lights",
        Looked("A chair on a table in harsh light with soft light"),
        Looked("A chair on a table in soft light"),
    ),
    (
        "conflicting_styles",
        Looked("A product photo of a chair as a watercolour"),
        Looked("A watercolour of a chair"),
    ),
    (
        "many_subjects",
        Looked("A photo with the hero product and a focal point"),
        Looked("A photo with the hero product"),
    ),
    ("many_subjects", Looked("A photo of seven different products"), Looked("A photo of two products")),
    (
        "unquoted_text",
        Looked("A poster with the headline Autumn sale in red"),
        Looked("A poster with the headline \u201eHerbst\u201c in red"),
    ),
    ("unquoted_text", Looked("A photo of a sign saying open"), Looked("A photo of a sign saying OPEN")),
    ("unquoted_text", Looked("A photo of a mug with text"), Looked("A photo of a mug with no text")),
    ("size_in_prompt", Looked("A photo of a chair, 16:9"), Looked("A photo of a clock at 16:95")),
    ("size_in_prompt", Looked("椅子, 1024x1536"), Looked("椅子")),
    (
        "color_without_value",
        Looked("A photo of a chair in our brand colour"),
        Looked("A photo of a chair in our brand colour #1A73E8"),
    ),
    ("negative_phrasing", Looked("A photo, not too dark"), Looked("A bright photo, no logo")),
    (
        "many_changes",
        Looked("Keep the chair. Replace the wall and remove a lamp.", references=1),
        Looked(GOOD_EDIT, references=1),
    ),
    ("nothing_preserved", Looked("Put the chair on a beach", references=1), Looked(GOOD_EDIT, references=1)),
    (
        "unnamed_references",
        Looked("Keep Image 1 in the style of the other", references=2),
        Looked("Keep Images 1 to 2", references=2),
    ),
    (
        "camera_soup",
        Looked("A photo on a Canon, 85mm, f/1.8, ISO 100, bokeh"),
        Looked("A photo with a blurred background, 85mm"),
    ),
    (
        "small_text",
        Looked("An infographic about bread", quality="low"),
        Looked("An infographic about bread", quality="high"),
    ),
]


@pytest.mark.parametrize(("rule", "bad", "good"), GIVEN)
def test_a_rule_speaks_where_there_is_reason_and_not_elsewhere(rule: str, bad: Looked, good: Looked) -> None:
    assert rule in lint(bad)
    assert rule not in lint(good)


def test_every_rule_is_tried_here() -> None:
    assert {rule for rule, _, _ in GIVEN} == RULES.keys()


@pytest.mark.parametrize("looked", [Looked(GOOD), Looked(GOOD_EDIT, references=1)])
def test_a_good_prompt_gives_no_reason(looked: Looked) -> None:
    assert list(lint(looked)) == []


def test_words_of_other_languages_are_not_held_against_english_rules() -> None:
    assert list(lint(Looked("红色的椅子，柔和的光"))) == []
    assert list(lint(Looked("Ein roter Stuhl", references=1))) == []


def test_a_message_says_what_to_do() -> None:
    for rule in RULES.values():
        assert rule.message.startswith("it ")
        assert ";" in rule.message or "," in rule.message
