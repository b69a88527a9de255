"""What several endpoints read from a request: a manifest in one of its forms, and the batch in the path."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ValidationError
from starlette.datastructures import FormData, UploadFile

from schemas.batch import Batch
from schemas.errors import NotFoundError, Problem, TooLargeError, escaped
from schemas.ids import is_id
from schemas.manifest import Manifest
from schemas.wording import sentence
from service.auth import Tenant
from service.bodies import FORM_TYPE, media_type_of, only_parts, opened_form, read_body, save_part
from service.equipment import Desk, Equipment
from service.exports.pictures import Pictures, Shelves
from service.exports.returning import bring_back
from service.manifest_text import JSON_TYPES, YAML_TYPES, manifest_data
from service.problems import ProblemError
from service.submission import accepted_manifest, fingerprint_of
from service.uploads import checked_name, empty_file

Asked = TypeVar("Asked", bound=BaseModel)

_PARTS = frozenset({"manifest", "catalog"})


@dataclass(frozen=True, slots=True)
class Sent:
    """A manifest that was accepted, and the fingerprint of everything that came with it."""

    manifest: Manifest
    fingerprint: str


async def found_batch(batch_id: str, desk: Desk, tenant: Tenant) -> Batch:
    """
    Raises:
        NotFoundError: the tenant has no such batch.
    """
    if not is_id(batch_id, "batch"):
        raise NotFoundError(f"There is no batch '{batch_id[:100]}'.")
    return await desk.batches.get(tenant, batch_id)


FoundBatch = Annotated[Batch, Depends(found_batch)]


async def found_pictures(batch: FoundBatch, desk: Desk) -> Pictures:
    """
    Raises:
        UnavailableError: storage does not answer.
    """
    await bring_back(batch, desk.batches, desk.shelving, desk.documents)
    shelves = Shelves(desk.documents, desk.tasks, desk.settings.storage.public_url)
    return await Pictures.of(shelves, batch)


FoundPictures = Annotated[Pictures, Depends(found_pictures)]


async def sent_manifest(request: Request, desk: Equipment, sample: int | None) -> Sent:
    """The manifest that is the body.

    Args:
        sample: make only so many pictures of it.
    Raises:
        ManifestError, TooLargeError: see `manifest_data`, `accepted_manifest`, `read_body`.
        ProblemError: the body is of another kind.
    """
    media_type = media_type_of(request)
    if media_type not in JSON_TYPES | YAML_TYPES:
        raise ProblemError("unsupported_media_type", _kinds(media_type))
    content = await read_body(request, max_bytes=desk.settings.service.max_body_bytes)
    data = await asyncio.to_thread(manifest_data, content, media_type)
    manifest = await _accepted(_sampled(data, sample), desk)
    return Sent(manifest, fingerprint_of(content, *_told(sample)))


async def sent_model(request: Request, desk: Equipment, model: type[Asked]) -> Asked:
    """The small JSON object that is the body.

    Raises:
        TooLargeError: see `read_body`.
        ProblemError: it is of another kind, or has problems: all of them, with their places.
    """
    media_type = media_type_of(request)
    if media_type not in JSON_TYPES:
        raise ProblemError("unsupported_media_type", "Send application/json.")
    content = await read_body(request, max_bytes=desk.settings.service.max_body_bytes)
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        problems = [
            Problem(
                "".join(f"/{escaped(str(part))}" for part in found["loc"]), found["type"], sentence(found)
            )
            for found in error.errors(include_url=False, include_input=False)
        ]
        told = "; ".join(str(problem) for problem in problems[:3])
        raise ProblemError("bad_request", f"{told}.", problems=problems) from None


async def sent_submission(request: Request, desk: Equipment, tenant: str, sample: int | None) -> Sent:
    """The manifest that is the body, or a part of it beside its catalog, which is then uploaded.

    Args:
        sample: make only so many pictures of it.
    Raises:
        ManifestError, TooLargeError, ProblemError: as `sent_manifest`; nothing was uploaded.
    """
    if media_type_of(request) != FORM_TYPE:
        return await sent_manifest(request, desk, sample)
    limits = desk.settings.service
    async with opened_form(
        request,
        max_bytes=limits.max_body_bytes + limits.max_upload_bytes,
        max_text_bytes=limits.max_body_bytes,
    ) as form:
        only_parts(form, _PARTS)
        content, media_type = await _manifest_part(form, limits.max_body_bytes)
        data = _sampled(await asyncio.to_thread(manifest_data, content, media_type), sample)
        catalog = form.get("catalog")
        if catalog is None:
            return Sent(await _accepted(data, desk), fingerprint_of(content, *_told(sample)))
        if isinstance(catalog, str):
            raise ProblemError("bad_request", "The part `catalog` is a file; give it a file name.")
        name = checked_name(catalog.filename or "", pointer="/form/catalog")
        manifest = await _accepted(_with_source(data, name), desk)
        async with empty_file() as path:
            await save_part(catalog, path)
            upload = await desk.documents.put_upload(tenant, name, path)
        file = (name.encode(), upload.sha256.encode())
        return Sent(manifest, fingerprint_of(content, *file, *_told(sample)))


async def _manifest_part(form: FormData, max_bytes: int) -> tuple[bytes, str | None]:
    part = form.get("manifest")
    if part is None:
        raise ProblemError("bad_request", "The form needs a part named `manifest`.")
    if not isinstance(part, UploadFile):
        return part.encode(), None
    if part.size is not None and part.size > max_bytes:
        raise TooLargeError(
            f"The part `manifest` is larger than {max_bytes} bytes, which is the most it may be."
        )
    return await part.read(), (part.content_type or "").partition(";")[0].strip().lower()


def _sampled(data: dict[str, Any], sample: int | None) -> dict[str, Any]:
    return data if sample is None else {**data, "sample": sample}


def _told(sample: int | None) -> tuple[bytes, ...]:
    """What a sample adds to the fingerprint of a submission."""
    return () if sample is None else (f"sample {sample}".encode(),)


def _with_source(data: dict[str, Any], name: str) -> dict[str, Any]:
    catalog = data.get("catalog") or {}
    return {**data, "catalog": {**catalog, "source": name}} if isinstance(catalog, dict) else data


async def _accepted(data: dict[str, Any], desk: Equipment) -> Manifest:
    """In a thread: a manifest with a catalog in it may take a second, and others want their answers."""
    return await asyncio.to_thread(
        accepted_manifest, data, now_ms=desk.clock.now_ms(), max_tasks=desk.settings.service.max_tasks
    )


def _kinds(media_type: str) -> str:
    given = f"'{media_type[:100]}' is not taken here" if media_type else "The Content-Type is missing"
    return (
        f"{given}; send application/json, application/yaml or, to submit with a catalog, multipart/form-data."
    )
