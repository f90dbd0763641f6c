"""The forwarder: the recorder's own thread, which makes events of drafts and hands them on.

Room in the ring is given up when its events are durable elsewhere. Statements take their number
from the ring like events, so when one is made, everything numbered below it has been handed on or
is known to be dropped.

The thread lets others run after each short piece of work: Python would let it keep the interpreter
for 5 ms otherwise, and the agent would wait.
"""

from __future__ import annotations

import logging
import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import jiter

from locard.evidence import SigningKey
from locard.ingest.eventlog import EventLogWriter, OutgoingRecord, outgoing
from locard.ingest.recorder.accounts import Drop
from locard.ingest.recorder.orphans import core_of, orphans, set_aside
from locard.ingest.recorder.places import own_refusals, own_spool, signing_key
from locard.ingest.recorder.refusals import Refusals
from locard.ingest.recorder.ring import Entry, Ring
from locard.ingest.recorder.ring_events import RingEvents, crash_draft, statement_draft
from locard.ingest.recorder.settings import RecorderSettings
from locard.ingest.spool import SpooledWriter
from locard.schema import LocardError, event_json

log = logging.getLogger(__name__)

Refused = Callable[[OutgoingRecord, str], None]
OpenLog = Callable[[SigningKey, Refused], EventLogWriter]
"""Opens the log: with the key to sign with, and whom to tell what it refuses."""

_READ_BYTES: Final = 256 * 1024  # of the ring at once
_PIECE_SECONDS: Final = 0.0001  # of work before others may run, and how long they are let
_BREATH_SECONDS: Final = 0.00002
# Waking this thread for each event would cost the agent more than all the rest of recording it.
_LOOK_SECONDS: Final = 0.05
_SHORTEST_PAUSE: Final = 0.1
_WITHOUT_SPOOL_SECONDS: Final = 60.0  # then it is tried again to make one
_LONGEST_PAUSE: Final = 5.0


class Forwarder:
    """Empties a ring, and those that crashed processes left.

    Args:
        ring: of this incarnation.
        places: directories with rings of others.
        open_log: opens where events go.
        large: drafts too large for the ring, by event id.
    """

    def __init__(
        self,
        settings: RecorderSettings,
        ring: Ring,
        places: Sequence[Path],
        open_log: OpenLog,
        large: dict[str, bytes],
    ) -> None:
        self._settings = settings
        self._ring = ring
        self._places = places
        self._open_log = open_log
        self._large = large
        self._told: set[str] = set()  # what was warned of
        self._refusals = Refusals()
        self._writer: SpooledWriter | None = None
        self._opened = 0.0
        self._follows: str | None = None
        self._stopping = threading.Event()
        self._progress = threading.Condition()
        self._settled = 0  # everything below is durable somewhere else, or dropped

    @property
    def spooled_bytes(self) -> int:
        """How much waits in the spool."""
        return self._writer.spooled_bytes() if self._writer else 0

    def flush(self, seconds: float) -> bool:
        """Wait until everything in the ring is durable somewhere else; say whether it is."""
        goal = self._ring.next_seq
        with self._progress:
            return self._progress.wait_for(
                # What found no room at the end is not seen before something comes after it.
                lambda: self._settled >= goal or self._ring.used == 0,
                seconds,
            )

    def stop(self) -> None:
        """Have the thread hand on what there is, make the last statement, and end."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped; the thread's own function.

        Nothing else ends it: where something cannot be opened, or fails in a way that nobody
        foresaw, all is opened anew after a pause, while the ring takes what is recorded.
        """
        pause = _SHORTEST_PAUSE
        is_last = False
        while not is_last:
            is_last = self._stopping.is_set()
            try:
                self._work()
            except _OpenAnew:
                continue
            except Exception as error:  # noqa: BLE001 - see above
                self._warn_once(
                    type(error).__name__,
                    "the recorder could not go on (%s: %s), and tries again",
                    type(error).__name__,
                    error if isinstance(error, LocardError) else "no more is told of it here",
                )
                self._stopping.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return

    def _work(self) -> None:
        """Open what is needed, hand on what others left and what there is, until stopped."""
        self._ring.rewind()
        key = signing_key(self._settings)
        self._refusals = own_refusals(self._settings)
        spool = own_spool(self._settings)
        self._opened = time.monotonic() if spool is None else math.inf
        self._writer = writer = SpooledWriter(
            lambda: self._open_log(key, self._note_refused), spool
        )
        events = RingEvents(self._ring, self._settings.core, key, self._large)
        try:
            self._follows = self._take_over(writer, key) or self._follows
            events.follows = self._follows
            self._empty(events, writer, key)
            self._ring.remove()
        except _EndedBefore:
            pass  # the next process goes on from the ring
        finally:
            writer.close(self._settings.seconds_to_close)
            self._refusals.close()

    def _take_over(self, writer: EventLogWriter, key: SigningKey) -> str | None:
        """Hand on what processes left that ended badly; return the last one's incarnation."""
        last = None
        for ring in orphans(self._places, self._ring.collector_id):
            try:
                self._finish(ring, writer, key)
            except _EndedBefore:
                ring.let_go()
                raise
            except Exception:  # noqa: BLE001 - whatever stands in it, it is another's ring
                if ring.path:
                    set_aside(ring.path)
                ring.let_go()
            last = ring.incarnation
        return last

    def _finish(self, ring: Ring, writer: EventLogWriter, key: SigningKey) -> None:
        """Hand on what is in the ring of a process that is no more, and state its end."""
        events = RingEvents(ring, core_of(ring), key)
        while entries := ring.read(_READ_BYTES):
            self._hand_on(events, writer, entries)
            events.settle()
        events.account.lose(ring.next_seq, "crash")
        while events.account.has_too_many_drops:
            self._state(events, ring, writer, statement_draft("interval"))
        self._state(events, ring, writer, crash_draft(ring))
        ring.remove()

    def _state(self, events: RingEvents, ring: Ring, writer: EventLogWriter, draft: bytes) -> None:
        ring.append(draft)
        self._hand_on(events, writer, ring.read(_READ_BYTES))
        events.settle()
        self._refusals.forget(events.account.take_declared())

    def _empty(self, events: RingEvents, writer: EventLogWriter, key: SigningKey) -> None:
        """Hand on what comes, until stopped and empty."""
        stated = time.monotonic()
        while True:
            is_last = self._stopping.is_set() and self._ring.used == 0
            if is_last:
                # One statement has room for some thousand ranges; the rest goes before it.
                is_last = not events.account.has_too_many_drops
                self._ring.append(statement_draft("close" if is_last else "interval"))
            entries = self._ring.read(_READ_BYTES)
            if entries:
                self._hand_on(events, writer, entries)
                self._settle(events)
            if is_last:
                return
            if not entries:
                self._stopping.wait(_LOOK_SECONDS)
            if time.monotonic() - stated >= self._settings.accounting_seconds:
                stated = time.monotonic()
                self._ring.append(statement_draft("interval"))
                self._take_over(writer, key)  # of forked children that left without a word
                if stated - self._opened >= _WITHOUT_SPOOL_SECONDS:
                    raise _OpenAnew

    def _hand_on(self, events: RingEvents, writer: EventLogWriter, entries: list[Entry]) -> None:
        """Return when the events are durable, in the log or in the spool.

        Raises:
            _EndedBefore: the process ends, and neither takes them.
        """
        records = list(_records(events, entries))
        pause = _SHORTEST_PAUSE
        while True:
            try:
                writer.append(records)
                break
            except Exception as error:  # nothing may end this thread: it has the ring
                if self._stopping.is_set():
                    raise _EndedBefore from error
                self._stopping.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        for drop in self._refusals.take_new():
            events.account.refuse(drop)

    def _settle(self, events: RingEvents) -> None:
        events.settle()
        self._refusals.forget(events.account.take_declared())
        with self._progress:
            self._settled = events.account.seen
            self._progress.notify_all()

    def _note_refused(self, record: OutgoingRecord, reason: str) -> None:
        self._warn_once(
            reason,
            "the collector refuses events for good (%s): they are counted and declared; see that "
            "workflow, agent and token belong together",
            reason,
        )
        self._refusals.note(_drop(record, reason))

    def _warn_once(self, what: str, message: str, *told: object) -> None:
        if what not in self._told:
            self._told.add(what)
            log.warning(message, *told)


class _EndedBefore(Exception):
    """The process ends before everything was handed on."""


class _OpenAnew(Exception):
    """There was no room or no descriptor for a spool, and there may be now."""


def _records(events: RingEvents, entries: list[Entry]) -> Iterator[OutgoingRecord]:
    """Yield the records of the entries, letting other threads run between them."""
    began = time.perf_counter()
    for entry in entries:
        event = events.event(entry)
        if event is not None:
            yield outgoing(event, event_json(event))
        if time.perf_counter() - began > _PIECE_SECONDS:
            time.sleep(_BREATH_SECONDS)
            began = time.perf_counter()


def _drop(record: OutgoingRecord, reason: str) -> Drop:
    """Return what a refused record means for the account."""
    fields = jiter.from_json(record.value, cache_mode="keys")
    word = re.sub(r"[^a-z_]", "_", reason.lower())[:30]
    seq = fields.get("seq", 0)
    return Drop(fields.get("incarnation", ""), seq, seq, f"refused_{word}")
