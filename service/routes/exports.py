"""`/v1/batches/{id}/...`: the pictures of a batch as an archive, as contact sheets, and as feeds for shops."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from core.clock import moment
from schemas.batch import Batch
from service.contract.choice import Choice
from service.contract.openapi import file_answer, keyed_problems, problems
from service.contract.queries import (
    ArchiveQuery,
    FeedQuery,
    MerchantQuery,
    SheetQuery,
    ShopifyQuery,
    no_query,
)
from service.contract.shapes import ArchiveLink
from service.equipment import Desk
from service.exports.archive import archive
from service.exports.contact_sheet import (
    HTML_PICTURES,
    PNG_PICTURES,
    Sheet,
    sheet_html,
    sheet_of,
    sheet_png,
)
from service.exports.downloads import attachment
from service.exports.feeds.addresses import reach_of
from service.exports.feeds.anything import pictures_csv
from service.exports.feeds.merchant import merchant_naming, merchant_tsv
from service.exports.feeds.shopify import shopify_feed
from service.exports.links import ArchiveLinks
from service.exports.pictures import Pictures
from service.routes.incoming import FoundBatch, FoundPictures, found_pictures

router = APIRouter(prefix="/v1/batches/{batch_id}", tags=["results"])
links = APIRouter(prefix="/archives", tags=["results"], dependencies=[Depends(no_query)])
"""Outside of a batch: whoever has such a link needs no key."""

_SAFE_PAGE = {"Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'"}


@router.get(
    "/pictures.zip",
    operation_id="downloadArchive",
    summary="Download the pictures as a zip archive",
    response_class=StreamingResponse,
    responses={**file_answer("application/zip", "Each picture under its key."), **keyed_problems(404)},
)
async def download_archive(
    pictures: FoundPictures, query: Annotated[ArchiveQuery, Query()]
) -> StreamingResponse:
    """Written while it is read. One that breaks off has no end, and no program takes it for whole."""
    return _archive(pictures, query)


@router.post(
    "/archive_links",
    status_code=201,
    operation_id="createArchiveLink",
    summary="Make a link to the zip archive",
    responses=keyed_problems(404),
)
async def create_archive_link(
    batch: FoundBatch, desk: Desk, query: Annotated[ArchiveQuery, Query()]
) -> ArchiveLink:
    """Whoever has the link can download the pictures for a day, without a key."""
    Choice(await desk.documents.get_manifest(batch.tenant, batch.id), query)
    url, expires_at_ms = ArchiveLinks(desk.cursors, desk.clock).make(batch, query)
    return ArchiveLink(url=url, expires_at=moment(expires_at_ms))


@links.get(
    "/{link}",
    operation_id="downloadLinkedArchive",
    summary="Download a zip archive by its link",
    response_class=StreamingResponse,
    responses={**file_answer("application/zip", "Each picture under its key."), **problems(400, 404)},
)
async def download_linked_archive(link: str, desk: Desk) -> StreamingResponse:
    """Needs no key: the link is one."""
    meant = ArchiveLinks(desk.cursors, desk.clock).open(link)
    batch = await desk.batches.get(meant.tenant, meant.batch_id)
    return _archive(await found_pictures(batch, desk), meant.query)


def _archive(pictures: Pictures, query: ArchiveQuery) -> StreamingResponse:
    parts = archive(pictures, Choice(pictures.manifest, query), receipts=query.receipts)
    return StreamingResponse(
        parts, media_type="application/zip", headers=attachment(pictures.batch, "pictures.zip")
    )


@router.get(
    "/contact-sheet.html",
    operation_id="getContactSheetPage",
    summary="Look at a contact sheet",
    response_class=StreamingResponse,
    responses={**file_answer("text/html", "A page that needs nothing else."), **keyed_problems(404)},
)
async def contact_sheet_page(
    pictures: FoundPictures, desk: Desk, query: Annotated[SheetQuery, Query()]
) -> StreamingResponse:
    """Up to 1,000 pictures, small. Where there are more, the header `Link` leads to the next sheet."""
    choice = Choice(pictures.manifest, query)
    sheet = await sheet_of(pictures, choice, start=query.start, limit=HTML_PICTURES)
    headers = {
        **_SAFE_PAGE,
        **_next(pictures.batch, sheet, "html", query),
        **attachment(pictures.batch, "contact-sheet.html"),
    }
    parts = sheet_html(pictures, sheet, desk.thumbnailer)
    return StreamingResponse(parts, media_type="text/html", headers=headers)


@router.get(
    "/contact-sheet.png",
    operation_id="getContactSheetPicture",
    summary="Look at a contact sheet that is one picture",
    response_class=Response,
    responses={**file_answer("image/png", "All of them in one."), **keyed_problems(404)},
)
async def contact_sheet_picture(
    pictures: FoundPictures, desk: Desk, query: Annotated[SheetQuery, Query()]
) -> Response:
    """Up to 200 pictures, small. Where there are more, the header `Link` leads to the next sheet."""
    choice = Choice(pictures.manifest, query)
    sheet = await sheet_of(pictures, choice, start=query.start, limit=PNG_PICTURES)
    drawn = await sheet_png(pictures, sheet, desk.thumbnailer)
    headers = {
        **_next(pictures.batch, sheet, "png", query),
        **attachment(pictures.batch, "contact-sheet.png"),
    }
    return Response(drawn, media_type="image/png", headers=headers)


def _next(batch: Batch, sheet: Sheet, ending: str, query: SheetQuery) -> dict[str, str]:
    """The next sheet of the same pictures.

    Source: https://www.rfc-editor.org/rfc/rfc8288#section-3 (October 2017).
    """
    if sheet.following is None:
        return {}
    path = f"/v1/batches/{batch.id}/contact-sheet.{ending}"
    same = query.model_dump(mode="json", exclude_defaults=True)
    return {"Link": f'<{path}?{urlencode({**same, "start": sheet.following}, doseq=True)}>; rel="next"'}


@router.get(
    "/feeds/shopify.csv",
    operation_id="streamShopifyFeed",
    summary="Take the pictures to Shopify",
    response_class=StreamingResponse,
    responses={**file_answer("text/csv", "A product import that adds pictures."), **keyed_problems(404)},
)
async def stream_shopify_feed(
    pictures: FoundPictures, query: Annotated[ShopifyQuery, Query()]
) -> StreamingResponse:
    """A line for each picture of a product, by its handle. Addresses are public or end after a week; see the manual.
    `Darkroom-Failed-Checks` says how many pictures of the batch fail a check of their channel, `Darkroom-Warned-Checks` how
    many a person should look at, `Darkroom-Addresses` who can read the addresses: `public`, `signed` or `local`, which no
    shop can."""
    choice = Choice(pictures.manifest, query)
    feed = await shopify_feed(pictures, query.headers, variants=query.variants)
    headers = _feed(pictures, "shopify.csv", feed.naming.left_out)
    return StreamingResponse(feed.lines(pictures, choice), media_type="text/csv", headers=headers)


@router.get(
    "/feeds/merchant.tsv",
    operation_id="streamMerchantFeed",
    summary="Take the pictures to Google's Merchant Center",
    response_class=StreamingResponse,
    responses={
        **file_answer("text/tab-separated-values", "A supplemental feed."),
        **keyed_problems(404),
    },
)
async def stream_merchant_feed(
    pictures: FoundPictures, query: Annotated[MerchantQuery, Query()]
) -> StreamingResponse:
    """A line for each id: a main picture and up to ten more. `Darkroom-Left-Out` says how many rows have no id."""
    choice = Choice(pictures.manifest, query)
    naming = await merchant_naming(pictures, query.id)
    lines, headers = merchant_tsv(pictures, choice, naming), _feed(pictures, "merchant.tsv", naming.left_out)
    return StreamingResponse(lines, media_type="text/tab-separated-values", headers=headers)


@router.get(
    "/feeds/pictures.csv",
    operation_id="streamPictureFeed",
    summary="Take the pictures anywhere",
    response_class=StreamingResponse,
    responses={**file_answer("text/csv", "A line for each picture."), **keyed_problems(404)},
)
async def picture_feed(pictures: FoundPictures, query: Annotated[FeedQuery, Query()]) -> StreamingResponse:
    """What each row is known by, and the address of each of its pictures."""
    lines = pictures_csv(pictures, Choice(pictures.manifest, query))
    return StreamingResponse(lines, media_type="text/csv", headers=_feed(pictures, "pictures.csv", 0))


def _feed(pictures: Pictures, name: str, left_out: int) -> dict[str, str]:
    """A shop takes no further column, so that what a person should look at is told beside its file.

    Args:
        left_out: rows, or products, that the shop would not know.
    """
    batch = pictures.batch
    return {
        **attachment(batch, name),
        "Darkroom-Failed-Checks": str(batch.checks["fail"]),
        "Darkroom-Warned-Checks": str(batch.checks["warn"]),
        "Darkroom-Left-Out": str(left_out),
        "Darkroom-Addresses": reach_of(pictures),
    }
