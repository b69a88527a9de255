"""The address under which others find a picture."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Literal
from urllib.parse import quote

from core.documents import picture_key
from service.contract.choice import Choice
from service.exports.pictures import Picture, Pictures

LINK_S = 7 * 24 * 3600
"""How long the links of a feed last: as long as S3 allows, since a shop fetches pictures days later. They end sooner
where the credentials that signed them do.

Source: https://docs.aws.amazon.com/cli/latest/reference/s3/presign.md (at most 604,800 s) and, of credentials that end,
https://repost.aws/knowledge-center/presigned-url-s3-bucket-expiration, stored copies read 2026-11-21."""


def reach_of(pictures: Pictures) -> Literal["public", "signed", "local"]:
    """Who reads what stands in a feed: everybody, whoever has the link while it lasts, or this machine alone."""
    if pictures.public_url is not None:
        return "public"
    lies_at = pictures.documents.picture_url(pictures.batch.tenant, pictures.batch.id, "any.png")
    return "local" if lies_at.startswith("file:") else "signed"


async def address_of(pictures: Pictures, picture: Picture) -> str:
    """Below the public address of the storage if it has one, else a link that ends, else where it lies."""
    documents, batch = pictures.documents, pictures.batch
    place = (batch.tenant, batch.id, picture.stored_as)
    if pictures.public_url is not None:
        return f"{pictures.public_url}/{quote(picture_key(*place))}"
    return await documents.picture_link(*place, expires_s=LINK_S) or documents.picture_url(*place)


async def addressed_by_row(pictures: Pictures, choice: Choice) -> AsyncIterator[tuple[Picture, str]]:
    """The pictures of a feed with their addresses, all of a row together."""
    async for page in pictures.pages_by_row(choice):
        addresses = await asyncio.gather(*(address_of(pictures, picture) for picture in page))
        for found in zip(page, addresses, strict=True):
            yield found
