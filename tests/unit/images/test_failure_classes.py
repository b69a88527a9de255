"""Every row of the error table of the Images API, and the facts that ride along."""

from __future__ import annotations

import json

import pytest

from schemas.failure import Charged, FailureClass
from workers.images.errors import classify

HTML = b"<html><head><title>504 Gateway Time-out</title></head></html>"
C_IMAGES = (
    "Rate limit reached for gpt-image-2 (for limit gpt-image) on input-images per min: Limit 5, Used 5, "
    "Requested 1. Please try again in 12s."
)


def error(message: str, type_: str | None = None, code: str | None = None, param: str | None = None) -> bytes:
    return json.dumps({"error": {"type": type_, "code": code, "param": param, "message": message}}).encode()


INVALID = "invalid_request_error"
TABLE = [
    ("D1", 429, error(C_IMAGES, "input-images", "rate_limit_exceeded"), "rate_limited"),
    ("D2", 200, error(C_IMAGES, "requests", "rate_limit_exceeded"), "rate_limited"),
    ("D3", 429, error("Slow down.", "requests", "slow_down"), "slow_down"),
    ("D4", 503, error("Slow Down", "server_error"), "slow_down"),
    ("D5", 429, error("Exhausted.", "insufficient_quota", "credit_balance_exhausted"), "quota_exhausted"),
    ("D6", 429, error("Quota.", "insufficient_quota", "insufficient_quota"), "quota_exhausted"),
    (
        "D7",
        400,
        error("Billing hard limit has been reached", None, "billing_hard_limit_reached"),
        "quota_exhausted",
    ),
    (
        "D8",
        400,
        error("Rejected.", "image_generation_user_error", "moderation_blocked"),
        "moderation_blocked",
    ),
    ("D9", 400, error("Rejected.", INVALID, "content_policy_violation"), "moderation_blocked"),
    ("D10", 400, error("Invalid size '1920x1080'.", INVALID, "invalid_value", "size"), "invalid_request"),
    ("D11", 400, error("Unknown parameter.", INVALID, "unknown_parameter", "style"), "invalid_request"),
    ("D12", 400, error("Invalid value: 'bad model'.", INVALID, "invalid_value", "model"), "auth"),
    ("D13", 404, error("The model x does not exist.", INVALID, "model_not_found"), "auth"),
    ("D14", 401, error("Incorrect API key provided: sk-...", INVALID, "invalid_api_key"), "auth"),
    ("D15", 403, error("Your organization must be verified to use the model x.", INVALID), "auth"),
    ("D16", 500, error("Failed", "image_generation_server_error", "image_generation_failed"), "server_error"),
    ("D17", 503, error("The model is overloaded.", "server_error", "server_is_overloaded"), "slow_down"),
    ("D18", 504, HTML, "doubtful"),
    ("D19", 200, b'{"created":1713833628,"data":[]}', "bad_output"),
    ("D24", 200, error("Failed", "image_generation_server_error", "image_generation_failed"), "server_error"),
    ("new quota code", 429, error("No.", "insufficient_quota", "some_new_limit"), "quota_exhausted"),
    ("organization cap", 429, error("No.", None, "organization_spend_limit_exceeded"), "quota_exhausted"),
    ("payment required", 402, error("Insufficient credits"), "quota_exhausted"),
    ("Azure filter", 400, error("Filtered.", None, "contentFilter"), "moderation_blocked"),
    ("safety sentence", 400, error("Your request was rejected by the safety system."), "moderation_blocked"),
    ("Azure timeout", 408, b'{"error":{"code":"Timeout"}}', "doubtful"),
    ("request timeout", 408, b"", "doubtful"),
    ("CDN timeout", 524, HTML, "doubtful"),
    ("CDN error", 520, b"", "doubtful"),
    ("gateway 502", 502, HTML, "doubtful"),
    ("gateway 500", 500, HTML, "doubtful"),
    ("complete 500", 500, error("The server had an error", "server_error"), "server_error"),
    ("FastAPI 503", 503, b'{"detail":"busy"}', "server_error"),
    ("OpenRouter 529", 529, error("Provider overloaded"), "slow_down"),
    ("429 page", 429, HTML, "rate_limited"),
    ("401 page", 401, HTML, "auth"),
    ("413 page", 413, HTML, "invalid_request"),
    ("422 detail", 422, b'{"detail":[]}', "invalid_request"),
    ("redirect", 301, b"", "auth"),
    ("error as a sentence", 500, b'{"error":"boom"}', "server_error"),
    ("error in 200 nobody knows", 200, error("Something."), "doubtful"),
    ("null error in 200", 200, b'{"error":null,"data":[]}', "bad_output"),
    ("page in 200", 200, HTML, "doubtful"),
    ("list in 200", 200, b"[]", "doubtful"),
    ("cut off", 200, b'{"created":171383', "doubtful"),
    ("over the limit for ever", 429, error("Limit 5, Used 0, Requested 10.", "requests"), "invalid_request"),
    (
        "fields of strange types",
        400,
        b'{"error":{"code":7,"type":[],"message":{},"param":1.5}}',
        "invalid_request",
    ),
    ("nested too deep", 200, b"[" * 60_000, "doubtful"),
]


@pytest.mark.parametrize(
    ("status", "body", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_an_answer_becomes_its_class(status: int, body: bytes, expected: str) -> None:
    assert classify(status, body, {}).failure_class == FailureClass(expected)


def test_a_rate_limit_carries_its_wait_and_its_dimension() -> None:
    body = error(C_IMAGES, "requests", "rate_limit_exceeded")

    failure = classify(429, body, {"Retry-After": "13", "X-Request-Id": "req_1"})

    assert (failure.retry_after_s, failure.dimension, failure.request_id) == (12, "images", "req_1")
    assert (failure.http_status, failure.code, failure.charged) == (429, "rate_limit_exceeded", Charged.NO)


def test_a_rate_limit_without_a_sentence_takes_its_dimension_from_the_type() -> None:
    failure = classify(429, error("Rate limit reached.", "input-images", "rate_limit_exceeded"), {})

    assert (failure.dimension, failure.retry_after_s) == ("images", None)


def test_an_overloaded_server_may_say_how_long() -> None:
    body = error("The model is overloaded.", "server_error", "server_is_overloaded")

    assert classify(503, body, {"retry-after": "20"}).retry_after_s == 20


@pytest.mark.parametrize(
    ("details", "stage", "charged"),
    [
        ({"moderation_stage": "input", "categories": ["harassment"]}, "input", Charged.NO),
        ({"moderation_stage": "output", "categories": ["violence", 7]}, "output", Charged.UNKNOWN),
        ({"moderation_stage": "late"}, "unknown", Charged.UNKNOWN),
        (None, "unknown", Charged.UNKNOWN),
        ("odd", "unknown", Charged.UNKNOWN),
    ],
)
def test_a_moderation_block_is_free_only_at_the_input(details: object, stage: str, charged: Charged) -> None:
    body = json.dumps(
        {"error": {"code": "moderation_blocked", "message": "No.", "moderation_details": details}}
    )

    failure = classify(400, body.encode(), {})

    assert (failure.stage, failure.charged) == (stage, charged)
    assert set(failure.moderation_categories) <= {"harassment", "violence"}


def test_a_refused_parameter_is_named() -> None:
    failure = classify(400, error("Invalid size.", INVALID, "invalid_value", "size"), {})

    assert (failure.param, failure.code) == ("size", "invalid_value")


def test_a_message_is_cut_to_what_a_failure_may_hold() -> None:
    failure = classify(400, error("word " * 1000), {})

    assert len(failure.message) == 500


def test_an_error_without_a_message_still_says_something() -> None:
    assert (
        classify(500, b'{"error":{"code":"x"}}', {}).message == "The provider answered 500 without a message."
    )
