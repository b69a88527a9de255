"""The tables of docs/manifest.md: every field with its values and its meaning, as the manifest's own schema has them.

A table stands between two comments, below the heading of its fields; all else on the page is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from schemas.manifest import Manifest
from schemas.parts import LABELS
from tests.house.tree import DOCS

Json = dict[str, Any]

HEAD = ("field", "value", "default", "meaning")
_MARKED = re.compile(r"(<!-- (fields|steps): ([\w ]+) -->\n)\n.*?(<!-- end -->)", re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}


class _Untitled(GenerateJsonSchema):
    """Only types have titles: those of fields would repeat their names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema() -> Json:
    """JSON Schema of the manifest."""
    mode: JsonSchemaMode = "validation"
    return Manifest.model_json_schema(by_alias=True, schema_generator=_Untitled, mode=mode)


def manual() -> str:
    """The page as it stands, with its tables made anew."""
    page = (DOCS / "manifest.md").read_text(encoding="utf-8")
    tables = _Tables(page)
    return _MARKED.sub(lambda found: f"{found[1]}\n{tables.of(found[2], found[3])}\n\n{found[4]}", page)


def shapes_on(page: str) -> set[str]:
    """Shapes whose fields have a table on the page."""
    return {name for found in _MARKED.finditer(page) for name in found[3].split() if found[2] == "fields"}


class _Tables:
    def __init__(self, page: str) -> None:
        self._schema = schema()
        self._anchors = {
            name: _anchor(_HEADING.findall(page[: found.start()])[-1])
            for found in _MARKED.finditer(page)
            for name in found[3].split()
        }

    def of(self, what: str, names: str) -> str:
        """The table of one shape, or of several that are kinds of one thing."""
        kinds = names.split()
        if what == "steps":
            return table(("step", "what it does"), map(self._step, kinds))
        if names == "Parts":
            return self._parts()
        if len(kinds) == 1:
            return table(HEAD, self._rows(self._shape(names)))
        return table(("field", "of", *HEAD[1:]), self._merged(kinds))

    def _step(self, kind: str) -> tuple[str, str]:
        return f"`{kind.lower()}`", str(self._shape(kind)["description"])

    def _parts(self) -> str:
        fields = self._shape("Parts")["properties"].items()
        return table(
            ("part", "label", "for"),
            ((f"`{name}`", LABELS[name], field["description"]) for name, field in fields),
        )

    def _merged(self, kinds: list[str]) -> Iterator[tuple[str, ...]]:
        """What several kinds have alike is one row; fields of one name stand together."""
        alike: dict[tuple[str, ...], list[str]] = {}
        for kind in kinds:
            for row in self._rows(self._shape(kind)):
                alike.setdefault(row, []).append(f"`{kind.lower()}`")
        for (field, *rest), of in sorted(alike.items(), key=lambda item: _first(item[0][0], alike)):
            yield field, ", ".join(of), *rest

    def _shape(self, name: str) -> Json:
        found: Json = self._schema if name == "Manifest" else self._schema["$defs"][name]
        return found

    def _rows(self, shape: Json) -> Iterator[tuple[str, ...]]:
        for name, field in shape["properties"].items():
            if name == "step":  # it says which of the shapes it is
                continue
            is_required = name in shape.get("required", ())
            yield (
                f"`{name}`",
                self._value(field),
                _default(field, is_required=is_required),
                field["description"],
            )

    def _value(self, field: Json) -> str:
        """What may be written, with its limits; null is not told, it is the same as nothing."""
        kinds: list[Json] = field.get("anyOf") or field.get("oneOf") or []
        wanted = [one for one in kinds if one.get("type") != "null"]
        if wanted and "title" not in field:
            return " or ".join(map(self._value, wanted))
        return ", ".join(part for part in (self._kind(field), _limits(field)) if part)

    def _kind(self, field: Json) -> str:
        if "title" in field:
            return str(field["title"])
        if "$ref" in field:
            return self._named(field["$ref"].rpartition("/")[2])
        if "const" in field or "enum" in field:
            *words, last = (f"`{word}`" for word in field.get("enum") or [field["const"]])
            return f"{', '.join(words)} or {last}" if words else last
        if field["type"] == "array":
            return f"list of {_many(self._kind(field['items']))}" if "items" in field else "empty list"
        if field["type"] == "object":
            (inner,) = field.get("patternProperties", {"": field.get("additionalProperties")}).values()
            return "object" if inner is True else f"{_many(self._kind(inner))} by name"
        return "time, as RFC 3339 has it" if field.get("format") == "date-time" else _WORDS[field["type"]]

    def _named(self, name: str) -> str:
        shape = self._schema["$defs"][name]
        if "enum" in shape:
            return self._kind({"enum": shape["enum"]})
        return f"[fields](#{self._anchors[name]})"


def _first(field: str, rows: Iterable[tuple[str, ...]]) -> int:
    return [row[0] for row in rows].index(field)


def _limits(field: Json) -> str:
    """Such as `1 to 100`, of a number, of the length of a text or of how many there may be."""
    names = (
        ("minimum", "maximum"),
        ("minLength", "maxLength"),
        ("minItems", "maxItems"),
        ("minProperties", "maxProperties"),
    )
    for least, most in names:
        if field.get(most):
            unit = " characters" if most == "maxLength" else ""
            start = f"{field[least]:,} to " if least in field else "" if most == "maximum" else "up to "
            if "exclusiveMinimum" in field:
                start = f"more than {field['exclusiveMinimum']:g}, at most "
            return f"{start}{field[most]:,g}{unit}" if most == "maximum" else f"{start}{field[most]:,}{unit}"
    return f"{field['minimum']:,} or more" if "minimum" in field else ""


def _default(field: Json, *, is_required: bool) -> str:
    if is_required:
        return "**required**"
    value = field.get("default")
    if isinstance(value, dict):
        return "see there" if any(value.values()) else "none"
    if isinstance(value, list):
        return ", ".join(f"`{item}`" for item in value) or "none"
    return "none" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _many(kind: str) -> str:
    word, comma, limits = kind.partition(",")
    return f"{word if word.endswith(('s', ')')) else f'{word}s'}{comma}{limits}"


def _anchor(heading: str) -> str:
    """As GitHub makes one."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    body = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *body])
