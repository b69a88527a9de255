"""Whatever pydantic can find wrong with a manifest or with settings has a sentence of ours."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from core import settings as core_settings
from core.parsing.yaml_text import parse_yaml
from core.settings import Settings
from schemas.errors import ManifestError
from schemas.manifest import Manifest
from schemas.manifest_check import check_manifest
from schemas.wording import PATTERNS, SENTENCES, names_beside, nearest, sentence

RAISED: dict[str, tuple[str, ...]] = {
    "model": ("model_type",),
    "model-fields": ("missing", "extra_forbidden"),
    "dict": ("dict_type",),
    "tuple": ("tuple_type",),
    "list": ("list_type",),
    "str": ("string_type",),
    "int": ("int_type", "int_parsing", "int_from_float", "int_parsing_size"),
    "float": ("float_type", "float_parsing", "finite_number"),
    "bool": ("bool_type", "bool_parsing"),
    "literal": ("literal_error",),
    "enum": ("enum",),
    "datetime": (
        "datetime_type",
        "datetime_parsing",
        "datetime_from_date_parsing",
        "datetime_object_invalid",
        "timezone_aware",
    ),
    "tagged-union": ("union_tag_invalid", "union_tag_not_found"),
}
"""What a part of a schema may find, by its type."""
SILENT = {
    "any", "chain", "default", "definition-ref", "definitions", "function-after", "function-before", "function-plain",
    "function-wrap", "is-instance", "json-or-python", "lax-or-strict", "model-field", "no-info", "none", "nullable",
    "union", "with-info",
}  # fmt: skip
"""What finds nothing of its own, or says it in a sentence that is written beside it."""
LIMITS = {
    "ge": "greater_than_equal",
    "gt": "greater_than",
    "le": "less_than_equal",
    "lt": "less_than",
}
LENGTHS = {
    ("str", "min_length"): "string_too_short",
    ("str", "max_length"): "string_too_long",
    ("tuple", "min_length"): "too_short",
    ("tuple", "max_length"): "too_long",
    ("dict", "min_length"): "too_short",
    ("dict", "max_length"): "too_long",
}


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every part of a schema that has a type."""
    if isinstance(schema, dict):
        if isinstance(schema.get("type"), str):
            yield schema
        for name, inner in schema.items():
            if name not in ("metadata", "serialization", "ref", "cls"):
                yield from parts(inner)
    elif isinstance(schema, list | tuple):
        for inner in schema:
            yield from parts(inner)


def types_of(model: type[BaseModel]) -> set[str]:
    found = set[str]()
    for part in parts(model.__pydantic_core_schema__):
        kind = part["type"]
        if kind in SILENT:
            continue
        found |= set(RAISED[kind])
        found |= {code for limit, code in LIMITS.items() if limit in part}
        found |= {code for (of, limit), code in LENGTHS.items() if kind == of and limit in part}
    return found


@pytest.mark.parametrize("model", [Manifest, Settings])
def test_every_type_of_error_that_a_schema_can_raise_has_a_sentence(model: type[BaseModel]) -> None:
    assert types_of(model) - SENTENCES.keys() == set()


def test_every_pattern_has_a_sentence() -> None:
    of_manifests, of_settings = (
        {part["pattern"] for part in parts(model.__pydantic_core_schema__) if "pattern" in part}
        for model in (Manifest, Settings)
    )
    assert of_manifests == PATTERNS.keys()
    assert of_settings == core_settings._PATTERNS.keys()


VALUES: tuple[Any, ...] = (None, [], {}, "", -1, 1e9, "x", True, [1], {"a": 1})
OF_PYDANTIC = ("Input should", "should have", "String ", "Tuple ", "valid", "Field ", "Extra ", "Value error")
EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(data, dict):
        for name, value in data.items():
            yield from places(value, (*path, name))
    elif isinstance(data, list):
        for place, value in enumerate(data):
            yield from places(value, (*path, place))


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    data = copy.copy(data)
    data[path[0]] = changed(data[path[0]], path[1:], value)
    return data


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_whatever_stands_in_a_field_the_complaint_is_in_words_of_ours(example: Path) -> None:
    data = parse_yaml(example.read_text())
    refused = 0
    for path in places(data):
        for value in VALUES:
            try:
                check_manifest(changed(data, path, value))
            except ManifestError as error:
                refused += 1
                told = [problem.detail for problem in error.problems]
                assert not [detail for detail in told if any(word in detail for word in OF_PYDANTIC)], path
    assert refused > len(VALUES)


@pytest.mark.parametrize(
    ("model", "loc", "near"),
    [
        (Manifest, ("catlog",), "catalog"),
        (Manifest, ("templates", "hero", "promt"), "prompt"),
        (Manifest, ("templates", "parts", "form"), "from"),
        (Manifest, ("templates", "hero", "parts", "ligth"), "light"),
        (Manifest, ("combinations", "excludes"), "exclude"),
        (Manifest, ("combinations", "zipp"), "zip"),
        (Manifest, ("spend", "cap"), "cap_usd"),
        (Settings, ("worker", "spool"), None),
        (Manifest, ("finish", 0, "crop", "too"), "to"),
        (Manifest, ("finish", 0, "encode", "max_byte"), "max_bytes"),
        (Manifest, ("finish", 0, "crop", "max_byte"), None),
        (Manifest, ("catalog", "mapping", "title", "colums"), "columns"),
        (Settings, ("worker", "slot"), "slots"),
        (Settings, ("lanes", "main", "api_kye"), "api_key"),
    ],
)
def test_a_name_is_looked_for_among_those_that_may_stand_in_its_place(
    model: type[BaseModel], loc: tuple[int | str, ...], near: str | None
) -> None:
    assert nearest(str(loc[-1]), names_beside(model, loc)) == near


def test_what_has_no_sentence_is_told_as_it_was_found() -> None:
    assert sentence({"type": "new", "msg": "Value error, something new", "loc": ()}) == "something new"
