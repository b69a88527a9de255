"""Reading bodies: never more bytes than allowed, counted as they arrive, whatever the headers promise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from schemas.errors import Problem, TooLargeError, escaped
from service.problems import ProblemError

FORM_TYPE = "multipart/form-data"
_BLOCK_BYTES = 1 << 20


def media_type_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """The whole body.

    Raises:
        TooLargeError: it has more than `max_bytes`.
    """
    return b"".join([block async for block in _counted(request, max_bytes)])


async def save_body(request: Request, path: Path, *, max_bytes: int) -> None:
    """Writes the body to a file, as it arrives.

    Raises:
        TooLargeError: it has more than `max_bytes`; the file is then incomplete.
    """
    with path.open("wb") as file:
        async for block in _counted(request, max_bytes):
            await asyncio.to_thread(file.write, block)


async def save_part(part: UploadFile, path: Path) -> None:
    """Writes a file of a form to a file of ours."""
    with path.open("wb") as file:
        while block := await part.read(_BLOCK_BYTES):
            await asyncio.to_thread(file.write, block)


@asynccontextmanager
async def opened_form(request: Request, *, max_bytes: int, max_text_bytes: int) -> AsyncIterator[FormData]:
    """The parts of a multipart body; its files go when the block ends.

    Raises:
        TooLargeError: it has more than `max_bytes`, or a part of text more than `max_text_bytes`.
        ProblemError: it is not a form.
    """
    parser = MultiPartParser(
        request.headers, _counted(request, max_bytes), max_files=4, max_fields=4, max_part_size=max_text_bytes
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if "exceeded maximum size" in error.message:
            raise TooLargeError(_most("A part of the form", max_text_bytes)) from error
        raise ProblemError("bad_request", f"The form cannot be read: {error.message}") from error
    try:
        yield form
    finally:
        await form.close()


def only_parts(form: FormData, known: frozenset[str]) -> None:
    """
    Raises:
        ProblemError: the form has a part of another name, or one twice.
    """
    names = [name for name, _ in form.multi_items()]
    problems = [
        Problem(f"/form/{escaped(name)}", "unknown_part", f"there is no part '{name}' here")
        for name in sorted({*names} - known)
    ]
    problems += [
        Problem(f"/form/{name}", "repeated_part", "this part comes once")
        for name in sorted(known)
        if names.count(name) > 1
    ]
    if problems:
        raise ProblemError("bad_request", "The form has parts that do not belong here.", problems=problems)


async def _counted(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    declared = request.headers.get("content-length", "")
    received = int(declared) if declared.isdecimal() else 0
    if received <= max_bytes:
        received = 0
        async for block in request.stream():
            received += len(block)
            if received > max_bytes:
                break
            yield block
    if received > max_bytes:
        raise TooLargeError(_most("The body", max_bytes))


def _most(what: str, max_bytes: int) -> str:
    return f"{what} is larger than {max_bytes:,} bytes, which is the most this address takes."
