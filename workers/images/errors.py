"""From an answer without a picture to a failure of ours: by code, then type, then message, then status."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from schemas.failure import Charged, Failure, FailureClass
from workers.images import headers as rate_headers
from workers.images.redaction import redacted

# Sources: developers.openai.com/api/docs/guides/error-codes and guides/image-generation, its changelog to
# 2026-09-10, learn.microsoft.com (Azure), openrouter.ai/docs/api; read 2026-11-20.
_BY_CODE = {
    "rate_limit_exceeded": FailureClass.RATE_LIMITED,
    "slow_down": FailureClass.SLOW_DOWN,
    "server_is_overloaded": FailureClass.SLOW_DOWN,
    "credit_balance_exhausted": FailureClass.QUOTA_EXHAUSTED,
    "organization_spend_limit_exceeded": FailureClass.QUOTA_EXHAUSTED,
    "project_spend_limit_exceeded": FailureClass.QUOTA_EXHAUSTED,
    "organization_usage_limit_exceeded": FailureClass.QUOTA_EXHAUSTED,
    "insufficient_quota": FailureClass.QUOTA_EXHAUSTED,
    "billing_hard_limit_reached": FailureClass.QUOTA_EXHAUSTED,
    "moderation_blocked": FailureClass.MODERATION_BLOCKED,
    "content_policy_violation": FailureClass.MODERATION_BLOCKED,
    "image_content_policy_violation": FailureClass.MODERATION_BLOCKED,
    "contentfilter": FailureClass.MODERATION_BLOCKED,
    "content_filter": FailureClass.MODERATION_BLOCKED,
    "invalid_api_key": FailureClass.AUTH,
    "model_not_found": FailureClass.AUTH,
    "image_generation_failed": FailureClass.SERVER_ERROR,
    "timeout": FailureClass.DOUBTFUL,
    # Of links to our own storage: one that is not read may be read in a moment, one that is not taken never is.
    "failed_to_download_image": FailureClass.SERVER_ERROR,
    "invalid_image_url": FailureClass.AUTH,
}
_ADVICE = {
    "failed_to_download_image": "This lane sends references as links: storage has to be readable from outside.",
    "invalid_image_url": "This lane sends references as links, and the provider does not take them; send files "
    "(DARKROOM_LANES__<NAME>__REFERENCES=upload).",
}
_ADVISED_CHARACTERS = 300
_LIMIT_TYPES = ("requests", "tokens", "project-tokens", "images", "input-images")
_BY_TYPE = {
    **dict.fromkeys(_LIMIT_TYPES, FailureClass.RATE_LIMITED),
    "rate_limit_error": FailureClass.RATE_LIMITED,
    "insufficient_quota": FailureClass.QUOTA_EXHAUSTED,
    "image_generation_server_error": FailureClass.SERVER_ERROR,
}
_BY_PHRASE = {
    "slow down": FailureClass.SLOW_DOWN,
    "model is overloaded": FailureClass.SLOW_DOWN,
    "rate limit reached": FailureClass.RATE_LIMITED,
    "exceeded your current quota": FailureClass.QUOTA_EXHAUSTED,
    "billing hard limit": FailureClass.QUOTA_EXHAUSTED,
    "must be verified to use the model": FailureClass.AUTH,
    "rejected by the safety system": FailureClass.MODERATION_BLOCKED,
}
# `server_error` also carries "Slow Down" and "overloaded" with a null code, so it is asked after the message.
_BY_VAGUE_TYPE = {"server_error": FailureClass.SERVER_ERROR}
_BY_STATUS = {
    401: FailureClass.AUTH,
    402: FailureClass.QUOTA_EXHAUSTED,
    403: FailureClass.AUTH,
    404: FailureClass.AUTH,
    408: FailureClass.DOUBTFUL,
    429: FailureClass.RATE_LIMITED,
    504: FailureClass.DOUBTFUL,
    **dict.fromkeys(range(520, 525), FailureClass.DOUBTFUL),
    529: FailureClass.SLOW_DOWN,
}
_STAGES = ("input", "output")

Redact = Callable[[str], str]


def classify(status: int, body: bytes, headers: Mapping[str, str], *, redact: Redact = redacted) -> Failure:
    """What an answer without a picture means.

    Args:
        body: as far as it arrived; anything.
        redact: takes secrets out of the provider's sentences and shortens them.
    """
    names = {name.lower(): value for name, value in headers.items()}
    answer = parsed(body)
    error = error_object(answer)
    if error is None:
        return _without_error(status, answer, names)
    message = _text(error, "message")
    failure_class = _class_of(status, error, message)
    facts: dict[str, object] = {
        "http_status": status,
        "code": redact(_text(error, "code")) or None,
        "param": redact(_text(error, "param")) or None,
        "request_id": request_id(names),
    }
    if failure_class in (FailureClass.RATE_LIMITED, FailureClass.SLOW_DOWN):
        facts["retry_after_s"] = rate_headers.wait_s(names, message)
    if failure_class is FailureClass.RATE_LIMITED:
        facts["dimension"] = _dimension(error, message)
    if failure_class is FailureClass.MODERATION_BLOCKED:
        facts |= _moderation(error, redact)
    said = redact(message) or f"The provider answered {status} without a message."
    if advice := _ADVICE.get(_text(error, "code").lower()):
        said = f"{said[:_ADVISED_CHARACTERS]} {advice}"
    return Failure.of(failure_class, said, **facts)


def parsed(body: bytes) -> dict[str, object] | None:
    """The JSON object of a complete body; None for anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def request_id(headers: Mapping[str, str]) -> str | None:
    """The provider's name of a call. Headers in lower case."""
    return headers.get("x-request-id", "")[:200] or None


def error_object(answer: dict[str, object] | None) -> dict[str, object] | None:
    """The `error` of an answer, which some gateways send as a bare sentence; None if there is none."""
    error = (answer or {}).get("error")
    if isinstance(error, str) and error:
        return {"message": error}
    return error if isinstance(error, dict) and error else None


def _class_of(status: int, error: dict[str, object], message: str) -> FailureClass:
    if rate_headers.can_never_pass(message):
        return FailureClass.INVALID_REQUEST
    if status in (400, 404) and _text(error, "param") == "model":
        return FailureClass.AUTH
    phrase = next((phrase for phrase in _BY_PHRASE if phrase in message.lower()), "")
    return (
        _BY_CODE.get(_text(error, "code").lower())
        or _BY_TYPE.get(_text(error, "type").lower())
        or _BY_PHRASE.get(phrase)
        or _BY_VAGUE_TYPE.get(_text(error, "type").lower())
        or class_of_status(status, is_json=True)
    )


def class_of_status(status: int, *, is_json: bool) -> FailureClass:
    """Asked last. A server error is taken for free only when the provider's own words came whole."""
    if known := _BY_STATUS.get(status):
        return known
    if 300 <= status < 400:
        return FailureClass.AUTH
    if 400 <= status < 500:
        return FailureClass.INVALID_REQUEST
    return FailureClass.SERVER_ERROR if status >= 500 and is_json else FailureClass.DOUBTFUL


def _without_error(status: int, answer: dict[str, object] | None, names: Mapping[str, str]) -> Failure:
    known: dict[str, object] = {"http_status": status, "request_id": request_id(names)}
    if 200 <= status < 300:
        if answer is None:
            return Failure.of(
                FailureClass.DOUBTFUL,
                f"The answer ({status}) broke off or is not JSON.",
                **known,
            )
        return Failure.of(
            FailureClass.BAD_OUTPUT, f"The answer ({status}) holds no picture that can be decoded.", **known
        )
    failure_class = class_of_status(status, is_json=answer is not None)
    if failure_class in (FailureClass.RATE_LIMITED, FailureClass.SLOW_DOWN):
        known["retry_after_s"] = rate_headers.wait_s(names, "")
    hint = "; look at the lane's base URL" if 300 <= status < 400 or status == 404 else ""
    return Failure.of(
        failure_class,
        f"The server answered {status} without an error object{hint}.",
        **known,
    )


def _dimension(error: dict[str, object], message: str) -> str | None:
    """By the sentence, else by the type where that names a limit."""
    if named := rate_headers.refused_dimension(message):
        return named
    kind = _text(error, "type").lower()
    return rate_headers.dimension_of(kind) if kind in _LIMIT_TYPES else None


def _moderation(error: dict[str, object], redact: Redact) -> dict[str, object]:
    """Stage, categories and charge of a block: what was refused at the input is reported as free."""
    details = error.get("moderation_details")
    details = details if isinstance(details, dict) else {}
    stage = details.get("moderation_stage")
    stage = stage if stage in _STAGES else "unknown"
    categories = details.get("categories")
    categories = categories if isinstance(categories, list) else []
    return {
        "stage": stage,
        "moderation_categories": tuple(
            redact(item)[:60] for item in categories[:20] if isinstance(item, str)
        ),
        "charged": Charged.NO if stage == "input" else Charged.UNKNOWN,
    }


def _text(error: dict[str, object], name: str) -> str:
    value = error.get(name)
    return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""
