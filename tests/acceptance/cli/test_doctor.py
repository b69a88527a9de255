"""`darkroom doctor` as a person runs it: real processes, a real Redis, a folder, the simulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import ROOT, Simulator

KEY = "sk-of-the-doctor-0123456789"


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Simulator]:
    simulator = Simulator(tmp_path / "simulator.log", "--api-key", KEY)
    yield simulator
    simulator.kill()


@pytest.fixture
def settings(redis_url: str, provider: Simulator, tmp_path: Path) -> dict[str, str]:
    return {
        "DARKROOM_REDIS__URL": redis_url,
        "DARKROOM_STORAGE__URL": (tmp_path / "store").as_uri(),
        "DARKROOM_SPOOL__DIR": str(tmp_path / "spool"),
        "DARKROOM_LANES__MAIN__BASE_URL": f"{provider.url}/v1",
        "DARKROOM_LANES__MAIN__API_KEY": KEY,
        "DARKROOM_BUDGETS__TENANT_MONTH_USD": "10",
    }


def doctor(folder: Path, settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", "doctor", *arguments],
        cwd=folder,
        env={**kept, **settings, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_it_looks_at_everything_and_shows_no_secret(settings: dict[str, str], tmp_path: Path) -> None:
    ended = doctor(tmp_path, settings)

    assert (ended.returncode, ended.stderr) == (0, "")
    *lines, last = ended.stdout.splitlines()
    assert {line.split()[1] for line in lines} == {"redis", "storage", "provider", "spool"}
    assert {line.split()[0] for line in lines} == {
        "ok",
        "warning",
    }  # the Redis of the tests syncs every second
    assert last == "It works; the warnings are worth reading."
    assert KEY not in ended.stdout


def test_one_patient_that_is_ill_ends_in_1_and_machines_can_read_why(
    settings: dict[str, str], tmp_path: Path
) -> None:
    told = settings | {"DARKROOM_LANES__MAIN__API_KEY": "sk-a-key-of-somebody-else"}
    ended = doctor(tmp_path, told, "provider", "--json")

    assert ended.returncode == 1
    found = json.loads(ended.stdout)
    assert found["result"] == "failed"
    assert [(each["patient"], each["check"], each["level"]) for each in found["checks"]] == [
        ("provider", "main: key", "failed"),
        ("provider", "budget", "ok"),
    ]
    assert "sk-a-key" not in ended.stdout


def test_patients_that_do_not_exist_and_settings_that_cannot_be_used_end_in_2(
    settings: dict[str, str], tmp_path: Path
) -> None:
    unknown, unset = doctor(tmp_path, settings, "postgres"), doctor(tmp_path, {})

    assert (unknown.returncode, unset.returncode) == (2, 2)
    assert unknown.stderr == "The doctor knows redis, storage, provider, spool, and not 'postgres'.\n"
    for line in ("STORAGE__URL=file:///", "LANES__MAIN__API_KEY=sk-...", "BUDGETS__TENANT_MONTH_USD=25"):
        assert f"such as: export DARKROOM_{line}" in unset.stderr
    assert unknown.stdout == unset.stdout == ""
