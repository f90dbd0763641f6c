"""What is done with cases, in whichever database keeps them.

There is one table of entries. Adding one takes the next number of its case while nobody else
writes, so that no two get the same and none is lost, however many write at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final, LiteralString, Protocol

from locard.query.cases.records import Case, Entry, check, folded
from locard.schema import CannotContinue, rfc3339, utc_now

TABLE: Final[LiteralString] = """
    CREATE TABLE IF NOT EXISTS case_entries (
        case_id TEXT NOT NULL, number INTEGER NOT NULL, at TEXT NOT NULL, author TEXT NOT NULL,
        kind TEXT NOT NULL, event_id TEXT, session_id TEXT, text TEXT, data TEXT,
        PRIMARY KEY (case_id, number)
    )
"""
_COLUMNS: Final = "number, at, author, kind, event_id, session_id, text, data"
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Cursor(Protocol):
    """What is used of a cursor of the Python Database API (PEP 249)."""

    def execute(self, query: Any, parameters: Sequence[Any] = ..., /) -> Any:
        """Run a statement."""

    def fetchall(self) -> list[Any]:
        """Return the rows of the statement that was run last."""


class Database(Protocol):
    """A database with the table of entries.

    Both raise `RetryableError` where it cannot be used now, and `CannotContinue` where it is none.
    """

    @property
    def mark(self) -> str:
        """What stands for a parameter in a statement."""

    def reading(self) -> AbstractContextManager[Cursor]:
        """Give a cursor for the block; the table is there."""

    def writing(self) -> AbstractContextManager[Cursor]:
        """Give a cursor for the block while nobody else writes; kept unless the block raises."""


class Cases:
    """The cases of an installation.

    Args:
        database: that keeps them.
        now: the clock.
    """

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._now = now

    def open(
        self,
        case_id: str,
        title: str,
        author: str,
        *,
        workflows: frozenset[str] | None = None,
    ) -> Case:
        """Open a case.

        Args:
            workflows: that it is about; `None` is all of them.

        Raises:
            CannotContinue: the id cannot be one, or there is such a case already.
        """
        if not _ID.fullmatch(case_id):
            raise CannotContinue(
                "the id of a case has letters, digits, dots, dashes and underscores; choose another"
            )
        check("opened", None, title)
        told = None if workflows is None else {"workflows": sorted(workflows)}
        with self._database.writing() as cursor:
            if self._entries(cursor, case_id):
                raise CannotContinue("there is a case of this id already; choose another")
            self._insert(cursor, case_id, 1, author, "opened", None, None, title, told)
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
        with self._database.writing() as cursor:
            entries = self._entries(cursor, case_id)
            folded(case_id, entries)
            if kind == "settled":
                named = (data or {}).get("hypothesis")
                if not any(e.number == named and e.kind == "hypothesis" for e in entries):
                    raise CannotContinue("there is no hypothesis of this number in the case")
            number = max(entry.number for entry in entries) + 1
            self._insert(cursor, case_id, number, author, kind, event_id, session_id, text, data)
        return self.case(case_id).entries[number - 1]

    def case(self, case_id: str) -> Case:
        """Return a case.

        Raises:
            CannotContinue: there is none of this id.
        """
        with self._database.reading() as cursor:
            return folded(case_id, self._entries(cursor, case_id))

    def find(self, case_id: str) -> Case | None:
        """Return a case; `None` where there is none of this id."""
        with self._database.reading() as cursor:
            entries = self._entries(cursor, case_id)
        return folded(case_id, entries) if entries else None

    def cases(self) -> list[Case]:
        """Return all cases, those that were opened last first."""
        with self._database.reading() as cursor:
            cursor.execute("SELECT DISTINCT case_id FROM case_entries ORDER BY case_id")
            names = [name for (name,) in cursor.fetchall()]
            found = [folded(name, self._entries(cursor, name)) for name in names]
        return sorted(found, key=lambda case: (case.opened_at, case.case_id), reverse=True)

    def _entries(self, cursor: Cursor, case_id: str) -> list[Entry]:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM case_entries "  # noqa: S608
            f"WHERE case_id = {self._database.mark} ORDER BY number",
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
        cursor: Cursor,
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
        marks = ", ".join([self._database.mark] * len(values))
        cursor.execute(
            f"INSERT INTO case_entries (case_id, {_COLUMNS}) VALUES ({marks})",  # noqa: S608
            values,
        )
