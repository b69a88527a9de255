"""The image: no engine runs here, so its file is linted, its instructions are played by hand, its lock is followed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from importlib.util import cache_from_source
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.composition import read
from tests.deploy.image import DOCKERFILE, Image, environment, instructions
from tests.house.tree import PACKAGES, files
from tests.processes import ROOT

LOCK = ROOT / "deploy" / "requirements.lock"
HOW = (
    "uv pip compile pyproject.toml --extra otel --universal --python-version 3.11 --generate-hashes --no-emit-index-url "
    "--no-header --no-annotate -c requirements.lock -o deploy/requirements.lock"
)


def pinned(lock: Path) -> dict[str, str]:
    """Version, marker and hashes by name."""
    entries = re.split(r"^(?=[a-z0-9])", lock.read_text(), flags=re.MULTILINE)
    return {entry.partition("==")[0]: entry for entry in entries if entry}


def test_hadolint_finds_nothing() -> None:
    linted = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), DOCKERFILE], capture_output=True, text=True, check=False
    )
    assert (linted.returncode, linted.stdout) == (0, "")


def test_it_runs_as_nobody_in_particular_and_starts_without_a_shell() -> None:
    last = max(stage for stage, _, _ in instructions())
    told = {word: rest for stage, word, rest in instructions() if stage == last}
    assert told["USER"] == "10001:10001"
    assert told["CMD"].startswith("[")
    assert "ENTRYPOINT" not in told


def test_what_is_installed_is_locked_and_is_what_is_tested() -> None:
    tested, installed = pinned(ROOT / "requirements.lock"), pinned(LOCK)
    assert {name for name, entry in installed.items() if tested.get(name) != entry} == set(), HOW
    assert "://" not in LOCK.read_text()


def test_the_lock_of_the_image_holds_all_that_the_project_needs_and_nothing_for_development() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [Requirement(line) for line in project["project"]["dependencies"]]
    asked += [Requirement(line) for line in project["project"]["optional-dependencies"]["otel"]]
    needed: set[tuple[str, ...]] = set()
    while asked:
        requirement = asked.pop()
        name = canonicalize_name(requirement.name)
        if (name, *sorted(requirement.extras)) in needed:
            continue
        needed.add((name, *sorted(requirement.extras)))
        for line in distribution(name).requires or ():
            inner = Requirement(line)
            if any(
                inner.marker is None or inner.marker.evaluate({"extra": extra})
                for extra in ("", *requirement.extras)
            ):
                asked.append(inner)
    names = {entry[0] for entry in needed}
    locked = set(pinned(LOCK))
    assert names - locked == set(), HOW
    assert {"pytest", "mypy", "moto", "openai", "hypothesis"} & locked == set()


def test_no_start_has_to_compile_anything(image: Image) -> None:
    """The base image has no compiled modules, and nobody may write them in a container."""
    ours = [path for package in PACKAGES for path in (image.site / package).rglob("*.py")]
    assert ours
    assert {path for path in ours if not Path(cache_from_source(path)).exists()} == set()
    last = max(stage for stage, _, _ in instructions())
    (compiled,) = [rest for stage, word, rest in instructions() if stage == last and "compileall" in rest]
    assert compiled.split()[-1] == "/usr/local/lib/python3.11"


def test_a_new_volume_of_the_spool_belongs_to_who_runs_here() -> None:
    """A named volume begins as a copy of what the image has in its place, owner and mode included.

    Source: https://docs.docker.com/engine/storage/volumes/#populate-a-volume-using-a-container, 2026-11-21.
    """
    (user,) = [rest for _, word, rest in instructions() if word == "USER"]
    (volume,) = [rest for _, word, rest in instructions() if word == "VOLUME"]
    (made,) = [rest for _, word, rest in instructions() if "install --directory" in rest]
    words = shlex.split(made)
    assert volume in words
    assert (words[words.index("--owner") + 1], words[words.index("--group") + 1]) == tuple(user.split(":"))
    worker = read(variables={})["services"]["worker"]
    assert [where.split(":")[1] for where in worker["volumes"]] == [volume]


def test_everything_that_is_copied_is_sent_to_the_builder_and_nothing_else() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for stage, word, rest in instructions()
        if stage == 1 and word == "COPY"
        for source in rest.split()[:-1]
    }
    assert copied == sent
    assert set(PACKAGES) <= copied


def test_the_packages_in_it_are_whole_and_know_their_version(image: Image) -> None:
    ours = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in files("*", under=package)
        if path.suffix != ".pyc"
    }
    assert {name for name in ours if not (image.site / name).is_file()} == set()
    said = subprocess.run(
        [image.python.with_name("darkroom"), "version"],
        cwd=image.folder, env={"PYTHONSAFEPATH": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (metadata,) = image.site.glob("darkroom*.dist-info")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert said.stdout == f"darkroom {project['version']}\n"
    assert f"Version: {project['version']}" in (metadata / "METADATA").read_text()


def test_only_the_spool_is_told_to_be_written(image: Image) -> None:
    told = environment()
    volumes = [rest for _, word, rest in instructions() if word == "VOLUME"]
    assert volumes == [told["DARKROOM_SPOOL__DIR"]]
    assert told["PYTHONDONTWRITEBYTECODE"] == "1"
    assert shutil.which("darkroom", path=str(image.python.parent)) is not None
