"""Errors that nobody expects are caught in few places: at an edge, or to clean up and raise them again."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.house.tree import functions, modules, name_of

EDGES = {
    "core/state/tasks.py: TaskStore._write_group": "it is raised where the moves are awaited",
    "service/middleware.py: RequestObserver._guarded": "a request: it is logged, and answered in a sentence",
    "workers/jobs.py: PlanCarrier._tried": "a plan: its batch is rejected in a sentence",
    "workers/rescuer.py: Rescuer.take_back": "a lost claim: it does not hold up the others",
    "workers/resolver.py: Resolver._resolved": "a doubt: it does not hold up the others",
    "workers/shelver.py: Shelver._put_away": "an old batch: it does not hold up the others",
    "workers/shift.py: Shift._run": "an attempt: its task is put aside",
}
"""Where an error ends, and why it may."""

RAISED_AGAIN = {
    "core/pages.py: RowPages.line": "a page that could not be read is not kept, unless a reader went away",
    "core/telemetry/measured_store.py: MeasuredStore._measured": "the class of the error is the outcome",
    "core/telemetry/otel.py: OpenTelemetryTraces.span": "the class of the error stands in the span",
    "workers/references.py: _Answers.get": "an answer that failed is not kept, unless one who asked went away",
    "workers/shelf.py: CampaignShelf.get": "a campaign that failed is not kept, unless one who asked went away",
}
"""Where an error passes, and what has to be done meanwhile that `finally` cannot tell."""


def test_every_place_that_catches_all_errors_is_named_with_its_reason() -> None:
    assert {place for place, _ in broad_catches()} == EDGES.keys() | RAISED_AGAIN.keys()


def test_an_error_ends_at_edges_only() -> None:
    assert {place for place, is_raised in broad_catches() if not is_raised} <= EDGES.keys()


def broad_catches() -> Iterator[tuple[str, bool]]:
    """Every function that catches or suppresses whatever comes, and whether its handler ends in a bare `raise`."""
    for path in modules():
        for name, function in functions(path):
            found, place = map(_caught, ast.walk(function)), f"{name_of(path)}: {name}"
            yield from ((place, is_raised) for is_raised in found if is_raised is not None)


def _caught(node: ast.AST) -> bool | None:
    """Whether what this catches is raised again; None where it does not catch all."""
    if isinstance(node, ast.ExceptHandler) and (node.type is None or _is_broad(node.type)):
        return _is_raised(node.body[-1])
    if isinstance(node, ast.Call) and _is_suppress(node.func) and any(map(_is_broad, node.args)):
        return False
    return None


def _is_broad(node: ast.expr) -> bool:
    return any(
        isinstance(one, ast.Name) and one.id in ("Exception", "BaseException") for one in ast.walk(node)
    )


def _is_suppress(node: ast.expr) -> bool:
    return "suppress" in (getattr(node, "id", ""), getattr(node, "attr", ""))


def _is_raised(last: ast.stmt) -> bool:
    return isinstance(last, ast.Raise) and last.exc is None
