"""Canaries: words that must not be met again where they do not belong, however they are written there."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator

SECRETS = {
    name: f"canary{name.replace('_', '')}7f3a91c2d4"
    for name in (
        "api_key", "admin_key", "caller_key", "wrong_key", "s3_secret", "redis_password", "link_token",
        "wrong_password", "collector_key", "endpoint_password", "kept_key",
    )
}  # fmt: skip
PROMPT = "a velvety zephyr orchard canaryprompt5e8b17 under three copper moons"
PROMPTS = {"prompt": "canaryprompt5e8b17", "words of the prompt": "velvety zephyr orchard"}


def met(words: dict[str, str], places: Iterable[tuple[str, bytes]]) -> list[str]:
    """Which of the words stand where, plainly, in base64 or as hexadecimal."""
    written = {name: list(ways(word)) for name, word in words.items()}
    return [
        f"{name} in {where}"
        for where, text in places
        for name, forms in written.items()
        if any(form in text.lower() if form.islower() else form in text for form in forms)
    ]


def ways(word: str) -> Iterator[bytes]:
    """The word as it may be written; in base64 it looks different by where it begins."""
    yield word.encode()
    yield word.encode().hex().encode()
    for before in range(3):
        coded = base64.b64encode(b"-" * before + word.encode()).rstrip(b"=")
        yield coded[(8 * before + 5) // 6 : -1]
