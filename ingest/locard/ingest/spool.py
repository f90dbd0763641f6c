"""A spool: what waits on this machine's disk while the event log cannot be reached.

It is an embedded log with a bound in bytes. `SpooledWriter` puts one in front of another writer:
records go straight through while that one answers, into the spool while it does not, and through
the spool as long as anything is in it, so that the records of a session stay in order. A thread
empties it, the oldest first. Several processes may share a spool; one of them empties it at a time.

What `append` returned for is durable: in the log or in the spool.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import jiter

from locard.ingest.eventlog import (
    EventLogWriter,
    OutgoingRecord,
    RawRecord,
    check_sizes,
    record_key,
)
from locard.ingest.eventlog.embedded import EmbeddedReader, EmbeddedWriter, LogIsBeingRead
from locard.ingest.eventlog.embedded_file import FileReplaced
from locard.schema import LocardError, RejectedRecord, RetryableError

log = logging.getLogger(__name__)

DEFAULT_SPOOL_BYTES: Final = 256 * 1024 * 1024
_BATCH: Final = 500  # records moved at once
_SHORTEST_PAUSE: Final = 0.5  # seconds before a log that did not answer is tried again
_LONGEST_PAUSE: Final = 30.0
_SECONDS_TO_STOP: Final = 5.0
_LOOK_SECONDS: Final = 0.02
_FAILURES_TO_REOPEN: Final = 3


class SpoolFull(RetryableError):
    """The spool holds as much as it may; it takes more when the log has taken what is in it."""


class Spool:
    """The file, bounded.

    Args:
        path: made with its directory, for its owner alone, if it does not exist.
        most_bytes: that the records in it may take up on the disk, give or take a page.

    Raises:
        CannotContinue: the file cannot be made or read.
    """

    def __init__(self, path: Path, most_bytes: int = DEFAULT_SPOOL_BYTES) -> None:
        self.path = path
        self._most_bytes = most_bytes
        self._writer = EmbeddedWriter(path)
        self._lock = threading.Lock()  # one connection, and threads of several minds

    def append(self, records: Sequence[OutgoingRecord]) -> None:
        """Return when all records are durable here.

        Raises:
            SpoolFull: there is no room for them; none was taken.
        """
        wanted = sum(len(record.value) for record in records)
        with self._lock:
            used = self._writer.bytes_used()
            if used + wanted > self._most_bytes:
                raise SpoolFull(
                    f"the spool {self.path} holds {used:,} bytes of {self._most_bytes:,}; bring "
                    "the event log back, or let the spool be larger"
                )
            try:
                self._writer.append(records)
            except FileReplaced as error:
                log.error("%s (the spool goes on in a new file)", error)
                self._writer.close()
                self._writer = EmbeddedWriter(self.path)
                self._writer.append(records)

    def is_empty(self) -> bool:
        """Say whether nothing waits."""
        with self._lock:
            return self._writer.is_empty()

    def bytes_used(self) -> int:
        """Return what the records take up on the disk."""
        with self._lock:
            return self._writer.bytes_used()

    def empty_into(self, take: Callable[[Sequence[OutgoingRecord]], None]) -> None:
        """Hand everything to `take`, the oldest first; what it returned for is removed.

        Raises:
            LogIsBeingRead: another process empties the spool at this moment.
            LocardError: `take` raised it; what it was given stays here.
        """
        reader = EmbeddedReader(self.path, retention=None)
        try:
            reader.start(lambda _: reader.begin_offsets(), lambda: None)
            while records := reader.poll(_BATCH, 0):
                take([OutgoingRecord(_key(record), record.value) for record in records])
                reader.commit(_following(records))
        finally:
            reader.close()

    def close(self) -> None:
        """Close the file; what is in it stays."""
        with self._lock:
            self._writer.close()


class SpooledWriter:
    """Appends to a log, or to a spool while the log cannot be reached; see `EventLogWriter`.

    Args:
        open_log: called, again after it has failed, until there is a log to append to.
        spool: where records wait; closed with this writer. With `None` there is none, and what the
            log does not take is not taken.
    """

    def __init__(self, open_log: Callable[[], EventLogWriter], spool: Spool | None) -> None:
        self._open_log = open_log
        self._spool = spool
        self._log: EventLogWriter | None = None
        self._opening = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self.is_reachable = True
        self._failures = 0  # to empty the spool, one after the other
        self._thread: threading.Thread | None = None
        if spool:
            self._thread = threading.Thread(
                target=self._empty, args=(spool,), name="locard-spool", daemon=True
            )
            self._thread.start()
            if not spool.is_empty():
                self._wake.set()

    @property
    def topic_id(self) -> str:
        """The log's own id, where it could be reached so far."""
        return self._log.topic_id if self._log else ""

    def append(self, records: Sequence[OutgoingRecord]) -> None:
        """Return when all records are durable, in the log or in the spool.

        Raises:
            RejectedRecord: one of them is larger than a log takes; none was appended.
            SpoolFull: the log cannot be reached and the spool is full.
            CannotContinue: the log cannot be reached and the spool cannot be written.
        """
        check_sizes(records)
        if self._spool is None:
            self._to_log(records)
            return
        if self._spool.is_empty():
            try:
                self._to_log(records)
            except RejectedRecord:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, the spool keeps the records
                self._note_away(error)
            else:
                return
        self._spool.append(records)
        self._wake.set()

    def spooled_bytes(self) -> int:
        """Return how much waits in the spool."""
        spool = self._spool
        return 0 if spool is None or spool.is_empty() else spool.bytes_used()

    def close(self, seconds: float = 0.0) -> None:
        """Close both; what is in the spool stays for the next process.

        Args:
            seconds: that emptying it may go on before, while the log answers.
        """
        give_up = time.monotonic() + seconds
        while self.spooled_bytes() and self.is_reachable and time.monotonic() < give_up:
            time.sleep(_LOOK_SECONDS)
        self._closing.set()
        self._wake.set()
        if self._thread:
            self._thread.join(_SECONDS_TO_STOP)
        if self._log:
            self._log.close()
        if self._spool and not (self._thread and self._thread.is_alive()):
            self._spool.close()

    def _to_log(self, records: Sequence[OutgoingRecord]) -> None:
        if self._closing.is_set():
            raise RetryableError("this process is ending; the next one goes on from the spool")
        with self._opening:
            writer = self._log = self._log or self._open_log()
        writer.append(records)
        self.is_reachable = True
        self._failures = 0

    def _note_failure(self) -> None:
        """Open the log anew if it fails again and again: a client can be beyond repair itself."""
        self.is_reachable = False
        self._failures += 1
        if self._failures % _FAILURES_TO_REOPEN:
            return
        with self._opening:
            broken, self._log = self._log, None
        if broken:
            with suppress(Exception):  # what it has not sent is in the spool
                broken.close()

    def _note_away(self, error: Exception) -> None:
        if self.is_reachable and self._spool:
            log.warning("events wait in the spool %s: %s", self._spool.path, _told(error))
        self.is_reachable = False

    def _empty(self, spool: Spool) -> None:
        """Empty the spool whenever something is in it, until closed."""
        while not self._closing.is_set():
            self._wake.wait()
            self._wake.clear()
            pause = _SHORTEST_PAUSE
            while not self._closing.is_set():
                asked_for = self._try_to_empty(spool)
                if asked_for is None:
                    break
                # A little chance, so that many senders do not come back at one moment.
                self._closing.wait(max(pause, asked_for) * random.uniform(0.8, 1.2))  # noqa: S311
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _try_to_empty(self, spool: Spool) -> float | None:
        """Return `None` if nothing is left, else the seconds to wait that the log asked for."""
        try:
            if not spool.is_empty():
                spool.empty_into(self._to_log)
        except LogIsBeingRead as error:
            return error.retry_after or 0.0  # by another process, which empties it
        except RetryableError as error:
            self._note_failure()
            return error.retry_after or 0.0
        except Exception as error:  # noqa: BLE001 - this thread has to live as long as the process
            self._note_failure()
            log.warning("the spool %s is not emptied: %s", spool.path, _told(error))
            return 0.0
        return None


def _told(error: Exception) -> str:
    """Say what went wrong; only our own errors are known to quote nothing."""
    return str(error) if isinstance(error, LocardError) else type(error).__name__


def _key(record: RawRecord) -> bytes:
    """Return the key that a record was appended with."""
    with suppress(ValueError, AttributeError):
        fields = jiter.from_json(record.value, cache_mode="keys")
        found = record_key(
            fields.get("session_id"), fields.get("collector_id"), fields.get("event_id")
        )
        if found:
            return found
    return record.value[:64]


def _following(records: Sequence[RawRecord]) -> dict[int, int]:
    return {record.partition: record.offset + 1 for record in records}
