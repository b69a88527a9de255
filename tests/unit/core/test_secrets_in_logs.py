"""What logs leave out: keys in every form that is made here, and what addresses say before their host."""

from __future__ import annotations

import pytest

from core.telemetry.logs import redacted


@pytest.mark.parametrize(
    "secret",
    [
        "redis://:of-the-redis@10.0.0.1:6379/0",
        "redis://user:of-the-redis@10.0.0.1:6379/0",
        "rediss://:of-the-redis@sign@10.0.0.1:6379/0",
        "https://of-the-redis@example.com/photo.jpg",
        "dk_of-the-redis_Zx81kKq0aa",
        "darkroom_live_of-the-redis_Zx81kKq0aa",
        "sk-of-the-redis",
        "Bearer of-the-redis",
    ],
)
def test_a_secret_in_a_sentence_is_cut_out(secret: str) -> None:
    cleaned = redacted(f"{secret} does not answer.")
    assert "of-the-redis" not in cleaned
    assert cleaned.endswith("does not answer.")


@pytest.mark.parametrize(
    "harmless",
    [
        "https://example.com/@shop/photo.jpg",
        "redis://10.0.0.1:6379/0 does not answer",
        "tasks_dk_denmark_of_the_summer",
        '["//cdn.example.com","somebody@example.com"]',
    ],
)
def test_what_is_no_secret_stays(harmless: str) -> None:
    assert redacted(harmless) == harmless
