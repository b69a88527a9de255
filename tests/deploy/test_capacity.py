"""What a number of pictures takes: the arithmetic, the command, and the page about it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest

from schemas.capacity import Capacity, Wanted, capacity, picture, upscale
from schemas.lane import TIERS, Limits
from schemas.model import find_model
from schemas.size import Size
from schemas.upscaler import find_upscaler, upscalers
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "capacity.md").read_text()
MEASURED = {"low": 40.0, "medium": 80.0, "high": 195.0}
SQUARE = Size(1024, 1024)


def wanted(pictures: int = 10_000, *, quality: str = "medium", latency_s: float = 80.0) -> Wanted:
    model = find_model("gpt-image-2")
    assert model is not None
    return Wanted(pictures, picture(model, quality, SQUARE), latency_s)


def needed(wanted: Wanted, limits: Limits) -> Capacity:
    return capacity(wanted, limits, slots_per_worker=200)


def darkroom(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_calls_in_flight_are_pictures_a_minute_times_the_minutes_of_a_call() -> None:
    found = needed(wanted(latency_s=90.0), Limits(images_per_minute=150.0))
    assert (found.images_per_minute, found.slots, found.workers) == (150.0, 225, 2)
    assert found.duration_s == pytest.approx(10_000 / 150 * 60 + 90)


@pytest.mark.parametrize("latency_s", [12.0, 24.0, 80.0, 195.0])
@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("pictures", [29, 997, 10_000])
def test_rounding_never_asks_for_a_call_more(tier: int, latency_s: float, pictures: int) -> None:
    limit = TIERS[tier].images_per_minute
    assert limit is not None
    found = needed(wanted(pictures, quality="low", latency_s=latency_s), Limits(images_per_minute=limit))
    assert found.slots == min(pictures, -(-int(limit * latency_s) // 60))


def test_the_limit_that_is_reached_first_decides() -> None:
    """A high square takes about 7,000 tokens, so that 70,000 a minute are 10 pictures, whatever else is allowed."""
    found = needed(wanted(quality="high"), Limits(images_per_minute=50, tokens_per_minute=70_000))
    assert found.limited_by == "tokens"
    assert found.images_per_minute is not None
    assert 9 < found.images_per_minute < 11


def test_never_more_calls_than_pictures_nor_fewer_than_none_where_nothing_is_limited() -> None:
    assert needed(wanted(3), TIERS[5]).slots == 3
    unlimited = needed(wanted(500), Limits())
    assert (unlimited.slots, unlimited.workers, unlimited.images_per_minute) == (500, 3, None)
    assert unlimited.duration_s == 80.0


def test_the_command_says_it_for_machines() -> None:
    said = darkroom("size", "10000", "--tier", "3", "--latency", "80", "-o", "json")
    found = json.loads(said.stdout)
    assert (found["slots"], found["workers"], found["limited_by"]) == (67, 1, "images")
    assert found["likely_usd"] == "534.60"


UPSCALER = "stable-fast-upscale"


def test_an_upscaler_has_a_lane_of_its_own_that_is_limited_in_calls() -> None:
    one = find_upscaler(UPSCALER)
    assert one is not None
    found = needed(Wanted(10_000, upscale(one), latency_s=4.0), one.limits)
    assert (found.images_per_minute, found.limited_by) == (900.0, "requests")
    assert (found.slots, found.workers) == (60, 1)
    assert found.duration_s == pytest.approx(10_000 / 900 * 60 + 4)
    assert found.likely_usd_micros == found.high_usd_micros == 10_000 * 20_000


@pytest.mark.parametrize("name", [one.name for one in upscalers()])
def test_the_command_knows_every_upscaler_and_how_long_a_call_takes(name: str) -> None:
    one = find_upscaler(name)
    assert one is not None
    told, slower = (
        json.loads(darkroom("size", "900", "--model", name, *words, "-o", "json").stdout)
        for words in ((), ("--latency", "40"))
    )
    assert told["slots"] == -(-one.requests_per_minute * one.call_s // 60)
    assert slower["slots"] == -(-one.requests_per_minute * 40 // 60)


@pytest.mark.parametrize("words", [("--tier", "3"), ("--quality", "low"), ("--size", "1024x1024")])
def test_what_means_nothing_to_an_upscaler_is_refused(words: tuple[str, ...]) -> None:
    said = darkroom("size", "10", "--model", UPSCALER, *words)
    assert (said.returncode, said.stdout) == (2, "")
    assert f"mean nothing to {UPSCALER}" in said.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--quality", "best"), "it knows low, medium, high"),
        (("--model", "dall-e-3"), "is no longer taken"),
        (("--model", "nobody"), "There is no model 'nobody'"),
        (("--size", "5x5"), "use 816x816"),
    ],
)
def test_what_cannot_be_made_is_refused_with_what_can(words: tuple[str, ...], reason: str) -> None:
    said = darkroom("size", "10", *words)
    assert (said.returncode, said.stdout) == (2, "")
    assert reason in said.stderr


def test_the_examples_in_the_page_are_what_the_command_says() -> None:
    blocks = re.findall(r"^```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for command, shown in zip(blocks[::2], blocks[1::2], strict=True):
        assert darkroom(*shlex.split(command)[1:]).stdout == shown


def rows() -> Iterator[str]:
    """The table of the page, worked out."""
    for tier, limits in TIERS.items():
        for quality, latency_s in MEASURED.items():
            found = needed(wanted(quality=quality, latency_s=latency_s), limits)
            cells = (
                tier, quality, f"{latency_s:g}", f"{found.images_per_minute:,.3g}", f"{found.slots:,}",
                found.workers, f"{found.duration_s / 3600:,.1f}", f"{found.likely_usd_micros / 1e6:,.0f}",
            )  # fmt: skip
            yield "| " + " | ".join(map(str, cells)) + " |"


def test_the_table_in_the_page_is_what_the_arithmetic_says() -> None:
    shown = [line for line in PAGE.splitlines() if re.match(r"\| \d", line)]
    assert shown == list(rows())
