"""CPU and memory of running processes, as the kernel of Linux counts them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12
"""Places in /proc/PID/stat, counted after the name of the program. Source: man 5 proc_pid_stat, 2024-05-02."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Since the processes were started; memory is the sum of their peaks."""

    cpu_s: float
    peak_mb: float


def usage_of(*pids: int) -> Usage:
    """
    Raises:
        ProcessLookupError: one of them has ended.
    """
    each = [_usage_of(pid) for pid in pids]
    return Usage(sum(usage.cpu_s for usage in each), sum(usage.peak_mb for usage in each))


def _usage_of(pid: int) -> Usage:
    folder = Path(f"/proc/{pid}")
    try:
        after_name = (folder / "stat").read_text().rpartition(")")[2].split()
        peak = re.search(r"VmHWM:\s+(\d+) kB", (folder / "status").read_text())
    except FileNotFoundError:
        peak, after_name = None, []
    if peak is None:
        raise ProcessLookupError(f"Process {pid} has ended.")
    ticks = int(after_name[_UTIME]) + int(after_name[_STIME])
    return Usage(ticks / _TICKS_PER_S, int(peak[1]) / 1024)
