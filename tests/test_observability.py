"""What the consumer tells of itself: its counts and whether it is alive."""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from prometheus_client import CollectorRegistry

from locard.ingest.batch import BatchLimits
from locard.ingest.consumer import Consumer
from locard.ingest.counts import ConsumerCounts
from locard.ingest.observability import ConsumerMetrics, Heartbeat, health_server
from locard.redaction import RedactionPool
from locard.schema import CannotContinue, event_json
from making import event
from redactors import FaultyRedactor
from test_consumer import Installation


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
        seconds={"publish": 0.5},
        batches=Counter({0: 1, 2: 1}),
        batched=507,
        fenced=1,
        lag={0: 12, 3: 0},
        lake_files=9,
        in_flight=2,
        in_quarantine=3,
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
        "locard_consumer_commits_fenced_total": 1,
        'locard_consumer_step_seconds_total{step="publish"}': 0.5,
        'locard_consumer_batch_records_bucket{le="10"}': 1,
        'locard_consumer_batch_records_bucket{le="100"}': 1,
        'locard_consumer_batch_records_bucket{le="1000"}': 2,
        'locard_consumer_batch_records_bucket{le="5000"}': 2,
        'locard_consumer_batch_records_bucket{le="20000"}': 2,
        'locard_consumer_batch_records_bucket{le="100000"}': 2,
        'locard_consumer_batch_records_bucket{le="+Inf"}': 2,
        "locard_consumer_batch_records_count": 2,
        "locard_consumer_batch_records_sum": 507,
        'locard_consumer_lag_events{partition="0"}': 12,
        'locard_consumer_lag_events{partition="3"}': 0,
        "locard_consumer_lag_seconds": 0,
        "locard_consumer_in_flight": 2,
        "locard_consumer_quarantine_records": 3,
        "locard_consumer_lake_files": 9,
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


def test_the_age_of_the_oldest_record_grows_until_it_is_published(client, counts):
    """Whoever watches sees at any moment how far the lake is behind."""
    counts.oldest = datetime.now(UTC) - timedelta(seconds=100)
    text = client.get("/metrics").text
    (age,) = re.findall(r"^locard_consumer_lag_seconds (\S+)$", text, re.MULTILINE)
    assert 100 <= float(age) < 200


def test_a_consumer_notes_where_it_stands(tmp_path):
    """What it has done, what waits, and what the lake consists of."""
    installation = Installation(tmp_path)
    installation.append(*(event_json(event()) for _ in range(12)), b"no event")
    counts = installation.consume().counts

    assert (counts.read, counts.published, counts.commits, counts.batched) == (13, 12, 1, 13)
    assert counts.batches == {1: 1}  # more than 10 records, at most 100
    assert counts.seconds.keys() == {"read", "decode", "redact", "publish"}
    assert all(seconds >= 0 for seconds in counts.seconds.values())
    assert (counts.in_flight, counts.oldest, counts.in_quarantine) == (0, None, 1)
    assert sum(counts.lag.values()) == 13  # as of its first look
    assert counts.lake_files == 0


def test_what_waits_has_an_age(tmp_path):
    """From the moment it was appended on."""
    installation = Installation(tmp_path)
    installation.append(event_json(event()))
    with RedactionPool(FaultyRedactor) as pool, installation.log.reader() as reader:
        consumer = Consumer(
            reader, pool, installation.lake, installation.quarantine, limits=BatchLimits(age=3600)
        )
        consumer.run(lambda: consumer.counts.in_flight == 1)
        assert consumer.counts.oldest < datetime.now(UTC)


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
