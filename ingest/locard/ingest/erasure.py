"""Erasure: the content of chosen events leaves the lake, the disk and the event log, provably.

What goes is content and the salts of its commitments; the rest of a row stays, and so does its
proof. A hold wins: where one names any of the rows, nothing is erased at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

import duckdb
from deltalake import DeltaTable

from locard.evidence.custody import CUSTODY_KEY, Custodian
from locard.ingest.lake_store import lake_store
from locard.ingest.retention import Hold, Holds, held_condition
from locard.ingest.upkeep import (
    CONTENT_COLUMNS,
    DEFAULT_SIZES,
    HAS_CONTENT,
    READ,
    Change,
    LakeFile,
    Rewrite,
    Rewriter,
    emptied,
    live_files,
    offset_ranges,
    open_lake,
    parts,
    vacuum,
)
from locard.schema import CannotContinue, JsonValue, LakePlace

ERASED: Final = "erased"


@dataclass(frozen=True)
class Subject:
    """Whose content is to go.

    Args:
        sessions: all events of these.
        tokens: every event whose content holds one of these, such as `‹EMAIL_ADDRESS:k1:…›`.
    """

    sessions: Sequence[str] = ()
    tokens: Sequence[str] = ()

    def condition(self) -> tuple[str, dict[str, Any]]:
        """Return the condition of the rows, in SQL, and its parameters."""
        parameters: dict[str, Any] = {}
        any_of = []
        if self.sessions:
            parameters["sessions"] = list(self.sessions)
            any_of.append("coalesce(session_id IN (SELECT unnest($sessions)), false)")
        for number, token in enumerate(self.tokens):
            parameters[f"token{number}"] = token
            any_of += [
                f"coalesce(contains({name}, $token{number}), false)" for name in CONTENT_COLUMNS
            ]
        if not any_of:
            raise CannotContinue("an erasure names sessions or tokens")
        return f"({' OR '.join(any_of)}) AND {HAS_CONTENT}", parameters


@dataclass
class Erased:
    """What went, or would.

    Args:
        rows: whose content it was.
        ranges: their offsets in the event log, by `<topic-id>/<partition>`.
        sessions: that they are of.
        removed: files that left the disk.
        held: rows that a hold keeps; then nothing went.
    """

    rows: int = 0
    ranges: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)
    removed: list[str] = field(default_factory=list)
    held: int = 0


class Erasure:
    """Erases from the lake at a place."""

    def __init__(self, place: LakePlace, holds: Holds, custodian: Custodian) -> None:
        self.place = place
        self._holds = holds
        self._custodian = custodian
        self._rewriter = Rewriter(place)

    def preview(self, subject: Subject) -> Erased:
        """Return what an erasure would do now.

        Raises:
            LocardError: see `run`.
        """
        table = open_lake(self.place)
        with self._holds.in_force() as holds:
            found = Erased()
            for _, of_files in self._found(table, subject, holds):
                _add(found, of_files)
        return found

    def run(
        self,
        subject: Subject,
        told: Mapping[str, JsonValue],
        now: datetime,
        before: Callable[[Erased], None] = lambda _: None,
    ) -> Erased:
        """Erase, and return when nothing of it is in any file of the lake any more.

        Args:
            told: for the statement of custody, such as `legal_basis` and `ticket`.
            before: is told what is about to go; if it raises, nothing does.

        Raises:
            CannotContinue: a hold names some of it, or the lake cannot be read or written.
            RetryableError: others were at work on the lake; the same call goes on.
        """
        table = open_lake(self.place)
        with self._holds.in_force() as holds:
            chosen = list(self._found(table, subject, holds))
            found = Erased()
            for _, of_files in chosen:
                _add(found, of_files)
            if found.held:
                raise CannotContinue(
                    f"a hold keeps {found.held:,} of the {found.rows:,} events, so nothing was "
                    "erased; `locard hold list` tells which, and releasing it needs a reason"
                )
            if not found.rows:
                return found
            before(found)
            for files, of_files in chosen:
                self._erase(table, subject, files, of_files, told, now)
        found.removed = vacuum(open_lake(self.place), self.place, timedelta(0))
        return found

    def _erase(
        self,
        table: DeltaTable,
        subject: Subject,
        files: Sequence[LakeFile],
        found: Erased,
        told: Mapping[str, JsonValue],
        now: datetime,
    ) -> None:
        condition, parameters = subject.condition()
        statements = self._custodian.statements(
            "erasure", now, emptied=found.ranges, dropped={}, told=told
        )
        change = Change(emptied(condition, ERASED), "true", parameters, {CUSTODY_KEY: statements})
        is_sorted = all(file.is_sorted for file in files)
        self._rewriter.rewrite(table, Rewrite(files[0].day, tuple(files), is_sorted), change)

    def _found(
        self, table: DeltaTable, subject: Subject, holds: Sequence[Hold]
    ) -> Iterator[tuple[list[LakeFile], Erased]]:
        """Yield files that hold some of it, those of a day together, with what they hold."""
        condition, parameters = subject.condition()
        held, of_holds = held_condition(holds)
        store = lake_store(self.place)
        with store.scratch() as spill, self._rewriter.database(spill) as database:
            for _, of_day in groupby(live_files(table), key=lambda file: file.day):
                kept = [
                    file
                    for file in of_day
                    if self._holds_some(database, store.readable(database, [file.path]), subject)
                ]
                for files in parts(kept, DEFAULT_SIZES.at_once):
                    paths = store.readable(database, [file.path for file in files])
                    given = {**parameters, "files": paths}
                    rows, of_held = database.execute(
                        f"SELECT count(*), count(*) FILTER ({held}) FROM {READ}"  # noqa: S608
                        f" WHERE {condition}",
                        given | of_holds,
                    ).fetchall()[0]
                    sessions = database.execute(
                        f"SELECT DISTINCT session_id FROM {READ} WHERE {condition}"  # noqa: S608
                        " AND session_id IS NOT NULL",
                        given,
                    ).fetchall()
                    ranges = offset_ranges(database, condition, given)
                    yield files, Erased(rows, ranges, {name for (name,) in sessions}, [], of_held)

    def _holds_some(
        self, database: duckdb.DuckDBPyConnection, paths: list[str], subject: Subject
    ) -> bool:
        condition, parameters = subject.condition()
        try:
            found = database.execute(
                f"SELECT 1 FROM {READ} WHERE {condition} LIMIT 1",  # noqa: S608
                {**parameters, "files": paths},
            ).fetchone()
        except duckdb.Error as error:
            raise CannotContinue(
                f"a file of the lake at {self.place} cannot be read; `locard doctor` tells more. "
                "Nothing was erased"
            ) from error
        return found is not None


def _add(found: Erased, more: Erased) -> None:
    found.rows += more.rows
    found.held += more.held
    found.sessions |= more.sessions
    for partition, ranges in more.ranges.items():
        found.ranges.setdefault(partition, []).extend(ranges)
