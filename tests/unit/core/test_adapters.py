"""What a lane is told by how its provider is spoken to."""

from __future__ import annotations

from typing import Any

import pytest

from core.lane_settings import LaneSettings
from core.settings import Settings, SettingsError, load_settings


def settings(**lane: Any) -> Settings:
    return load_settings(storage={"url": "file:///pictures"}, lanes={"big": {"api_key": "key", **lane}})


def lane(**told: Any) -> LaneSettings:
    return settings(**told).lanes["big"]


def test_a_lane_speaks_the_images_api_unless_told_otherwise() -> None:
    found = lane()
    assert (found.adapter, found.base_url) == ("openai", "https://api.openai.com/v1")
    assert "gpt-image-2" in found.models
    assert "stable-fast-upscale" not in found.models


def test_an_upscaler_has_its_own_address_models_and_limit() -> None:
    found = lane(adapter="stability")
    assert (found.base_url, found.models) == ("https://api.stability.ai", ("stable-fast-upscale",))
    assert found.limits.requests_per_minute == 900
    assert settings(adapter="stability").serving("stable-fast-upscale") == ("big",)


def test_what_is_said_of_a_lane_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_STORAGE__URL", "file:///pictures")
    monkeypatch.setenv("DARKROOM_LANES__BIG__ADAPTER", "stability")
    monkeypatch.setenv("DARKROOM_LANES__BIG__API_KEY", "key")
    monkeypatch.setenv("DARKROOM_LANES__BIG__BASE_URL", "http://127.0.0.1:8100")
    monkeypatch.setenv("DARKROOM_LANES__BIG__REQUESTS_PER_MINUTE", "30")
    found = load_settings().lanes["big"]
    assert (found.base_url, found.requests_per_minute) == ("http://127.0.0.1:8100", 30)
    assert found.models == ("stable-fast-upscale",)


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ({"adapter": "stability", "models": "gpt-image-2"}, "There is no upscaler 'gpt-image-2'"),
        ({"models": "stable-fast-upscale"}, "There is no model 'stable-fast-upscale'"),
        ({"adapter": "stability", "admin_key": "sk-admin"}, "has no usage report"),
        ({"adapter": "stability", "references": "url"}, "reads no links"),
        ({"adapter": "nobody"}, "ADAPTER"),
    ],
)
def test_what_does_not_fit_its_provider_is_refused(told: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        lane(**told)
