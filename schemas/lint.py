"""Prompt lint: advice on a prompt that will likely cost a second try. It never changes a word.

The rules that look for words know English ones; a prompt in another language is left to those that look for marks.

Source: the provider's prompting guide and cookbook for GPT image models, and five public tutorials of April and May
2026; checked 2026-11-20.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Looked:
    """A filled-in prompt, and what else decides its picture.

    Args:
        references: pictures it starts from, the parent's included; with any it is an edit.
    """

    prompt: str
    references: int = 0
    quality: str = "auto"
    words: str = field(init=False, repr=False)
    """The prompt in small letters, which is what nearly every rule reads."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", self.prompt.lower())

    @property
    def is_edit(self) -> bool:
        return self.references > 0


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(alternatives)})\b")


_ENGLISH = _words("the", "an?", "of", "on", "in", "with", "and", "no")
_LIGHT = _words(
    r"\w*light(?:s|ing|ed)?", "lit", "sun(?:ny|shine|set|rise)?", "shad(?:e|ow|ows)", "glow(?:ing)?", "golden hour",
    "dusk", "dawn", "noon", "bright", "dark", "overcast", "night", "morning", "evening", "afternoon",
)  # fmt: skip
_SETTING = _words(
    "background", "backdrop", "surface", "table", "desk", "floor", "wall", "shelf", "scene", "room", "kitchen", "street",
    "studio", "garden", "beach", "forest", "landscape", "wood", "marble", "linen", "stone", "concrete", "paper", "sky",
    "indoors?", "outdoors?", "setting", "against", "on a", "in a", "in front of",
)  # fmt: skip
_STYLE = _words(
    r"photo\w*", "illustrat(?:ion|ed)", "paint(?:ing|ed)", "drawing", "render(?:ing|ed)?", "3d", "cartoon", "vector",
    "watercolou?r", "sketch", "style", "editorial", "cinematic", "minimal(?:ist|istic)?", "realistic", "poster", "icon",
    "infographic", "diagram", "vintage", "retro", "logo", "flat", "close-?up", "macro", "composition", "anime",
)  # fmt: skip
_LIGHTS = {
    "soft light": _words("soft(?:ly)? (?:\\w+ )?light(?:ing)?", "diffused?", "overcast"),
    "hard light": _words("hard (?:\\w+ )?light(?:ing)?", "harsh (?:\\w+ )?light(?:ing)?", "direct flash"),
    "low sun": _words("golden hour", "sunset", "sunrise", "dusk", "dawn"),
    "midday": _words("midday", "noon"),
    "night": _words("night", "moonlight", "moonlit", "midnight"),
}
_LIGHTS_APART = (
    ("soft light", "hard light"), ("low sun", "midday"), ("low sun", "night"), ("midday", "night"),
)  # fmt: skip
_STYLES = {
    "photograph": _words(
        "photo-?realistic", r"(?:product|real|studio|film|editorial) photo(?:graph|graphy)?"
    ),
    "drawing": _words(
        "watercolou?r",
        "oil paint(?:ing)?",
        "cartoon",
        "anime",
        "line art",
        "vector art",
        "pencil sketch",
        "pixel art",
    ),
    "3D rendering": _words("3d render(?:ing)?", "claymation", "low poly"),
    "minimal": _words("minimal(?:ist|istic)?"),
    "ornate": _words("ornate", "maximalist", "baroque"),
}
_STYLES_APART = (
    ("photograph", "drawing"), ("photograph", "3D rendering"), ("drawing", "3D rendering"), ("minimal", "ornate"),
)  # fmt: skip
_HERO = _words("hero (?:product|subject|object|item)", "main (?:subject|product|character)", "focal point")
_MANY = _words(
    r"(?:[4-9]|\d\d+|four|five|six|seven|eight|nine|ten|twelve|dozens? of|several|many) (?:different |various )*"
    r"(?:products|people|objects|items|subjects|characters|models|heroes)"
)
_SAYS = re.compile(
    r"(?<!no )(?<!without )\b(?:(?:that|which|it) (?:says|reads)|saying|(?:sign|label|text|banner|headline|caption|title)"
    r" (?:says|reads|reading)|(?:with|add|include|write|has|show) (?:the |a |an |this )?(?:bold |large |small |big )?"
    r"(?:text|words?|headline|caption|slogan|tagline|lettering|inscription|title))\b",
)
_QUOTED = re.compile(r"[\"“”„«»「」『』《》]|(?<!\w)['\u2018]|['\u2019](?!\w)")
_CAPITALS = re.compile(r"\b[A-Z]{2}[A-Z0-9]+\b")
_TEXT_WITHIN_CHARS = 100
_SIZE = re.compile(
    r"\b\d{3,5} ?[x\u00d7] ?\d{3,5}\b|(?<![\d:.])(?:1:1|2:3|3:2|3:4|4:3|4:5|5:4|9:16|16:9|21:9|1:3|3:1)(?![\d:])"
    r"|\baspect ratio\b|\b[248]k\b|\b\d+ ?(?:px|pixels|dpi|ppi)\b",
)
_BRAND_COLOUR = re.compile(
    r"\b(?:brand(?:'s|ed)?|corporate|company|signature|house) (?:colou?rs?|palette|red|blue|green|yellow|orange|purple)\b",
)
_COLOUR_VALUE = re.compile(r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|cmyk)\b|\bpantone \w*\d|\bral ?\d")
_NEGATIVE = _words(
    r"(?:not|never|don't make it|isn't|without|avoid|no) (?:(?:be|too|any|look|looking|overly|a) )*"
    r"(?:dark|bright|blurry|blurred|blur|cluttered|clutter|busy|messy|boring|ugly|dull|harsh|crowded|distorted|"
    r"deformed|cold|grainy|noisy|cheap|cropped|cut off)"
)
_CHANGE = re.compile(
    r"(?<!not )(?<!only )(?<!don't )(?<!never )\b(?:change|replace|remove|add|swap|recolou?r|turn|convert|erase|delete|"
    r"insert|rotate)(?= (?:the|a|an|all|its|his|her|image|it)\b)|\b(?:change|replace|remove) only\b|\bchange only\b",
)
_PRESERVE = _words(
    "keep(?:s|ing)?", "preserv(?:e|es|ing)", "unchanged", "the same", "exactly", "as (?:it|they) (?:is|are)", "identical",
    "retain", "maintain", "only", "everything else", "must stay", "stays?",
)  # fmt: skip
_CAMERA = re.compile(
    r"\b(?:\d{2,3} ?mm|f ?/ ?\d(?:\.\d)?|iso ?\d+|1/\d{2,4} ?s?|aperture|shutter(?: speed)?|dslr|mirrorless|bokeh|lens|"
    r"full[- ]frame|canon|nikon|sony|leica|hasselblad|fujifilm|phase one|8k|uhd|octane|unreal engine|ray tracing)\b",
)
_CAMERA_MANY = 4
_DENSE = _words(
    "fine print", "small (?:text|print|type|labels?)", "infographic", "exam paper", "menu", "price list", "ingredients?",
    "nutrition (?:facts|table)", "legend", "annotations?", "labelled diagram", "flow ?chart", "paragraphs?", "data table",
)  # fmt: skip
_LONG_QUOTE = re.compile(r"[\"“„«「][^\"”»」]{60,}[\"”»」]")


def _is_vague(looked: Looked) -> bool:
    return not (
        looked.is_edit
        or _LIGHT.search(looked.words)
        or _SETTING.search(looked.words)
        or _STYLE.search(looked.words)
    )


def _clash(groups: Mapping[str, re.Pattern[str]], apart: tuple[tuple[str, str], ...], words: str) -> bool:
    met = {name for name, one in groups.items() if one.search(words)}
    return any(this in met and that in met for this, that in apart)


def _has_many_subjects(looked: Looked) -> bool:
    return len(set(_HERO.findall(looked.words))) > 1 or _MANY.search(looked.words) is not None


def _asks_for_unquoted_text(looked: Looked) -> bool:
    for found in _SAYS.finditer(looked.words):
        rest = looked.prompt[found.end() : found.end() + _TEXT_WITHIN_CHARS]
        if not (_QUOTED.search(rest) or _CAPITALS.search(rest)):
            return True
    return False


def _misses_a_name(looked: Looked) -> bool:
    """Whether one of several references is not spoken of as `Image 2` or within `Images 1 to 3`."""
    if looked.references < 2:
        return False
    named = set[int]()
    for first, last in re.findall(r"\bimages? (\d+)(?: ?(?:to|-|\u2013|through) ?(\d+))?", looked.words):
        named |= set(range(int(first), min(int(last or first), 99) + 1))
    for listed in re.findall(r"\bimages ((?:\d+(?:, | and |, and )?)+)", looked.words):
        named |= set(map(int, re.findall(r"\d+", listed)))
    return not named >= set(range(1, looked.references + 1))


def _is_small_text(looked: Looked) -> bool:
    if looked.quality != "low":
        return False
    return _DENSE.search(looked.words) is not None or _LONG_QUOTE.search(looked.words) is not None


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is looked for, and what to do about it.

    Args:
        english: it looks for English words, so it says nothing of a prompt that has none.
    """

    message: str
    found: Callable[[Looked], bool]
    english: bool = True


RULES: Mapping[str, Rule] = {
    "vague": Rule(
        "it names no light, no surface or place, and no style; name at least one of them", _is_vague
    ),
    "conflicting_lights": Rule(
        "it asks for lights that exclude each other; keep one",
        lambda looked: _clash(_LIGHTS, _LIGHTS_APART, looked.words),
    ),
    "conflicting_styles": Rule(
        "it asks for styles that exclude each other; keep one",
        lambda looked: not looked.is_edit and _clash(_STYLES, _STYLES_APART, looked.words),
    ),
    "many_subjects": Rule(
        "it has many main subjects; one a picture is surer, with the others as surroundings",
        _has_many_subjects,
    ),
    "unquoted_text": Rule(
        "it asks for text without quoting it; put the exact words between quotation marks",
        _asks_for_unquoted_text,
    ),
    "size_in_prompt": Rule(
        "it writes a size or a ratio, which the model does not take from words; use `sizes`",
        lambda looked: _SIZE.search(looked.words) is not None,
        english=False,
    ),
    "color_without_value": Rule(
        "it names a brand's colour without a value; add it, such as #1a73e8",
        lambda looked: (
            _BRAND_COLOUR.search(looked.words) is not None and _COLOUR_VALUE.search(looked.words) is None
        ),
    ),
    "negative_phrasing": Rule(
        "it says what the picture should not look like; say what it should, such as bright for not dark",
        lambda looked: _NEGATIVE.search(looked.words) is not None,
    ),
    "many_changes": Rule(
        "it asks for more than one change at once; make one a step, with `from` for the next",
        lambda looked: looked.is_edit and len(_CHANGE.findall(looked.words)) > 1,
    ),
    "nothing_preserved": Rule(
        "it edits a picture and does not say what has to stay as it is; list that",
        lambda looked: looked.is_edit and _PRESERVE.search(looked.words) is None,
    ),
    "unnamed_references": Rule(
        "it has several references and does not name each of them; write Image 1, Image 2 and what each is for",
        _misses_a_name,
        english=False,
    ),
    "camera_soup": Rule(
        "it lists camera data, which is only loosely followed; say how the picture should look",
        lambda looked: len(set(_CAMERA.findall(looked.words))) >= _CAMERA_MANY,
        english=False,
    ),
    "small_text": Rule("it asks for small or dense text at low quality; use medium or high", _is_small_text),
}
"""A prompt over 32,000 characters is not among them: that is a problem, not advice."""


def lint(looked: Looked) -> Iterator[str]:
    """Names of the rules that a prompt gives reason for, in the order of `RULES`."""
    is_english = _ENGLISH.search(looked.words) is not None
    for name, rule in RULES.items():
        if (is_english or not rule.english) and rule.found(looked):
            yield name
