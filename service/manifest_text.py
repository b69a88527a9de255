"""The bytes of a manifest into plain data, or a sentence that says where they are broken."""

from __future__ import annotations

from typing import Any

from core.parsing.json_text import parse_json
from core.parsing.yaml_text import parse_yaml
from schemas.errors import ManifestError, Problem

JSON_TYPES = frozenset({"application/json"})
YAML_TYPES = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})


def manifest_data(content: bytes, media_type: str | None) -> dict[str, Any]:
    """The data of a manifest.

    Args:
        media_type: one of `JSON_TYPES` or `YAML_TYPES`; anything else is taken for YAML unless it begins with `{`.
    Raises:
        ManifestError: it is not UTF-8, not JSON or YAML, or not one mapping.
    """
    text = _decoded(content)
    is_json = media_type in JSON_TYPES or (media_type not in YAML_TYPES and text.lstrip().startswith("{"))
    if not text.strip():
        raise ManifestError([Problem("", "empty", "the manifest is empty")])
    data = parse_json(text) if is_json else parse_yaml(text)
    if not isinstance(data, dict):
        raise ManifestError(
            [Problem("", "not_a_mapping", "a manifest is a mapping of fields such as `name` and `templates`")]
        )
    return data


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        detail = f"line {line}: byte {error.start} is not UTF-8; save the file as UTF-8"
        raise ManifestError([Problem("", "not_utf8", detail)]) from None
