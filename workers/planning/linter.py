"""Linting: rendered prompts of a few rows, spread over the catalog, are held against the rules of `schemas.lint`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from schemas.lint import RULES, Looked, lint
from schemas.manifest import Manifest
from schemas.model import farewell_of
from schemas.plan import PlanLint

ROWS_LOOKED_AT = 100
PROMPTS_LOOKED_AT = 1_000
"""Of one template: enough to meet what its text brings about, few enough to cost a fraction of planning."""

MAX_TOLD = 100


def farewells(manifest: Manifest) -> Iterator[PlanLint]:
    """That the models of these templates will be shut down."""
    for name in manifest.templates:
        if said := farewell_of(manifest.image_of(name).model or ""):
            yield PlanLint(rule="model_ends", message=said, template=name, row=None, count=1)


@dataclass
class PromptLinter:
    """Looks at rows one after another.

    Args:
        rows: how many there will be.
    """

    manifest: Manifest
    rows: int
    _turn: int = -1
    _looked: dict[str, int] = field(default_factory=dict)
    _found: dict[tuple[str, str], PlanLint] = field(default_factory=dict)
    _rows: dict[str, int] = field(default_factory=dict)
    _turns: dict[tuple[str, ...], int] = field(default_factory=dict)

    def next_row(self) -> None:
        self._turn += 1

    def look(self, template: str, row: int, prompt: str) -> None:
        """Looks at a prompt, or passes it by.

        Args:
            row: place of the present row in its source, to be told.
        """
        count = self._looked.get(template, 0)
        if self._turn % -(-self.rows // ROWS_LOOKED_AT) or count >= PROMPTS_LOOKED_AT:
            return
        self._looked[template] = count + 1
        self._rows[template] = self._rows.get(template, 0) + self._is_new(template)
        for rule in lint(self._facts(template, prompt)):
            earlier = self._found.get((template, rule))
            self._found[template, rule] = PlanLint(
                rule=rule,
                message=RULES[rule].message,
                template=template,
                row=earlier.row if earlier else row if self.manifest.catalog else None,
                count=earlier.count + 1 if earlier else 1,
                rows=(earlier.rows if earlier else 0) + self._is_new(template, rule),
            )

    @property
    def linted_rows(self) -> int:
        """How many rows were looked at, of the template of which the fewest were."""
        return min(self._rows.values(), default=0)

    def told(self) -> tuple[PlanLint, ...]:
        """What was found, by template and rule, what was met most often first."""
        return tuple(sorted(self._found.values(), key=lambda one: -one.count)[:MAX_TOLD])

    def _is_new(self, *what: str) -> bool:
        """Whether this is the first time in the present row."""
        is_new = self._turns.get(what) != self._turn
        self._turns[what] = self._turn
        return is_new

    def _facts(self, template: str, prompt: str) -> Looked:
        parts = self.manifest.templates[template]
        references = len(self.manifest.references_of(template)) + (parts.parent is not None)
        return Looked(prompt, references, self.manifest.image_of(template).quality or "auto")
