"""What the sealer tells of itself: how far it is, and how long events wait to be sealed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_PREFIX: Final = "locard_sealer"


@dataclass
class SealerCounts:
    """What a sealer has done since it started.

    Args:
        latency: seconds from the oldest commit of the last checkpoint to that checkpoint.
        waiting: versions of the lake that are not sealed, at the last look.
        entries: of the log.
    """

    rows: int = 0
    segments: int = 0
    mismatches: int = 0
    entries: int = 0
    waiting: int = 0
    latency: float = 0.0


class SealerMetrics(Collector):
    """Shows a sealer's counts as they are at the moment of the scrape."""

    def __init__(self, counts: SealerCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """Yield one family for each count."""
        counts = self._counts
        for name, told, count in (
            ("events_sealed", "Events that a checkpoint covers since the start.", counts.rows),
            ("segments_sealed", "Segments, likewise.", counts.segments),
            ("mismatches", "Segments that were altered before sealing.", counts.mismatches),
        ):
            yield CounterMetricFamily(f"{_PREFIX}_{name}", told, count)
        for name, told, value in (
            ("log_entries", "Entries of the transparency log.", counts.entries),
            ("versions_waiting", "Versions of the lake that are not sealed.", counts.waiting),
            ("latency_seconds", "From commit to checkpoint, the last time.", counts.latency),
        ):
            yield GaugeMetricFamily(f"{_PREFIX}_{name}", told, value)
