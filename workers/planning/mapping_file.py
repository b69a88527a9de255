"""A mapping in a file of its own, so that many manifests can share it."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from schemas.errors import ManifestError, Problem, escaped
from schemas.mapping import FieldSource, Mapping

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
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        detail = f"'{name}' is not YAML or JSON: {' '.join(str(error).split())[:300]}"
        raise ManifestError([Problem(_POINTER, "malformed", detail)]) from error
    try:
        return {str(field): source for field, source in _SHAPE.validate_python(data).items()}
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise ManifestError(
            [
                Problem(_place(each["loc"]), each["type"], f"'{name}': {_sentence(each['msg'])}")
                for each in found
            ]
        ) from error


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ")


def _place(loc: tuple[int | str, ...]) -> str:
    return _POINTER + "".join(f"/{escaped(str(part))}" for part in loc if part != "[key]")
