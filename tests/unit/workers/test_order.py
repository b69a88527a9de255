"""What an attempt cost, and what is kept beside its picture."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from schemas.asset import Receipt, StoredFile
from schemas.pricing import price_list
from workers.order import Delivery, Order, cost_of, fingerprint_of, receipt_of


def test_usage_is_priced_by_the_table(order: Order, delivery: Delivery) -> None:
    """20 text at $5, 1,280 image at $8 and 1,756 output at $30 a million."""
    assert cost_of(order, delivery) == (100 + 10_240 + 52_680, False)


def test_without_usage_the_estimate_stands_and_says_so(order: Order, delivery: Delivery) -> None:
    assert cost_of(order, msgspec.structs.replace(delivery, usage=None)) == (52_746, True)


def test_a_model_that_has_left_the_table_is_estimated(order: Order, delivery: Delivery) -> None:
    assert cost_of(msgspec.structs.replace(order, model="gone"), delivery) == (52_746, True)


def test_a_receipt_holds_what_was_ordered_what_came_and_what_it_cost(
    order: Order, delivery: Delivery
) -> None:
    picture = StoredFile(key="sku-1/hero.png", sha256="b" * 64, format="webp", width=60, height=40, bytes=999)

    receipt = receipt_of(order, delivery, picture, surplus=False)

    assert (receipt.task, receipt.attempt, receipt.row_key) == (7, 2, "كنبة-1")
    assert (Decimal(receipt.cost_usd), receipt.cost_estimated) == (Decimal("0.063020"), False)
    assert (receipt.latency_s, receipt.request_id) == (12.346, "req_1")
    assert (receipt.asset, receipt.format, receipt.width, receipt.bytes) == (
        "sku-1/hero.png",
        "webp",
        60,
        999,
    )
    assert re.fullmatch(r"openai prices of \d{4}-\d\d-\d\d, sha256 [0-9a-f]{12}", receipt.price_list)
    assert receipt.references == ("r" * 64,)
    assert "prompt" not in receipt.model_dump() or not receipt.model_dump()["prompt"]


def test_a_receipt_names_what_was_sent_as_an_upright_copy(order: Order, delivery: Delivery) -> None:
    picture = StoredFile(key="a.png", sha256="b" * 64, format="png", width=60, height=40, bytes=999)
    sent = msgspec.structs.replace(order, copies=["r" * 64])

    assert receipt_of(order, delivery, picture).copies == ()
    assert receipt_of(sent, delivery, picture).copies == ("r" * 64,)
    assert sent.fingerprint == order.fingerprint


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"references": []}, ("openai", "generation")),
        ({"references": ["r" * 64]}, ("openai", "edit")),
        (
            {"model": "stable-fast-upscale", "parameters": {"factor": 4, "size": "4096x4096"}},
            ("stability", "upscale"),
        ),
    ],
)
def test_a_receipt_names_who_was_asked_for_what_and_whose_prices_it_has(
    order: Order, delivery: Delivery, changes: dict[str, Any], told: tuple[str, str]
) -> None:
    picture = StoredFile(key="sku-1/hero.png", sha256="b" * 64, format="webp", width=60, height=40, bytes=999)

    receipt = receipt_of(msgspec.structs.replace(order, **changes), delivery, picture)

    assert (receipt.provider, receipt.operation) == told
    assert receipt.price_list == price_list(told[0])
    older = receipt.model_dump(mode="json", exclude={"provider", "operation"})
    assert Receipt.model_validate(older).provider is None


def test_whatever_decides_a_picture_decides_its_fingerprint() -> None:
    facts: dict[str, Any] = {
        "prompt": "كنبة",
        "model": "m",
        "parameters": {"a": 1, "b": 2},
        "references": ["x", "y"],
        "sample": 1,
    }
    others: list[dict[str, Any]] = [
        {"prompt": "كنبه"},
        {"model": "n"},
        {"parameters": {"a": 1, "b": 3}},
        {"references": ["y", "x"]},
        {"sample": 2},
    ]

    prints = {fingerprint_of(**facts), *(fingerprint_of(**(facts | other)) for other in others)}

    assert len(prints) == 6
    assert fingerprint_of(**(facts | {"parameters": {"b": 2, "a": 1}})) == fingerprint_of(**facts)


def test_an_upscale_costs_its_flat_price_and_nothing_is_estimated(order: Order, delivery: Delivery) -> None:
    upscale = msgspec.structs.replace(order, model="stable-fast-upscale", likely_usd_micros=20_000)
    assert cost_of(upscale, msgspec.structs.replace(delivery, usage=None)) == (20_000, False)
