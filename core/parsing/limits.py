"""How much structure a document may have, whatever its syntax."""

from __future__ import annotations

MAX_DEPTH = 50
"""Levels of nesting; a manifest needs five, and attributes of a row a few more."""

NODE_WEIGHT = 32
MAX_WEIGHT = 64_000_000
"""Of a document with its aliases written out: characters, and 32 for every value. Two million values at most."""
