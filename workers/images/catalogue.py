"""What an account may ask for: the provider's list of models, or the credits that are left. Asking costs nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import aiohttp
import httpx

from schemas.failure import Failure, FailureClass
from workers.images import errors, upscaler_errors
from workers.images.redaction import redacted
from workers.images.transport import ImagesTransport, calling_when_connected

_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Offered:
    """The models that a key may ask for, each with the day of its shutdown, if one is known.

    Source: `shutdown_date` of GET /v1/models, openai/openai-openapi `Model`, since 2026-08-14.
    """

    shutdown_on: dict[str, date | None]


async def offered_models(base_url: str, api_key: str, *, timeout_s: float = _TIMEOUT_S) -> Offered | Failure:
    """Asks for the models of an account. Nothing is made, and nothing is charged."""
    redact = partial(redacted, key=api_key)
    answer = await _answer(f"{base_url.rstrip('/')}/models", api_key, redact, timeout_s)
    if isinstance(answer, Failure):
        return answer
    body = errors.parsed(answer.content)
    if answer.status_code != httpx.codes.OK or errors.error_object(body) is not None:
        return errors.classify(answer.status_code, answer.content, answer.headers, redact=redact)
    listed = (body or {}).get("data")
    if not isinstance(listed, list):
        return Failure.of(
            FailureClass.INVALID_REQUEST, "The answer is not a list of models.", http_status=200
        )
    named = [entry for entry in listed if isinstance(entry, dict) and isinstance(entry.get("id"), str)]
    return Offered({entry["id"]: _day(entry.get("shutdown_date")) for entry in named})


async def credits_left(base_url: str, api_key: str, *, timeout_s: float = _TIMEOUT_S) -> float | Failure:
    """Asks an upscaler's account for its credits, one of which is a cent. Nothing is made, and nothing is charged.

    Source: platform.stability.ai/docs/api-reference, `GET /v1/user/balance`, read 2026-11-21.
    """
    redact = partial(redacted, key=api_key)
    answer = await _answer(f"{base_url.rstrip('/')}/v1/user/balance", api_key, redact, timeout_s)
    if isinstance(answer, Failure):
        return answer
    found = (errors.parsed(answer.content) or {}).get("credits")
    if answer.status_code != httpx.codes.OK:
        return upscaler_errors.classify(answer.status_code, answer.content, answer.headers, redact=redact)
    if not isinstance(found, int | float):
        return Failure.of(FailureClass.INVALID_REQUEST, "The answer is not a balance.", http_status=200)
    return float(found)


async def _answer(
    url: str, api_key: str, redact: Callable[[str], str], timeout_s: float
) -> httpx.Response | Failure:
    try:
        async with asyncio.timeout(timeout_s), _client(api_key) as http:
            with calling_when_connected(lambda: None):
                return await http.get(url)
    except (httpx.HTTPError, aiohttp.ClientError, OSError, TimeoutError) as error:
        cause = error.__cause__ or error
        reason = redact(f"{type(cause).__name__} {cause}".strip())
        return Failure.of(FailureClass.NOT_SENT, f"No answer came: {reason}.")


def _client(api_key: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {api_key}", "Accept": "application/json", "User-Agent": "darkroom"}
    return httpx.AsyncClient(transport=ImagesTransport(trust_env=False), trust_env=False, headers=headers)


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        return None
