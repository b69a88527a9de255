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

    @property
    def remedy(self) -> str:
        """What to do where nothing answers. Without user and password."""
        if self.sentinels:
            places = ", ".join(f"{host}:{port}" for host, port in self.sentinels)
            return f"see to the Sentinels at {places}, or name others in DARKROOM_REDIS__SENTINELS"
        found = urlsplit(self.url)
        place = f"{found.hostname or 'localhost'}:{found.port or 6379}"
        return f"see to the server at {place}, or name another in DARKROOM_REDIS__URL"

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
