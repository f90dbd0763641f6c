"""Where cases are kept: one SQLite file, which several processes may use.

There is one table of entries. Adding one takes the next number of its case within a transaction, so
that no two get the same and none is lost, however many write at once.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from locard.query.cases.records import Case, Entry, check, folded
from locard.schema import CannotContinue, RetryableError, rfc3339, utc_now

_TABLE: Final = """
    CREATE TABLE IF NOT EXISTS case_entries (
        case_id TEXT NOT NULL, number INTEGER NOT NULL, at TEXT NOT NULL, author TEXT NOT NULL,
        kind TEXT NOT NULL, event_id TEXT, session_id TEXT, text TEXT, data TEXT,
        PRIMARY KEY (case_id, number)
    )
"""
_COLUMNS: Final = "number, at, author, kind, event_id, session_id, text, data"
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SECONDS_TO_WAIT: Final = 30.0  # for others who write


class Cases:
    """The cases of an installation.

    Args:
        path: of the file, made with its directory, for its owner alone, if it does not exist.
        now: the clock.
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = utc_now) -> None:
        self._path = path
        self._now = now

    def open(self, case_id: str, title: str, author: str) -> Case:
        """Open a case.

        Raises:
            CannotContinue: the id cannot be one, or there is such a case already.
        """
        if not _ID.fullmatch(case_id):
            raise CannotContinue(
                "the id of a case has letters, digits, dots, dashes and underscores; choose another"
            )
        check("opened", None, title)
        with self._writing() as connection:
            if self._entries(connection, case_id):
                raise CannotContinue("there is a case of this id already; choose another")
            self._insert(connection, case_id, 1, author, "opened", None, None, title, None)
        return self.case(case_id)

    def add(
        self,
        case_id: str,
        author: str,
        kind: str,
        *,
        event_id: str | None = None,
        session_id: str | None = None,
        text: str | None = None,
        data: dict[str, Any] | None = None,
    ) -> Entry:
        """Add an entry to a case, after all that are there, and return it.

        Raises:
            CannotContinue: there is no such case, or it cannot be an entry.
            RetryableError: others write for too long.
        """
        check(kind, event_id, text)
        with self._writing() as connection:
            entries = self._entries(connection, case_id)
            folded(case_id, entries)
            if kind == "settled":
                named = (data or {}).get("hypothesis")
                if not any(e.number == named and e.kind == "hypothesis" for e in entries):
                    raise CannotContinue("there is no hypothesis of this number in the case")
            number = max(entry.number for entry in entries) + 1
            self._insert(
                connection, case_id, number, author, kind, event_id, session_id, text, data
            )
        return self.case(case_id).entries[number - 1]

    def case(self, case_id: str) -> Case:
        """Return a case.

        Raises:
            CannotContinue: there is none of this id.
        """
        with self._connection() as connection:
            return folded(case_id, self._entries(connection, case_id))

    def cases(self) -> list[Case]:
        """Return all cases, those that were opened last first."""
        with self._connection() as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT DISTINCT case_id FROM case_entries ORDER BY case_id")
            names = [name for (name,) in cursor.fetchall()]
            found = [folded(name, self._entries(connection, name)) for name in names]
        return sorted(found, key=lambda case: (case.opened_at, case.case_id), reverse=True)

    def _entries(self, connection: sqlite3.Connection, case_id: str) -> list[Entry]:
        cursor = connection.cursor()
        cursor.execute(
            f"SELECT {_COLUMNS} FROM case_entries WHERE case_id = ? ORDER BY number",  # noqa: S608
            (case_id,),
        )
        return [
            Entry(
                number, datetime.fromisoformat(at), author, kind, event_id, session_id, text,
                json.loads(data) if data else None,
            )
            for number, at, author, kind, event_id, session_id, text, data in cursor.fetchall()
        ]  # fmt: skip

    def _insert(
        self,
        connection: sqlite3.Connection,
        case_id: str,
        number: int,
        author: str,
        kind: str,
        event_id: str | None,
        session_id: str | None,
        text: str | None,
        data: dict[str, Any] | None,
    ) -> None:
        told = None if data is None else json.dumps(data, ensure_ascii=True, sort_keys=True)
        values = (
            case_id, number, rfc3339(self._now()), author, kind, event_id, session_id, text, told,
        )  # fmt: skip
        marks = ", ".join(["?"] * len(values))
        connection.execute(
            f"INSERT INTO case_entries (case_id, {_COLUMNS}) VALUES ({marks})",  # noqa: S608
            values,
        )

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection while nobody else writes."""
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not self._path.exists():
                os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
            connection = sqlite3.connect(self._path, timeout=_SECONDS_TO_WAIT, isolation_level=None)
            with closing(connection):
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute(_TABLE)
                yield connection
        except sqlite3.OperationalError as error:
            raise RetryableError(
                f"the cases in {self._path} cannot be used now ({error}); try again"
            ) from error
        except (sqlite3.DatabaseError, OSError) as error:
            raise CannotContinue(
                f"{self._path} holds no cases ({type(error).__name__}); restore it from a copy"
            ) from error
