"""Where Redis is: at one address, or wherever Sentinels say that the primary is now."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """
    Args:
        url: redis:// or rediss://; beside Sentinels its host and port are not used, the rest is.
        sentinels: host and port of each; empty: there are none.
        primary: the name under which they know the primary.
    """

    url: str = field(repr=False)
    sentinels: tuple[tuple[str, int], ...] = ()
    primary: str = ""

    @classmethod
    def of(cls, address: RedisAddress | str) -> RedisAddress:
        """An address that may be written as a URL."""
        return cls(address) if isinstance(address, str) else address


def is_redis_url(text: str) -> bool:
    """Whether redis-py can read an address such as `redis://:password@host:6379/0`."""
    try:
        found = urlsplit(text)
        return found.scheme in ("redis", "rediss") and (found.port is None or found.port > 0)
    except ValueError:
        return False
