"""Tests that need more than Python: on a machine that lacks it they are left out, and the last lines say which.

`.ci/run` sets DARKROOM_TEST_ALL: there nothing may be left out.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.deploy.composition import Composition
from tests.deploy.image import Image

LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "needs(*programs, root=False): left out, and named, where these are not; never by .ci/run"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("DARKROOM_TEST_ALL"):
        return
    left_out = [item for item in items if missing(item)]
    config.stash[LEFT_OUT] = [f"{item.nodeid}: needs {', '.join(missing(item))}" for item in left_out]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if left_out := config.stash.get(LEFT_OUT, []):
        terminalreporter.section("left out on this machine")
        for line in left_out:
            terminalreporter.write_line(line)


def missing(item: pytest.Item) -> list[str]:
    """What a test needs and this machine does not have."""
    found = []
    for mark in item.iter_markers("needs"):
        found += [program for program in mark.args if shutil.which(program) is None]
        if mark.kwargs.get("root") and os.geteuid() != 0:
            found.append("root")
    return found


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """What the Dockerfile makes, made by hand."""
    return Image(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def composition(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composition]:
    """What the compose file starts, not yet started."""
    with Composition(image, tmp_path_factory.mktemp("composition")) as composition:
        yield composition
