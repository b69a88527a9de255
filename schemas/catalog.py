"""The canonical row: one product, in one shape whatever file it came from."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Row(BaseModel):
    """One product of a catalog. Every field is always present (nil when the source has none).

    `number` is the row's place in its source, counted from 1 (the first data row), for messages.
    `raw` keeps the source's own columns by their own names.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int = Field(ge=1)
    key: str = Field(min_length=1, max_length=200)
    product_id: str | None = None
    sku: str | None = None
    parent_id: str | None = None
    title: str | None = None
    description: str | None = None
    brand: str | None = None
    product_type: str | None = None
    category_path: tuple[str, ...] = ()
    color: str | None = None
    size: str | None = None
    material: str | None = None
    gtin: str | None = None
    price: str | None = None
    url: str | None = None
    image_urls: tuple[str, ...] = ()
    locale: str | None = None
    attrs: dict[str, Any] = Field(default_factory=dict)
    raw: dict[str, Any] = Field(default_factory=dict)


CANONICAL_FIELDS: tuple[str, ...] = tuple(Row.model_fields)

EMPTY_ROW = Row(number=1, key="row")
"""The single row of a manifest without a catalog."""
