"""The event log on Apache Kafka.

Producers are idempotent and wait for all replicas. The consumer belongs to a group, so adding
processes shares out the partitions; where each continues is read from the lake and never from
Kafka. An offset that is gone is an error, never skipped.

The client calls a rebalance listener on a thread of its own. Here the listener only notes what
happened; the reader acts on it at its next `poll`, on the thread of its owner.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from kafka.structs import OffsetAndMetadata

from locard.ingest.eventlog import OutgoingRecord, RawRecord, RecordsMissing, check_sizes
from locard.ingest.eventlog.kafka_cluster import (
    LARGEST_REQUEST,
    KafkaSettings,
    ensure_topic,
    translated,
)
from locard.schema import EvidenceGap

log = logging.getLogger(__name__)

_SECONDS_TO_SEND: Final = 60.0
_REQUEST_SECONDS: Final = 30.0  # kafka-python's own default
_POLL_INTERVAL_SECONDS: Final = 300.0  # after which the group takes a silent consumer for gone
JOIN_SECONDS = _POLL_INTERVAL_SECONDS + 30  # the group waits for its slowest member until then
_CLOSE_MILLISECONDS: Final = 5_000
REVOCATION_SECONDS = 30.0  # for which all partitions that are taken away wait, together
_FETCH_BYTES: Final = 8 * 1024 * 1024


class KafkaWriter:
    """Appends to the topic; see `EventLogWriter`.

    Args:
        seconds_to_send: that the cluster may take before an append counts as failed.
    """

    def __init__(self, settings: KafkaSettings, seconds_to_send: float = _SECONDS_TO_SEND) -> None:
        self._settings = settings
        self._seconds = seconds_to_send
        self.topic_id = ensure_topic(settings)
        with translated(settings):
            self._producer = KafkaProducer(
                **settings.client,
                acks="all",
                enable_idempotence=True,
                compression_type="lz4",
                linger_ms=5,
                batch_size=256 * 1024,
                max_request_size=LARGEST_REQUEST,
                delivery_timeout_ms=int(seconds_to_send * 1000),
                request_timeout_ms=int(min(_REQUEST_SECONDS, seconds_to_send / 2) * 1000),
                max_block_ms=int(seconds_to_send * 1000),
            )

    def append(self, records: Sequence[OutgoingRecord]) -> None:
        """Return when all replicas have all records."""
        check_sizes(records)
        with translated(self._settings):
            sent = [
                self._producer.send(self._settings.topic, key=record.key, value=record.value)
                for record in records
            ]
            self._producer.flush(timeout=self._seconds)
            for future in sent:
                future.get(timeout=self._seconds)

    def close(self) -> None:
        """Close the connections."""
        self._producer.close(timeout=5)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Notes what the group decided. Called on the client's thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.has_lost = False
        self.has_new = False

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        self._lose(revoked)

    def on_partitions_lost(self, lost: Sequence[TopicPartition]) -> None:
        self._lose(lost)

    def _lose(self, partitions: Sequence[TopicPartition]) -> None:
        """Wait for a publish under way, so that the next owner sees it; but hold up nobody long.

        Where it takes longer the lake decides: of the two owners the slower is fenced.
        """
        is_done = self.lock.acquire(timeout=REVOCATION_SECONDS)
        self.has_lost = self.has_lost or bool(partitions)
        if is_done:
            self.lock.release()

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        with self.lock:
            self.has_new = self.has_new or bool(assigned)

    @property
    def has_changed(self) -> bool:
        return self.has_lost or self.has_new


class KafkaReader:
    """Reads the partitions that the group assigns; see `EventLogReader`."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._topic_id = ensure_topic(settings)
        self._listener = _Listener()
        self._positions: Callable[[Sequence[int]], Mapping[int, int]] = lambda _: {}
        self._on_revoked: Callable[[], None] = lambda: None
        self._is_paused = False
        self._joins_since: float | None = None
        with translated(settings):
            self._consumer = self._new_client()

    def _new_client(self) -> KafkaConsumer:
        seconds = self._settings.session_seconds
        return KafkaConsumer(
            **self._settings.client,
            group_id=self._settings.group,
            enable_auto_commit=False,
            auto_offset_reset="none",  # an offset that is gone must be an error
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_max_bytes=4 * _FETCH_BYTES,
            max_poll_interval_ms=int(_POLL_INTERVAL_SECONDS * 1000),
            session_timeout_ms=int(seconds * 1000),
            heartbeat_interval_ms=int(seconds * 1000 / 5),
        )

    @property
    def topic_id(self) -> str:
        """The id that the cluster gave the topic; made again, it has another."""
        return self._topic_id

    def start(
        self,
        positions: Callable[[Sequence[int]], Mapping[int, int]],
        on_revoked: Callable[[], None],
    ) -> None:
        """Join the group; partitions come with the first polls."""
        self._positions = positions
        self._on_revoked = on_revoked
        with translated(self._settings):
            self._join()

    def poll(self, most_records: int, timeout: float) -> list[RawRecord]:
        """Return the next records of the assigned partitions."""
        with translated(self._settings):
            self._leave_a_join_that_hangs(time.monotonic())
            self._follow_assignment()
            self._pause(most_records == 0)
            try:
                polled = self._consumer.poll(
                    timeout_ms=int(timeout * 1000), max_records=most_records or None
                )
            except OffsetOutOfRangeError as error:
                raise self._gap(error.args[0]) from error
            except NoOffsetForPartitionError:
                if not self._listener.has_changed:
                    raise
                polled = {}  # assigned within this poll; positions follow
            if self._listener.has_changed:
                # Whatever came with the change was read from positions that are not the lake's.
                self._follow_assignment()
                return []
        return [self._raw(record) for records in polled.values() for record in records]

    def seek(self, partition: int, offset: int) -> None:
        """Go on at this offset of an assigned partition."""
        self._consumer.seek(TopicPartition(self._settings.topic, partition), offset)

    @contextmanager
    def assignment_held(self) -> Iterator[bool]:
        """Keep the group from taking partitions away; yields whether it has done so already."""
        with self._listener.lock:
            yield not self._listener.has_lost

    def commit(self, positions: Mapping[int, int]) -> None:
        """Tell the group how far the lake is; a commit that fails says nothing about the lake."""
        offsets = {
            TopicPartition(self._settings.topic, partition): OffsetAndMetadata(offset, "", -1)
            for partition, offset in positions.items()
        }
        try:
            self._consumer.commit(offsets)
        except KafkaError:
            return  # only a signal of lag; the next one will carry it

    def end_offsets(self) -> Mapping[int, int]:
        """Return the end of each assigned partition."""
        with translated(self._settings):
            ends = self._consumer.end_offsets(list(self._consumer.assignment()))
        return {partition.partition: offset for partition, offset in ends.items()}

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close(autocommit=False)

    def _leave_a_join_that_hangs(self, now: float) -> None:
        """Begin anew with another client where this one joins for longer than the group can take.

        kafka-python has been seen to wait for ever for the end of a join, as no member any more.
        Only its coordinator, which is not public, says whether it joins.
        """
        if self._consumer._coordinator.stable():
            self._joins_since = None
        elif self._joins_since is None:
            self._joins_since = now
        elif now - self._joins_since > JOIN_SECONDS:
            log.warning("joined the group anew, since joining took %.0f s", now - self._joins_since)
            self._joins_since = now
            fresh = self._new_client()
            self._on_revoked()
            self._consumer.close(autocommit=False, timeout_ms=_CLOSE_MILLISECONDS)
            self._consumer, self._listener, self._is_paused = fresh, _Listener(), False
            self._join()

    def _join(self) -> None:
        """Subscribe, and see that the client knows the partitions before a poll joins the group.

        A group's leader who does not know them yet assigns none, and kafka-python 3.0 does not
        always assign again when it learns of them: then nobody reads, for ever. Asking where a
        partition ends is the public call that waits, for a time, until it has learned them.
        """
        self._consumer.subscribe([self._settings.topic], listener=self._listener)
        self._consumer.end_offsets([TopicPartition(self._settings.topic, 0)])

    def _follow_assignment(self) -> None:
        """Forget what was taken away, and seek what was given to where the lake stands."""
        if not self._listener.has_changed:
            return
        self._on_revoked()  # before the change is forgotten: until then nothing may be published
        with self._listener.lock:
            self._listener.has_lost = self._listener.has_new = False
        try:
            self._seek_to_the_lake()
        except BaseException:  # the lake could not be asked; until it is, nothing may be read
            with self._listener.lock:
                self._listener.has_new = True
            raise

    def _seek_to_the_lake(self) -> None:
        assigned = sorted(self._consumer.assignment(), key=lambda p: int(p.partition))
        positions = self._positions([partition.partition for partition in assigned])
        for partition in assigned:
            self._consumer.seek(partition, positions.get(partition.partition, 0))
        self._is_paused = False
        self._consumer.resume(*assigned)

    def _pause(self, wanted: bool) -> None:
        if wanted != self._is_paused:
            change = self._consumer.pause if wanted else self._consumer.resume
            change(*self._consumer.assignment())
            self._is_paused = wanted

    def _raw(self, record: Any) -> RawRecord:
        moment = datetime.fromtimestamp(max(record.timestamp, 0) / 1000, UTC)
        value = record.value or b""
        return RawRecord(self._topic_id, record.partition, record.offset, moment, value)

    def _gap(self, offsets: Mapping[TopicPartition, int]) -> EvidenceGap:
        """Say what it means that the log does not have these offsets."""
        partition, offset = next(iter(offsets.items()))
        begin = self._consumer.beginning_offsets([partition])[partition]
        if offset < begin:
            return RecordsMissing(partition.partition, offset, begin)
        return EvidenceGap(
            f"the lake has records up to offset {offset} of partition {partition.partition} of "
            f"topic {self._settings.topic}, which ends before: it was cut or restored from an "
            "older copy, or belongs to another lake; use the one that fits"
        )
