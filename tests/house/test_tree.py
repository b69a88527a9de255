"""What must not be in the tree, whoever wrote it."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.house.tree import ROOT, files, name_of

# With brackets, so that this file does not find itself.
FORBIDDEN = {
    "a path of one machine": r"(?<![\w.$}~-])/(?:[w]ork|[r]oot|[h]ome/\w+)/",
    "the address of a package registry": r"[p]ypi\.org|[p]ythonhosted|[n]pmjs\.|[d]eb\.debian",
    "unfinished work": r"\b(?:[T]ODO|[F]IXME|[X]XX|[H]ACK)\b|[N]otImplementedError",
    "a test that does not run": r"pytest\.(?:mark\.)?(?:[s]kip|[x]fail)|unittest\.[s]kip",
    "a merge that was not finished": r"^(?:<{7}|>{7}) ",
}
TEXTS = [
    path
    for path in files("*")
    if path.suffix not in {".jpg", ".png", ".webp", ".pyc", ".gz"} and "py.typed" not in path.name
]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_nothing_in_the_tree_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what], re.MULTILINE)
    found = [
        f"{name_of(path)}: {hit[0]}" for path in TEXTS if (hit := pattern.search(path.read_text("utf-8")))
    ]
    assert found == []


def test_no_text_names_the_folder_it_lies_in() -> None:
    assert [name_of(path) for path in TEXTS if f"{ROOT}/" in path.read_text("utf-8")] == []


def test_the_lock_names_hashes_and_no_addresses() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pinned = re.findall(r"^([a-z0-9._-]+)==\S+", lock, re.MULTILINE)
    assert "://" not in lock
    assert not re.search(r"^-", lock, re.MULTILINE)
    assert lock.count("--hash=sha256:") >= len(pinned) > 50


def test_the_lock_holds_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lock = (ROOT / "requirements.lock").read_text()
    asked = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    names = {re.split(r"[\[<>=!~ ]", line)[0].lower().replace("_", "-") for line in asked}
    assert {name for name in names if not re.search(rf"^{re.escape(name)}==", lock, re.MULTILINE)} == set()


def test_scripts_can_be_run() -> None:
    scripts = [path for path in [*files("*.sh"), ROOT / ".ci" / "run"] if path.read_text().startswith("#!")]
    assert [name_of(path) for path in scripts if not path.stat().st_mode & 0o100] == []
    assert all("set -euo pipefail" in path.read_text() for path in scripts)


def test_files_end_with_a_line_end_and_no_line_ends_with_blanks() -> None:
    def is_untidy(path: Path) -> bool:
        text = path.read_text("utf-8")
        return bool(text) and (
            not text.endswith("\n") or re.search(r"[ \t]$", text, re.MULTILINE) is not None
        )

    assert [name_of(path) for path in TEXTS if is_untidy(path) and "samples" not in path.parts] == []
