from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import DIGEST

MISSING = {"pointer": "/templates/hero/prompt", "code": "unknown_field", "detail": "row.colour is not known"}


def test_problems_are_printed_one_per_line_with_their_place(service: Any, run: Any, manifest: Path) -> None:
    service.plan_errors = [MISSING, {"pointer": "/sizes/0", "code": "illegal", "detail": "too small"}]
    said = run("plan", manifest)
    assert said.code == 3
    assert said.err.splitlines() == [
        "/templates/hero/prompt: row.colour is not known",
        "/sizes/0: too small",
    ]


@pytest.mark.parametrize("text", ["name: [", "catalog: \ud800".encode("utf-8", "surrogatepass"), "- a", ""])
def test_what_is_wrong_with_a_text_is_left_to_the_service(
    service: Any, run: Any, manifest: Path, text: str | bytes
) -> None:
    manifest.write_bytes(text if isinstance(text, bytes) else text.encode())
    service.plan_errors = [{"pointer": "", "code": "syntax", "detail": "line 2, column 1: broken"}]
    said = run("plan", manifest)
    assert (said.code, said.err) == (3, "/: line 2, column 1: broken\n")


def test_a_plan_over_its_cap_is_shown_and_refused(service: Any, run: Any, manifest: Path) -> None:
    service.refusal = "It would likely cost $12.00, over its cap of $10.00."
    said = run("plan", manifest)
    assert said.code == 5
    assert "about $1.00" in said.out
    assert said.err.strip() == service.refusal


def test_a_plan_as_json_is_what_the_service_answered(service: Any, run: Any, manifest: Path) -> None:
    assert json.loads(run("plan", manifest, "-o", "json").out) == service.plan()


def test_a_slow_plan_is_waited_for(
    service: Any, run: Any, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.client.PLAN_EVERY_S", 0)
    service.slow_plans = 3
    assert "about $1.00" in run("plan", manifest).out


def test_submitting_prints_the_id_and_tells_how_it_ended(service: Any, run: Any, manifest: Path) -> None:
    said = run("submit", manifest)
    assert (said.code, said.out) == (0, "batch_00000000000000000000000001\n")
    assert "4 done, 0 failed" in said.err


def test_the_same_manifest_and_files_have_the_same_idempotency_key(
    service: Any, run: Any, manifest: Path
) -> None:
    run("submit", manifest, "--no-watch")
    run("submit", manifest, "--no-watch")
    (manifest.parent / "products.csv").write_text("sku\nB\n")
    run("submit", manifest, "--no-watch")
    first, second, third = service.keys_seen
    assert first == second != third


def test_an_own_idempotency_key_is_sent(service: Any, run: Any, manifest: Path) -> None:
    run("submit", manifest, "--no-watch", "--idempotency-key", "mine")
    assert service.keys_seen == ["mine"]


def test_a_replayed_submission_is_said_to_be_one(service: Any, run: Any, manifest: Path) -> None:
    service.submit_answer = (202, {**service.batches[0], "replayed": True})
    assert "submitted before" in run("submit", manifest, "--no-watch").err


def test_nothing_is_submitted_over_max_cost(service: Any, run: Any, manifest: Path) -> None:
    said = run("submit", manifest, "--max-cost", "0.99")
    assert (said.code, service.keys_seen) == (5, [])


def test_without_a_cap_and_without_a_terminal_nothing_is_submitted(
    service: Any, run: Any, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    service.cap = None
    assert run("submit", manifest).code == 2
    assert service.keys_seen == []


@pytest.mark.parametrize("consent", [("--yes",), ("--max-cost", "2")])
def test_without_a_cap_consent_on_the_command_line_is_enough(
    service: Any, run: Any, manifest: Path, consent: tuple[str, ...]
) -> None:
    service.cap = None
    assert run("submit", manifest, *consent).code == 0


def test_a_refusal_by_the_budget_ends_with_5(service: Any, run: Any, manifest: Path) -> None:
    service.submit_answer = (402, {"code": "spend_refused", "detail": "The tenant has no budget."})
    said = run("submit", manifest)
    assert (said.code, said.err) == (5, "The tenant has no budget.\n")


@pytest.mark.parametrize("amount", ["many", "-1", "NaN"])
def test_a_max_cost_that_is_no_amount_is_wrong_usage(
    service: Any, run: Any, manifest: Path, amount: str
) -> None:
    assert run("submit", manifest, "--max-cost", amount).code == 2
    assert service.asked == []


def test_a_plan_shows_tree_variants_twins_advice_and_prompts(service: Any, run: Any, manifest: Path) -> None:
    tree = {"model": "m", "quality": "low", "lane": "main", "tasks": 2, "cost": "0.50"}
    service.plan_more = {
        "tasks": {**service.plan()["tasks"], "by_variant": {"light": {"soft": 1, "hard": 3}}},
        "cost": {**service.plan()["cost"], "low": "0.50"},
        "templates": [
            {"name": "hero", "from": None, "depth": 0, **tree},
            {"name": "poster", "from": "hero", "depth": 1, **tree},
        ],
        "duplicates": {
            "total": 2,
            "by_template": {"hero": 2},
            "rows": [{"template": name, "row": 4, "same_as_row": 2} for name in ("hero", "studio")],
            "axes": {"hero": ["light", "mood"], "studio": ["light"]},
        },
        "lint": [
            {"rule": "vague", "message": "it is vague", "template": "hero", "row": 2, "count": 3, "rows": 2}
        ],
        "linted_rows": 3,
        "catalog": {**service.plan()["catalog"], "rows": 1500},
        "prompts": [{"template": "hero", "row_key": "A", "variant": "soft", "prompt": "A shirt,\nno text"}],
    }

    lines = [" ".join(line.split()) for line in run("plan", manifest).out.splitlines()]

    assert "variants light: soft 1, hard 3" in lines
    assert "templates hero: 2, m low, lane main, $0.50" in lines
    assert "poster: 2, from hero, m low, lane main, $0.50" in lines
    assert any(line.startswith("cost about $1.00, at least $0.50, at most $1.50") for line in lines)
    assert (
        "same 2 pictures are the same as others (hero 2): row 4 as row 2; "
        "light and mood make no difference to hero; light makes no difference to studio"
    ) in " ".join(lines)
    assert "advice hero: it is vague (vague; 3 prompts of 2 rows, first in row 2)" in lines
    assert "looked at the prompts of 3 of 1500 rows" in lines
    assert "prompts hero, A, soft: A shirt, no text" in lines
    assert f"digest {DIGEST}" in lines


def test_the_plan_of_a_manifest_without_a_catalog_speaks_of_no_row(
    service: Any, run: Any, manifest: Path
) -> None:
    vague = {
        "rule": "vague",
        "message": "it is vague",
        "template": "hero",
        "row": None,
        "count": 3,
        "rows": 1,
    }
    ending = {
        "rule": "model_ends",
        "message": "m ends",
        "template": "hero",
        "row": None,
        "count": 1,
        "rows": 0,
    }
    service.plan_more = {
        "catalog": {"rows": 0, "dialect": None, "mapping": {}, "left_out": 0},
        "lint": [vague, ending],
        "linted_rows": 1,
        "prompts": [{"template": "hero", "row_key": None, "variant": "soft", "prompt": "A shirt"}],
    }

    lines = [" ".join(line.split()) for line in run("plan", manifest).out.splitlines()]

    assert "advice hero: it is vague (vague; 3 prompts)" in lines
    assert "hero: m ends (model_ends)" in lines
    assert "prompts hero, soft: A shirt" in lines
    assert not [line for line in lines if re.search(r"\brow\b|catalog", line)]


def test_what_to_look_at_in_a_catalog_is_told_first_of_all_advice(
    service: Any, run: Any, manifest: Path
) -> None:
    service.plan_more = {
        "catalog": {"rows": 2, "dialect": "csv", "mapping": {}, "advice": "it may be a shop's export"}
    }

    lines = [" ".join(line.split()) for line in run("plan", manifest).out.splitlines()]

    assert "advice catalog: it may be a shop's export" in lines


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ({"seconds": 86.0, "limited_by": None, "slots_needed": 1}, "time about 1 min 26 s, 1 side by side"),
        (
            {"seconds": 86.0, "limited_by": "main: images a minute"},
            "time about 1 min 26 s, limited by main: images a minute",
        ),
        ({"seconds": 0.0, "limited_by": None, "slots_needed": 0}, "time none: every picture is there"),
        ({"seconds": None}, "time not known"),
    ],
)
def test_the_time_of_a_plan_names_a_limit_only_where_one_binds(
    service: Any, run: Any, manifest: Path, found: dict[str, Any], says: str
) -> None:
    service.plan_more = {"duration": found}

    assert says in [" ".join(line.split()) for line in run("plan", manifest).out.splitlines()]


def test_a_plan_says_of_how_many_pictures_nobody_knows_whether_they_are_there(
    service: Any, run: Any, manifest: Path
) -> None:
    service.plan_more = {
        "unchanged": {"total": 1, "by_template": {"hero": 1}, "looked_at": 999, "unknown": 2}
    }

    told = " ".join(run("plan", manifest).out.split())

    assert "there 1 picture of earlier batches, at no cost (hero 1)" in told
    assert "2 pictures start from an address: whether they are there is known when they are made" in told


def test_the_plan_that_was_looked_at_is_named_to_the_service(service: Any, run: Any, manifest: Path) -> None:
    assert run("submit", manifest, "--no-watch", "--plan", DIGEST).code == 0
    assert f"POST /v1/batches?plan={DIGEST}" in service.asked


def test_another_plan_than_the_one_that_was_looked_at_is_not_submitted(
    service: Any, run: Any, manifest: Path
) -> None:
    said = run("submit", manifest, "--no-watch", "--plan", "0" * 64)
    assert (said.code, service.keys_seen) == (1, [])
    assert f"the digest is {DIGEST} now" in said.err


def test_a_plan_that_changed_in_the_last_moment_is_refused_by_the_service(
    service: Any, run: Any, manifest: Path
) -> None:
    service.submit_answer = (412, {"code": "plan_changed", "detail": "Something has changed."})
    said = run("submit", manifest, "--plan", DIGEST)
    assert (said.code, said.err) == (1, "Something has changed.\n")


def test_a_sample_is_planned_and_submitted_under_a_key_of_its_own(
    service: Any, run: Any, manifest: Path
) -> None:
    run("submit", manifest, "--no-watch")
    run("submit", manifest, "--no-watch", "--sample", "3")
    assert {"POST /v1/batches:plan?sample=3", "POST /v1/batches?sample=3"} <= set(service.asked)
    first, second = service.keys_seen
    assert first != second


def test_a_sample_can_be_planned_alone(service: Any, run: Any, manifest: Path) -> None:
    assert run("plan", manifest, "--sample", "3").code == 0
    assert "POST /v1/batches:plan?sample=3" in service.asked
