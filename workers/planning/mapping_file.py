"""A mapping in a file of its own, so that many manifests can share it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from core.parsing.json_text import parse_json
from core.parsing.yaml_text import parse_yaml
from schemas.errors import ManifestError, Problem, escaped
from schemas.mapping import FieldSource, Mapping
from schemas.wording import sentence

MAX_BYTES = 256 * 1024
_POINTER = "/catalog/mapping"
_SHAPE = TypeAdapter(Mapping)


def read_mapping(path: Path, name: str) -> dict[str, FieldSource]:
    """The mapping that a file holds as YAML or JSON, in the shape that a manifest has it in.

    Raises:
        ManifestError: it holds none; with every problem.
    """
    if path.stat().st_size > MAX_BYTES:
        raise ManifestError([Problem(_POINTER, "too_large", f"'{name}' has more than {MAX_BYTES:,} bytes")])
    data = _data_of(path, name)
    try:
        return {str(field): source for field, source in _SHAPE.validate_python(data).items()}
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise ManifestError(
            [Problem(_place(each["loc"]), each["type"], f"'{name}': {sentence(each)}") for each in found]
        ) from error


def _data_of(path: Path, name: str) -> Any:
    try:
        text = path.read_text(encoding="utf-8-sig")
        return parse_json(text) if name.lower().endswith(".json") else parse_yaml(text)
    except UnicodeDecodeError as error:
        raise ManifestError([Problem(_POINTER, "not_utf8", f"'{name}' is not UTF-8")]) from error
    except ManifestError as error:
        raise ManifestError(
            [Problem(_POINTER, each.code, f"'{name}': {each.detail}") for each in error.problems]
        ) from error


def _place(loc: tuple[int | str, ...]) -> str:
    return _POINTER + "".join(f"/{escaped(str(part))}" for part in loc if part != "[key]")
