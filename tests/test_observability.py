"""What the consumer tells of itself: its counts and whether it is alive."""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry

from locard.ingest.consumer import ConsumerCounts
from locard.ingest.observability import ConsumerMetrics, Heartbeat, health_server
from locard.schema import CannotContinue


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def counts() -> ConsumerCounts:
    """Counts of a consumer that has worked."""
    return ConsumerCounts(
        read=7,
        published=4,
        quarantined=Counter({"json_syntax": 2, "redaction_timeout": 1}),
        commits=2,
        expired=1,
        redactions=Counter({"IBAN_CODE": 3}),
    )


@pytest.fixture
def clock() -> Clock:
    """A clock at zero."""
    return Clock()


@pytest.fixture
def client(counts, clock) -> Iterator[httpx.Client]:
    """A client of the health server of a consumer with these counts and this clock."""
    registry = CollectorRegistry()
    registry.register(ConsumerMetrics(counts))
    heartbeat = Heartbeat(clock)
    with (
        health_server("127.0.0.1", 0, registry, heartbeat.is_alive) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        yield client


def test_metrics_are_the_counts_of_the_moment(client, counts):
    """Each scrape shows what the consumer has counted by then, under stable names."""
    expected = {
        "locard_consumer_records_read_total": 7,
        "locard_consumer_events_published_total": 4,
        'locard_consumer_events_quarantined_total{error_class="json_syntax"}': 2,
        'locard_consumer_events_quarantined_total{error_class="redaction_timeout"}': 1,
        "locard_consumer_commits_total": 2,
        "locard_consumer_records_expired_total": 1,
        'locard_consumer_redactions_total{entity_type="IBAN_CODE"}': 3,
    }
    response = client.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain")
    shown = dict(re.findall(r"^(locard\S+) (\S+)$", response.text, re.MULTILINE))
    assert {name: float(value) for name, value in shown.items()} == expected
    counts.read = 8
    counts.quarantined["invalid_event"] += 1
    text = client.get("/metrics").text
    assert "locard_consumer_records_read_total 8.0" in text
    assert 'locard_consumer_events_quarantined_total{error_class="invalid_event"} 1.0' in text


def test_a_consumer_that_does_not_move_is_not_alive(clock):
    """A heartbeat is alive from its start until its loop has not gone round for too long."""
    heartbeat = Heartbeat(clock)
    alive = []
    for clock.now in (0.0, 119.0, 121.0):
        alive.append(heartbeat.is_alive())
    heartbeat.beat()
    assert [*alive, heartbeat.is_alive()] == [True, True, False, True]


def test_health_is_503_once_the_consumer_stands_still(client, clock):
    """`/healthz` answers 200 while the consumer moves, and 503 with one line when it does not."""
    moving = client.get("/healthz")
    clock.now = 1_000.0
    still = client.get("/healthz?verbose=1")
    assert (moving.status_code, still.status_code) == (200, 503)
    assert still.json().keys() == {"error"}


def test_there_are_no_other_pages_and_no_versions(client):
    """Other paths are a 404, and the headers do not say which software in which version this is."""
    response = client.get("/etc/passwd")
    assert response.status_code == 404
    assert response.headers["Server"] == "locard"


def test_a_taken_port_is_told():
    """A port that something else listens on is an error that names it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(CannotContinue, match=str(port)),
            health_server("127.0.0.1", port, CollectorRegistry(), lambda: True),
        ):
            pass
