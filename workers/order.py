"""The order: everything about one attempt that outlives the process, written to the spool before anything is sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import msgspec

from schemas.asset import Receipt, StoredFile
from schemas.image import ImageFormat, Operation, Usage
from schemas.manifest import ImageSettings
from schemas.model import find_model
from schemas.pricing import cost_usd_micros, price_list, usd
from schemas.upscaler import find_upscaler, provider_of


class Order(msgspec.Struct, frozen=True):
    """What was ordered, without the prompt itself.

    Args:
        width, height: expected in pixels; None where the provider chooses.
        asset_stem: the asset key without its extension.
        ready: children that can start once this is done.
        fail: every task that cannot be made when this one fails.
        likely_usd_micros, likely_tokens: by the price table, for an answer without usage.
        prompt_digest, template_version: empty for an upscale, which has no prompt.
        finish, label: the `FinishPlan` of the picture and its `Label`, as JSON.
        copies: those of `references` of which an upright copy was sent.
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
    ready: list[int]
    fail: list[int]
    finish: dict[str, Any]
    label: dict[str, Any]
    copies: list[str] = []


class Delivery(msgspec.Struct, frozen=True):
    """What came back for an order: written to the spool beside the picture.

    Args:
        reused_from: <batch>/<asset> of the picture that was taken instead of another call; it costs nothing.
    """

    sha256: str
    size_bytes: int
    usage: dict[str, int] | None
    request_id: str | None
    latency_s: float
    created_at: str
    reused_from: str | None = None


def cost_of(order: Order, delivery: Delivery) -> tuple[int, bool]:
    """Micro-dollars, and whether they are estimated because the provider sent no usage. An upscale has a flat price."""
    if delivery.reused_from is not None:
        return 0, False
    if find_upscaler(order.model) is not None:
        return order.likely_usd_micros, False
    model = find_model(order.model)
    if delivery.usage is None or model is None:
        return order.likely_usd_micros, True
    return cost_usd_micros(model, Usage(**delivery.usage)), False


CHOSEN_PARAMETERS = ("compression", "background", "moderation", "complexity")


def parameters_of(image: ImageSettings, size: str, *, factor: int | None = None) -> dict[str, str | int]:
    """What is asked of the model beside the prompt.

    Args:
        size: pixels, or `auto`.
        factor: of an upscale, of which nothing else is asked.
    """
    format_ = (image.format or ImageFormat.PNG).value
    if factor is not None:
        return {"factor": factor, "size": size, "format": format_}
    named = {"quality": image.quality or "auto", "size": size, "format": format_}
    chosen = {name: getattr(image, name) for name in CHOSEN_PARAMETERS}
    return named | {name: value for name, value in chosen.items() if value is not None}


def fingerprint_of(**facts: Any) -> str:
    """sha256 of everything that decides a picture: rendered prompt, parameters, reference bytes, sample, steps."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def print_of(
    *, prompt: str, model: str, parameters: Mapping[str, str | int], references: list[str], sample: int
) -> str:
    """The fingerprint of a picture. Samples of a prompt are different pictures; the same picture made larger is the same,
    whichever sample asks for it."""
    facts = {"model": model, "parameters": parameters, "references": references}
    if "factor" in parameters:
        return fingerprint_of(operation="upscale", **facts)
    return fingerprint_of(prompt=prompt, sample=sample, **facts)


def operation_of(order: Order) -> Operation:
    """What kind of call it was: only an upscale has a factor, and only an edit starts from pictures."""
    if "factor" in order.parameters:
        return "upscale"
    return "edit" if order.references else "generation"


def receipt_of(order: Order, delivery: Delivery, picture: StoredFile, **about: Any) -> Receipt:
    """What is kept beside the picture, whose asset key is `picture.key`; `about` is whatever else a receipt says."""
    cost, estimated = cost_of(order, delivery)
    provider = provider_of(order.model)
    fields = msgspec.structs.asdict(order)
    known = {name: value for name, value in fields.items() if name in Receipt.model_fields}
    return Receipt.model_validate(
        {
            **known,
            **picture.model_dump(exclude={"key"}),
            **about,
            "task": order.index,
            "asset": picture.key,
            "provider": provider,
            "operation": operation_of(order),
            "request_id": delivery.request_id,
            "usage": delivery.usage,
            "cost_usd": usd(cost),
            "cost_estimated": estimated,
            "price_list": price_list(provider),
            "created_at": delivery.created_at,
            "latency_s": round(delivery.latency_s, 3),
            "reused_from": delivery.reused_from,
        }
    )
