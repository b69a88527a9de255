"""Strict YAML: plain data, built from the parser's events so that nothing is expanded before it is counted.

Plain words are read as YAML 1.2 does, because the older rules spoil catalogs: `no` and `on` are texts, a number with a
leading zero (an article number) is a text, and dates are texts.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml import events

from core.parsing.limits import MAX_DEPTH, MAX_WEIGHT, NODE_WEIGHT
from schemas.errors import ManifestError, Problem

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,99})")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][-+]?[0-9]+)?|[-+]?(?:0|[1-9][0-9]*)\.")
_NOT_A_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_MERGE = "<<"
_HINTS = {
    "mapping values are not allowed in this context": (
        "; quote a text that has a colon in it, and give the fields of one thing the same indentation"
    ),
    "did not find expected key": "; a text ends with its closing quote, and fields of one thing have the same indentation",
    "found character that cannot start any token": "; quote a text that begins like this",
    "could not find expected ':'": "; a field is written `name: value`",
}
"""What is usually behind a complaint of libyaml, in words that a producer knows."""
_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})
_SHAPE_TAGS = frozenset({"!", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})


def parse_yaml(text: str) -> Any:
    """The data written in `text`; aliases share one object.

    Raises:
        ManifestError: it is not YAML, or holds what a manifest may not: repeated keys, tags, documents after the first,
            deep nesting, aliases that expand to too much or to themselves.
    """
    if found := _CONTROL.search(text):
        line, column = text.count("\n", 0, found.start()), found.start() - text.rfind("\n", 0, found.start())
        raise _refused("syntax", f"line {line + 1}, column {column}: a control character; remove it")
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.YAMLError as error:
        raise _refused("syntax", _sentence(error, text, builder.last)) from None
    if builder.problems:
        raise ManifestError(builder.problems)
    return builder.root


@dataclass(slots=True)
class _Open:
    """A list (with `items`) or a mapping whose end has not been read. `key` waits for its value."""

    anchor: str | None
    items: list[Any] | None
    entries: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    merged: list[dict[str, Any]] = field(default_factory=list)
    key: str | None = None
    is_merge: bool = False
    weight: int = NODE_WEIGHT

    @property
    def awaits_key(self) -> bool:
        return self.items is None and self.key is None

    @property
    def value(self) -> Any:
        """What was read. Own entries win over merged ones, and earlier merged ones over later."""
        if self.items is not None:
            return self.items
        whole: dict[str, Any] = {}
        for entries in (*reversed(self.merged), self.entries):
            whole.update(entries)
        return whole


class _Builder:
    """Takes events one by one; `root` is the document once they have ended. `last` is the one that was taken last."""

    def __init__(self) -> None:
        self.root: Any = None
        self.problems: list[Problem] = []
        self.last: Any = None
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._documents = 0

    def take(self, event: Any) -> None:
        line, self.last = event.start_mark.line + 1, event
        if isinstance(event, events.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _refused(
                    "several_documents", f"line {line}: a second document begins; a manifest is one"
                )
        elif isinstance(event, events.AliasEvent):
            self._take_alias(event.anchor, line)
        elif isinstance(event, events.ScalarEvent):
            self._take_scalar(event, line)
        elif isinstance(event, events.CollectionStartEvent):
            self._begin(event, line)
        elif isinstance(event, events.CollectionEndEvent):
            done = self._open.pop()
            self._place(done.value, done.weight, line, anchor=done.anchor)

    def _take_scalar(self, event: Any, line: int) -> None:
        if event.tag is not None and event.tag not in _TEXT_TAGS:
            raise _tag_refused(event.tag, line)
        weight, is_plain = NODE_WEIGHT + len(event.value), event.tag is None and event.implicit[0]
        if self._open and self._open[-1].awaits_key:
            self._open[-1].weight += weight
            self._note(event.anchor, event.value, weight)
            self._begin_entry(event.value, line)
            self._open[-1].is_merge = is_plain and event.value == _MERGE
        else:
            self._place(
                _plain_value(event.value, line) if is_plain else event.value,
                weight,
                line,
                anchor=event.anchor,
            )

    def _take_alias(self, anchor: str | None, line: int) -> None:
        if anchor is None or anchor not in self._anchors:
            inside = any(node.anchor == anchor for node in self._open)
            reason = "refers to what it is itself part of" if inside else "has no anchor before it"
            raise _refused("bad_alias", f"line {line}: the alias *{(anchor or '')[:100]} {reason}")
        value, weight = self._anchors[anchor]
        self._place(value, weight, line)

    def _begin(self, event: Any, line: int) -> None:
        if event.tag is not None and event.tag not in _SHAPE_TAGS:
            raise _tag_refused(event.tag, line)
        if len(self._open) >= MAX_DEPTH:
            raise _refused("too_deep", f"line {line}: it is nested more than {MAX_DEPTH} levels deep")
        self._require_value(line)
        self._open.append(_Open(event.anchor, [] if isinstance(event, events.SequenceStartEvent) else None))

    def _begin_entry(self, key: str, line: int) -> None:
        node = self._open[-1]
        if key in node.lines:
            detail = f"line {line}: the key '{key[:100]}' was already written on line {node.lines[key]}"
            self.problems.append(Problem("", "duplicate_key", detail))
        node.lines.setdefault(key, line)
        node.key = key

    def _place(self, value: Any, weight: int, line: int, *, anchor: str | None = None) -> None:
        """Puts a whole value where it belongs."""
        self._require_value(line)
        self._note(anchor, value, weight)
        if not self._open:
            self.root = value
            return
        node = self._open[-1]
        node.weight += weight
        if node.weight > MAX_WEIGHT:
            raise _refused(
                "too_large", f"line {line}: with its aliases written out this is too large; use fewer"
            )
        if node.items is not None:
            node.items.append(value)
        elif node.is_merge:
            node.merged += _mergeable(value, line)
        elif node.key is not None:
            node.entries[node.key] = value
        node.key = None

    def _note(self, anchor: str | None, value: Any, weight: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (value, weight)

    def _require_value(self, line: int) -> None:
        if self._open and self._open[-1].awaits_key:
            raise _refused("bad_key", f"line {line}: a key is a text, written out")


def _mergeable(value: Any, line: int) -> list[dict[str, Any]]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(one, dict) for one in values):
        raise _refused("bad_merge", f"line {line}: '<<' takes a mapping or a list of mappings")
    return values


def _plain_value(text: str, line: int) -> Any:
    """What an unquoted word means."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    if _NOT_A_NUMBER.fullmatch(text) or _DECIMAL.fullmatch(text):
        raise _refused(
            "not_a_number",
            f"line {line}: {text[:40]} is not a number that can be used; quote it if it is a text",
        )
    return text


def _sentence(error: yaml.YAMLError, text: str, last: Any) -> str:
    """The parser's complaint with its place, and the mistake that is usually behind it.

    Args:
        last: the event before it.
    """
    mark = getattr(error, "problem_mark", None)
    complaint = getattr(error, "problem", None) or getattr(error, "reason", None) or "this is not YAML"
    if mark is None:
        return str(complaint)
    if opened := _unclosed(error, last):
        return opened
    line = text.splitlines()[mark.line : mark.line + 1]
    tab = "; indent with spaces, not with tabs" if line and "\t" in line[0][: mark.column + 1] else ""
    return f"{_place(mark)}: {complaint}{tab or _HINTS.get(complaint, '')}"


def _unclosed(error: Any, last: Any) -> str | None:
    """Where a quote or a bracket begins that nothing closes, or a quote that the next one closes; the parser blames what
    follows."""
    context, began = getattr(error, "context", None) or "", getattr(error, "context_mark", None)
    if began is not None and context == "while scanning a quoted scalar":
        return f"{_place(began)}: nothing closes the quote that begins here"
    if began is not None and context.startswith("while parsing a flow"):
        return f"{_place(began)}: nothing closes the bracket that begins here, up to {_place(error.problem_mark)}"
    ended = error.problem_mark
    is_quoted = isinstance(last, events.ScalarEvent) and last.style in ("'", '"')
    if is_quoted and last.start_mark.line < last.end_mark.line == ended.line:
        says = f"the quote that begins here goes on to line {ended.line + 1}, with more behind it; close it earlier"
        return f"{_place(last.start_mark)}: {says}"
    return None


def _place(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"


def _tag_refused(tag: str, line: int) -> ManifestError:
    name = tag.replace("tag:yaml.org,2002:", "!!")[:100]
    return _refused("bad_tag", f"line {line}: the tag {name} is not taken here; write the value plainly")


def _refused(code: str, sentence: str) -> ManifestError:
    return ManifestError([Problem("", code, sentence)])
