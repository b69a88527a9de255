"""Where things stand in the text of a manifest: the line of what a JSON Pointer names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from schemas.errors import Problem, escaped

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = "tag:yaml.org,2002:null"
_INLINE_ROW = 3
"""Parts of the pointer of a row, `/catalog/rows/16`: what is above it is not the place of a row in a file."""


@dataclass(frozen=True, slots=True)
class Places:
    """A manifest as its text has it. Nothing is written out twice, so that no text takes more than its length.

    Args:
        root: None where the text is neither YAML nor JSON; what is wrong with it is the service's to say.
    """

    root: yaml.Node | None
    has_lines: bool = True

    @classmethod
    def read(cls, content: bytes, *, is_json: bool) -> Places:
        try:
            return cls(yaml.compose(content, _LOADER))
        except (yaml.YAMLError, ValueError, RecursionError):
            return cls._of_json(content) if is_json else cls(None)

    @classmethod
    def _of_json(cls, content: bytes) -> Places:
        """YAML does not take every escape of JSON, such as halves of surrogate pairs."""
        try:
            text = json.dumps(json.loads(content), ensure_ascii=False)
            return cls(yaml.compose(text, _LOADER), has_lines=False)
        except (yaml.YAMLError, ValueError, RecursionError):
            return cls(None)

    def text_at(self, pointer: str) -> str | None:
        """The text that stands there; None where there is none, or something else than a text."""
        *_, (depth, node, _) = self._path(pointer)
        if depth < pointer.count("/") or not isinstance(node, yaml.ScalarNode) or node.tag == _NULL:
            return None
        return str(node.value)

    def line_of(self, problem: Problem) -> int | None:
        """Where that is, counted from 1; of what is not there, where it is missing from. Of a row in a file it is
        nowhere in the manifest."""
        *_, (depth, _, line) = self._path(problem.pointer)
        least = 1 if problem.row is None else _INLINE_ROW
        return line if self.has_lines and depth >= least else None

    def _path(self, pointer: str) -> Iterator[tuple[int, yaml.Node | None, int]]:
        """What stands at the pointer's beginnings, as far as there is something: how many parts, what, on which line."""
        node, line = self.root, 1
        yield 0, node, line
        for depth, part in enumerate(pointer.split("/")[1:], start=1):
            entry = _entry(node, part)
            if entry is None:
                return
            mark, node = entry
            line = mark.start_mark.line + 1
            yield depth, node, line


def _entry(node: yaml.Node | None, part: str) -> tuple[yaml.Node, yaml.Node] | None:
    """What names a part, and the part."""
    if isinstance(node, yaml.MappingNode):
        named = (pair for pair in node.value if escaped(str(pair[0].value)) == part)
        return next(named, None)
    if isinstance(node, yaml.SequenceNode) and part.isdecimal() and int(part) < len(node.value):
        return node.value[int(part)], node.value[int(part)]
    return None
