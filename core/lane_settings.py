"""The settings of a lane: a part of `core.settings`, which reads them from the environment."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode

from schemas.lane import Limits
from schemas.model import live_models, refusal_of
from schemas.upscaler import Adapter, lane_defaults, unknown_upscaler


class Group(BaseModel):
    """Settings that belong together."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def words(value: Any) -> Any:
    """`a, b` as a tuple: lists in variables are written with commas."""
    return (
        tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value
    )


def _not_empty(secret: SecretStr) -> SecretStr:
    if not secret.get_secret_value():
        raise ValueError("this must not be empty")
    return secret


Secret = Annotated[SecretStr, AfterValidator(_not_empty)]


class LaneSettings(Group):
    """What shares one rate limit: a provider account and a limit group."""

    adapter: Adapter = Field(
        "openai", description="how the provider is spoken to; `stability` is an upscaler"
    )
    base_url: str = Field(
        "https://api.openai.com/v1",
        description="address of the Images API, with its version; for `stability` https://api.stability.ai unless set",
    )
    api_key: Secret = Field(description="the account's key")
    models: Annotated[tuple[str, ...], NoDecode, BeforeValidator(words)] = Field(
        default_factory=lambda: tuple(model.name for model in live_models()),
        description="models this lane serves, with commas; all that its provider has unless named",
    )
    group: str | None = Field(
        None, description="name that lanes share which share their work, each with an account of its own"
    )
    requests_per_minute: float | None = Field(
        None, gt=0, description="the account's limit; none: not limited, but 900 for `stability`"
    )
    images_per_minute: float | None = Field(None, gt=0, description="the account's limit; none: not limited")
    tokens_per_minute: float | None = Field(None, gt=0, description="the account's limit; none: not limited")
    max_concurrency: int = Field(1000, ge=1, le=100_000, description="calls in flight over all workers")
    admin_key: Secret | None = Field(
        None,
        description="admin key that may read the account's usage, to resolve doubts; none: they are not asked",
    )
    api_key_id: str | None = Field(
        None,
        description="the provider's id of `api_key`, `key_...`; none: all pictures of the account are counted",
    )
    usage_lag_s: float = Field(
        600.0, ge=0, le=86_400, description="how long after a call the account's usage is believed"
    )
    references: Literal["upload", "url"] = Field(
        "upload",
        description="how reference pictures are sent: as files, or as links that the provider reads from storage by itself",
    )

    @model_validator(mode="before")
    @classmethod
    def _by_adapter(cls, told: Any) -> Any:
        return lane_defaults(told.get("adapter")) | told if isinstance(told, dict) else told

    @field_validator("models")
    @classmethod
    def _live(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        look = unknown_upscaler if info.data.get("adapter") == "stability" else refusal_of
        if refusals := [refusal for name in names if (refusal := look(name))]:
            raise ValueError(refusals[0])
        return names

    @field_validator("admin_key", "references")
    @classmethod
    def _can(cls, told: Any, info: ValidationInfo) -> Any:
        if told not in (None, "upload") and info.data.get("adapter") != "openai":
            raise ValueError("this provider has no usage report and reads no links; leave it out")
        return told

    @property
    def limits(self) -> Limits:
        return Limits(
            requests_per_minute=self.requests_per_minute,
            images_per_minute=self.images_per_minute,
            tokens_per_minute=self.tokens_per_minute,
        )
