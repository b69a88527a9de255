"""What pydantic finds wrong, in sentences of ours: those of manifests, of settings and of parameters alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

_OBJECT, _LIST, _TEXT = (
    "this has to be an object with fields",
    "this has to be a list",
    "this has to be a text; put a number, a date or a word such as true in quotes",
)
_WHOLE, _NUMBER, _FLAG = (
    "this has to be a whole number",
    "this has to be a number",
    "this has to be true or false",
)
_CLOSE = 0.75
"""How alike two names are of which one was meant: `promt` and `prompt` are, `parent` and `parts` are not."""
_MOMENT = "this has to be a moment with its time zone, such as 2026-12-24T18:00:00Z"

SENTENCES: Mapping[str, str] = {
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), _OBJECT),
    **dict.fromkeys(("list_type", "tuple_type"), _LIST),
    **dict.fromkeys(("string_type", "string_sub_type", "string_unicode"), _TEXT),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), _WHOLE),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), _NUMBER),
    **dict.fromkeys(("bool_type", "bool_parsing"), _FLAG),
    **dict.fromkeys(
        (
            "datetime_type",
            "datetime_parsing",
            "datetime_from_date_parsing",
            "datetime_object_invalid",
            "timezone_aware",
        ),
        _MOMENT,
    ),
    **dict.fromkeys(("enum", "literal_error"), "this has to be {expected}"),
    "union_tag_invalid": "this has to be one of {expected_tags}",
    "union_tag_not_found": "it does not say which of several kinds it is",
    "missing": "'{name}' is required",
    "extra_forbidden": "there is no field '{name}' here",
    "too_short": "it needs at least {min_length}; it has {actual_length}",
    "too_long": "it takes at most {max_length}; it has {actual_length}",
    "string_too_short": "this must not be shorter than {min_length} characters",
    "string_too_long": "this must not be longer than {max_length} characters",
    "greater_than": "this has to be more than {gt}",
    "greater_than_equal": "this has to be at least {ge}",
    "less_than": "this has to be less than {lt}",
    "less_than_equal": "this has to be at most {le}",
    "path_type": "this has to be the path of a file or a folder",
}
"""By pydantic's type of error; `{name}` is the last part of the place, the others are what the error tells."""

PATTERNS: Mapping[str, str] = {
    r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$": (
        "a name is up to 64 letters, digits, `_` and `-`, and begins with a letter or a digit"
    ),
    r"^[a-z0-9][a-z0-9_-]{0,31}$": (
        "a name is up to 32 small letters, digits, `_` and `-`, and begins with a letter or a digit"
    ),
    r"^[^\x00-\x1f\x7f\ufffe\uffff]+$": "this has to be one line of text, and not an empty one",
}
"""What the patterns of manifests mean."""


def sentence(found: Any, patterns: Mapping[str, str] = PATTERNS) -> str:
    """What is wrong.

    Args:
        found: as pydantic tells it.
        patterns: what patterns mean.
    """
    kind, context = found["type"], found.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return patterns.get(context["pattern"], "this is not written as it has to be")
    if kind == "string_too_short" and context["min_length"] == 1:
        return "this must not be empty"
    if kind == "literal_error" and found["loc"][-1:] == ("[key]",):
        return _no_such_key(str(found["loc"][-2]), context["expected"])
    if kind in SENTENCES:
        name = found["loc"][-1] if found["loc"] else "this"
        return SENTENCES[kind].format_map({"name": name, **{each: _shown(context[each]) for each in context}})
    return str(found["msg"]).removeprefix("Value error, ")


def _shown(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _no_such_key(name: str, expected: str) -> str:
    near = nearest(name, re.findall("'([^']*)'", expected))
    return f"there is no field '{name}' here; " + (
        f"did you mean '{near}'?" if near else f"there are {expected}"
    )


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that was likely meant: one that is written alike, or the only one that goes on behind a `_`."""
    known = list(names)
    longer = [each for each in known if name and each.startswith(f"{name}_")]
    close = get_close_matches(name, known, n=1, cutoff=_CLOSE)
    return next(iter(close or longer[: len(longer) == 1]), None)


def first_few(names: Sequence[object], most: int) -> str:
    """The first `most` of them, with dots where there are more."""
    return ", ".join(map(str, names[:most])) + (", ..." if len(names) > most else "")


def names_beside(shape: type[BaseModel], loc: Sequence[int | str]) -> list[str]:
    """The names of the fields that may stand where `loc` leads; the last part of it is one that may not."""
    kinds: list[Any] = [shape]
    for part in loc[:-1]:
        kinds = [inner for kind in kinds for inner in _inside(kind, part)]
    models = (kind for annotation in kinds for kind in _kinds(annotation) if _is_model(kind))
    return list(dict.fromkeys(name for model in models for name in _fields(model)))


def _inside(annotation: Any, part: int | str) -> Iterator[Any]:
    """What stands under one part of a place; the kind of a step is a part, too, and has nothing below it."""
    for kind in _kinds(annotation):
        if get_origin(kind) is dict:
            yield get_args(kind)[1]
        elif get_origin(kind) is tuple:
            yield get_args(kind)[0]
        elif _is_model(kind) and part in (fields := _fields(kind)):
            yield fields[str(part)]
        elif _is_model(kind) and any(part in get_args(each) for each in fields.values()):
            yield kind


def _kinds(annotation: Any) -> Iterator[Any]:
    """The kinds of a union, without what only limits them."""
    if get_origin(annotation) is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for each in get_args(annotation):
            yield from _kinds(each)
    else:
        yield annotation


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """Annotations by the name under which a field is written."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}
