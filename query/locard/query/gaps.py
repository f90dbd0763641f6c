"""Loss accounting: which numbers of which collector are missing, doubled or declared as dropped."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import duckdb

from locard.query.lake import reading
from locard.schema import AccountingEvent, CannotContinue, RejectedRecord, rfc3339, validate_event

GAP_COLUMNS: Final = (
    "collector_id",
    "incarnation",
    "principal",
    "first_seq",
    "last_seq",
    "count",
    "what",
    "drop_reason",
    "verified",
)
_GAPS: Final = f"""
    SELECT {", ".join(GAP_COLUMNS)} FROM gaps
    WHERE ($1 IS NULL OR collector_id = $1) AND ($2 OR what <> 'unaccounted')
    ORDER BY collector_id, incarnation NULLS FIRST, principal NULLS FIRST, first_seq
"""  # noqa: S608 - made of the constants above
_ACCOUNT: Final = """
    SELECT count(*), count(DISTINCT collector_id), coalesce(sum(events), 0),
        coalesce(sum(missing), 0), coalesce(sum(doubled), 0), coalesce(sum(dropped), 0),
        coalesce(sum(unaccounted), 0),
        coalesce(sum(unverified_drops) FILTER (NOT principal_verified), 0),
        count(*) - count(DISTINCT (collector_id, incarnation))
    FROM streams WHERE ($1 IS NULL OR collector_id = $1)
"""
_SIGNED: Final = """
    SELECT principal, kind, event_id, schema_version, occurred_at, observed_at, lane,
        collector_id, incarnation, seq, struct_pack(statement, first_seq, last_seq, count,
        declared_drops, drops, previous, follows, signing_key_id, signature) AS body
    FROM lake_rows
    WHERE kind = 'accounting' AND signature IS NOT NULL AND ($1 IS NULL OR collector_id = $1)
    ORDER BY collector_id, incarnation NULLS FIRST, seq, event_id
"""
_ROWS_AT_ONCE: Final = 1000


@dataclass(frozen=True)
class Account:
    """What became of all numbers of some streams; see the view `streams`.

    Args:
        unproven: those of `dropped` that nobody vouches for: the statement has no known key, and
            its sender had no token of its own.
        shared: how many streams have the collector and the run of another sender's.
        wrong_signatures: how many statements have one, as far as they were checked.
    """

    streams: int
    collectors: int
    events: int
    missing: int
    doubled: int
    dropped: int
    unaccounted: int
    unproven: int = 0
    shared: int = 0
    wrong_signatures: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether every number is in the lake once, or declared as never sent by who can know."""
        return not (self.missing or self.doubled or self.unproven or self.wrong_signatures)

    def sentence(self) -> str:
        """Return what this comes to."""
        if not self.streams:
            return (
                "No event in the lake was numbered by its collector, so nobody can tell whether "
                "any is missing."
            )
        found = "Nothing is missing and nothing doubled"
        if self.missing or self.doubled:
            found = f"{self.missing:,} missing, {self.doubled:,} doubled"
        more = [
            f"{count:,} {what}"
            for count, what in (
                (self.wrong_signatures, "wrongly signed"),
                (self.dropped - self.unproven, "declared as dropped"),
                (self.unproven, "declared as dropped by nobody knows whom"),
                (self.unaccounted, "not yet accounted for"),
            )
            if count
        ]
        whose = f"{_counted(self.streams, 'run')} of {_counted(self.collectors, 'collector')}"
        told = f"{', '.join([found, *more])}, among {self.events:,} numbered events of {whose}."
        if self.shared:
            told += (
                f" {_counted(self.shared, 'of these runs has', 'of these runs have')} the name of "
                "another sender's: look at `principal`."
            )
        return told


def find_gaps(
    connection: duckdb.DuckDBPyConnection,
    collector_id: str | None = None,
    *,
    is_all: bool = False,
    signatures: bool = False,
) -> tuple[Account, list[tuple[Any, ...]]]:
    """Return what became of the numbers, and a row with `GAP_COLUMNS` for each range.

    Args:
        collector_id: whose; default: of all.
        is_all: with ranges that are in the lake and no statement speaks for yet.
        signatures: also look for statements whose signature is wrong. One that is right shows only
            that whoever had the key said it; whose key it is, `verified` tells.

    Raises:
        CannotContinue: the collector has numbered nothing, or the lake cannot be read.
    """
    with reading():
        account = Account(*connection.execute(_ACCOUNT, [collector_id]).fetchone() or (0,) * 9)
        if collector_id is not None and not account.streams:
            raise CannotContinue(
                "the lake has no numbered event of this collector; "
                '`locard sql "SELECT DISTINCT collector_id FROM streams"` lists those it has'
            )
        rows = connection.execute(_GAPS, [collector_id, is_all]).fetchall()
        wrong = list(_wrongly_signed(connection, collector_id)) if signatures else []
    return replace(account, wrong_signatures=len(wrong)), rows + wrong


def _wrongly_signed(
    connection: duckdb.DuckDBPyConnection, collector_id: str | None
) -> Iterator[tuple[Any, ...]]:
    cursor = connection.execute(_SIGNED, [collector_id])
    names = [column[0] for column in cursor.description or ()]
    while batch := cursor.fetchmany(_ROWS_AT_ONCE):
        for values in batch:
            row = dict(zip(names, values, strict=True))
            if not _is_rightly_signed(row):
                whose = (row["collector_id"], row["incarnation"], row.pop("principal"))
                yield *whose, row["seq"], row["seq"], 1, "wrong_signature", None, False


def _is_rightly_signed(row: Mapping[str, Any]) -> bool:
    from locard.evidence import is_signed  # only here: cryptography takes long to import

    try:
        body = _present(row["body"])
        if "drops" in body:
            body["drops"] = json.loads(body["drops"])
        times = {name: rfc3339(row[name]) for name in ("occurred_at", "observed_at")}
        event = validate_event({**_present(row), **times, "body": body})
    except (ValueError, RecursionError, RejectedRecord):  # the lake was changed
        return False
    return isinstance(event, AccountingEvent) and is_signed(event)


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _counted(count: int, what: str, many: str | None = None) -> str:
    return f"{count:,} {what if count == 1 else many or f'{what}s'}"
