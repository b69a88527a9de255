"""The error bodies of the faults that refuse or fail a call."""

from collections.abc import Callable, Mapping

from simulator.contract.errors import ApiError, model_not_found
from simulator.faults import Kind, Rule
from simulator.limits import duration, rate_limit_error


def refusal(rule: Rule, model: str) -> ApiError:
    """What a rule of a refusing or failing kind answers; the ledger's outcome is the kind."""
    error = _ERRORS[rule.kind](rule, model)
    error.outcome = rule.kind.value
    return error


def _rate_limit(rule: Rule, model: str) -> ApiError:
    wait_s = 1.0 if rule.retry_after_s is None else rule.retry_after_s
    message = (
        f"Rate limit reached for {model} (for limit gpt-image) on input-images per min: Limit 250, Used 250, "
        f"Requested 1. Please try again in {duration(wait_s)}."
    )
    return rate_limit_error(message, type_="input-images", wait_s=wait_s)


def _rate_limit_bare(rule: Rule, model: str) -> ApiError:
    return ApiError(429, f"Rate limit reached for {model}.", "requests", "rate_limit_exceeded")


def _slow_down(rule: Rule, model: str) -> ApiError:
    message = (
        "Slow down. Your request rate rose too fast; lower it, hold it for at least 15 minutes, then ramp up."
    )
    return ApiError(429, message, "requests", "slow_down")


def _quota(rule: Rule, model: str) -> ApiError:
    message = "You exceeded your current quota, please check your plan and billing details."
    return ApiError(429, message, "insufficient_quota", rule.code)


def _bad_request(rule: Rule, model: str) -> ApiError:
    return ApiError(
        400,
        "The request was refused by the fault script.",
        code="invalid_value",
        param="prompt",
    )


def _unverified(rule: Rule, model: str) -> ApiError:
    message = (
        f"Your organization must be verified to use the model `{model}`. Please go to: "
        "platform.openai.com/settings/organization/general and click on Verify Organization. If you just verified, "
        "it can take up to 15 minutes for access to propagate."
    )
    return ApiError(403, message)


def _model_404(rule: Rule, model: str) -> ApiError:
    return model_not_found(model)


def _error_500(rule: Rule, model: str) -> ApiError:
    return ApiError(
        500,
        "Image generation failed",
        "image_generation_server_error",
        "image_generation_failed",
    )


def _error_503(rule: Rule, model: str) -> ApiError:
    hint = {} if rule.retry_after_s is None else {"retry-after": str(max(1, round(rule.retry_after_s)))}
    return ApiError(
        503,
        "The model is overloaded.",
        "server_error",
        "server_is_overloaded",
        headers=hint,
    )


def _error_in_200(rule: Rule, model: str) -> ApiError:
    error = _rate_limit(rule, model)
    error.status, error.headers = 200, {}
    return error


_ERRORS: Mapping[Kind, Callable[[Rule, str], ApiError]] = {
    Kind.RATE_LIMIT: _rate_limit,
    Kind.RATE_LIMIT_BARE: _rate_limit_bare,
    Kind.SLOW_DOWN: _slow_down,
    Kind.QUOTA: _quota,
    Kind.BAD_REQUEST_400: _bad_request,
    Kind.UNVERIFIED_403: _unverified,
    Kind.MODEL_404: _model_404,
    Kind.ERROR_500: _error_500,
    Kind.ERROR_503: _error_503,
    Kind.ERROR_IN_200: _error_in_200,
}
