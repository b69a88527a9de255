"""`python -m service`, as a process of its own on a real socket."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.acceptance.http.stage import KEY, MANIFEST

ROOT = Path(__file__).parents[3]


def environment(**settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        **{f"DARKROOM_{name}": value for name, value in settings.items()},
    }


def run(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        cwd=folder,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def running(folder: Path, settings: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A service on a port of its own choice, and its address."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "service"],
            cwd=folder,
            env=environment(**settings),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("service listening on http://127.0.0.1:"), (folder / "log").read_text()
        yield process, line.split()[-1]
    finally:
        process.kill()
        process.wait(timeout=60)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> dict[str, str]:
    return {
        "REDIS__URL": redis_url,
        "STORAGE__URL": (tmp_path / "store").as_uri(),
        "SERVICE__PORT": "0",
        "SERVICE__BOOTSTRAP_KEY": KEY,
        "SERVICE__SUBMIT_WAIT_S": "0",
        "SERVICE__MAX_BODY_BYTES": "2000",
    }


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_serves_and_ends_well_when_told_to(
    settings: dict[str, str], tmp_path: Path, number: signal.Signals
) -> None:
    with running(tmp_path, settings) as (process, url):
        answer = httpx.post(
            f"{url}/v1/batches", json=MANIFEST, headers={"Authorization": f"Bearer {KEY}"}, timeout=60
        )
        process.send_signal(number)
        code = process.wait(timeout=60)

    assert answer.status_code == 202
    assert "server" not in answer.headers
    assert code == 0
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    (line,) = [line for line in lines if line["event"] == "request.completed"]
    assert (line["method"], line["route"], line["status"]) == ("POST", "/v1/batches", 202)
    assert line["request_id"] == answer.headers["x-request-id"]
    assert KEY not in (tmp_path / "log").read_text()


def test_a_body_over_the_limit_leaves_a_whole_problem_on_the_wire(
    settings: dict[str, str], tmp_path: Path
) -> None:
    with running(tmp_path, settings) as (_, url):
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/yaml"}
        known = httpx.post(f"{url}/v1/batches", content=b"#" * 100_000, headers=headers, timeout=60)
        streamed = httpx.post(
            f"{url}/v1/batches", content=(b"#" * 1000 for _ in range(100)), headers=headers, timeout=60
        )

    for answer in (known, streamed):
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_client_that_goes_away_is_no_mistake_of_the_service(
    settings: dict[str, str], tmp_path: Path
) -> None:
    with running(tmp_path, settings) as (process, url):
        head = f"POST /v1/batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
        address = httpx.URL(url)
        with socket.create_connection((address.host, address.port)) as client:
            client.sendall(
                f"{head}Content-Type: application/yaml\r\nContent-Length: 1000\r\n\r\nname: ".encode()
            )
        assert httpx.get(f"{url}/livez", timeout=60).status_code == 200
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)

    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["status"] for line in lines if line["event"] == "request.completed"] == [499]


def test_a_port_that_is_taken_ends_the_process_with_an_error(
    settings: dict[str, str], tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ended = run(tmp_path, **{**settings, "SERVICE__PORT": str(taken.getsockname()[1])})

    assert ended.returncode != 0
    assert ended.stdout == ""
    assert "address already in use" in ended.stderr
    assert "DARKROOM_SERVICE__PORT" in ended.stderr
