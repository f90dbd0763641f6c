"""What the collector tells of itself. Labels are of closed sets: no name that anybody sent."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from locard.ingest.spool import SpooledWriter


class CollectorMetrics:
    """What the collector did since it started.

    `lane` is the way in: `recorder` for `/v1/events`, `otlp_trace` and `otlp_log` for OTLP.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.accepted = self._counter(
            "events_accepted", "Events that are durable in the event log.", "lane"
        )
        self.rejected = self._counter(
            "events_rejected",
            "Events, spans and log records that were refused for good.",
            "lane",
            "error_class",
        )
        self.unverified = self._counter(
            "events_unverified",
            "Accepted events of which it is not certain who sent them.",
            "reason",
        )
        self.refused_claims = self._counter(
            "claims_refused", "Events that named another workflow or agent.", "error_class"
        )
        self.rate_limited = self._counter(
            "requests_rate_limited", "Requests that came too soon after others.", "lane"
        )
        self.requests = self._counter(
            "requests", "Requests with events, by the status of the answer.", "lane", "status"
        )
        self.append_seconds = Histogram(
            "locard_collector_append_seconds",
            "How long the event log took to make the events of one request durable.",
            registry=self.registry,
        )

    def show_spool(self, writer: SpooledWriter) -> None:
        """Show, too, how much waits in a spool, and whether the log was reached last time."""
        for name, told, look in (
            ("spool_bytes", "What waits on this disk for the log.", writer.spooled_bytes),
            (
                "log_reachable",
                "Whether the log took what it was last given.",
                lambda: writer.is_reachable,
            ),
        ):
            gauge = Gauge(f"locard_collector_{name}", told, registry=self.registry)
            gauge.set_function(look)

    def _counter(self, name: str, told: str, *labels: str) -> Counter:
        return Counter(f"locard_collector_{name}", told, labels, registry=self.registry)
