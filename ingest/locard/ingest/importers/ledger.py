"""What has been imported: which lines were sent to which log, and as which sessions."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from locard.schema import CannotContinue, LocardError, RetryableError

_BUSY_SECONDS: Final = 30.0
_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

# Only digests are kept: the ledger outlives what it is about.
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS lines (
    topic_id TEXT, digest TEXT, PRIMARY KEY (topic_id, digest)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
    topic_id TEXT, digest TEXT, PRIMARY KEY (topic_id, digest)
) WITHOUT ROWID;
"""


class Ledger:
    """Which lines have been sent to which log.

    It saves work and is no evidence: where it is lost, or a little behind after a crash, lines are
    sent again and give the same events. So it need not be forced to the disk.

    Raises:
        CannotContinue: the file cannot be made, read or written.
        RetryableError: another process holds it.
    """

    def __init__(self, path: Path, topic_id: str) -> None:
        self._path = path
        self._topic_id = topic_id
        with self._translated_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._connection.executescript(_SCHEMA)

    def knows(self, digest: str) -> bool:
        """Say whether the events of the line with this name are in the log."""
        return self._has("SELECT 1 FROM lines WHERE topic_id = ? AND digest = ?", digest)

    def has_session(self, session_id: str) -> bool:
        """Say whether a line was sent as this session."""
        return self._has(
            "SELECT 1 FROM sessions WHERE topic_id = ? AND digest = ?", _digest(session_id)
        )

    def note(self, sent: Mapping[str, Iterable[str]]) -> None:
        """Remember lines whose events are durable in the log, and the sessions of each.

        A line goes by its digest, with the format before it.
        """
        lines = [(self._topic_id, digest) for digest in sent]
        session_ids = {session_id for of_line in sent.values() for session_id in of_line}
        sessions = [(self._topic_id, _digest(session_id)) for session_id in session_ids]
        with self._translated_errors(), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR IGNORE INTO lines VALUES (?, ?)", lines)
            self._connection.executemany("INSERT OR IGNORE INTO sessions VALUES (?, ?)", sessions)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _has(self, query: str, digest: str) -> bool:
        with self._translated_errors():
            return self._connection.execute(query, (self._topic_id, digest)).fetchone() is not None

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise self._meaning(error) from error

    def _meaning(self, error: Exception) -> LocardError:
        ledger = f"the import ledger {self._path}"
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY:
            return RetryableError(
                f"{ledger} is held by another import; let that one end, then again"
            )
        if isinstance(error, sqlite3.OperationalError | OSError):
            advice = "check that its disk has room and its directory is writable"
        else:
            advice = "move it away: what is in the log already is then sent again and adds nothing"
        return CannotContinue(f"{ledger} cannot be used: {error}; {advice}")


def _digest(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()
