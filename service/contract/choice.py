"""Which tasks of a batch are meant, of all that it has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from schemas.errors import Problem
from schemas.expansion import Cell
from schemas.manifest import Manifest
from schemas.rendition import Checked
from schemas.task import Task
from schemas.wording import first_few
from service.contract.queries import ResultsQuery
from service.problems import ProblemError

MAX_LISTED = 20
"""Names that a refusal lists."""


class Choice:
    """The tasks and pictures that a query means.

    Raises:
        ProblemError: the manifest has no such template, or what is made of those has no such size or sample.
    """

    def __init__(self, manifest: Manifest, query: ResultsQuery) -> None:
        templates = [name for name in manifest.templates if not query.template or name in query.template]
        sizes = list(dict.fromkeys(size for name in templates for size in manifest.sizes_of(name)))
        samples = range(1, 1 + max(map(manifest.samples_of, templates), default=0))
        problems = list(_unknown("template", query.template, list(manifest.templates)))
        if not problems:
            problems = [*_unknown("size", query.size, sizes), *_unknown("sample", query.sample, samples)]
        if problems:
            detail = "; ".join(problem.detail for problem in problems[:3])
            raise ProblemError("bad_request", f"{detail}.", problems=problems)
        self._templates, self._states, self._left_out = frozenset(templates), query.states, query.left_out
        self._sizes, self._samples = frozenset(query.size or sizes), frozenset(query.sample or samples)

    def has(self, task: Task, cell: Cell) -> bool:
        return (
            task.state in self._states
            and cell.template in self._templates
            and cell.size in self._sizes
            and cell.sample in self._samples
        )

    def keeps(self, checks: Checked | None) -> bool:
        """Whether a picture whose checks came to this is wanted."""
        return checks is None or checks.result not in self._left_out


def _unknown(kind: str, named: Sequence[object], known: Sequence[object]) -> Iterator[Problem]:
    for name in named:
        if name not in known:
            listed = first_few(known, MAX_LISTED)
            yield Problem(
                f"/query/{kind}", f"unknown_{kind}", f"there is no {kind} '{name}' here, but {listed}"
            )
