"""Every way in which a call goes wrong, and what becomes of its task and of the money."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.batch import Batch
from schemas.task import Task, TaskState
from tests.processes import Simulator
from tests.studio import Books, Studio, eventually, manifest

DOUBTS: dict[str, dict[str, Any]] = {
    "hang": {"kind": "hang", "seconds": 30},
    "reset_before_the_headers": {"kind": "reset", "at_percent": 0},
    "reset_at_1_percent": {"kind": "reset", "at_percent": 1},
    "reset_at_50_percent": {"kind": "reset", "at_percent": 50},
    "reset_at_99_percent": {"kind": "reset", "at_percent": 99},
    "truncated_json": {"kind": "truncated_json", "at_percent": 50},
    "truncated_after_the_picture": {"kind": "truncated_json", "at_percent": 99.9},
    "gateway_html_504": {"kind": "gateway_html", "status": 504},
    "gateway_html_502": {"kind": "gateway_html", "status": 502},
    "slow_drip": {"kind": "slow_drip", "bytes_per_s": 2000},
}
WAITS: dict[str, dict[str, Any]] = {
    "rate_limit": {"kind": "rate_limit", "retry_after_s": 0.3},
    "rate_limit_bare": {"kind": "rate_limit_bare"},
    "slow_down": {"kind": "slow_down"},
    "error_503": {"kind": "error_503", "retry_after_s": 1},
    "error_in_200": {"kind": "error_in_200", "retry_after_s": 0.3},
}
USELESS: dict[str, dict[str, Any]] = {
    "bad_base64": {"kind": "bad_base64"},
    "not_an_image": {"kind": "not_an_image"},
    "wrong_size": {"kind": "wrong_size"},
    "empty_data": {"kind": "empty_data"},
}
ACCOUNT = {
    "quota": "quota_exhausted",
    "unverified_403": "auth",
    "model_404": "auth",
}


def named(rules: dict[str, dict[str, Any]]) -> list[Any]:
    return [pytest.param(rule, id=name) for name, rule in rules.items()]


async def result(studio: Studio, *titles: str, **changes: Any) -> tuple[Batch, list[Task], Books]:
    """How a batch of these titles ended. Whatever happened, no task is lost and every charge is in our books."""
    batch = await studio.ended(await studio.submit(manifest(*titles, **changes)))
    books = await studio.books(batch.id)
    assert (books.lost, books.unaccounted, books.surplus) == (0, 0, 0)
    return batch, await studio.task_list(batch.id), books


@pytest.mark.parametrize("rule", named(WAITS))
async def test_a_refusal_for_the_rate_is_waited_out_and_is_not_a_failure(
    studio: Studio, east: Simulator, rule: dict[str, Any]
) -> None:
    east.script({**rule, "times": 1})
    batch, (task,), books = await result(studio, "cup")
    assert (task.state, task.sends) == (TaskState.DONE, 1)
    assert [call["charged"] for call in east.calls(batch.id)] == [False, True]
    assert (books.settled, books.held) == (books.charged, 0)


@pytest.mark.parametrize("rule", named(DOUBTS))
async def test_a_call_that_broke_off_is_parked_with_its_money_and_never_repeated(
    studio: Studio, east: Simulator, rule: dict[str, Any]
) -> None:
    east.script({**rule, "match": {"prompt": "cup"}})
    batch, (parked, done), books = await result(studio, "cup", "pot")
    assert (parked.state, done.state) == (TaskState.PARKED, TaskState.DONE)
    assert parked.failure is not None
    assert parked.failure["class"] == "doubtful"
    assert (len(east.calls(batch.id)), books.duplicated) == (2, 0)
    assert books.settled == done.cost_usd_micros
    assert books.held >= books.charged - books.settled


@pytest.mark.parametrize("rule", named(USELESS))
async def test_an_answer_that_is_paid_and_useless_is_settled_and_not_repeated(
    studio: Studio, east: Simulator, rule: dict[str, Any]
) -> None:
    east.script(rule)
    batch, (task,), books = await result(studio, "cup")
    assert task.failure is not None
    assert (task.state, task.failure["class"]) == (TaskState.FAILED, "bad_output")
    assert (len(east.calls(batch.id)), books.held) == (1, 0)
    assert 0 < books.charged <= books.settled < 1.25 * books.charged  # what was held, where no usage is told


async def test_the_bytes_of_a_useless_picture_are_kept(studio: Studio, east: Simulator) -> None:
    east.script({"kind": "wrong_size"})
    batch, _, _ = await result(studio, "cup")
    assert await studio.keys(batch.id, "pictures") == []
    assert await studio.keys(batch.id, "rejected") == ["0.1"]


@pytest.mark.parametrize(("kind", "failure_class"), ACCOUNT.items())
async def test_an_account_that_refuses_everything_pauses_its_lane_and_fails_nothing(
    studio: Studio, east: Simulator, kind: str, failure_class: str
) -> None:
    await studio.limit_slots(1)
    east.script({"kind": kind})
    batch_id = await studio.submit(manifest("cup", "pot", "jug"))

    async def paused() -> str | None:
        return await studio.paused_for("east")

    assert await eventually(paused) == failure_class
    batch = await studio.until(batch_id, lambda batch: batch.counts["queued"] == 3)
    assert len(east.calls(batch_id)) == 1
    assert (batch.held_usd_micros, batch.spent_usd_micros, batch.failures_by_class) == (0, 0, {})


async def test_a_server_error_is_tried_again(studio: Studio, east: Simulator) -> None:
    east.script({"kind": "error_500", "times": 1})
    _, (task,), books = await result(studio, "cup")
    assert (task.state, task.sends) == (TaskState.DONE, 2)
    assert (books.settled, books.held) == (books.charged, 0)


async def test_a_server_that_only_fails_is_asked_three_times(studio: Studio, east: Simulator) -> None:
    east.script({"kind": "error_500"})
    batch, (task,), books = await result(studio, "cup")
    assert (task.state, task.sends, len(east.calls(batch.id))) == (TaskState.FAILED, 3, 3)
    assert batch.failures_by_class == {"server_error": 1}
    assert (books.charged, books.settled, books.held) == (0, 0, 0)


async def test_a_refused_parameter_is_final(studio: Studio, east: Simulator) -> None:
    east.script({"kind": "bad_request_400"})
    batch, (task,), books = await result(studio, "cup")
    assert task.failure is not None
    assert (task.failure["class"], task.failure["param"]) == ("invalid_request", "prompt")
    assert (len(east.calls(batch.id)), books.settled, books.held) == (1, 0, 0)


async def test_a_prompt_refused_at_the_input_is_final_and_free(studio: Studio, east: Simulator) -> None:
    batch, (task,), books = await result(studio, "[moderation:input]")
    assert task.failure is not None
    assert (task.failure["class"], task.failure["stage"]) == ("moderation_blocked", "input")
    assert (len(east.calls(batch.id)), books.charged, books.settled, books.held) == (1, 0, 0, 0)


async def test_a_picture_refused_at_the_output_is_final_and_counted_as_paid(
    studio: Studio, east: Simulator
) -> None:
    batch, (task,), books = await result(studio, "[moderation:output]")
    assert task.failure is not None
    assert (task.failure["class"], task.failure["stage"]) == ("moderation_blocked", "output")
    assert (len(east.calls(batch.id)), books.held) == (1, 0)
    assert 0 < books.charged < books.settled < 1.25 * books.charged  # what was held for it


async def test_a_doubt_is_paid_once_more_when_the_manifest_says_so_and_both_are_counted(
    studio: Studio, east: Simulator
) -> None:
    east.script({"kind": "reset", "times": 1})
    batch, (task,), books = await result(studio, "cup", spend={"on_doubt": "retry_once"})
    assert (task.state, task.sends, len(east.calls(batch.id))) == (TaskState.DONE, 2, 2)
    assert books.charged < books.settled < 1.25 * books.charged  # what was held, and the second
    assert books.held == 0


async def test_a_second_doubt_is_parked_even_then(studio: Studio, east: Simulator) -> None:
    east.script({"kind": "reset"})
    batch, (task,), books = await result(studio, "cup", spend={"on_doubt": "retry_once"})
    assert (task.state, task.sends, len(east.calls(batch.id))) == (TaskState.PARKED, 2, 2)
    assert books.settled + books.held >= books.charged


async def test_an_answer_that_drips_within_the_deadline_is_a_picture_like_any_other(
    studio: Studio, east: Simulator
) -> None:
    east.script({"kind": "slow_drip", "bytes_per_s": 200_000})
    _, (task,), books = await result(studio, "cup")
    assert task.state is TaskState.DONE
    assert (books.settled, books.held) == (books.charged, 0)


async def test_what_is_made_from_a_failed_picture_fails_with_it_and_costs_nothing(
    studio: Studio, east: Simulator
) -> None:
    east.script({"kind": "bad_request_400", "match": {"path": "/v1/images/generations"}})
    templates = {
        "hero": {"prompt": "A photo of {{ row.title }}."},
        "banner": {"prompt": "A wide scene around Image 1.", "from": "hero"},
        "detail": {"prompt": "A detail of Image 1.", "from": "banner"},
    }
    batch, _, books = await result(studio, "cup", templates=templates)
    assert batch.failures_by_class == {"invalid_request": 1, "parent_failed": 2}
    assert (len(east.calls(batch.id)), books.settled) == (1, 0)
