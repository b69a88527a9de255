"""Refusals in the provider's shape: `{"error": {"message", "type", "param", "code"}}`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

INVALID_REQUEST = "invalid_request_error"


@dataclass
class ApiError(Exception):
    """An answer that is an error body.

    `outcome` is the word the ledger keeps for the call; it defaults to the code.
    """

    status: int
    message: str
    type: str = INVALID_REQUEST
    code: str | None = None
    param: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    outcome: str | None = None

    def body(self) -> dict[str, object]:
        """The JSON body; all four keys are always there, `param` and `code` may be null."""
        error = {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        return {"error": {**error, **self.extra}}

    @property
    def ledger_outcome(self) -> str:
        return self.outcome or self.code or self.type


def bad_request(code: str | None, param: str | None, message: str) -> ApiError:
    return ApiError(400, message, code=code, param=param)


def unsupported_value(param: str, value: object, supported: Sequence[str]) -> ApiError:
    quoted = [f"'{name}'" for name in supported]
    listed = " and ".join(quoted) if len(quoted) < 3 else f"{', '.join(quoted[:-1])}, and {quoted[-1]}"
    return bad_request(
        "invalid_value",
        param,
        f"Invalid value: '{value}'. Supported values are: {listed}.",
    )


def invalid_api_key(key: str) -> ApiError:
    shown = f"{key[:3]}***{key[-2:]}" if len(key) > 8 else "***"
    hint = "You can find your API key at https://platform.openai.com/account/api-keys."
    return ApiError(401, f"Incorrect API key provided: {shown}. {hint}", code="invalid_api_key")


def missing_api_key() -> ApiError:
    return ApiError(
        401,
        "You didn't provide an API key. Send it in an Authorization header using Bearer auth "
        "(i.e. Authorization: Bearer YOUR_KEY).",
        outcome="missing_api_key",
    )


def model_not_found(model: str) -> ApiError:
    message = f"The model `{model}` does not exist or you do not have access to it."
    return ApiError(404, message, code="model_not_found")


def moderation_blocked(stage: str) -> ApiError:
    """The safety system said no at `stage` (`input` or `output`)."""
    return ApiError(
        400,
        "Your request was rejected by the safety system. If you believe this is an error, contact us at "
        "help.openai.com.",
        type="image_generation_user_error",
        code="moderation_blocked",
        extra={
            "moderation_details": {
                "moderation_stage": stage,
                "categories": ["harassment"],
            }
        },
        outcome=f"moderation_{stage}",
    )
