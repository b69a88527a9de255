"""What a package is: its constitution in `__init__.py`, names that say something, and imports without effects."""

import ast
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.house.tree import PACKAGES, ROOT, dotted, files, modules, name_of, parsed

SAYS_NOTHING = {"base", "common", "helper", "helpers", "manager", "misc", "shared", "stuff", "util", "utils"}


def folders() -> set[Path]:
    return {path.parent for path in modules()}


def test_every_package_says_what_lives_in_it_and_holds_nothing_else() -> None:
    for folder in folders():
        module = parsed(folder / "__init__.py")
        assert ast.get_docstring(module), f"{name_of(folder)}/__init__.py says nothing"
        assert len(module.body) == 1, f"{name_of(folder)}/__init__.py holds more than its docstring"


def test_every_module_says_what_it_is() -> None:
    assert [name_of(path) for path in modules() if not ast.get_docstring(parsed(path))] == []


def test_no_name_of_a_module_says_nothing() -> None:
    names = {name_of(path): set(path.stem.split("_")) | {path.parent.name} for path in files("*.py")}
    assert [name for name, words in names.items() if words & SAYS_NOTHING] == []


def test_every_package_carries_its_types() -> None:
    assert [package for package in PACKAGES if not (ROOT / package / "py.typed").exists()] == []


def test_every_package_is_built_and_has_its_floor() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    floors = ConfigParser()
    floors.read(ROOT / ".importlinter")
    on_disk = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert on_disk == set(PACKAGES)
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == on_disk
    assert set(floors["importlinter"]["root_packages"].split()) == on_disk


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_distribution_has_a_package_of_this_name(package: str) -> None:
    assert set(packages_distributions().get(package, [])) <= {"darkroom"}


WATCHER = """
import importlib, os, sys, threading

FORBIDDEN = {
    "os.exec", "os.fork", "os.mkdir", "os.posix_spawn", "os.putenv", "os.remove", "os.rename", "os.system",
    "os.unsetenv", "socket.bind", "socket.connect", "socket.getaddrinfo", "sqlite3.connect", "subprocess.Popen",
    "tempfile.mkdtemp", "tempfile.mkstemp",
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
root, *names = sys.argv[1:]
module, found = "", []

def is_ours(file):
    return file.startswith(root) and f"{os.sep}.venv{os.sep}" not in file

def ours_did_it(frame):
    # What a library does while it is imported is its own affair.
    while frame and not is_ours(frame.f_code.co_filename):
        if "importlib._bootstrap" in frame.f_code.co_filename:
            return False
        frame = frame.f_back
    return frame is not None

def watch(event, arguments):
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
    if (event in FORBIDDEN or writes) and ours_did_it(sys._getframe(1)):
        found.append(f"{module}: {event} {arguments[:1]}")

def told(method):
    def read(self, *arguments):
        frame = sys._getframe(1)
        while frame.f_code.co_filename.startswith("<frozen "):
            frame = frame.f_back
        if is_ours(frame.f_code.co_filename):
            found.append(f"{module}: environment {arguments[:1]}")
        return method(self, *arguments)
    return read

environment = type(os.environ)
for name in ("__getitem__", "__contains__", "__iter__"):
    setattr(environment, name, told(getattr(environment, name)))
start = threading.Thread.start
threading.Thread.start = lambda thread: (ours_did_it(sys._getframe(1)) and found.append(f"{module}: thread"), start(thread))
sys.addaudithook(watch)
for module in names:
    importlib.import_module(module)
print("\\n".join(found), end="")
"""


def imported(root: Path, *names: str) -> str:
    """What importing these modules did, one thing a line."""
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", WATCHER, str(root), *names],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_importing_any_module_starts_nothing_writes_nothing_and_asks_the_environment_nothing() -> None:
    names = [dotted(path) for path in modules()]
    assert len(names) > 100
    assert imported(ROOT, *names) == ""


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ("import os; os.environ.get('HOME')", "environment"),
        ("import os; os.getenv('HOME')", "environment"),
        ("open('here', 'w').close()", "open"),
        ("import threading; threading.Thread(target=print, args=('',)).start()", "thread"),
        ("import socket; socket.create_server(('127.0.0.1', 0)).close()", "socket.bind"),
        ("import subprocess, sys; subprocess.run([sys.executable, '-c', ''])", "subprocess.Popen"),
    ],
    ids=["environ", "getenv", "file", "thread", "socket", "process"],
)
def test_an_import_with_an_effect_is_noticed(tmp_path: Path, line: str, seen: str) -> None:
    (tmp_path / "careless.py").write_text(f"{line}\n")
    assert seen in imported(tmp_path, "careless")
