"""The service over HTTP. Answers are plain JSON objects; problems come back as the errors of `schemas.errors`."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from cli.exits import WrongUsageError
from schemas.errors import (
    ConflictError,
    DarkroomError,
    ManifestError,
    NotFoundError,
    Problem,
    SpendRefusedError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
)

Json = dict[str, Any]
Query = dict[str, str | list[str]]
"""Parameters by name; one that is given several times has a list."""
Content = Path | bytes
"""What is uploaded: a file, or the list of a folder."""
ANSWER_S = 120.0
"""Longer than a service waits for a plan before it answers 202."""
PLAN_EVERY_S = 1.0
PAGE = 200
_USERINFO = re.compile(r"//[^/?#]*@")
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_KINDS = {
    400: WrongUsageError,
    401: UnauthorizedError,
    402: SpendRefusedError,
    404: NotFoundError,
    409: ConflictError,
    412: ConflictError,
    413: TooLargeError,
    503: UnavailableError,
}


class UnreachableError(UnavailableError):
    """Nothing answers at this address."""


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest as it lies on disk."""

    content: bytes
    media_type: str


def without_credentials(address: str) -> str:
    """An address as it may be said: a name and a password in it are for the service alone."""
    return _USERINFO.sub("//", address)


class ServiceClient:
    """One service, one key. Closed by `contextlib.closing`."""

    def __init__(self, url: str, key: str | None, *, sleep: Callable[[float], None] = time.sleep) -> None:
        address = url.rstrip("/")
        self.url = without_credentials(address)
        self._key = (key or "").strip()
        self._sleep = sleep
        if not self.url.startswith(("http://", "https://")):
            raise WrongUsageError(
                f"'{self.url}' is not the address of a service, such as http://127.0.0.1:8080."
            )
        if not self._key.isascii() or not self._key.isprintable():
            raise WrongUsageError("DARKROOM_KEY has characters that no key has; copy it again.")
        self._http = httpx.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            timeout=httpx.Timeout(ANSWER_S, connect=5.0),
            verify=self.url.startswith(
                "https://"
            ),  # reading the certificates takes longer than most commands
            trust_env=urlsplit(self.url).hostname not in _LOOPBACK,  # no proxy on the way to this machine
        )

    def close(self) -> None:
        self._http.close()

    def upload(self, name: str, content: Content) -> None:
        with BytesIO(content) if isinstance(content, bytes) else content.open("rb") as body:
            self._send("PUT", f"/v1/uploads/{quote(name)}", content=body)

    def uploaded_sha256(self, name: str) -> str | None:
        try:
            return str(self._send("GET", f"/v1/uploads/{quote(name)}").json()["sha256"])
        except NotFoundError:
            return None

    def plan(self, document: Document, *, sample: int | None = None) -> Json:
        """The plan, waited for; one with problems is returned as well, with its `errors`."""
        response = self._answer("POST", "/v1/batches:plan", params=_given(sample=sample), **_body(document))
        place = urlsplit(response.headers.get("Location", "")).path
        while response.status_code == httpx.codes.ACCEPTED and place:
            self._sleep(PLAN_EVERY_S)
            response = self._answer("GET", place)
        if response.is_success:
            return _object(response)
        plan = _problem(response).get("plan")
        if isinstance(plan, dict):
            return plan
        raise self._error_of(response)

    def submit(
        self, document: Document, idempotency_key: str, *, plan: str | None = None, sample: int | None = None
    ) -> tuple[Json, bool]:
        """The batch, and whether it is one that was submitted earlier under this key.

        Args:
            plan: digest of the plan that has to be carried out, and no other.
            sample: make only so many pictures.
        """
        body = _body(document)
        body["headers"]["Idempotency-Key"] = idempotency_key
        response = self._send("POST", "/v1/batches", params=_given(plan=plan, sample=sample), **body)
        return _object(response), response.headers.get("Idempotent-Replayed") == "true"

    def batch(self, batch_id: str) -> Json:
        return _object(self._send("GET", _batch_path(batch_id)))

    def batches(self, limit: int) -> Iterator[Json]:
        """Newest first, at most `limit`."""
        return self._listed("/v1/batches", {}, limit)

    def tasks(self, batch_id: str, *, state: str | None = None, check: str | None = None) -> Iterator[Json]:
        """Ascending by index."""
        return self._listed(f"{_batch_path(batch_id)}/tasks", _given(state=state, check=check), None)

    def cancel(self, batch_id: str) -> Json:
        return _object(self._send("POST", f"{_batch_path(batch_id)}/cancel"))

    def pause(self, batch_id: str) -> Json:
        return _object(self._send("POST", f"{_batch_path(batch_id)}/pause"))

    def resume(self, batch_id: str) -> Json:
        return _object(self._send("POST", f"{_batch_path(batch_id)}/resume"))

    def change(self, batch_id: str, patch: Json) -> Json:
        """`patch` holds `cap_usd`, `priority` or both."""
        return _object(self._send("PATCH", _batch_path(batch_id), json=patch))

    def replay(self, batch_id: str, chosen: Json, *, dry_run: bool) -> Json:
        """The bulk action; `chosen` is its filter."""
        body = {"action": "replay", "batch_id": batch_id, "filter": chosen, "dry_run": dry_run}
        return _object(self._send("POST", "/v1/bulk_actions", json=body))

    def archive_link(self, batch_id: str, query: Query) -> Json:
        """`url`, whole, under which anybody can download the archive, and `expires_at`."""
        link = _object(self._send("POST", f"{_batch_path(batch_id)}/archive_links", params=query))
        return {**link, "url": f"{self.url}{link['url']}"}

    def results(self, batch_id: str, query: Query) -> Iterator[str]:
        """One JSON object a line, as the pictures are numbered."""
        with self.download(batch_id, "results.jsonl", query) as response:
            yield from (line for line in response.iter_lines() if line)

    @contextmanager
    def download(self, batch_id: str, export: str, query: Query) -> Iterator[httpx.Response]:
        """An export of a batch, such as `pictures.zip`, to be read while it arrives.

        Raises:
            UnreachableError: also when it breaks off: what has arrived by then is not the whole.
        """
        try:
            path = f"{_batch_path(batch_id)}/{export}"
            with self._http.stream("GET", path, params=query) as response:
                if response.is_error:
                    response.read()
                    raise self._error_of(response)
                yield response
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _listed(self, path: str, query: dict[str, str], limit: int | None) -> Iterator[Json]:
        left, query = limit, dict(query)
        while left is None or left > 0:
            query["limit"] = str(PAGE if left is None else min(PAGE, left))
            page = _object(self._send("GET", path, params=query))
            yield from page["data"]
            left = None if left is None else left - len(page["data"])
            if not page.get("has_more"):
                return
            query["cursor"] = page["next_cursor"]

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        response = self._answer(method, path, **options)
        if not response.is_success:
            raise self._error_of(response)
        return response

    def _answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> UnreachableError:
        if isinstance(error, httpx.ReadTimeout):
            return UnreachableError(f"The service at {self.url} did not answer within {ANSWER_S:.0f} s.")
        if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
            return UnreachableError(f"The service at {self.url} broke off its answer; try again.")
        return UnreachableError(
            f"No service answers at {self.url}. Start one with `darkroom up`, "
            "or name another with --url or DARKROOM_URL."
        )

    def _error_of(self, response: httpx.Response) -> DarkroomError:
        problem = _problem(response)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            return UnauthorizedError(self._key_sentence())
        errors = problem.get("errors")
        if response.status_code == httpx.codes.UNPROCESSABLE_ENTITY and isinstance(errors, list) and errors:
            return ManifestError(problems_of(errors), truncated=bool(problem.get("errors_truncated")))
        detail = problem.get("detail") or problem.get("title")
        if not detail:
            detail = f"The service at {self.url} answered {response.status_code} without saying why."
        return _KINDS.get(response.status_code, DarkroomError)(str(detail))

    def _key_sentence(self) -> str:
        if self._key:
            return f"The service at {self.url} does not accept this key; check --key or DARKROOM_KEY."
        return f"The service at {self.url} wants a key; set --key or DARKROOM_KEY."


def problems_of(errors: list[Json]) -> list[Problem]:
    return [
        Problem(
            str(error.get("pointer", "")),
            str(error.get("code", "")),
            str(error.get("detail", "")),
            error.get("row"),
        )
        for error in errors
    ]


def sha256_of(content: Content) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _given(**parameters: str | int | None) -> Json:
    return {name: value for name, value in parameters.items() if value is not None}


def _batch_path(batch_id: str) -> str:
    return f"/v1/batches/{quote(batch_id, safe='')}"


def _body(document: Document) -> Json:
    return {"content": document.content, "headers": {"Content-Type": document.media_type}}


def _object(response: httpx.Response) -> Json:
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise DarkroomError(
            f"What answers at {without_credentials(str(response.url))} is not a Darkroom service."
        )
    return body


def _problem(response: httpx.Response) -> Json:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
