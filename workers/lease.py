"""The lease of this worker, renewed from a thread of its own: a busy event loop must not lose paid work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from redis import Redis
from redis.exceptions import RedisError

from core.state.scripts import text_of

_log = structlog.get_logger()


class LeaseKeeper:
    """Renews until it is stopped. While Redis does not answer it goes on trying."""

    def __init__(
        self,
        client: Redis,
        worker: str,
        *,
        lease_s: float,
        renew_s: float,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._script = client.register_script(text_of("renew"))
        self._worker = worker
        self._lease_ms = int(lease_s * 1000)
        self._renew_s = renew_s
        self._on_lost = on_lost
        self._covered: set[str] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def start(self) -> None:
        """Takes the lease now and renews it from then on.

        Raises:
            RedisError: Redis did not answer the first time.
        """
        self._renew()
        self._thread.start()

    @contextmanager
    def covering(self, key: str) -> Iterator[None]:
        """Within this block the key lasts as long as the lease, and when this process dies it is gone with it."""
        self._covered.add(key)
        try:
            yield
        finally:
            self._covered.discard(key)

    def stop(self) -> None:
        """Gives the lease back: claims that are left are taken back by others at once."""
        self._stopped.set()
        self._thread.join(timeout=self._renew_s + 1)
        try:
            self._renew(lease_ms=0)
        except (RedisError, OSError) as error:
            _log.warning("lease.delayed", worker=self._worker, reason=type(error).__name__)
        self._client.close()

    def _run(self) -> None:
        while not self._stopped.wait(self._renew_s):
            try:
                if not self._renew():
                    _log.warning("lease.lost", worker=self._worker)
                    self._on_lost()
            except (RedisError, OSError) as error:
                _log.warning("lease.delayed", worker=self._worker, reason=type(error).__name__)

    def _renew(self, lease_ms: int | None = None) -> bool:
        lease_ms = self._lease_ms if lease_ms is None else lease_ms
        for key in tuple(self._covered):
            self._client.pexpire(key, lease_ms)
        return bool(self._script(args=(self._worker, lease_ms)))
