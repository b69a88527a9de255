"""Passages: a template cut where it may be cut, so that what comes out alike for many pictures is filled in once.

A season changes a few words of a prompt; the rest comes out the same in every season of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from liquid import BoundTemplate
from liquid.ast import Node
from liquid.static_analysis import TemplateAnalysis

_KNOWN_TAGS = frozenset({"if", "unless", "case", "echo", "comment", "assign", "capture"})
"""Of the others some remember what they did, such as `cycle`, and a later one goes on from there."""

_PLAIN = (False, False)


@dataclass(frozen=True, slots=True)
class Passage:
    """Neighbouring parts of a template that need nothing of the others.

    Args:
        reads: the names it reads, without what comes after a dot.
    """

    parts: tuple[Node, ...]
    reads: frozenset[str]

    @property
    def reads_row(self) -> bool:
        return "row" in self.reads

    @property
    def reads_cell(self) -> bool:
        """Whether something decides what comes out that differs between the pictures of a row."""
        return bool(self.reads - {"row"})


def passages_of(template: BoundTemplate, given: AbstractSet[str]) -> tuple[Passage, ...]:
    """The passages of a template in their order; it is one, where nobody can tell what its parts need of each other.

    Args:
        given: the names of the values it is filled in with.
    """
    found: list[Passage] = []
    set_by: dict[str, int] = {}
    for part in template.nodes:
        analysis = BoundTemplate(template.env, [part]).analyze(include_partials=False)
        sets = {str(name) for name in part.template_scope()}
        if not analysis.tags.keys() <= _KNOWN_TAGS or analysis.locals.keys() != sets:
            return (Passage(tuple(template.nodes), _reads(template.analyze(include_partials=False), given)),)
        reads = _reads(analysis, given)
        first = min((set_by[name] for name in reads & set_by.keys()), default=len(found))
        found[first:] = [_joined([*found[first:], Passage((part,), reads - set_by.keys())])]
        set_by = {name: min(place, first) for name, place in set_by.items()} | dict.fromkeys(sets, first)
    return _coarser(found)


def _reads(analysis: TemplateAnalysis, given: AbstractSet[str]) -> frozenset[str]:
    """Names that are given count also where the text sets them itself: it may read them before that, or set them only for
    some rows, and the analysis takes them for its own from the first word on."""
    return frozenset(analysis.globals) | (analysis.variables.keys() & given)


def _coarser(found: Sequence[Passage]) -> tuple[Passage, ...]:
    """The same with those neighbours joined of which nothing is gained by filling them in one by one."""
    alike: list[list[Passage]] = []
    kind = _PLAIN
    for passage in found:
        own = (passage.reads_row, passage.reads_cell)
        if alike and (kind == own or _PLAIN in (kind, own)):
            alike[-1].append(passage)
            kind = own if kind == _PLAIN else kind
        else:
            alike.append([passage])
            kind = own
    return tuple(map(_joined, alike))


def _joined(found: Sequence[Passage]) -> Passage:
    return Passage(
        tuple(part for passage in found for part in passage.parts),
        frozenset(name for passage in found for name in passage.reads),
    )
