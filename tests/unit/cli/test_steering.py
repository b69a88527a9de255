"""`pause`, `resume`, `set` and `replay` against a service that answers what the test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.unit.cli.conftest import BATCH_ID, Json, Run, batch, problem

HERE = f"/v1/batches/{BATCH_ID}"


def action(state: str, matched: int = 12) -> Json:
    return {
        "id": "action_1", "object": "bulk_action", "action": "replay", "state": state, "batch_id": BATCH_ID,
        "matched": matched, "moved": 0, "estimated_cost_usd": "1.2345",
    }  # fmt: skip


class Desk:
    """Answers by address, and what was asked with which body."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Json]] = {}
        self.asked: list[tuple[str, Json]] = []
        self.matched = 12
        self.batch = batch("completed")

    def answer(self, what: str, body: Json) -> tuple[int, Json]:
        self.asked.append((what, body))
        if what == "POST /v1/bulk_actions" and what not in self.answers:
            return 202, action("dry_run" if body["dry_run"] else "running", self.matched)
        return self.answers.get(what, problem(404, "not_found", "There is no such thing."))


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    answering = Desk()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, body = answering.answer(f"{self.command} {self.path}", json.loads(content or b"{}"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        do_PATCH = do_POST

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answering.batch).encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Tests read `asked` instead."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("DARKROOM_URL", f"http://127.0.0.1:{server.server_port}")
    yield answering
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_paused_batch_is_shown_with_how_to_go_on(desk: Desk, run: Run) -> None:
    desk.answers[f"POST {HERE}/pause"] = 200, {**batch("paused", total=4), "limited_by": "paused"}
    said = run("pause", BATCH_ID)
    assert said.code == 0
    assert f"darkroom resume {BATCH_ID}" in said.err
    assert "paused (nothing starts: paused)" in said.out


def test_a_resumed_batch_is_shown(desk: Desk, run: Run) -> None:
    desk.answers[f"POST {HERE}/resume"] = 200, batch("running", total=4)
    said = run("resume", BATCH_ID, "-o", "json")
    assert (said.code, json.loads(said.out)["state"]) == (0, "running")


def test_cap_and_priority_are_sent_as_they_are_written(desk: Desk, run: Run) -> None:
    desk.answers[f"PATCH {HERE}"] = 200, batch("running")
    assert run("set", BATCH_ID, "--cap", "300", "--priority", "bulk").code == 0
    assert run("set", BATCH_ID, "--cap", "12.50").code == 0
    assert [body for _, body in desk.asked] == [{"cap_usd": "300", "priority": "bulk"}, {"cap_usd": "12.50"}]


def test_setting_nothing_is_wrong_usage(desk: Desk, run: Run) -> None:
    said = run("set", BATCH_ID)
    assert (said.code, desk.asked) == (2, [])
    assert "--cap" in said.err


@pytest.mark.parametrize(("status", "code"), [(400, 2), (404, 1), (409, 1)])
def test_what_the_service_refuses_is_a_sentence(desk: Desk, run: Run, status: int, code: int) -> None:
    desk.answers[f"PATCH {HERE}"] = problem(status, "refused", "It cannot be so.")
    said = run("set", BATCH_ID, "--priority", "urgent")
    assert (said.code, said.err) == (code, "It cannot be so.\n")


def test_a_dry_run_shows_how_many_and_what_they_cost_and_asks_for_nothing_more(desk: Desk, run: Run) -> None:
    said = run("replay", BATCH_ID, "--dry-run")
    assert said.code == 0
    assert "12 pictures to make again, for about $1.23" in said.out
    assert [body["dry_run"] for _, body in desk.asked] == [True]


def test_a_replay_that_is_agreed_to_is_made_and_can_be_watched(desk: Desk, run: Run) -> None:
    said = run("replay", BATCH_ID, "--yes", "-o", "json")
    assert (said.code, json.loads(said.out)["state"]) == (0, "running")
    assert f"darkroom watch {BATCH_ID}" in said.err
    assert [body["dry_run"] for _, body in desk.asked] == [True, False]


def test_the_filter_is_the_same_for_the_question_and_for_the_replay(desk: Desk, run: Run) -> None:
    words = ("--class", "doubtful", "--class", "storage", "--template", "hero", "--accept-double-charge")
    assert run("replay", BATCH_ID, *words, "--yes").code == 0
    chosen = {"class": ["doubtful", "storage"], "template": ["hero"], "accept_double_charge": True}
    assert [(body["batch_id"], body["filter"]) for _, body in desk.asked] == [(BATCH_ID, chosen)] * 2


def test_a_replay_without_a_terminal_to_ask_on_needs_yes(desk: Desk, run: Run) -> None:
    said = run("replay", BATCH_ID)
    assert said.code == 2
    assert "12 pictures to make again, for about $1.23. Make them?" in said.err
    assert [body["dry_run"] for _, body in desk.asked] == [True]


@pytest.mark.parametrize(("answer", "code", "dry_runs"), [("y\n", 0, [True, False]), ("\n", 5, [True])])
def test_somebody_is_asked_before_money_is_spent(
    desk: Desk, run: Run, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, dry_runs: list[bool]
) -> None:
    monkeypatch.setattr("cli.commands.planning.is_terminal", lambda _: True)
    monkeypatch.setattr("sys.stdin.readline", lambda: answer, raising=False)
    assert run("replay", BATCH_ID).code == code
    assert [body["dry_run"] for _, body in desk.asked] == dry_runs


@pytest.mark.parametrize(
    ("words", "is_warned"),
    [
        ((), True),
        (("--dry-run",), True),
        (("--class", "moderation_blocked"), True),
        (("--class", "server_error"), False),
    ],
)
def test_what_moderation_refused_is_not_made_again_without_a_word(
    desk: Desk, run: Run, words: tuple[str, ...], is_warned: bool
) -> None:
    desk.batch = {**desk.batch, "failures_by_class": {"moderation_blocked": 3, "server_error": 1}}
    said = run("replay", BATCH_ID, *words, "--yes")
    assert said.code == 0
    assert ("Of this batch 3 pictures were refused by moderation." in said.err) is is_warned


@pytest.mark.parametrize(
    ("words", "is_told"),
    [
        (("--yes",), True),
        (("--dry-run",), True),
        (("--class", "bad_reference", "--dry-run"), True),
        (("--class", "server_error", "--dry-run"), False),
    ],
)
def test_the_price_of_pictures_whose_reference_was_bad_is_that_of_references_that_are_mended(
    desk: Desk, run: Run, words: tuple[str, ...], is_told: bool
) -> None:
    desk.batch = {**desk.batch, "failures_by_class": {"bad_reference": 1, "server_error": 1}}
    said = run("replay", BATCH_ID, *words)
    assert said.code == 0
    told = "Of this batch 1 picture failed of a reference. Where that is as it was it fails again, and costs nothing"
    assert (told in said.err) is is_told


@pytest.mark.parametrize(
    ("words", "is_told"),
    [
        ((), True),
        (("--class", "doubtful"), True),
        (("--class", "server_error"), False),
        (("--class", "doubtful", "--accept-double-charge"), False),
    ],
)
def test_pictures_that_are_parked_are_told_of_where_they_are_not_among_those_that_are_counted(
    desk: Desk, run: Run, words: tuple[str, ...], is_told: bool
) -> None:
    desk.matched = 0
    desk.batch = batch("completed", parked=46)
    said = run("replay", BATCH_ID, *words)
    assert said.code == 0
    told = (
        "46 pictures more are parked, as they may have been charged: --class doubtful --accept-double-charge"
    )
    assert (told in said.err) is is_told


def test_where_nothing_failed_nothing_is_asked_or_made(desk: Desk, run: Run) -> None:
    desk.matched = 0
    said = run("replay", BATCH_ID)
    assert (said.code, len(desk.asked)) == (0, 1)
    assert "0 pictures to make again" in said.out


def test_what_is_wrong_with_a_field_is_said_of_the_option_that_sets_it(desk: Desk, run: Run) -> None:
    desk.answers[f"PATCH {HERE}"] = problem(400, "usage", "/cap_usd: a cap must be more than 0 dollars.")
    desk.answers["POST /v1/bulk_actions"] = problem(
        400, "usage", "/filter/class/1: this has to be 'doubtful'."
    )

    said = run("set", BATCH_ID, "--cap", "-3")
    assert (said.code, said.err) == (2, "--cap: a cap must be more than 0 dollars.\n")

    said = run("replay", BATCH_ID, "--class", "doubtful", "--class", "nope", "--dry-run")
    assert (said.code, said.err) == (2, "--class nope: this has to be 'doubtful'.\n")
