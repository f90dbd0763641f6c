"""What every benchmark prints, and how it measures."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable


class Report:
    """Prints one figure a line, as JSON.

    Args:
        bench: the benchmark's name.
    """

    def __init__(self, bench: str) -> None:
        self._bench = bench

    def figure(
        self, case: str, metric: str, value: float, unit: str, aim: str | None = None
    ) -> None:
        """Print a figure; `aim` is such as `>=50`, or `None` where there is none."""
        line = {
            "bench": self._bench,
            "case": case,
            "metric": metric,
            "value": float(f"{value:.4g}"),
            "unit": unit,
            "aim": aim,
        }
        print(json.dumps(line), flush=True)


def best_seconds(work: Callable[[], object], repeats: int) -> float:
    """Return the shortest time of several runs: the one that other processes disturbed least."""
    times = []
    for _ in range(repeats):
        gc.collect()
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)
