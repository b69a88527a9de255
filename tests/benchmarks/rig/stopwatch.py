"""A stopwatch in a process that does one thing, and what it tells the process that asked."""

from __future__ import annotations

import json
import os
import time

from tests.benchmarks.rig.usage import usage_of


class Stopwatch:
    """Runs from the moment it is made."""

    def __init__(self) -> None:
        self._began_s, self._began_cpu_s = time.perf_counter(), time.process_time()

    def tell(self, rows: int) -> None:
        """Prints a line of JSON: the rows, seconds of the processor and of the clock, and the peak of the memory in MB."""
        told = {
            "rows": rows,
            "cpu_s": time.process_time() - self._began_cpu_s,
            "wall_s": time.perf_counter() - self._began_s,
            "peak_mb": usage_of(os.getpid()).peak_mb,
        }
        print(json.dumps(told))
