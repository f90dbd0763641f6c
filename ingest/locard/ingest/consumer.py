"""The consumer: read, decode, redact, batch, publish.

Everything before publishing is the idempotency zone: it can be dropped at any moment and done
again, because the lake alone says where a partition continues. So losing partitions to another
consumer means to forget, and stopping means to publish what is ready and leave the rest in the log.

Publishing runs beside the rest: while one batch is on its way to the lake, the next is redacted.
Memory is bounded: while as many records or bytes are under way as allowed, none are read.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

from locard.ingest.batch import DEFAULT_LIMITS, Batch, BatchLimits
from locard.ingest.counts import ConsumerCounts
from locard.ingest.decode import Decoded, Refused, decode
from locard.ingest.eventlog import EventLogReader, RawRecord, RecordsMissing
from locard.ingest.in_flight import InFlight
from locard.ingest.lake import LakeWriter
from locard.ingest.outcomes import Outcomes
from locard.ingest.publisher import Publisher
from locard.ingest.quarantine import Quarantine
from locard.ingest.segments import Segment, next_offsets
from locard.redaction import RedactionResult
from locard.schema import Event, RetryableError, utc_now

log = logging.getLogger(__name__)

_CHUNK: Final = 256  # events handed to a redaction worker at once
_POLL_SECONDS: Final = 0.2
_POLL_MOST: Final = 2_000  # records read at once
_PAUSE_TO_READ: Final = 1.0  # seconds before a log that did not answer is asked again
_ASSIGNMENT_SECONDS: Final = 60.0  # a consumer group takes a moment to share out partitions
_LOOK_SECONDS: Final = 10.0  # between two looks at the lag and the lake


class Redaction(Protocol):
    """What the consumer needs of a `RedactionPool`."""

    @property
    def pending(self) -> int:
        """The number of events submitted and not collected."""
        ...

    def submit(self, events: Sequence[Event]) -> None:
        """Take events to redact."""
        ...

    def collect(self, timeout: float) -> list[RedactionResult]:
        """Return what is complete, in order of submission."""
        ...

    def discard(self) -> None:
        """Forget what was submitted."""
        ...


class Consumer:
    """Moves records from the log into the lake.

    Args:
        most_in_flight: records between reading and publishing; backpressure above it.
        most_bytes_in_flight: bytes of records between reading and redaction, likewise.
        pause: how to wait between tries; tests pass another.
    """

    def __init__(
        self,
        reader: EventLogReader,
        redaction: Redaction,
        lake: LakeWriter,
        quarantine: Quarantine,
        *,
        limits: BatchLimits = DEFAULT_LIMITS,
        most_in_flight: int = 50_000,
        most_bytes_in_flight: int = 128 * 1024 * 1024,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._reader = reader
        self._redaction = redaction
        self._lake = lake
        self._quarantine = quarantine
        self._limits = limits
        self._pause = pause
        self._waiting = InFlight(most_in_flight, most_bytes_in_flight, _POLL_MOST)
        self._starts: dict[int, int] = {}
        self._batch = Batch(limits, {})
        self._look_at = 0.0
        self.counts = ConsumerCounts()
        self._outcomes = Outcomes(quarantine, self.counts)
        self._publisher = Publisher(
            lake,
            reader.assignment_held,
            self.counts,
            keep_alive=lambda: reader.poll(0, 0),
            pause=pause,
        )

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Work until `should_stop()`; then publish what is redacted and return.

        Raises:
            LocardError: nothing more can be done here; its type says what to do.
        """
        self._reader.start(self._positions, self._forget)
        while not should_stop():
            self._step(_POLL_SECONDS)
        self._publish_all()

    def run_once(self, on_progress: Callable[[], None] = lambda: None) -> None:
        """Work off what is in the log at this moment, and return when it is published.

        Args:
            on_progress: called after each step.
        """
        self._reader.start(self._positions, self._forget)
        goal: Mapping[int, int] = {}
        give_up = time.monotonic() + _ASSIGNMENT_SECONDS
        while not goal:
            if time.monotonic() > give_up:
                raise RetryableError(
                    "no partition was assigned to this consumer: others in its group have them "
                    "all; let them work, or stop them first"
                )
            self._step(_POLL_SECONDS)
            goal = self._reader.end_offsets()
        while not self._has_reached(goal):
            self._step(_POLL_SECONDS)
            if self._all_batched(goal):
                self._publish_all()
            on_progress()

    def _step(self, timeout: float) -> None:
        """Move everything one step on."""
        room = self._room()
        waits = not self._waiting
        try:
            with self.counts.timed("read"):
                records = self._reader.poll(room, timeout if waits and room else 0)
            self._take(records)
        except RecordsMissing as gap:
            self._cross(gap)
        except RetryableError as error:
            log.warning("reading again in %.1f s: %s", _PAUSE_TO_READ, error)
            self._pause(_PAUSE_TO_READ)
        self._collect(0 if room > 0 and waits else timeout)
        if waits and not room:
            self._publisher.wait(timeout)
        self._settle_published(wait=False)
        if self._batch.is_due(time.monotonic()) and not self._publisher.batch:
            self._publish()
        self._note_state(time.monotonic())

    def _room(self) -> int:
        """Return how many records may be read; none while a full batch waits for the one before."""
        if self._publisher.batch and self._batch.is_full:
            return 0
        return self._waiting.room(self._batch.size + self._publisher.size)

    def _note_state(self, now: float) -> None:
        """Note for whoever watches where this stands."""
        counts, first, leaving = self.counts, self._waiting.first, self._publisher.batch
        waiting = [
            leaving.oldest if leaving else None,
            self._batch.oldest,
            first.record.appended_at if first else None,
        ]
        counts.oldest = min((moment for moment in waiting if moment), default=None)
        counts.in_flight = len(self._waiting) + self._batch.size + self._publisher.size
        counts.in_quarantine = len(self._quarantine)
        if now < self._look_at or leaving:  # the lake is looked at by one thread at a time
            return
        self._look_at = now + _LOOK_SECONDS
        with suppress(RetryableError):
            ends = self._reader.end_offsets()
            counts.lag = {n: max(0, end - self._starts.get(n, 0)) for n, end in ends.items()}
        counts.lake_files = self._lake.file_count()

    def _take(self, records: Sequence[RawRecord]) -> None:
        self.counts.read += len(records)
        for start in range(0, len(records), _CHUNK):  # so that workers begin before all is decoded
            with self.counts.timed("decode"):
                decoded = list(decode(records[start : start + _CHUNK], utc_now()))
            events = [item.event for item in decoded if isinstance(item, Decoded)]
            if events:
                self._redaction.submit(events)
            self._waiting.add(decoded)

    def _collect(self, timeout: float) -> None:
        """Give each waiting record its outcome, in the order of the log."""
        with self.counts.timed("redact"):
            results = iter(self._redaction.collect(timeout if self._redaction.pending else 0))
        self._settle_refused()
        for result in results:
            item = self._waiting.take()
            if not isinstance(item, Decoded):
                raise AssertionError("redaction answered for a record it was not given")
            self._outcomes.settle(item, result, self._batch)
            self._settle_refused()

    def _settle_refused(self) -> None:
        while isinstance(refused := self._waiting.first, Refused):
            self._waiting.take()
            self._outcomes.refuse(refused, self._batch)

    def _publish_all(self) -> None:
        """Publish what is batched, and return when it is in the lake."""
        self._settle_published(wait=True)
        self._publish()
        self._settle_published(wait=True)

    def _publish(self) -> None:
        """Send the batch on its way, and begin the next behind it."""
        leaving = self._batch
        if leaving.segments:
            self._batch = Batch(self._limits, self._starts | next_offsets(leaving.segments))
            self._publisher.begin(leaving)

    def _settle_published(self, *, wait: bool) -> None:
        """Note what has arrived in the lake."""
        positions = self._publisher.published(wait=wait)
        if positions:
            self._starts |= positions
            self._note_state(time.monotonic())
            self._reader.commit(positions)

    def _cross(self, gap: RecordsMissing) -> None:
        """Publish what came before the gap, then the gap itself, and go on behind it."""
        log.error(
            "%s",
            gap,
            extra={
                "partition": gap.partition,
                "first_offset": gap.first_offset,
                "next_offset": gap.next_offset,
            },
        )
        while self._waiting:
            self._collect(_POLL_SECONDS)
        self._publish_all()
        start = self._starts.get(gap.partition, 0)
        if start != gap.first_offset:
            return  # the partition was taken away; its next owner will meet the gap
        segment = Segment(
            self._reader.topic_id,
            gap.partition,
            start,
            gap.next_offset,
            expired=(gap.first_offset, gap.next_offset),
        )
        with self._reader.assignment_held() as is_ours:
            if not is_ours:
                return
            self._lake.publish([segment], utc_now())
        self.counts.expired += gap.next_offset - gap.first_offset
        self._starts[gap.partition] = gap.next_offset
        self._batch = Batch(self._limits, self._starts)
        self._reader.seek(gap.partition, gap.next_offset)

    def _positions(self, partitions: Sequence[int]) -> Mapping[int, int]:
        self._forget()
        self._starts = dict(self._lake.next_offsets(self._reader.topic_id, partitions))
        self._batch = Batch(self._limits, self._starts)
        return self._starts

    def _forget(self) -> None:
        """Drop what is under way; whoever has the partitions next reads it again."""
        self._publisher.abandon()
        self._redaction.discard()
        self._waiting.clear()
        self._batch = Batch(self._limits, self._starts)

    def _all_batched(self, goal: Mapping[int, int]) -> bool:
        batched = self._starts | next_offsets(self._batch.segments)
        return all(batched.get(n, 0) >= end for n, end in goal.items())

    def _has_reached(self, goal: Mapping[int, int]) -> bool:
        return all(self._starts.get(partition, 0) >= end for partition, end in goal.items())
