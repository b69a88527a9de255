"""`/v1/uploads`: catalogs and reference pictures."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Depends, Request

from schemas.errors import NotFoundError
from service.auth import Tenant
from service.bodies import save_body
from service.contract.openapi import FILE_BODY, keyed_problems
from service.contract.queries import no_query
from service.contract.shapes import UploadAnswer
from service.equipment import Desk
from service.uploads import checked_name, empty_file

router = APIRouter(prefix="/v1/uploads", tags=["uploads"], dependencies=[Depends(no_query)])


@router.put(
    "/{name:path}",
    status_code=201,
    operation_id="putUpload",
    summary="Upload a file",
    responses=keyed_problems(413),
    openapi_extra=FILE_BODY,
)
async def put_upload(name: str, request: Request, desk: Desk, tenant: Tenant) -> UploadAnswer:
    """Keeps the body under a name; manifests name it in `catalog.source` or as a reference picture. The same name again
    is for later plans; those already made keep the bytes they saw. A name that ends in a slash is a folder of reference
    pictures: its body is the list of their names in it, one a line."""
    checked_name(name, pointer="/path/name")
    async with empty_file() as path:
        await save_body(request, path, max_bytes=desk.settings.service.max_upload_bytes)
        return UploadAnswer(**asdict(await desk.documents.put_upload(tenant, name, path)))


@router.get("/{name:path}", operation_id="getUpload", summary="Look up a file", responses=keyed_problems(404))
async def get_upload(name: str, desk: Desk, tenant: Tenant) -> UploadAnswer:
    """What was last uploaded under a name: its digest and its length, not its bytes."""
    upload = await desk.documents.find_upload(tenant, checked_name(name, pointer="/path/name"))
    if upload is None:
        raise NotFoundError(f"Nothing was uploaded under the name '{name}'.")
    return UploadAnswer(**asdict(upload))
