"""Takes out of a provider's sentence what may not be kept: the prompt, keys, signed links, and picture data."""

from __future__ import annotations

import re

LONGEST_MESSAGE = 500

_KEY = re.compile(r"\b(?:sk|sess|pk)-[\w*.…-]{2,}|(?<=Bearer )\S+|(?<=[Kk]ey provided: )\S+")
_LINK = re.compile(r"(?:https?:)?//\S*\?\S*|\S*X-Amz-\S*", re.IGNORECASE)
_DATA = re.compile(r"[A-Za-z0-9+/_-]{64,}={0,2}")
_READ_CHARACTERS = 4 * LONGEST_MESSAGE
_QUOTED_CHARACTERS = 16
_SHORTEST_KEY = 8


def redacted(text: str, *, prompt: str = "", key: str = "") -> str:
    """`text` on one line and at most LONGEST_MESSAGE characters long, without secrets.

    A provider may quote the prompt whole or in part: every run of 16 or more of its characters goes.
    """
    text = " ".join(text[:_READ_CHARACTERS].split())
    if len(key) >= _SHORTEST_KEY:
        text = text.replace(key, "[key]")
    text = _DATA.sub("[data]", _KEY.sub("[key]", _LINK.sub("[link]", text)))
    return _without_quotes(text, " ".join(prompt.split()))[:LONGEST_MESSAGE]


def _without_quotes(text: str, prompt: str) -> str:
    """`text` without the parts that stand in `prompt` too; a short prompt goes where it stands as a whole."""
    if len(prompt) < _QUOTED_CHARACTERS:
        return re.sub(rf"(?<!\w){re.escape(prompt)}(?!\w)", "[prompt]", text) if prompt else text
    kept, at = [], 0
    while at < len(text):
        end = _end_of_quote(text, at, prompt)
        kept.append("[prompt]" if end > at else text[at])
        at = max(end, at + 1)
    return "".join(kept)


def _end_of_quote(text: str, start: int, prompt: str) -> int:
    """Where the run of prompt characters that begins at `start` ends; `start` if none is long enough."""
    end = start + _QUOTED_CHARACTERS
    if end > len(text) or text[start:end] not in prompt:
        return start
    while end < len(text) and text[start : end + 1] in prompt:
        end += 1
    return end
