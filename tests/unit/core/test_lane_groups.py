"""Groups of lanes in the settings."""

from __future__ import annotations

from typing import Any

import pytest

from core.settings import SettingsError, load_settings


def lane(**more: Any) -> dict[str, Any]:
    return {"api_key": "key", "models": ("gpt-image-2",), **more}


def settings(**lanes: dict[str, Any]) -> Any:
    return load_settings(storage={"url": "file:///pictures"}, lanes=lanes)


def test_a_lane_without_a_group_is_a_group_by_itself() -> None:
    made = settings(west=lane(), east=lane(group="pool"), north=lane(group="pool"))
    assert made.groups == {"pool": ("east", "north"), "west": ("west",)}
    assert made.serving("gpt-image-2") == ("pool", "west")
    assert made.serving("gpt-image-2.6-flare") == ()


def test_the_limits_of_a_group_are_those_of_its_accounts_together() -> None:
    made = settings(
        east=lane(group="pool", images_per_minute=50, tokens_per_minute=1000),
        west=lane(group="pool", images_per_minute=250),
    )
    assert made.limits["pool"].images_per_minute == 300
    assert made.limits["pool"].tokens_per_minute is None


def test_lanes_of_a_group_serve_the_same_models() -> None:
    with pytest.raises(SettingsError, match="the lanes of group 'pool' serve different models"):
        settings(east=lane(group="pool"), west=lane(group="pool", models=("gpt-image-2.6-flare",)))


def test_a_group_is_not_named_like_a_lane() -> None:
    with pytest.raises(SettingsError, match="'west' is the name of a lane and of a group"):
        settings(east=lane(group="west"), west=lane())
