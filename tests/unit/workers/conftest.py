"""An order, as every test of what happens to one needs it."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.disclosure import Disclosure, label_of
from workers.order import Delivery, Order


@pytest.fixture
def order_fields() -> dict[str, Any]:
    return {
        "tenant": "acme",
        "batch_id": "batch_1",
        "index": 7,
        "attempt": 2,
        "fence": 3,
        "lane": "main",
        "template": "hero",
        "row_key": "كنبة-1",
        "variant": {"season": "autumn"},
        "size": "square",
        "sample": 1,
        "asset_stem": "sku-1/hero",
        "model": "gpt-image-2",
        "parameters": {"quality": "medium", "size": "64x48", "format": "png"},
        "format": "png",
        "width": 64,
        "height": 48,
        "prompt_digest": "p" * 64,
        "template_version": "t" * 64,
        "references": ["r" * 64],
        "fingerprint": "f" * 64,
        "likely_usd_micros": 52_746,
        "likely_tokens": 1_800,
        "ready": [9],
        "fail": [9, 10],
        "finish": {},
        "label": label_of(
            Disclosure(), is_composite=False, model="gpt-image-2", identifier="att_1"
        ).model_dump(),
    }


@pytest.fixture
def order(order_fields: dict[str, Any]) -> Order:
    return Order(**order_fields)


@pytest.fixture
def delivery() -> Delivery:
    usage = {
        "input_text_tokens": 20,
        "input_image_tokens": 1_280,
        "output_image_tokens": 1_756,
        "output_text_tokens": 0,
    }
    return Delivery(
        sha256="a" * 64,
        size_bytes=1234,
        usage=usage,
        request_id="req_1",
        latency_s=12.34567,
        created_at="2026-11-21T06:00:00+00:00",
    )
