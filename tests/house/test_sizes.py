"""Sizes: what is too long to be read in one go is split, or named here with its reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house.tree import Function, code_lines, files, functions, modules, name_of

FILE_LINES, FUNCTION_LINES, LUA_LINES = 400, 50, 120
ARGUMENTS, NESTING, MODULES = 6, 3, 12

EXCEPTIONS = {
    "function": {
        "simulator/__main__.py: _parser": "one block of lines for each option",
        "workers/app.py: build": "the composition root: it names everything that there is, once",
    },
    "arguments": {
        "cli/main.py: replay": "one for each option of the command",
        "cli/main.py: results": "one for each option of the command",
        "cli/main.py: submit": "one for each option of the command",
        "cli/commands/sizing.py: size": "one for each option of the command",
        "workers/jobs.py: PlanCarrier.__init__": "keyword-only, handed in by the composition root",
        "workers/planning/planner.py: Planner.__init__": "keyword-only, handed in by the composition root",
        "workers/rescuer.py: Rescuer.__init__": "keyword-only, handed in by the composition root",
        "workers/resolver.py: Resolver.__init__": "keyword-only, handed in by the composition root",
    },
    "nesting": {},
    "package": {
        "core/state": "one shelf of what Redis holds a module",
        "schemas": "one word of the language a module; none imports more than a few others",
        "workers": "the rooms of the process are packages; what joins them stands at the top",
    },
}


def check(kind: str, found: set[str]) -> None:
    assert found - EXCEPTIONS[kind].keys() == set(), "split it, or name it as an exception with its reason"
    assert EXCEPTIONS[kind].keys() - found == set(), "this exception is not needed any more"


def every_function() -> Iterator[tuple[Path, str, Function]]:
    for path in files("*.py"):
        for name, function in functions(path):
            yield path, name, function


def test_no_file_is_longer_than_400_lines() -> None:
    assert [name_of(path) for path in files("*.py", "*.sh") if lines_of(path) > FILE_LINES] == []


def test_no_script_for_redis_is_longer_than_120_lines() -> None:
    scripts = files("*.lua")
    assert len(scripts) > 10
    assert [name_of(path) for path in scripts if lines_of(path) > LUA_LINES] == []


def lines_of(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_no_function_has_more_than_50_lines_of_code() -> None:
    check(
        "function",
        {
            f"{name_of(path)}: {name}"
            for path, name, function in every_function()
            if len(code_lines(path) & own_lines(function)) > FUNCTION_LINES
        },
    )


def own_lines(function: Function) -> set[int]:
    return set(range(function.lineno, (function.end_lineno or function.lineno) + 1))


def test_no_function_takes_more_than_6_arguments() -> None:
    check(
        "arguments",
        {
            f"{name_of(path)}: {name}"
            for path, name, function in every_function()
            if len(arguments_of(function)) > ARGUMENTS
        },
    )


def arguments_of(function: Function) -> set[str]:
    found = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return {argument.arg for argument in found} - {"self", "cls"}


def test_no_function_decides_more_than_3_levels_deep() -> None:
    check(
        "nesting",
        {
            f"{name_of(path)}: {name}"
            for path, name, function in every_function()
            if depth(function) > NESTING
        },
    )


def depth(node: ast.AST, level: int = 0) -> int:
    """Decisions, loops and tries inside each other; `elif` is no deeper than its `if`, and `with` decides nothing."""
    deepest = level
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef | ast.Lambda):
            continue
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        decides = isinstance(child, ast.If | ast.For | ast.AsyncFor | ast.While | ast.Try | ast.Match)
        deepest = max(deepest, depth(child, level + (decides and not is_elif)))
    return deepest


def test_no_package_holds_more_than_12_modules() -> None:
    counts: dict[str, int] = {}
    for path in modules():
        if path.name != "__init__.py":
            counts[name_of(path.parent)] = counts.get(name_of(path.parent), 0) + 1
    check("package", {package for package, count in counts.items() if count > MODULES})
