"""Problems as RFC 9457 tells them: every error of ours and of the framework, in one shape.

Source: https://www.rfc-editor.org/rfc/rfc9457, checked 2026-11-20.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from schemas.errors import DarkroomError, ManifestError, Problem, escaped
from schemas.wording import sentence

MEDIA_TYPE = "application/problem+json"
MAX_LISTED = 100
_PATH_SAFE = "/:@!$&'()*+,;=~"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """What a code means, and what to do about it: the page at `/problems/<code>`."""

    status: int
    title: str
    advice: str
    retryable: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


PROBLEM_TYPES: dict[str, ProblemType] = {
    "bad_request": ProblemType(
        400,
        "The request cannot be understood",
        "A parameter, header or form part is unknown or malformed; see `errors`.",
    ),
    "unauthorized": ProblemType(
        401,
        "A valid API key is needed",
        "Send the key as `Authorization: Bearer <key>`; the operator of this service hands keys out.",
        headers={"WWW-Authenticate": "Bearer"},
    ),
    "spend_refused": ProblemType(
        402,
        "The budget does not allow this",
        "Nothing was spent. Raise the cap of the manifest or the budget of the tenant, or ask for fewer pictures.",
    ),
    "not_found": ProblemType(
        404, "There is no such thing", "Check the address and the id; things of others do not show."
    ),
    "method_not_allowed": ProblemType(
        405, "This address does not take this method", "See the header `Allow`."
    ),
    "conflict": ProblemType(
        409, "The present state does not allow this", "Look at the thing again before trying again."
    ),
    "submission_under_way": ProblemType(
        409,
        "A submission with this Idempotency-Key is under way",
        "Send the same again in a moment; the answer is then the batch of the first one.",
        retryable=True,
        headers={"Retry-After": "1"},
    ),
    "already_stored": ProblemType(409, "Something is already stored there", "Choose another name."),
    "precondition_failed": ProblemType(
        412,
        "It has changed since it was looked at",
        "Look at it again; if it is still to be changed, send its new `ETag` as `If-Match`.",
    ),
    "plan_changed": ProblemType(
        412,
        "The plan is not the one that was looked at",
        "The manifest, its catalog, its files or the prices have changed; nothing was spent. Plan again, and submit with "
        "the new digest.",
    ),
    "too_large": ProblemType(
        413,
        "This is over a size limit",
        "Send less: upload the catalog as a file instead of writing it into the manifest.",
    ),
    "unsupported_media_type": ProblemType(
        415,
        "This kind of body is not taken",
        "Send application/json, application/yaml or, to submit, multipart/form-data.",
    ),
    "manifest_invalid": ProblemType(
        422,
        "The manifest or its catalog has problems",
        "Every problem is listed in `errors` with its place as a JSON Pointer; nothing was spent. Mend them, then resend.",
    ),
    "idempotency_key_reused": ProblemType(
        422,
        "This Idempotency-Key was used for something else",
        "Use a new key for a new request; keys last for 72 hours.",
    ),
    "plan_failed": ProblemType(
        500,
        "The plan could not be made",
        "It is an error of ours, and nothing was spent: tell the operator, whose log has the rest, and submit anew later.",
    ),
    "internal": ProblemType(
        500,
        "The service made a mistake",
        "Tell the operator the `request_id`; the log has the rest.",
        retryable=True,
    ),
    "unavailable": ProblemType(
        503,
        "A part that Darkroom needs does not answer",
        "Try again after the seconds in `Retry-After`; with an Idempotency-Key a submission is safe to repeat.",
        retryable=True,
        headers={"Retry-After": "5"},
    ),
}

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}
_SENTENCES = {404: "There is nothing at this address.", 405: "This address does not take this method."}


class ProblemError(Exception):
    """A refusal that is about HTTP, or that says more than an error of `schemas.errors` can.

    Args:
        code: one of `PROBLEM_TYPES`.
        members: extension members of the answer.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        problems: Sequence[Problem] = (),
        truncated: bool = False,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.problems = problems
        self.truncated = truncated
        self.members = members or {}


def problem_response(
    request: Request, error: ProblemError, headers: Mapping[str, str] | None = None
) -> Response:
    kind = PROBLEM_TYPES[error.code]
    body = {
        "type": f"/problems/{error.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": error.detail,
        "instance": quote(request.scope["path"], safe=_PATH_SAFE),
        "code": error.code,
        "request_id": getattr(request.state, "request_id", None),
        "retryable": kind.retryable,
        "errors": [problem.as_dict() for problem in error.problems[:MAX_LISTED]],
        "errors_truncated": error.truncated or len(error.problems) > MAX_LISTED,
        **error.members,
    }
    return Response(
        orjson.dumps(body),
        status_code=kind.status,
        headers={**kind.headers, **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def install(app: FastAPI) -> None:
    """Makes every error of the application leave as a problem. What is unexpected is met in `middleware`."""

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, DarkroomError)
        return problem_response(request, _told(error))

    async def refusal(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)
        return problem_response(request, error)

    async def framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        code = _CODES.get(error.status_code, "internal" if error.status_code >= 500 else "bad_request")
        sentence = (
            _SENTENCES.get(error.status_code) or str(error.detail) or HTTPStatus(error.status_code).phrase
        )
        return problem_response(request, ProblemError(code, sentence), error.headers)

    async def parameters(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return problem_response(request, _misread(error))

    app.add_exception_handler(DarkroomError, ours)
    app.add_exception_handler(ProblemError, refusal)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(RequestValidationError, parameters)


def _told(error: DarkroomError) -> ProblemError:
    code = error.code if error.code in PROBLEM_TYPES else "internal"
    if isinstance(error, ManifestError):
        return ProblemError(code, error.detail, problems=error.problems, truncated=error.truncated)
    return ProblemError(code, error.detail)


def _misread(error: RequestValidationError) -> ProblemError:
    """Parameters that are not what the address takes: `/query/limit`, `/header/idempotency-key`."""
    problems = []
    for found in error.errors():
        place = "/".join(escaped(str(part)) for part in found["loc"])
        says = "there is no such parameter here" if found["type"] == "extra_forbidden" else sentence(found)
        problems.append(Problem(f"/{place}", found["type"], says))
    return ProblemError(
        "bad_request", "; ".join(str(problem) for problem in problems[:3]) + ".", problems=problems
    )
