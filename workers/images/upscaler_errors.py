"""From an answer of the upscaler without a good picture to a failure of ours: by its name, then by its status."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from schemas.failure import Charged, Failure, FailureClass
from workers.images import errors
from workers.images import headers as rate_headers

# Sources: the provider's API reference ("150 requests in 10 seconds", "not charged for failed generations"), and bodies
# as its users recorded them: github.com, 2025 and 2026; read 2026-11-21.
_BY_NAME = {
    "rate_limit_exceeded": FailureClass.RATE_LIMITED,
    "payment_required": FailureClass.QUOTA_EXHAUSTED,
    "unauthorized": FailureClass.AUTH,
    "content_moderation": FailureClass.MODERATION_BLOCKED,
    "service_unavailable": FailureClass.SLOW_DOWN,
}
TIMED_OUT_S = 60.0
"""How long an account waits that has asked too often, where the answer does not say."""

Redact = Callable[[str], str]


def classify(status: int, body: bytes, headers: Mapping[str, str], *, redact: Redact) -> Failure:
    """What an answer means whose body is no picture.

    Args:
        body: as far as it arrived; anything.
        headers: names in lower case, or of a kind that does not care.
        redact: takes secrets out of the provider's sentences and shortens them.
    """
    answer = errors.parsed(body)
    name, message = _text(answer, "name"), _message(answer)
    facts: dict[str, object] = {
        "http_status": status,
        "code": redact(name) or None,
        "request_id": errors.request_id(headers) or _text(answer, "id")[:200] or None,
    }
    if 200 <= status < 300:
        failure_class = FailureClass.DOUBTFUL if answer is None else FailureClass.BAD_OUTPUT
        return Failure.of(failure_class, f"The answer ({status}) is no picture.", **facts)
    failure_class = _BY_NAME.get(name) or errors.class_of_status(status, is_json=answer is not None)
    if failure_class in (FailureClass.RATE_LIMITED, FailureClass.SLOW_DOWN):
        facts |= {"retry_after_s": rate_headers.wait_s(headers, ""), "dimension": "requests"}
    if failure_class is FailureClass.RATE_LIMITED:
        facts["retry_after_s"] = facts["retry_after_s"] or TIMED_OUT_S
    if failure_class is FailureClass.MODERATION_BLOCKED:
        facts |= {"stage": "input", "charged": Charged.NO}
    hint = "; look at the lane's base URL" if 300 <= status < 400 or status == 404 else ""
    said = redact(message) or f"The server answered {status} without a message{hint}."
    return Failure.of(failure_class, said, **facts)


def filtered(headers: Mapping[str, str]) -> Failure:
    """The picture came back blurred by the provider's content filter."""
    reason = headers.get("finish-reason", "")[:60]
    return Failure.of(
        FailureClass.MODERATION_BLOCKED,
        f"The provider's content filter has blurred the picture ({reason}).",
        http_status=200,
        request_id=errors.request_id(headers),
        stage="output",
    )


def _message(answer: dict[str, object] | None) -> str:
    """Its sentences: a list of them in most answers, one in some."""
    said = (answer or {}).get("errors")
    if isinstance(said, list):
        return " ".join(one for one in said[:5] if isinstance(one, str))
    return _text(answer, "message")


def _text(answer: dict[str, object] | None, name: str) -> str:
    value = (answer or {}).get(name)
    return value if isinstance(value, str) else ""
