"""The contract of the event log, held to by the embedded log and by Kafka alike."""

from __future__ import annotations

import multiprocessing
import sqlite3
import stat
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta

import pytest

from eventlogs import LogUnderTest, expire, polls, read_all, read_until
from locard.ingest.eventlog import LARGEST_RECORD, OutgoingRecord, RecordsMissing
from locard.ingest.eventlog.embedded import EmbeddedReader, EmbeddedWriter
from locard.schema import CannotContinue, EvidenceGap, RejectedRecord, RetryableError


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def log(request, tmp_path) -> LogUnderTest:
    """An empty log of each kind."""
    kafka = request.getfixturevalue("kafka_bootstrap") if request.param == "kafka" else None
    return LogUnderTest(tmp_path, kafka)


def test_records_of_one_key_come_back_in_order_and_whole(log):
    """What was appended is read unchanged, with growing offsets in one partition."""
    values = [b"", b"\x00\xff", "né".encode(), b"x" * 2_000_000, *(b"%d" % n for n in range(500))]
    log.append(*values)

    records = read_all(log)

    assert [record.value for record in records] == values
    assert len({record.partition for record in records}) == 1
    assert [record.offset for record in records] == list(range(len(values)))


def test_keys_are_spread_over_partitions(log):
    """Many keys use every partition, and each key only one."""
    for key in range(64):
        log.append(b"a%d" % key, b"b%d" % key, key=b"key %d" % key)

    records = read_all(log)

    partition_of = {record.value: record.partition for record in records}
    assert len(records) == 128
    assert len(set(partition_of.values())) == 4
    assert all(partition_of[b"a%d" % key] == partition_of[b"b%d" % key] for key in range(64))


def test_a_reader_begins_where_it_is_told(log):
    """The positions that the reader is given decide what comes, whatever was read before."""
    log.append(b"0", b"1", b"2", b"3")
    (partition,) = {record.partition for record in read_all(log)}

    with log.reader() as reader:
        reader.start(lambda _: {partition: 2}, lambda: None)
        records = read_until(reader, 2)

    assert [record.value for record in records] == [b"2", b"3"]


def test_a_committed_position_does_not_decide_where_reading_begins(log):
    """Commits are a signal of lag: a reader that asks for the beginning gets the beginning."""
    log.append(b"0", b"1")
    with log.reader() as reader:
        reader.start(lambda _: {}, lambda: None)
        records = read_until(reader, 2)
        reader.commit({records[-1].partition: 2})

    assert [record.value for record in read_all(log)] == [b"0", b"1"]


def test_an_offset_that_is_gone_is_a_gap_and_not_skipped(log):
    """A position before the log's beginning is told with both its ends, and can be crossed."""
    log.append(b"0", b"1", b"2")
    (partition,) = {record.partition for record in read_all(log)}
    expire(log, partition, before=2)

    with log.reader() as reader:
        reader.start(lambda _: {partition: 1}, lambda: None)
        with pytest.raises(RecordsMissing) as gap:
            read_until(reader, 1)
        reader.seek(partition, gap.value.next_offset)
        records = read_until(reader, 1)

    missing = gap.value
    assert (missing.partition, missing.first_offset, missing.next_offset) == (partition, 1, 2)
    assert [record.value for record in records] == [b"2"]


def test_a_log_that_ends_before_the_lake_is_not_waited_for(log):
    """A log that was restored from an older copy is noticed, instead of read from another place."""
    log.append(b"0")
    (partition,) = {record.partition for record in read_all(log)}

    with log.reader() as reader, pytest.raises(EvidenceGap, match="older copy") as gap:
        read_from(reader, {partition: 5})
    assert not isinstance(gap.value, RecordsMissing)


def read_from(reader, positions):
    """Start at these positions and read one record."""
    reader.start(lambda _: positions, lambda: None)
    return read_until(reader, 1)


def test_the_topic_id_stays_and_a_log_made_again_has_another(log, tmp_path_factory):
    """Writer and reader see one id, across openings; another log never has it."""
    with log.writer() as first, log.writer() as second, log.reader() as reader:
        ids = {first.topic_id, second.topic_id, reader.topic_id}
    other = LogUnderTest(tmp_path_factory.mktemp("other"), log.kafka)
    with other.writer() as writer:
        assert len(ids) == 1
        assert writer.topic_id not in ids


def test_a_record_that_is_too_large_is_refused_and_nothing_appended(log):
    """The size limit is checked before anything is sent, and the message tells both sizes."""
    with log.writer() as writer, pytest.raises(RejectedRecord, match="over the limit") as refusal:
        writer.append(
            [OutgoingRecord(b"k", b"ok"), OutgoingRecord(b"k", bytes(LARGEST_RECORD + 1))]
        )

    assert refusal.value.error_class == "event_too_large"
    assert read_all(log) == []


def test_a_record_of_the_largest_size_goes_through(log):
    """A record may be as large as the limit says."""
    log.append(bytes(LARGEST_RECORD))

    assert [len(record.value) for record in read_all(log)] == [LARGEST_RECORD]


def test_end_offsets_say_how_much_there_is(log):
    """The end of a partition is the offset that the next record will get."""
    log.append(b"0", b"1", b"2")
    with log.reader() as reader:
        reader.start(lambda _: {}, lambda: None)
        read_until(reader, 3)

        assert sum(reader.end_offsets().values()) == 3


def test_polling_for_nothing_returns_nothing_and_loses_nothing(log):
    """Backpressure is polling for no records; what waits is still there afterwards."""
    log.append(b"0", b"1")
    with log.reader() as reader:
        reader.start(lambda _: {}, lambda: None)
        assert [reader.poll(0, 0.01) for _ in range(5)] == [[]] * 5

        assert [record.value for record in read_until(reader, 2)] == [b"0", b"1"]


def test_two_writers_at_once_lose_and_double_nothing(log):
    """Writers that take turns on one key get offsets of their own."""
    with log.writer() as first, log.writer() as second:
        for number in range(20):
            first.append([OutgoingRecord(b"k", b"first %d" % number)])
            second.append([OutgoingRecord(b"k", b"second %d" % number)])

    values = [record.value for record in read_all(log)]
    assert sorted(values) == sorted(
        b"%s %d" % (w, n) for w in (b"first", b"second") for n in range(20)
    )


def test_repr_of_records_shows_no_payload(log):
    """A record in a log line says where it stands and nothing of what it holds."""
    log.append(b"CANARY")
    (record,) = read_all(log)

    assert "CANARY" not in repr(record)
    assert "CANARY" not in repr(OutgoingRecord(b"CANARY", b"CANARY"))
    assert record.place == f"{record.topic_id}/{record.partition}/0"


class TestEmbedded:
    """What only the embedded log promises."""

    def test_a_second_reader_is_told_to_wait(self, tmp_path):
        """Two readers would both publish: the second waits until the first has left."""
        first = EmbeddedReader(tmp_path / "log.sqlite")
        with pytest.raises(RetryableError, match="read by another process"):
            EmbeddedReader(tmp_path / "log.sqlite")
        first.close()

        EmbeddedReader(tmp_path / "log.sqlite").close()

    def test_published_records_are_overwritten_after_the_retention(self, tmp_path):
        """Raw text that was published is not in the file any more, nor in its journal."""
        log = LogUnderTest(tmp_path)
        log.append(b"CANARY-9b2c" * 10, key=b"k")
        (partition,) = {record.partition for record in read_all(log)}
        reader = EmbeddedReader(tmp_path / "log.sqlite", retention=timedelta(0))
        reader.commit({partition: 1})
        reader.close()

        assert not any(b"CANARY-9b2c" in path.read_bytes() for path in tmp_path.iterdir())

    def test_records_within_the_retention_stay(self, tmp_path):
        """Committing alone deletes nothing that is younger than the retention."""
        log = LogUnderTest(tmp_path)
        log.append(b"0", b"1")
        with log.reader() as reader:
            reader.commit({read_partition(reader): 2})

        assert len(read_all(log)) == 2

    def test_a_file_that_is_no_database_is_named(self, tmp_path):
        """Damage is an error of one line that names the file and what to do."""
        path = tmp_path / "log.sqlite"
        path.write_bytes(b"not a database, but long enough to look like something" * 10)

        with pytest.raises(CannotContinue, match=r"log\.sqlite cannot be used.*move it away"):
            EmbeddedWriter(path)

    def test_the_file_is_for_its_owner_alone(self, tmp_path):
        """The log holds raw text: file, journal and a directory that is made are private."""
        log = LogUnderTest(tmp_path / "home")
        with log.writer() as writer:
            writer.append([OutgoingRecord(b"k", b"v")])
            modes = {stat.S_IMODE(path.stat().st_mode) for path in log.path.iterdir()}

        assert modes == {0o600}
        assert stat.S_IMODE(log.path.stat().st_mode) == 0o700

    def test_large_records_are_read_a_few_at_a_time(self, tmp_path):
        """One poll takes a bounded number of bytes into memory; the next goes on behind them."""
        log = LogUnderTest(tmp_path)
        log.append(*(bytes([n]) * 3_000_000 for n in range(12)))
        with log.reader() as reader:
            reader.start(lambda _: {}, lambda: None)
            polled = [reader.poll(1_000, 0) for _ in range(4)]

        assert [len(records) for records in polled] == [3, 3, 3, 3]
        assert [r.value[0] for records in polled for r in records] == list(range(12))

    def test_processes_that_make_a_log_together_all_get_it(self, tmp_path):
        """Services that start at the same moment open one and the same log, none is refused."""
        with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("spawn")) as processes:
            for attempt in range(15):
                path = tmp_path / str(attempt) / "log.sqlite"
                assert len(set(processes.map(topic_id_of, [path] * 3))) == 1

    def test_a_full_disk_is_named_as_such(self, tmp_path):
        """When the file may not grow, the error says so, and what was appended before stays."""
        log = LogUnderTest(tmp_path)
        log.append(b"kept")
        with log.writer() as writer:
            writer._log.connection.execute("PRAGMA max_page_count=20")
            with pytest.raises(CannotContinue, match="database or disk is full.*has room"):
                writer.append([OutgoingRecord(b"session", bytes(1_000_000))])

        assert [record.value for record in read_all(log)] == [b"kept"]

    def test_a_newer_format_is_refused(self, tmp_path):
        """A log that a later version wrote is not touched."""
        path = tmp_path / "log.sqlite"
        EmbeddedWriter(path).close()
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE about SET format = 2")
        connection.close()

        with pytest.raises(CannotContinue, match="format 2 and this program knows 1"):
            EmbeddedWriter(path)

    def test_a_place_that_cannot_be_written_is_named(self, tmp_path):
        """A path below a file cannot exist; the error says so."""
        (tmp_path / "file").write_text("")

        with pytest.raises(CannotContinue, match="check|move it away"):
            EmbeddedWriter(tmp_path / "file" / "log.sqlite")


def topic_id_of(path):
    """Open a log and return its id; runs in a process of its own."""
    writer = EmbeddedWriter(path)
    writer.close()
    return writer.topic_id


def read_partition(reader: EmbeddedReader) -> int:
    """Return the partition of the first record."""
    reader.start(lambda _: {}, lambda: None)
    return read_until(reader, 1)[0].partition


@pytest.mark.kafka
class TestKafka:
    """What only Kafka has."""

    def test_the_topic_keeps_raw_data_for_a_day_and_never_compacts(self, kafka_bootstrap, tmp_path):
        """A topic that Locard makes has a short retention and deletes instead of compacting."""
        from kafka import KafkaAdminClient

        log = LogUnderTest(tmp_path, kafka_bootstrap)
        log.append(b"0")
        admin = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
        config = str(admin.describe_configs([_topic_resource(log.topic)]))
        admin.close()

        assert "86400000" in config
        assert "'delete'" in config

    def test_a_client_that_never_ends_to_join_is_replaced(
        self, kafka_bootstrap, tmp_path, monkeypatch
    ):
        """Such a client was seen; what was read is forgotten, and all is read by another one."""
        from locard.ingest.eventlog import kafka

        log = LogUnderTest(tmp_path, kafka_bootstrap)
        log.append(*(b"%d" % number for number in range(10)))
        forgotten = []
        with log.reader() as reader:
            reader.start(lambda _: {}, lambda: forgotten.append(1))
            hanging = reader._consumer
            monkeypatch.setattr(hanging, "poll", lambda **_: {})
            monkeypatch.setattr(kafka, "JOIN_SECONDS", 0.0)
            for _ in polls():
                reader.poll(100, 0.05)
                if reader._consumer is not hanging:
                    break
            monkeypatch.setattr(kafka, "JOIN_SECONDS", 600.0)
            values: list[bytes] = []
            for _ in polls():
                values += [record.value for record in reader.poll(100, 0.2)]
                if len(values) == 10:
                    break
        assert sorted(values) == sorted(b"%d" % number for number in range(10))
        assert forgotten

    def test_a_reader_knows_the_partitions_before_it_joins(self, kafka_bootstrap, tmp_path):
        """The leader of a group assigns what it knows; one that knew nothing left all unread."""
        log = LogUnderTest(tmp_path, kafka_bootstrap)
        with log.reader() as reader:
            reader.start(lambda _: {}, lambda: None)
            known = reader._consumer._cluster.partitions_for_topic(log.topic)
        assert known == {0, 1, 2, 3}

    def test_partitions_move_to_a_second_reader(self, kafka_bootstrap, tmp_path):
        """When a second reader joins, both read a share, and together every partition."""
        log = LogUnderTest(tmp_path, kafka_bootstrap)
        log.append(b"0")
        assigned: dict[str, list[int]] = {}
        revoked: list[str] = []

        def start(name, reader):
            def positions(partitions):
                assigned[name] = list(partitions)
                return {}

            reader.start(positions, lambda: revoked.append(name))

        with log.reader() as first, log.reader() as second:
            start("first", first)
            read_until(first, 1)
            assert assigned["first"] == [0, 1, 2, 3]
            start("second", second)
            for _ in polls():
                first.poll(10, 0.05)
                second.poll(10, 0.05)
                if len(assigned.get("second", [])) == 2 == len(assigned["first"]):
                    break

        assert sorted(assigned["first"] + assigned["second"]) == [0, 1, 2, 3]
        assert "first" in revoked

    def test_a_broker_that_is_away_is_a_retryable_error(self, tmp_path):
        """Nobody listens at this address: one line says so, and that trying again may help."""
        log = LogUnderTest(tmp_path, "127.0.0.1:1", seconds=0.5)

        with pytest.raises(RetryableError, match=r"Kafka at 127\.0\.0\.1:1 did not answer"):
            log.append(b"0")


def _topic_resource(topic: str):
    from kafka.admin import ConfigResource, ConfigResourceType

    return ConfigResource(ConfigResourceType.TOPIC, topic)


def test_a_publish_that_takes_too_long_does_not_hold_up_the_group(monkeypatch):
    """All partitions that are taken away wait until one deadline; then the lake decides."""
    from locard.ingest.eventlog import kafka

    monkeypatch.setattr(kafka, "REVOCATION_SECONDS", 0.01)
    listener = kafka._Listener()
    with ThreadPoolExecutor(1) as other, listener.lock:  # a publish is under way
        other.submit(listener.on_partitions_revoked, ["one", "two"]).result(timeout=30)
        assert listener.has_lost
    assert listener.lock.acquire(blocking=False)
