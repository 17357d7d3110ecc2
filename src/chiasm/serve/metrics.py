"""Counts of a server in the text format of Prometheus."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter

__all__ = ["Metrics"]

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histogram of times, seconds."""


class Metrics:
    """How many requests a route had by status, and how long they took. Routes are patterns, never what was asked."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._counts: Counter[tuple[str, int]] = Counter()
        self._times: dict[str, list[int]] = {}
        self._seconds: Counter[str] = Counter()

    def seen(self, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        with self._guard:
            self._counts[route, status] += 1
            self._times.setdefault(route, [0] * (len(BOUNDS) + 1))[bisect_left(BOUNDS, seconds)] += 1
            self._seconds[route] += seconds  # type: ignore[assignment]

    def text(self, gauges: dict[str, float]) -> str:
        """All of it, and some values of now by their names."""
        lines = ["# TYPE chiasm_requests_total counter"]
        with self._guard:
            for (route, status), n in sorted(self._counts.items()):
                lines.append(f'chiasm_requests_total{{route="{route}",status="{status}"}} {n}')
            lines.append("# TYPE chiasm_request_seconds histogram")
            for route, counts in sorted(self._times.items()):
                total = 0
                for bound, n in zip((*BOUNDS, "+Inf"), counts, strict=True):
                    total += n
                    lines.append(f'chiasm_request_seconds_bucket{{route="{route}",le="{bound}"}} {total}')
                lines.append(f'chiasm_request_seconds_sum{{route="{route}"}} {self._seconds[route]:.6f}')
                lines.append(f'chiasm_request_seconds_count{{route="{route}"}} {total}')
        for name, value in sorted(gauges.items()):
            lines += [f"# TYPE chiasm_{name} gauge", f"chiasm_{name} {value:g}"]
        return "\n".join(lines) + "\n"
