"""Traces: what was done for a batch, as spans that belong together over processes and days. Off unless an endpoint is set.

A batch of up to `MOST_IN_ONE_TRACE` tasks is one trace: request, batch, plan, tasks, attempts, calls. In a larger one
each task is a trace of its own that is linked to its batch, because no backend shows 200,000 tasks in one. See the ADR.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

MOST_IN_ONE_TRACE = 1000
"""Some four thousand spans of about 500 bytes: Tempo takes 5 MB for one trace by default.
Source: https://grafana.com/docs/tempo/v1.1.x/configuration/ingestion-limit, checked 2026-11-21."""

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Fact = str | int | float | bool

_PARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def valid_parent(header: str | None) -> str | None:
    """A `traceparent` as W3C writes it, or None for anything else.

    Source: https://www.w3.org/TR/trace-context/#traceparent-header, checked 2026-11-21.
    """
    return header if header and _PARENT.fullmatch(header) else None


@dataclass(frozen=True, slots=True)
class TracedTask:
    """Where a task stands among the traces.

    A task takes days, and its attempts are made by many processes, so its span is written at its end, under an id that
    every one of them can tell beforehand.

    Args:
        batch: the `traceparent` of its batch; None: it is not traced.
        total: tasks of the batch.
    """

    batch: str | None
    batch_id: str
    index: int
    total: int

    @property
    def is_alone(self) -> bool:
        """Whether it is a trace of its own, linked to its batch."""
        return self.total > MOST_IN_ONE_TRACE

    @property
    def parent(self) -> str | None:
        """The `traceparent` of its span, under which its attempts stand."""
        if self.batch is None:
            return None
        version, trace_id, _, flags = self.batch.split("-")
        digest = hashlib.sha256(f"{self.batch_id}:{self.index}".encode()).hexdigest()
        return "-".join((version, digest[16:48] if self.is_alone else trace_id, digest[:16], flags))


class Traces:
    """Traces nothing, at no cost; `core.telemetry.otel` does the same and writes it down."""

    @property
    def traceparent(self) -> str | None:
        """Of the span that is open here, to be sent along."""
        return None

    @property
    def trace_id(self) -> str | None:
        """Of the trace that is written here, for logs and exemplars."""
        return None

    @contextmanager
    def span(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        under: str | None = None,
        facts: dict[str, Fact] | None = None,
    ) -> Iterator[None]:
        """A span around a block, below the one that is open, or below the `traceparent` that is given.

        An error that leaves the block is named by its class alone: its words may hold a prompt.
        """
        yield

    def tell(self, facts: dict[str, Fact], failed: str | None = None) -> None:
        """Adds to the span that is open; `failed` names why it has failed."""

    def task(self, task: TracedTask, *, started_at_ms: int, ended_at_ms: int, facts: dict[str, Fact]) -> None:
        """Writes the span of a task that has come to an end."""

    def close(self) -> None:
        """Sends what is left."""
