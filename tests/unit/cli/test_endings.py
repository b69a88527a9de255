"""How commands end: their exit codes, and a sentence where Python would print a traceback."""

from __future__ import annotations

import hashlib
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.main import app
from cli.manual import examples

ID = "batch_00000000000000000000000001"
ROOT = Path(__file__).parents[3]
COMMANDS = typer.main.get_group(app).commands


def started(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "cli.main", *arguments]
    return subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.PIPE, text=True, **options)


class Slow:
    """Storage that gives the first picture at once, and the others only when it is told to."""

    def __init__(self) -> None:
        self.asked, self.may_answer = threading.Semaphore(0), threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def asset(self, name: str) -> dict[str, Any]:
        link = f"http://127.0.0.1:{self._server.server_port}/{name}"
        sha256 = hashlib.sha256(name.encode()).hexdigest()
        return {"key": f"{name}.png", "url": f"s3://bucket/{name}.png", "link": link, "sha256": sha256}

    def stop(self) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        slow = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.removeprefix("/")
                if name != "first":
                    slow.asked.release()
                    slow.may_answer.wait(60)
                self.send_response(403 if name == "expired" else 200)
                self.end_headers()
                try:
                    self.wfile.write(name.encode())
                except OSError:
                    return  # whoever asked has gone

            def log_message(self, format: str, *args: Any) -> None:
                """Nobody reads it."""

        return Handler


@pytest.fixture
def slow() -> Iterator[Slow]:
    storage = Slow()
    yield storage
    storage.stop()


def test_pictures_that_are_fetched_when_ctrl_c_comes_stay_and_the_same_command_goes_on(
    service: Any, run: Any, slow: Slow, tmp_path: Path
) -> None:
    service.tasks = [
        {"index": place, "asset": slow.asset(name)} for place, name in enumerate(("first", "second"))
    ]
    fetching = started("results", ID, "--to", str(tmp_path / "out"), stdout=subprocess.DEVNULL)
    assert slow.asked.acquire(timeout=60)
    fetching.send_signal(signal.SIGINT)
    _, err = fetching.communicate(timeout=60)
    assert fetching.returncode == 130
    assert "Interrupted. 1 picture was fetched into" in err
    assert "Traceback" not in err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["first.png"]

    slow.may_answer.set()
    said = run("results", ID, "--to", tmp_path / "out")
    assert said.err == f"1 picture was fetched into {tmp_path / 'out'}; 1 was there already.\n"


def test_a_link_that_has_run_out_is_told_with_what_to_do(
    service: Any, run: Any, slow: Slow, tmp_path: Path
) -> None:
    slow.may_answer.set()
    service.tasks = [{"index": 0, "asset": slow.asset("expired")}]
    said = run("results", ID, "--to", tmp_path)
    assert said.code == 1
    assert "was refused by storage (403): links last a quarter of an hour; the same command" in said.err


def test_a_folder_that_cannot_be_made_or_written_is_told_by_its_name(
    service: Any, run: Any, slow: Slow, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    (tmp_path / "first.png").mkdir()
    service.tasks = [{"index": 0, "asset": slow.asset("first")}]
    taken, below, full = (run("results", ID, "--to", place) for place in (file, file / "x", tmp_path))
    assert (taken.code, taken.err) == (2, f"{file} is a file; name a folder with --to.\n")
    assert (below.code, below.err) == (2, f"The folder {file / 'x'} cannot be made: Not a directory.\n")
    assert full.code == 1
    assert full.err.startswith(
        f"The picture {tmp_path / 'first.png'} cannot be written: Is a directory. What was"
    )


@pytest.mark.parametrize("command", [("ls",), ("results", ID), ("results", ID, "--format", "csv")])
def test_a_full_disk_behind_standard_output_is_a_sentence(service: Any, command: tuple[str, ...]) -> None:
    service.tasks, service.exports = [{"index": 0}], {"results.csv": [b"index\n0\n"]}
    with Path("/dev/full").open("w") as full:
        ended = started(*command, stdout=full)
        _, err = ended.communicate(timeout=60)
    assert err.splitlines()[0] == "The output cannot be read or written: No space left on device."
    assert ended.returncode == 1


def test_whoever_reads_the_beginning_only_ends_a_list_without_a_word(service: Any) -> None:
    service.tasks = [{"index": place, "text": "x" * 100_000} for place in range(5)]
    ours, theirs = os.pipe()
    listing = started("results", ID, stdout=theirs)
    os.close(theirs)
    assert os.read(ours, 10)
    os.close(ours)
    _, err = listing.communicate(timeout=60)
    assert err == ""


def test_the_version_is_an_option_and_a_command(run: Any) -> None:
    asked = run("--version")
    assert asked.out.startswith("darkroom ")
    assert (asked.code, run("version").out) == (0, asked.out)


def test_help_tells_every_exit_code(run: Any) -> None:
    text = " ".join(run("--help").out.split())
    assert all(f"{code} " in text.partition("Exit codes: ")[2] for code in (0, 1, 2, 3, 4, 5, 130))


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"simulate"}))
def test_the_examples_of_a_command_are_words_that_it_takes(name: str, run: Any) -> None:
    shown = run(name, "--help").out
    lines = [line.strip() for line in examples(name).splitlines() if line.startswith("  ")]
    assert [line.strip() for line in shown.partition("Example")[2].splitlines()][1:] == lines
    for line in lines:
        program, command, *words = shlex.split(line)
        assert (program, command) == ("darkroom", name)
        COMMANDS[name].make_context(name, words)
