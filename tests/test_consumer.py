"""The consumer: every record ends in the lake or in quarantine, and nothing raw ends anywhere."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable

from eventlogs import LogUnderTest, expire, polls, read_all
from locard.ingest.batch import DEFAULT_LIMITS, Batch, BatchLimits
from locard.ingest.consumer import Consumer
from locard.ingest.eventlog import RawRecord, outgoing
from locard.ingest.eventlog.embedded import EmbeddedReader
from locard.ingest.lake import LakeWriter
from locard.ingest.quarantine import Quarantine, unsealed
from locard.redaction import Keyring, RedactionPool
from locard.schema import (
    Event,
    Fenced,
    RetryableError,
    event_json,
    event_object,
    validate_event,
)
from locard.schema.arrow import events_of_table
from making import event, redacted
from redactors import FaultyRedactor

CANARY = "CANARY-e2d9"
NOW = datetime(2026, 5, 4, 9, 32, tzinfo=UTC)


class Installation:
    """A log, a lake, a quarantine and keys in one directory, and consumers on them."""

    def __init__(self, path: Path, kafka: str | None = None) -> None:
        self.path = path
        self.log = LogUnderTest(path, kafka)
        self.keyring = Keyring.open_or_create(path / "keys")
        self.lake = LakeWriter(path / "lake")
        self.quarantine = Quarantine(path / "quarantine", self.keyring.quarantine_public_key())

    def append(self, *values: bytes) -> None:
        """Append raw values to one partition."""
        self.log.append(*values)

    def consume(self, limits: BatchLimits = DEFAULT_LIMITS, pause=lambda _: None) -> Consumer:
        """Work off what is in the log."""
        pool = RedactionPool(FaultyRedactor, seconds_per_event=0.5)
        with pool, self.log.reader() as reader:
            consumer = Consumer(
                reader, pool, self.lake, self.quarantine, limits=limits, pause=pause
            )
            try:
                consumer.run_once()
            finally:
                self.last = consumer
        return consumer

    def rows(self) -> dict[tuple[int, int], Event]:
        """Return the event of each row of the lake, by partition and offset, offsets in order."""
        table = DeltaTable(self.path / "lake").to_pyarrow_table().sort_by("log_offset")
        places = (table.column(name).to_pylist() for name in ("log_partition", "log_offset"))
        return dict(zip(zip(*places, strict=True), events_of_table(table), strict=True))

    def stored(self) -> list[Event]:
        """Return the events in the lake that are not in quarantine, by offset."""
        put_away = {(record.partition, record.offset) for record in self.quarantine}
        return [event for place, event in self.rows().items() if place not in put_away]

    def bytes_outside_the_log(self) -> bytes:
        """Return every byte that the installation keeps, but for the raw log itself."""
        files = (path for path in self.path.rglob("*") if path.is_file())
        return b"".join(path.read_bytes() for path in files if "log.sqlite" not in path.name)


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def installation(request, tmp_path):
    """An installation on each kind of log."""
    kafka = request.getfixturevalue("kafka_bootstrap") if request.param == "kafka" else None
    return Installation(tmp_path, kafka)


@pytest.fixture
def embedded(tmp_path):
    """An installation on the embedded log."""
    return Installation(tmp_path)


def with_canary(**core) -> bytes:
    """Return a valid event whose content holds the canary."""
    body = {"tool_name": "t", "sighting": "executed", "arguments": {"note": CANARY, CANARY: 1}}
    return event_json(event("tool_call", body, **core))


FAULTY_RECORDS = {
    "json_syntax": f'{{"kind": "{CANARY}'.encode(),
    "json_encoding": CANARY.encode() + b"\xff",
    "json_duplicate_key": f'{{"{CANARY}": 1, "{CANARY}": 2}}'.encode(),
    "json_too_deep": b"[" * 5_000 + CANARY.encode(),
    "invalid_event": f'{{"kind": "prompt", "body": "{CANARY}", "{CANARY}": 1}}'.encode(),
    "redaction_error": with_canary(call_id="raise"),
    "redaction_timeout": with_canary(call_id="hang"),
    "redaction_crash": with_canary(call_id="crash"),
}


def test_good_records_reach_the_lake_and_bad_ones_quarantine(installation, caplog, capfd):
    """Of a log with every kind of bad record, each one is kept, none is raw, none takes another."""
    good = [event(call_id=f"good {n}") for n in range(len(FAULTY_RECORDS) + 1)]
    values = [event_json(good[0])]
    for number, bad in enumerate(FAULTY_RECORDS.values(), start=1):
        values += [bad, event_json(good[number])]
    with caplog.at_level(logging.DEBUG, logger="locard"):
        installation.append(*values)
        consumer = installation.consume()

    assert [e.event_id for e in installation.stored()] == [e.event_id for e in good]
    assert {q.offset: q.error_class for q in installation.quarantine} == {
        2 * number + 1: error_class for number, error_class in enumerate(FAULTY_RECORDS)
    }
    assert consumer.counts.read == len(values)
    assert consumer.counts.published + sum(consumer.counts.quarantined.values()) == len(values)
    printed = capfd.readouterr()
    everything = caplog.text + printed.out + printed.err + repr(consumer.counts)
    assert CANARY not in everything
    assert CANARY.encode() not in installation.bytes_outside_the_log()


def test_an_event_that_cannot_be_redacted_leaves_its_core(embedded):
    """Its row says who, where, when and which number, and that its content is in quarantine."""
    source = {"collector_id": "c", "incarnation": "i", "seq": 7, "on_behalf_of": CANARY}
    event_of_class = {
        error_class: validate_event({**json.loads(value), **source})
        for error_class, value in FAULTY_RECORDS.items()
        if error_class.startswith("redaction")
    }
    values = [event_json(e) for e in event_of_class.values()]
    embedded.append(b"no event", *values, event_json(event()))
    consumer = embedded.consume(BatchLimits(age=3600))  # all in one commit

    rows = {offset: row for (_, offset), row in embedded.rows().items()}
    assert list(rows) == [1, 2, 3, 4]
    for offset, raw in enumerate(event_of_class.values(), start=1):
        core = rows[offset]
        assert core.body.arguments is core.on_behalf_of is None
        assert core.absent == {"arguments": "quarantined", "on_behalf_of": "quarantined"}
        kept = {"ingested_at": None, "absent": {}, "on_behalf_of": CANARY, "body": raw.body}
        assert core.model_copy(update=kept) == raw
        assert core.body.tool_name == raw.body.tool_name
    assert (consumer.counts.published, consumer.counts.read) == (1, 5)
    assert CANARY.encode() not in embedded.bytes_outside_the_log()
    (manifest,) = [
        json.loads(commit["locard.segments"])[0]
        for commit in DeltaTable(embedded.path / "lake").history()
        if "locard.segments" in commit
    ]
    assert manifest["rows"] == 4
    assert [q["offset"] for q in manifest["quarantined"]] == [0, 1, 2, 3]


def test_quarantined_records_open_as_they_came(embedded):
    """Nothing is lost: with the private key every quarantined record comes back byte for byte."""
    embedded.append(*FAULTY_RECORDS.values())
    embedded.consume()
    private = embedded.keyring.quarantine_private_key()

    opened = {
        q.error_class: unsealed(embedded.quarantine.directory, q, private)
        for q in embedded.quarantine
    }
    assert opened == FAULTY_RECORDS


def test_consuming_again_adds_nothing(installation):
    """A second consumer goes on where the lake stands, whatever the log remembers."""
    installation.append(*(event_json(event()) for _ in range(50)))
    installation.consume()
    again = installation.consume()

    assert again.counts.read == again.counts.published == 0
    assert len(installation.stored()) == 50


def test_consuming_goes_on_where_it_stopped(installation):
    """Events that come later are added after those that came first."""
    events = [event() for _ in range(30)]
    installation.append(*map(event_json, events[:10]))
    installation.consume()
    installation.append(*map(event_json, events[10:]))
    installation.consume(BatchLimits(rows=7))

    assert [e.event_id for e in installation.stored()] == [e.event_id for e in events]


def test_redacted_values_are_what_is_stored(embedded):
    """The lake has what redaction returned, with the consumer's time of ingestion."""
    embedded.append(with_canary())
    embedded.consume()

    (found,) = embedded.stored()
    assert found.body.arguments is None
    assert found.ingested_at is not None
    assert CANARY.encode() not in embedded.bytes_outside_the_log()


def test_a_publish_that_fails_for_a_while_is_tried_again(embedded, monkeypatch, caplog):
    """While the lake is busy the batch is kept, and the waits between tries grow."""
    embedded.append(with_canary(), with_canary())
    publish, failures, waits = embedded.lake.publish, [1, 2, 3], []

    def busy(segments, now):
        if failures:
            failures.pop()
            raise RetryableError("the lake is busy; publish again")
        publish(segments, now)

    monkeypatch.setattr(embedded.lake, "publish", busy)
    embedded.consume(pause=waits.append)

    assert len(embedded.stored()) == 2
    assert waits == [0.5, 1.0, 2.0]
    assert CANARY not in caplog.text


def test_a_log_that_does_not_answer_is_asked_again(embedded, monkeypatch):
    """While the log is away the consumer waits; nothing under way is lost and nothing doubled."""
    events = [event() for _ in range(10)]
    embedded.append(*map(event_json, events))
    poll, failures, waits = EmbeddedReader.poll, [1, 2], []

    def away(reader, most_records, timeout):
        if failures:
            failures.pop()
            raise RetryableError("the log is busy")
        return poll(reader, most_records, timeout)

    monkeypatch.setattr(EmbeddedReader, "poll", away)
    embedded.consume(pause=waits.append)

    assert [e.event_id for e in embedded.stored()] == [e.event_id for e in events]
    assert waits == [1.0, 1.0]


def test_a_publish_that_fails_for_good_stops_and_leaks_nothing(embedded, monkeypatch, caplog):
    """The error ends the consumer, names no content, and a new consumer does the work again."""
    embedded.append(with_canary(), *FAULTY_RECORDS.values())
    with monkeypatch.context() as patched:
        patched.setattr(embedded.lake, "publish", _fence)
        with pytest.raises(Fenced) as stopped:
            embedded.consume()
    embedded.consume()

    assert CANARY not in caplog.text + str(stopped.value) + repr(embedded.last)
    assert len(embedded.stored()) == 1
    assert len(embedded.quarantine) == len(FAULTY_RECORDS)


def _fence(segments, _now):
    raise Fenced(f"another one has {segments[0]}")


def test_a_quarantine_that_is_full_stops_before_the_position_moves(embedded):
    """Where a record can neither be stored nor put away, nothing moves past it."""
    embedded.quarantine = Quarantine(
        embedded.path / "quarantine", embedded.keyring.quarantine_public_key(), limit=1
    )
    embedded.append(event_json(event()), b"bad", b"worse", event_json(event()))
    with pytest.raises(Exception, match="its limit"):
        embedded.consume()

    assert embedded.lake.next_offsets(embedded.last._reader.topic_id, range(4)) == {}


def test_stopping_publishes_what_is_ready(embedded):
    """A consumer that is asked to stop publishes its batch and returns."""
    embedded.append(*(event_json(event()) for _ in range(10)))
    pool = RedactionPool(FaultyRedactor)
    with pool, embedded.log.reader() as reader:
        consumer = Consumer(
            reader, pool, embedded.lake, embedded.quarantine, limits=BatchLimits(age=3600)
        )
        consumer.run(lambda: consumer._batch.size == 10)

    assert len(embedded.stored()) == 10


class SlowRedaction:
    """A redaction that answers for one event each time it is asked."""

    def __init__(self):
        self.events = []
        self.highest = 0

    @property
    def pending(self):
        """The number of events that wait."""
        return len(self.events)

    def submit(self, events):
        """Let events wait."""
        self.events += events
        self.highest = max(self.highest, len(self.events))

    def collect(self, _timeout):
        """Answer for the next one."""
        taken, self.events = self.events[:1], self.events[1:]
        return [redacted(e) for e in taken]

    def discard(self):
        """Forget what waits."""
        self.events = []


def test_work_under_way_is_forgotten_when_partitions_are_taken_away(embedded):
    """Read, half redacted, and taken away: the same records are read again and stored once."""
    events = [event() for _ in range(20)]
    embedded.append(*map(event_json, events))

    class Rebalancing(EmbeddedReader):
        """A reader whose partitions are taken away and given back after its fifth poll."""

        polls = 0

        def start(self, positions, on_revoked):
            self.callbacks = positions, on_revoked
            super().start(positions, on_revoked)

        def poll(self, most_records, timeout):
            self.polls += 1
            if self.polls == 5:
                self.callbacks[1]()
                super().start(*self.callbacks)
            return super().poll(most_records, timeout)

    reader = Rebalancing(embedded.path / "log.sqlite")
    limits = BatchLimits(rows=50)
    Consumer(reader, SlowRedaction(), embedded.lake, embedded.quarantine, limits=limits).run_once()
    reader.close()

    assert [e.event_id for e in embedded.stored()] == [e.event_id for e in events]


def test_reading_pauses_while_enough_is_under_way(embedded):
    """Backpressure: while redaction is behind, no more records are read than the bound."""
    embedded.append(*(event_json(event()) for _ in range(200)))
    slow = SlowRedaction()
    with embedded.log.reader() as reader:
        consumer = Consumer(
            reader,
            slow,
            embedded.lake,
            embedded.quarantine,
            limits=BatchLimits(rows=5),
            most_in_flight=20,
        )
        consumer.run_once()

    assert slow.highest <= 20
    assert len(embedded.stored()) == 200


def test_the_next_batch_is_redacted_while_one_is_published(embedded, monkeypatch):
    """A publish that waits for five more events to be redacted gets them."""
    embedded.append(*(event_json(event()) for _ in range(60)))
    publish, rows, beside = embedded.lake.publish, [], []

    def patiently(segments, now):
        rows.append(sum(len(segment.rows) for segment in segments))
        for _ in polls():
            if consumer._batch.size >= min(5, 60 - sum(rows)):
                break
        beside.append(consumer._batch.size)
        publish(segments, now)

    monkeypatch.setattr(embedded.lake, "publish", patiently)
    with embedded.log.reader() as reader:
        consumer = Consumer(
            reader, SlowRedaction(), embedded.lake, embedded.quarantine, limits=BatchLimits(rows=10)
        )
        consumer.run_once()

    assert len(embedded.stored()) == 60
    assert beside[0] >= 5
    assert sum(rows) == 60


def test_reading_pauses_while_enough_bytes_are_under_way(embedded):
    """Backpressure counts bytes as well: large records are not all taken into memory."""
    large = {"outcome": "ok", "result": "x" * 100_000}
    embedded.append(*(event_json(event("tool_result", large)) for _ in range(60)))
    slow = SlowRedaction()
    with embedded.log.reader() as reader:
        polled = reader.poll
        reader.poll = lambda most, timeout: polled(min(most, 4), timeout)
        consumer = Consumer(
            reader, slow, embedded.lake, embedded.quarantine, most_bytes_in_flight=500_000
        )
        consumer.run_once()

    assert slow.highest <= 8
    assert len(embedded.stored()) == 60


@pytest.mark.kafka
def test_a_lake_that_does_not_say_where_to_go_on_is_asked_again(
    kafka_bootstrap, tmp_path, monkeypatch
):
    """Nothing is read until it has; least of all from where the group thinks that it stood."""
    shared = Installation(tmp_path, kafka_bootstrap)
    events = [event(session_id=f"session {n}") for n in range(20)]
    with shared.log.writer() as writer:
        writer.append([outgoing(e, event_json(e)) for e in events[:10]])
    shared.consume()
    with shared.log.writer() as writer:
        writer.append([outgoing(e, event_json(e)) for e in events[10:]])
    tell, failures = shared.lake.next_offsets, [1, 2, 3]

    def away(topic_id, partitions):
        if failures:
            failures.pop()
            raise RetryableError("the object store does not answer")
        return tell(topic_id, partitions)

    monkeypatch.setattr(shared.lake, "next_offsets", away)
    shared.consume()
    assert sorted(e.event_id for e in shared.stored()) == sorted(e.event_id for e in events)
    assert not failures


@pytest.mark.kafka
def test_partitions_that_are_taken_away_are_forgotten(kafka_bootstrap, tmp_path):
    """A consumer that loses partitions drops them, and the other one stores them once."""
    shared = Installation(tmp_path, kafka_bootstrap)
    events = [event(session_id=f"session {n}") for n in range(80)]
    with shared.log.writer() as writer:
        writer.append([outgoing(e, event_json(e)) for e in events])
    pool, other_pool = RedactionPool(FaultyRedactor), RedactionPool(FaultyRedactor)
    other_lake = LakeWriter(tmp_path / "lake")
    slow = BatchLimits(age=3600)
    with pool, other_pool, shared.log.reader() as first, shared.log.reader() as second:
        slow_one = Consumer(first, pool, shared.lake, shared.quarantine, limits=slow)
        slow_one.run(lambda: slow_one._batch.size == 80)
        later = [event(session_id=f"session {n}") for n in range(80)]
        with shared.log.writer() as writer:
            writer.append([outgoing(e, event_json(e)) for e in later])
        other = Consumer(
            second, other_pool, other_lake, shared.quarantine, limits=BatchLimits(rows=9, age=0.2)
        )
        other._reader.start(other._positions, other._forget)
        for _ in polls():
            other._step(0.02)
            slow_one._step(0.02)
            if other.counts.published + slow_one.counts.published >= 160:
                break
            if other.counts.published and slow_one._batch.size:
                slow_one._publish_all()

    ids = [e.event_id for e in shared.stored()]
    assert sorted(ids) == sorted(e.event_id for e in events + later)


def record(offset: int, size: int = 10, partition: int = 0) -> RawRecord:
    """Return a record of this size."""
    return RawRecord("topic", partition, offset, NOW, bytes(size))


def test_records_that_expired_unread_are_a_recorded_gap(installation):
    """What left the log before it was read is in a manifest, and what came after is stored."""
    events = [event() for _ in range(6)]
    installation.append(*map(event_json, events[:2]))
    installation.consume()
    installation.append(*map(event_json, events[2:]))
    (partition,) = {raw.partition for raw in read_all(installation.log)}
    expire(installation.log, partition, before=5)
    consumer = installation.consume()
    installation.consume()

    kept = [events[0], events[1], events[5]]
    assert [e.event_id for e in installation.stored()] == [e.event_id for e in kept]
    assert consumer.counts.expired == 3
    manifests = [
        json.loads(commit["locard.segments"])[0]
        for commit in DeltaTable(installation.path / "lake").history()
        if "locard.segments" in commit
    ]
    assert [m["expired"] for m in manifests if "expired" in m] == [
        {"first_offset": 2, "next_offset": 5}
    ]


class TestBatch:
    """When a batch is due. Time is passed in."""

    def test_rows_bytes_and_age_each_make_it_due(self):
        """Whichever limit is reached first makes the batch due."""
        for limits, add, now in (
            (BatchLimits(rows=2, bytes=10**9, age=10**9), 2, 0.0),
            (BatchLimits(rows=10**9, bytes=20, age=10**9), 2, 0.0),
            (BatchLimits(rows=10**9, bytes=10**9, age=5.0), 1, 5.0),
        ):
            batch = Batch(limits, {})
            assert not batch.is_due(10**9)
            for offset in range(add):
                assert not batch.is_due(0.0)
                batch.add(record(offset), redacted(event()), 0.0)
            assert batch.is_due(now)

    def test_a_segment_begins_where_the_lake_stands(self):
        """Offsets that the log used up without a record belong to the next segment."""
        batch = Batch(BatchLimits(), {0: 5})
        batch.add(record(8), redacted(event()), 0.0)
        batch.add_quarantined(record(11), "json_syntax", None, 0.0)

        (made,) = batch.segments
        assert (made.first_offset, made.next_offset, len(made.rows)) == (5, 12, 1)

    def test_a_quarantined_event_has_a_row_and_is_not_published(self):
        """Its core stands at its place among the rows, and does not count as an event."""
        batch = Batch(BatchLimits(), {})
        batch.add(record(0), redacted(event()), 0.0)
        batch.add_quarantined(record(1), "redaction_error", redacted(event()), 0.0)
        batch.add(record(2), redacted(event()), 0.0)

        (made,) = batch.segments
        assert [row.position.offset for row in made.rows] == [0, 1, 2]
        assert (made.published, list(made.quarantined)) == (2, [1])

    def test_a_record_that_comes_twice_is_a_defect_and_not_stored(self):
        """Offsets only grow; anything else is a fault of the program and stops it."""
        batch = Batch(BatchLimits(), {})
        batch.add(record(3), redacted(event()), 0.0)

        with pytest.raises(AssertionError, match="came twice"):
            batch.add(record(3), redacted(event()), 0.0)


def test_outgoing_records_are_keyed_by_session():
    """Events of one session share a key; one without a session is keyed by its collector."""
    alone = validate_event({**event_object(event(collector_id="c")), "session_id": None})

    assert outgoing(event(session_id="a"), b"").key == b"a"
    assert outgoing(alone, b"").key == b"c"
