"""The systemd units: systemd takes them, and they wait for paid calls."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from core.settings import ServiceSettings, WorkerSettings
from tests.deploy.composition import DEPLOY
from tests.docs.pages import shell
from tests.house.tree import ROOT

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


def test_prometheus_asks_every_process_that_the_page_starts_where_it_answers() -> None:
    started = re.findall(r"darkroom-worker@(\d)", next(words for words in enabled() if "enable" in words))
    (said,) = (each for each in unit("darkroom-worker@.service")["Environment"] if "METRICS_PORT" in each)
    ports = [said.partition("=")[2].replace("%i", number) for number in started]
    asked = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in asked}
    assert targets == {
        "darkroom-service": [f"127.0.0.1:{ServiceSettings.model_fields['port'].default}"],
        "darkroom-worker": [f"127.0.0.1:{port}" for port in ports],
    }


def enabled() -> list[str]:
    """The commands of the page that speak to systemd."""
    page = ROOT / "docs" / "operating.md"
    return [command for block in shell(page) for command in block.commands if "systemctl" in command]


@pytest.mark.parametrize("name", UNITS)
def test_settings_that_cannot_be_used_are_not_tried_again_for_ever(name: str) -> None:
    assert unit(name)["RestartPreventExitStatus"] == ["2"]


@pytest.mark.parametrize("name", UNITS)
def test_secrets_are_credentials_of_a_unit_each_named_as_its_setting(name: str) -> None:
    said, known = unit(name), (ROOT / "docs" / "settings.md").read_text()
    loaded = dict(each.split(":") for each in said["LoadCredential"])
    assert {Path(path) for path in loaded.values()} == {Path("/etc/darkroom/secrets") / key for key in loaded}
    ours = {key.replace("__MAIN__", "__<LANE>__") for key in loaded if key.startswith("DARKROOM_")}
    assert all(f"| `{key}` | text, *secret* |" in known for key in ours)
    assert ("DARKROOM_SERVICE__BOOTSTRAP_KEY" in ours) == (name == "darkroom-service.service")
    assert "aws_credentials" in loaded
    assert "AWS_SHARED_CREDENTIALS_FILE=%d/aws_credentials" in said["Environment"]
