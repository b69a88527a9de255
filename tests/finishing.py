"""A finisher for tests of what surrounds it."""

from __future__ import annotations

from workers.finishing.finisher import Finisher

FINISHER = Finisher(processes=1, deadline_s=30, memory_bytes=2**31)
