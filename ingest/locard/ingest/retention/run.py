"""One run of retention: what the policy says is over leaves the lake, day by day.

Content leaves the lake's version at once and the disk with the next vacuum after the grace.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import duckdb
from deltalake import DeltaTable

from locard.evidence.custody import CUSTODY_KEY, Custodian, Ranges
from locard.evidence.durable import replace_durably
from locard.ingest.lake_store import lake_store
from locard.ingest.retention.expiry import Expiry, expiry
from locard.ingest.retention.holds import Hold, Holds
from locard.ingest.retention.policy import RetentionPolicy
from locard.ingest.segments import LAKE_COLUMNS
from locard.ingest.upkeep import (
    DEFAULT_SIZES,
    READ,
    Change,
    FileSizes,
    LakeFile,
    Rewrite,
    Rewriter,
    live_files,
    offset_ranges,
    open_lake,
    parts,
)
from locard.schema import CannotContinue, JsonValue, LakePlace

_LOOKED_AT: Final = "retention-looked-at.json"


@dataclass(frozen=True)
class Expired:
    """What expired, or would, of one day.

    Args:
        payloads: events whose content went.
        records: events that went as a whole.
        held: events of which a hold alone kept something.
        ranges: offsets of those records, as `(first, next)`, by `<topic-id>/<partition>`.
        emptied: offsets of those events, likewise.
    """

    day: date
    payloads: int
    records: int
    held: int
    ranges: Ranges = field(default_factory=dict)
    emptied: Ranges = field(default_factory=dict)

    @property
    def is_any(self) -> bool:
        """Whether anything expired."""
        return bool(self.payloads or self.records)


class Retention:
    """Applies a policy to the lake at a place.

    Args:
        holds: what is kept all the same.
        custodian: signs what goes.
        state: a directory; a file in it remembers what need not be looked at again. Without it
            each run looks at each old day.
    """

    def __init__(
        self,
        place: LakePlace,
        policy: RetentionPolicy,
        holds: Holds,
        custodian: Custodian,
        state: Path,
        sizes: FileSizes = DEFAULT_SIZES,
    ) -> None:
        self.place = place
        self.policy = policy
        self._holds = holds
        self._custodian = custodian
        self._looked_at = _LookedAt(state / _LOOKED_AT)
        self._sizes = sizes
        self._rewriter = Rewriter(place, sizes)

    def preview(self, now: datetime) -> Iterator[Expired]:
        """Yield what a run would do at `now` for each day that has something due; change nothing.

        Raises:
            LocardError: see `run`.
        """
        table = open_lake(self.place)
        with self._holds.in_force() as holds:
            for day, _, files in self._old_days(table, now):
                found = self._look(expiry(self.policy, holds, (now.date() - day).days), day, files)
                if found.is_any or found.held:
                    yield found

    def run(
        self, now: datetime, before: Callable[[Expired], None] = lambda _: None
    ) -> list[Expired]:
        """Take out what is due at `now` (an aware time), the oldest day first.

        Args:
            before: is told what is about to expire of a day; if it raises, that does not.

        Raises:
            RetryableError: another upkeep was at work, or somebody changed the holds all the time;
                what expired until then stays expired.
            CannotContinue: the lake or the holds cannot be read or written; likewise.
        """
        if self.policy.shortest is None:
            return []
        table = open_lake(self.place)
        done = []
        for day, number, files in self._old_days(table, now):
            with self._holds.in_force() as holds:
                found = self._expire(table, holds, day, number, files, now, before)
            if found.is_any:
                done.append(found)
        return done

    def _expire(
        self,
        table: DeltaTable,
        holds: Sequence[Hold],
        day: date,
        number: int,
        files: Sequence[LakeFile],
        now: datetime,
        before: Callable[[Expired], None],
    ) -> Expired:
        due = expiry(self.policy, holds, (now.date() - day).days)
        nothing = Expired(day, 0, 0, 0)
        part = f"{day}/{number}"
        signature = due.signature([file.path for file in files])
        if not due.is_possible or self._looked_at.has(part, signature):
            return nothing
        found = self._look(due, day, files)
        if found.is_any:
            before(found)
            self._rewriter.rewrite(
                table, Rewrite(day, tuple(files), is_closed=True), self._change(due, found, now)
            )
            return found
        self._looked_at.note(part, signature)
        return found

    def _change(self, due: Expiry, found: Expired, now: datetime) -> Change:
        told: dict[str, JsonValue] = {"policy": self.policy.digest, "day": f"{found.day}"}
        statements = self._custodian.statements(
            "expiry", now, emptied=found.emptied, dropped=found.ranges, told=told
        )
        return Change(due.columns(), f"NOT {due.goes}", due.parameters, {CUSTODY_KEY: statements})

    def _look(self, due: Expiry, day: date, files: Sequence[LakeFile]) -> Expired:
        """Count what is due of a day, without changing anything."""
        if not due.is_possible:
            return Expired(day, 0, 0, 0)
        store = lake_store(self.place)
        with store.scratch() as spill, self._rewriter.database(spill) as database:
            paths = store.readable(database, [file.path for file in files])
            parameters = {**due.parameters, "files": paths}
            try:
                self._check_columns(database, paths)
                ((payloads, records, held),) = database.execute(
                    f"SELECT count(*) FILTER ({due.empties} AND NOT {due.goes}),"  # noqa: S608
                    f" count(*) FILTER ({due.goes}), count(*) FILTER ({due.is_held_back})"
                    f" FROM {READ}",
                    parameters,
                ).fetchall()
                ranges = offset_ranges(database, due.goes, parameters) if records else {}
                empties = f"({due.empties} AND NOT {due.goes})"
                emptied = offset_ranges(database, empties, parameters) if payloads else {}
            except duckdb.Error as error:
                raise CannotContinue(
                    f"files of {day} in the lake at {self.place} cannot be read; `locard doctor` "
                    "tells more. Nothing of that day has expired"
                ) from error
        return Expired(day, payloads, records, held, ranges, emptied)

    def _check_columns(self, database: duckdb.DuckDBPyConnection, files: list[str]) -> None:
        """A newer version may keep content in columns that this one would leave as they are."""
        described = database.execute(f"DESCRIBE SELECT * FROM {READ}", {"files": files}).fetchall()  # noqa: S608
        unknown = sorted({name for name, *_ in described} - set(LAKE_COLUMNS.names))
        if unknown:
            raise CannotContinue(
                f"the lake at {self.place} has columns that this version does not know "
                f"({', '.join(unknown)}): run retention with the version that wrote them"
            )

    def _old_days(
        self, table: DeltaTable, now: datetime
    ) -> Iterator[tuple[date, int, list[LakeFile]]]:
        """Yield each day that is old enough for any period, in parts that fit one rewrite."""
        shortest = self.policy.shortest
        for day, of_day in groupby(live_files(table), key=lambda file: file.day):
            if shortest is not None and (now.date() - day).days >= shortest:
                for number, files in enumerate(parts(list(of_day), self._sizes.at_once)):
                    yield day, number, files


class _LookedAt:
    """Remembers, by part of a day, for what it was looked at last without finding anything due."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signatures: dict[str, str] = {}
        try:
            read: Any = json.loads(path.read_bytes())
            self._signatures = {str(part): str(signature) for part, signature in read.items()}
        except (OSError, ValueError, AttributeError):
            pass  # it only saves time

    def has(self, part: str, signature: str) -> bool:
        return self._signatures.get(part) == signature

    def note(self, part: str, signature: str) -> None:
        self._signatures[part] = signature
        try:
            replace_durably(self._path, json.dumps(self._signatures).encode())
        except OSError:
            return  # likewise
