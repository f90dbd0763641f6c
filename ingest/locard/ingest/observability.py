"""What the consumer tells of itself: Prometheus metrics, and whether it is alive.

Counts alone. No label carries anything that was read from an event but names of closed sets.
"""

from __future__ import annotations

import logging
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from itertools import accumulate
from typing import Any, ClassVar, Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from locard.ingest.counts import BATCH_SIZES, ConsumerCounts
from locard.schema import CannotContinue, utc_now

log = logging.getLogger(__name__)

_LONGEST_SILENCE: Final = 120.0  # seconds; one step of the consumer publishes a batch at most


class ConsumerMetrics(Collector):
    """Shows a consumer's counts as they are at the moment of the scrape."""

    def __init__(self, counts: ConsumerCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """Yield one family for each count."""
        counts = self._counts
        for name, told, count in (
            ("records_read", "Records read from the event log.", counts.read),
            ("events_published", "Events published to the lake.", counts.published),
            ("commits", "Commits made to the lake.", counts.commits),
            ("records_expired", "Records that left the log unread.", counts.expired),
            ("commits_fenced", "Commits refused, as another had published.", counts.fenced),
        ):
            yield CounterMetricFamily(f"locard_consumer_{name}", told, count)
        yield _by_label("step_seconds", "What each step took.", "step", counts.seconds)
        yield _batch_sizes(counts)
        yield from _state(counts)
        yield _by_label(
            "events_quarantined",
            "Records put into quarantine, by why.",
            "error_class",
            counts.quarantined,
        )
        yield _by_label(
            "redactions",
            "Replaced pieces of personal data, by type.",
            "entity_type",
            counts.redactions,
        )


def _state(counts: ConsumerCounts) -> Iterator[Metric]:
    """Yield what the consumer said last of where it stands; ages are as of now."""
    lag = GaugeMetricFamily(
        "locard_consumer_lag_events",
        "Records in the log that are not in the lake, some seconds ago.",
        labels=["partition"],
    )
    for partition, count in sorted(dict(counts.lag).items()):
        lag.add_metric([str(partition)], count)
    yield lag
    oldest = counts.oldest
    age = max(0.0, (utc_now() - oldest).total_seconds()) if oldest else 0.0
    for name, told, value in (
        ("lag_seconds", "Age of the oldest record that was read and is not published.", age),
        ("in_flight", "Records that were read and are not published.", counts.in_flight),
        ("quarantine_records", "Records in quarantine.", counts.in_quarantine),
        ("lake_files", "Files that the lake consists of.", counts.lake_files),
    ):
        yield GaugeMetricFamily(f"locard_consumer_{name}", told, value)


def _batch_sizes(counts: ConsumerCounts) -> HistogramMetricFamily:
    sizes = dict(counts.batches)
    bounds = [*map(str, BATCH_SIZES), "+Inf"]
    so_far = accumulate(sizes.get(index, 0) for index in range(len(bounds)))
    return HistogramMetricFamily(
        "locard_consumer_batch_records",
        "Records of each batch that was published.",
        buckets=list(zip(bounds, so_far, strict=True)),
        sum_value=counts.batched,
    )


def _by_label(name: str, told: str, label: str, tally: Mapping[str, float]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"locard_consumer_{name}", told, labels=[label])
    # The consumer goes on counting on its own thread: copy, in one step, what is there.
    for value, count in sorted(dict(tally).items()):
        family.add_metric([value], count)
    return family


class Heartbeat:
    """When the consumer last went round its loop; alive while that is not long ago.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()

    def beat(self) -> None:
        """Note that the loop goes round."""
        self._last = self._clock()

    def is_alive(self) -> bool:
        """Say whether the loop went round lately."""
        return self._clock() - self._last < _LONGEST_SILENCE


@contextmanager
def health_server(
    host: str, port: int, registry: CollectorRegistry, is_alive: Callable[[], bool]
) -> Iterator[int]:
    """Serve `/metrics` and `/healthz` from a thread while the block runs; yields the port.

    Args:
        port: 0 takes a free one.
        is_alive: asked for each `/healthz`; 503 where it is not.

    Raises:
        CannotContinue: the port cannot be listened on.
    """

    class Handler(_Handler):
        pages: ClassVar = {
            "/metrics": lambda: (HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(registry)),
            "/healthz": lambda: _health(is_alive()),
        }

    try:
        server = (_ServerV6 if ":" in host else _Server)((host, port), Handler)
    except OSError as error:
        raise CannotContinue(
            f"port {port} of {host} cannot be listened on: {error.strerror}; free it or choose "
            "another with --health-port"
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="locard-health", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


_Page = tuple[HTTPStatus, str, bytes]


def _health(is_alive: bool) -> _Page:
    if is_alive:
        return HTTPStatus.OK, "application/json", b'{"status": "alive"}'
    told = f'{{"error": "the service has not moved for {_LONGEST_SILENCE:.0f} s; see its log"}}'
    return HTTPStatus.SERVICE_UNAVAILABLE, "application/json", told.encode()


class _Handler(BaseHTTPRequestHandler):
    """Answers GET with one of its pages."""

    pages: ClassVar[dict[str, Callable[[], _Page]]]
    timeout = 10  # a silent client must not hold its thread for ever
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        page = self.pages.get(self.path.split("?")[0])
        nothing = (HTTPStatus.NOT_FOUND, "application/json", b'{"error": "there is no such page"}')
        status, media_type, body = page() if page else nothing
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """Do not tell versions."""
        return "locard"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the interface's name
        """Write no line for each scrape."""


class _Server(socketserver.ThreadingTCPServer):
    """Not `http.server`'s own, which asks the name service for this machine's name."""

    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Print no traceback: the client went away, mostly."""
        log.debug("a health request failed: %s", type(sys.exception()).__name__)


class _ServerV6(_Server):
    address_family = socket.AF_INET6
