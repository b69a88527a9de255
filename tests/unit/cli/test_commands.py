from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.live import Live

from cli.commands.watching import SILENCE_S, watch
from cli.progress import LiveDisplay, Progress
from schemas.errors import UnavailableError

ID = "batch_00000000000000000000000001"
ROOT = Path(__file__).parents[3]


def task(index: int, state: str = "done", **more: Any) -> dict[str, Any]:
    return {"index": index, "state": state, "row_key": "A", "template": "hero", "size": "square", **more}


class Watched:
    """A batch that goes through states, seen by a clock that `sleep` moves."""

    def __init__(self, looks: list[Any]) -> None:
        self.looks, self.now_s = looks, 0.0

    def batch(self, batch_id: str) -> Any:
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, Exception):
            raise look
        return look

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def watch(self) -> Any:
        return watch(self, ID, clock=lambda: self.now_s, sleep=self.sleep)  # type: ignore[arg-type]


def look(state: str, done: int, total: int = 120) -> dict[str, Any]:
    return {
        "id": ID, "name": "apparel", "state": state, "counts": {"total": total, "done": done},
        "cost": {"spent": f"{done / 100:.2f}", "cap": "10.00"},
    }  # fmt: skip


def test_watching_tells_counts_pace_cost_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    Watched([look("running", done) for done in range(0, 120, 2)] + [look("completed", 120)]).watch()
    lines = capsys.readouterr().err.splitlines()
    assert "10/120 done, 0 failed, 120 images/min, $0.10 of $10.00" in lines  # too early to say how long
    assert "50/120 done, 0 failed, 120 images/min, $0.50 of $10.00, about 35 s left" in lines
    assert len(lines) < 16  # a line every five seconds, and the end


def test_the_pace_counts_what_was_made_and_not_what_was_there_already(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of 120 pictures 60 are the same as others, 40 of earlier batches, and one a second is made or fails beside them."""
    looks = []
    for second in range(16):
        found = look("running", done=min(40, 10 * second) + max(0, second - 8))
        found["counts"] |= {"skipped": min(60, 6 * second), "failed": min(second, 8)}
        found |= {"reused": min(40, 10 * second)}
        looks.append(found)
    Watched([*looks, look("completed", 120)]).watch()
    lines = capsys.readouterr().err.splitlines()
    assert any(
        line.startswith("70/120 done (30 the same as others), 5 failed, 60 images/min") for line in lines
    )
    assert any(
        line.startswith("107/120 done (60 the same as others), 8 failed, 60 images/min") for line in lines
    )


def test_a_terminal_shows_a_bar_and_the_same_words_on_a_line_of_their_own() -> None:
    screen = io.StringIO()
    with Live(console=Console(file=screen, force_terminal=True, width=100), auto_refresh=False) as live:
        LiveDisplay(live).show(Progress(look("running", 60), 30.0), 0.0)
    assert "60/120 done, 0 failed, 30 images/min, $0.60 of $10.00, about 2 min 00 s left" in screen.getvalue()


def test_a_service_that_restarts_is_waited_for() -> None:
    gone = UnavailableError()
    final = Watched([look("running", 1), *[gone] * 30, look("completed", 120)]).watch()
    assert final["state"] == "completed"


def test_a_service_that_stays_away_is_given_up() -> None:
    watched = Watched([look("running", 1), UnavailableError()])
    with pytest.raises(UnavailableError):
        watched.watch()
    assert SILENCE_S < watched.now_s < 2 * SILENCE_S


@pytest.mark.parametrize(
    ("counts", "code"), [({"done": 4}, 0), ({"failed": 1}, 4), ({"parked": 1}, 4), ({"cancelled": 4}, 4)]
)
def test_the_exit_code_says_whether_every_picture_was_made(
    service: Any, run: Any, counts: dict[str, int], code: int
) -> None:
    service.batches[0]["counts"].update({"done": 0, **counts})
    assert run("watch", ID).code == code


def test_a_batch_rejected_for_its_problems_ends_with_3(service: Any, run: Any) -> None:
    service.batches[0].update(
        state="rejected", errors=[{"pointer": "/catalog/rows/2/title", "detail": "is empty"}]
    )
    said = run("watch", ID)
    assert said.code == 3
    assert "/catalog/rows/2/title: is empty" in said.err.splitlines()


def test_a_batch_rejected_for_its_cost_ends_with_5(service: Any, run: Any) -> None:
    service.batches[0].update(state="rejected", refusal="Over the cap.")
    assert run("watch", ID).code == 5


def test_ctrl_c_while_watching_says_that_the_batch_goes_on(service: Any) -> None:
    service.batches[0]["state"] = "running"
    watching = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "watch", ID], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    assert watching.stderr is not None
    assert "4/4 done" in watching.stderr.readline()
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=120)
    assert watching.returncode == 130
    assert f"darkroom watch {ID}" in err


def test_nobody_at_the_address_is_a_sentence(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_URL", "http://127.0.0.1:9")
    said = run("ls")
    assert said.code == 1
    assert said.err.startswith("No service answers at http://127.0.0.1:9.")


def test_a_wrong_key_is_a_sentence_without_the_key(
    service: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DARKROOM_KEY", "dk_wrong")
    said = run("ls")
    assert said.code == 1
    assert "does not accept this key" in said.err
    assert "dk_wrong" not in said.err


def test_an_address_without_a_scheme_is_wrong_usage(run: Any) -> None:
    assert run("--url", "localhost:8080", "ls").code == 2


def test_an_unknown_batch_is_a_sentence(service: Any, run: Any) -> None:
    said = run("show", "batch_unknown")
    assert (said.code, said.err) == (1, "There is no such thing.\n")


def test_batches_are_listed_with_tabs_for_other_programs(service: Any, run: Any) -> None:
    lines = run("ls").out.splitlines()
    assert lines[0].split("\t")[:3] == ["id", "name", "state"]
    assert lines[1].split("\t")[:3] == [ID, "apparel", "completed"]


def test_every_page_is_followed(service: Any, run: Any) -> None:
    service.tasks = [task(index) for index in range(5)]
    lines = run("show", ID, "--tasks", "-o", "jsonl").out.splitlines()
    assert [json.loads(line)["index"] for line in lines] == [0, 1, 2, 3, 4]


def test_failed_lists_failures_and_doubts_only(service: Any, run: Any) -> None:
    failure = {"class": "moderation_blocked", "message": "refused\x1b[2J", "advice": "change the prompt"}
    failure |= {"charged": "unknown"}
    service.tasks = [task(0), task(1, "parked"), task(2, "failed", failure=failure)]
    said = run("show", ID, "--failed")
    assert [line.split("\t")[0] for line in said.out.splitlines()[1:]] == ["2", "1"]
    assert "moderation_blocked\tunknown\t" in said.out
    assert "change the prompt" in said.out
    assert "\x1b" not in said.out


def test_a_limit_of_a_list_is_kept(service: Any, run: Any) -> None:
    service.batches = service.batches * 5
    assert len(json.loads(run("ls", "-n", "2", "-o", "json").out)) == 2


def test_cancelling_says_that_what_is_in_flight_is_kept(service: Any, run: Any) -> None:
    said = run("cancel", ID)
    assert said.code == 0
    assert "is kept" in said.err


def test_results_are_the_lines_of_the_service(service: Any, run: Any) -> None:
    service.tasks = [task(0), task(1)]
    assert [json.loads(line) for line in run("results", ID).out.splitlines()] == service.tasks


def test_pictures_in_a_folder_are_copied_once(service: Any, run: Any, tmp_path: Path) -> None:
    stored = tmp_path / "storage" / "a b.webp"
    stored.parent.mkdir()
    stored.write_bytes(b"picture")
    sha256 = hashlib.sha256(b"picture").hexdigest()
    service.tasks = [
        task(0, asset={"key": "A/hero.webp", "url": stored.as_uri(), "link": None, "sha256": sha256})
    ]
    out = tmp_path / "new" / "out"
    first, second = run("results", ID, "--to", out), run("results", ID, "--to", out)
    assert (out / "A" / "hero.webp").read_bytes() == b"picture"
    assert first.err == f"The folder {out} is new.\n1 picture was fetched into {out}.\n"
    assert second.err == f"0 pictures were fetched into {out}; 1 was there already.\n"


def test_a_picture_that_would_lie_outside_the_folder_is_not_fetched(
    service: Any, run: Any, tmp_path: Path
) -> None:
    service.tasks = [
        task(0, asset={"key": "../x", "url": "file:///etc/hostname", "link": None, "sha256": ""})
    ]
    assert run("results", ID, "--to", tmp_path / "out").code == 1
    assert not (tmp_path / "x").exists()


def test_a_picture_that_arrives_damaged_is_not_kept(service: Any, run: Any, tmp_path: Path) -> None:
    (tmp_path / "p.webp").write_bytes(b"damaged")
    url = (tmp_path / "p.webp").as_uri()
    service.tasks = [task(0, asset={"key": "p.webp", "url": url, "link": None, "sha256": "0" * 64})]
    assert run("results", ID, "--to", tmp_path / "out").code == 1
    assert list((tmp_path / "out").iterdir()) == []


def test_help_imports_nothing_heavy() -> None:
    probe = (
        "import sys, cli.main\n"
        "try: cli.main.app(['--help'])\n"
        "except SystemExit: pass\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}), 'rich.progress' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = said.stdout.splitlines()[-1].split()
    heavy = {
        "fastapi",
        "boto3",
        "arq",
        "redis",
        "httpx",
        "pydantic",
        "yaml",
        "liquid",
        "asyncio",
        "rich",
        "True",
    }
    assert heavy.isdisjoint(loaded)


def test_no_color_and_no_terminal_give_plain_text(service: Any) -> None:
    environment = {**os.environ, "NO_COLOR": "1"}
    said = subprocess.run(
        [sys.executable, "-m", "cli.main", "show", ID],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=True,
    )
    assert b"\x1b" not in said.stdout + said.stderr


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("ls",), "There are no batches."),
        (("show", ID, "--failed"), "No picture of this batch failed or is in doubt."),
        (("show", ID, "--tasks"), "This batch has no pictures yet"),
        (
            ("show", ID, "--check", "warn"),
            "No picture of this batch has checks that came to 'warn' at worst.",
        ),
        (("results", ID, "-o", "table"), "No picture of this batch has ended yet."),
    ],
)
def test_an_empty_list_is_said_to_be_empty_and_stays_empty_for_programs(
    service: Any, run: Any, command: tuple[str, ...], told: str
) -> None:
    if command == ("ls",):
        service.batches = []
    said = run(*command)
    assert (said.code, said.out.count("\n")) == (0, 1)  # its headings
    assert said.err.startswith(told)

    listed = run(*(word for word in command if word not in ("-o", "table")), "-o", "json")
    assert (listed.code, listed.out, listed.err) == (0, "[]\n", "")


def test_a_terminal_is_told_of_an_empty_list_in_a_sentence_alone(
    service: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.output.is_terminal", lambda _: True)
    said = run("show", ID, "--failed")
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_pictures_that_are_the_same_as_others_count_as_done(service: Any, run: Any) -> None:
    service.batches[0]["counts"] = {"total": 4, "done": 1, "skipped": 3, "failed": 0}
    assert "4 total, 4 done (3 the same as others)" in run("show", ID).out
    assert "apparel completed: 4 done (3 the same as others), 0 failed;" in run("watch", ID).err
    assert run("ls").out.splitlines()[0].split("\t")[3:6] == ["total", "done", "skipped"]
