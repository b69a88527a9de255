"""The tree as the house tests see it: packages, modules, and what is in them, read and never imported."""

from __future__ import annotations

import ast
import io
import os
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "core", "service", "workers", "cli", "simulator")
DOCS = ROOT / "docs"
_LEFT_OUT = {"dist", "__pycache__"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def files(*patterns: str, under: str = ".") -> list[Path]:
    """Files of the project by pattern, sorted; nothing of virtual environments, caches or runs."""
    return sorted(path for path in _walked(ROOT / under) if any(path.match(pattern) for pattern in patterns))


def _walked(top: Path) -> Iterator[Path]:
    """A folder that is left out is not gone into: a virtual environment holds more files than all the rest."""
    for folder, names, found in os.walk(top):
        names[:] = [name for name in names if not _is_left_out(name)]
        yield from (path for name in found if (path := Path(folder, name)).is_file())


def _is_left_out(folder: str) -> bool:
    return folder in _LEFT_OUT or (folder.startswith(".") and folder != ".ci")


def modules(*packages: str) -> list[Path]:
    """Python files of the packages, `PACKAGES` unless named."""
    return [path for package in packages or PACKAGES for path in files("*.py", under=package)]


def name_of(path: Path) -> str:
    """`core/state/keys.py` of the file, with slashes on every system."""
    return path.relative_to(ROOT).as_posix()


def dotted(path: Path) -> str:
    """`core.state.keys` of the file; a package by its own name."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def functions(path: Path) -> Iterator[tuple[str, Function]]:
    """Every function of a file with its name, `Shift.drain` or `build._opened`."""

    def walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function | ast.ClassDef):
                name = f"{prefix}{child.name}"
                if isinstance(child, Function):
                    yield name, child
                yield from walk(child, f"{name}.")
            else:
                yield from walk(child, prefix)

    yield from walk(parsed(path), "")


@cache
def code_lines(path: Path) -> frozenset[int]:
    """Numbers of the lines that hold code: no comments, no blank lines, no docstrings."""
    lines: set[int] = set()
    quiet = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type not in quiet:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(parsed(path)):
        if (
            isinstance(node, Function | ast.ClassDef | ast.Module)
            and ast.get_docstring(node, clean=False) is not None
        ):
            text = node.body[0]
            lines.difference_update(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    return frozenset(lines)
