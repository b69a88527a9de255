"""The systemd units: systemd takes them, and they wait for paid calls."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.settings import WorkerSettings
from tests.deploy.composition import DEPLOY

UNITS = ("darkroom-service.service", "darkroom-worker@.service")


def unit(name: str) -> dict[str, list[str]]:
    """What the section [Service] says, every value of a name that is said more than once."""
    lines = (DEPLOY / "systemd" / name).read_text().splitlines()
    found: dict[str, list[str]] = {}
    for line in lines:
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def installed(tmp_path: Path) -> list[Path]:
    """The units beside each other, with a Python that is there."""
    for name in UNITS:
        text = (DEPLOY / "systemd" / name).read_text()
        (tmp_path / name).write_text(text.replace("/opt/darkroom/bin/python", sys.executable))
    return [tmp_path / name for name in UNITS]


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)


@pytest.mark.needs("systemd-analyze")
def test_systemd_takes_them(installed: list[Path]) -> None:
    verified = analyze("verify", "--man=no", *installed)
    assert (verified.returncode, verified.stderr) == (0, "")


@pytest.mark.needs("systemd-analyze")
def test_a_unit_with_a_mistake_is_found(installed: list[Path]) -> None:
    mistaken = installed[0]
    mistaken.write_text(mistaken.read_text().replace("ExecStart=", "ExecStarts="))
    assert analyze("verify", "--man=no", mistaken).returncode != 0


@pytest.mark.needs("systemd-analyze")
def test_little_of_the_machine_is_exposed_to_them(installed: list[Path]) -> None:
    for path in installed:
        looked = analyze("security", "--offline=yes", "--threshold=20", path)
        assert looked.returncode == 0, looked.stdout


def test_a_worker_is_given_longer_than_it_drains_and_keeps_its_finishers() -> None:
    said = unit("darkroom-worker@.service")
    assert float(said["TimeoutStopSec"][-1]) >= WorkerSettings.model_fields["drain_s"].default + 30
    assert said["KillMode"] == ["mixed"]


def test_what_is_in_the_spool_survives_a_restart_and_belongs_to_every_worker() -> None:
    said = unit("darkroom-worker@.service")
    assert said["StateDirectory"] == ["darkroom"]
    assert "DARKROOM_SPOOL__DIR=/var/lib/darkroom/spool" in said["Environment"]


@pytest.mark.parametrize("name", UNITS)
def test_settings_that_cannot_be_used_are_not_tried_again_for_ever(name: str) -> None:
    assert unit(name)["RestartPreventExitStatus"] == ["2"]
