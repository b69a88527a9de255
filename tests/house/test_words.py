"""Words that are drawn in one place and written in another: the error tree, and the lives of tasks and batches."""

import re
from enum import Enum
from itertools import pairwise

import pytest

import schemas.batch
import schemas.errors
import schemas.task
from schemas.errors import DarkroomError
from tests.house.generate import error_classes
from tests.house.tree import DOCS


def test_the_drawn_error_tree_is_the_one_in_the_code() -> None:
    drawn = re.findall(r"^(?:├── |└── )(\w+) .* (\d{3})$", schemas.errors.__doc__ or "", re.MULTILINE)
    root, *kinds = error_classes()
    assert root is DarkroomError
    assert drawn == [(kind.__name__, str(kind.status)) for kind in kinds]
    assert all(kind.__bases__ == (DarkroomError,) for kind in kinds)


def test_every_error_has_a_code_of_its_own_and_says_something_by_itself() -> None:
    codes = [kind.code for kind in error_classes()]
    assert len(codes) == len(set(codes))
    assert [kind.__name__ for kind in error_classes() if not (kind.__doc__ or "").endswith(".")] == []


@pytest.mark.parametrize(
    ("life", "table"),
    [("task", schemas.task.TRANSITIONS), ("batch", schemas.batch.TRANSITIONS)],
    ids=["task", "batch"],
)
def test_the_drawn_arrows_are_the_table_of_transitions(life: str, table: dict[Enum, frozenset[Enum]]) -> None:
    (drawing,) = re.findall(
        rf"^```arrows {life}$(.*?)^```$", (DOCS / "states.md").read_text(), re.MULTILINE | re.DOTALL
    )
    drawn = re.findall(r"^(\w+) -> (\w+)  +\S", drawing, re.MULTILINE)
    written = [(state.value, target.value) for state, targets in table.items() for target in targets]
    assert sorted(drawn) == sorted(written)
    assert len(drawn) == len(drawing.strip().splitlines())


def test_every_state_has_its_row_in_the_table() -> None:
    assert set(schemas.task.TRANSITIONS) == set(schemas.task.TaskState)
    assert set(schemas.batch.TRANSITIONS) == set(schemas.batch.BatchState)


def test_the_line_of_life_in_the_code_follows_the_table() -> None:
    line = next(line for line in (schemas.task.__doc__ or "").splitlines() if " -> " in line)
    states = [schemas.task.TaskState(word) for word in line.split(" -> ")]
    assert all(after in schemas.task.TRANSITIONS[before] for before, after in pairwise(states))
