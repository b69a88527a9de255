"""The order: everything about one attempt that outlives the process, written to the spool before anything is sent."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec

from schemas.asset import Receipt
from schemas.image import ImageFormat, Usage
from schemas.model import find_model
from schemas.pricing import cost_usd_micros, usd


class Order(msgspec.Struct, frozen=True):
    """What was ordered, without the prompt itself.

    Args:
        width, height: expected in pixels; None where the provider chooses.
        asset_stem: the asset key without its extension.
        ready: children that can start once this is done, as {index, lane}.
        fail: every task that cannot be made when this one fails.
        likely_usd_micros, likely_tokens: by the price table, for an answer without usage.
    """

    tenant: str
    batch_id: str
    index: int
    attempt: int
    fence: int
    lane: str
    template: str
    row_key: str
    variant: dict[str, str]
    size: str
    sample: int
    asset_stem: str
    model: str
    parameters: dict[str, str | int]
    format: str
    width: int | None
    height: int | None
    prompt_digest: str
    template_version: str
    references: list[str]
    fingerprint: str
    likely_usd_micros: int
    likely_tokens: int
    ready: list[dict[str, Any]]
    fail: list[int]

    @property
    def asset_key(self) -> str:
        return f"{self.asset_stem}.{ImageFormat(self.format).extension}"


class Delivery(msgspec.Struct, frozen=True):
    """What came back for an order: written to the spool beside the picture."""

    sha256: str
    size_bytes: int
    usage: dict[str, int] | None
    request_id: str | None
    latency_s: float
    created_at: str


def cost_of(order: Order, delivery: Delivery) -> tuple[int, bool]:
    """Micro-dollars, and whether they are estimated because the provider sent no usage."""
    model = find_model(order.model)
    if delivery.usage is None or model is None:
        return order.likely_usd_micros, True
    return cost_usd_micros(model, Usage(**delivery.usage)), False


def fingerprint_of(**facts: Any) -> str:
    """sha256 of everything that decides a picture: rendered prompt, parameters, reference bytes, sample, steps."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def receipt_of(
    order: Order, delivery: Delivery, *, asset: str, width: int, height: int, price_list: str, surplus: bool
) -> Receipt:
    """What is kept beside the picture."""
    cost, estimated = cost_of(order, delivery)
    fields = msgspec.structs.asdict(order)
    taken = (
        "batch_id",
        "attempt",
        "template",
        "row_key",
        "variant",
        "size",
        "sample",
        "lane",
        "model",
        "parameters",
    )
    digests = ("prompt_digest", "template_version", "references", "fingerprint", "format")
    return Receipt.model_validate(
        {
            **{name: fields[name] for name in (*taken, *digests)},
            "task": order.index,
            "asset": asset,
            "request_id": delivery.request_id,
            "usage": delivery.usage,
            "cost_usd": usd(cost),
            "cost_estimated": estimated,
            "price_list": price_list,
            "sha256": delivery.sha256,
            "width": width,
            "height": height,
            "bytes": delivery.size_bytes,
            "created_at": delivery.created_at,
            "latency_s": round(delivery.latency_s, 3),
            "surplus": surplus,
        }
    )
