"""Asking a question of the catalogue: the answer with how far it can be relied on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias

import duckdb

from locard.query.catalogue.questions import Question, Value
from locard.query.lake import reading
from locard.query.occurrences import OCCURRENCE_COLUMNS, find_occurrences
from locard.query.provenance import REACH_COLUMNS, Session, reach, read_session
from locard.query.provenance.assessment import gives_orders
from locard.query.provenance.explanation import deed_of, find_event
from locard.query.selection import Selection
from locard.query.sessions import find_session
from locard.query.standing import Standing, seal_state, standing
from locard.query.timeline import TIMELINE_COLUMNS, timeline
from locard.schema import LakePlace

Bound: TypeAlias = Mapping[str, Any]
_Rows: TypeAlias = tuple[list[str], list[tuple[Any, ...]]]

_UNTRUSTED_COLUMNS: Final = (
    "event_id", "occurred_at", "source", "trust", "path", "gives_orders", "before_event_id", "text",
)  # fmt: skip
_SELECTS: Final = {
    "session": "session_id",
    "trace": "trace_id",
    "workflow": "workflow_id",
    "agent": "agent",
    "value": "value",
    "document": "document",
    "since": "since",
    "until": "until",
}


@dataclass(frozen=True)
class Answered:
    """The answer to a question.

    Args:
        standing: how far it can be relied on.
    """

    question: Question
    columns: list[str]
    rows: list[tuple[Any, ...]] = field(repr=False)
    standing: Standing


def ask(
    connection: duckdb.DuckDBPyConnection,
    question: Question,
    given: Mapping[str, str | None],
    now: datetime,
    lake: LakePlace | None = None,
) -> Answered:
    """Return the answer to a question.

    Args:
        given: parameters by name, as people write them.
        now: what `2h` is before.
        lake: where it lies, to say what is not sealed.

    Raises:
        CannotContinue: a parameter is missing or cannot be read, or the lake cannot be read.
    """
    bound = _resolved(connection, question.bound(given, now))
    selection = _selection(bound)
    is_counted = selection is not None or question.name == "whole"
    stands = standing(connection, selection, lake) if is_counted else seal_state(lake)
    if question.sql is not None:
        with reading():
            cursor = connection.execute(question.sql, _mentioned(question.sql, bound))
            columns = [column[0] for column in cursor.description or ()]
            return Answered(question, columns, cursor.fetchall(), stands)
    columns, rows = _BY_CODE[question.name](connection, bound, stands)
    return Answered(question, columns, rows, stands)


def _resolved(connection: duckdb.DuckDBPyConnection, bound: dict[str, Value]) -> Bound:
    """Return the parameters with whole ids in place of beginnings; an id that is none is told."""
    session, event = bound.get("session"), bound.get("event")
    whole = find_session(connection, session) if isinstance(session, str) else None
    told = {**bound, "session": whole} if whole is not None else dict(bound)
    if isinstance(event, str):
        told["event"], _ = find_event(connection, event, whole)
    return told


def _mentioned(sql: str, bound: Bound) -> dict[str, Value]:
    """Return the parameters that the statement has: DuckDB takes no others."""
    return {name: value for name, value in bound.items() if f"${name}" in sql}


def _selection(bound: Bound) -> Selection | None:
    """Return what the answer is about; `None`, for the whole lake, where nothing narrows it."""
    told = {_SELECTS[name]: value for name, value in bound.items() if name in _SELECTS}
    told = {name: value for name, value in told.items() if value is not None}
    return Selection(**told) if told else None


def _timeline(connection: duckdb.DuckDBPyConnection, bound: Bound, stands: Standing) -> _Rows:
    selection = Selection(session_id=bound["session"], trace_id=bound["trace"])
    rows = timeline(connection, selection, gaps=stands.gaps)
    told = [tuple(getattr(row, name) for name in TIMELINE_COLUMNS) for row in rows]
    return list(TIMELINE_COLUMNS), told


def _untrusted_before(connection: duckdb.DuckDBPyConnection, bound: Bound, _: Standing) -> _Rows:
    session = read_session(connection, bound["session"])
    position, before = _first_odd(session, bound["event"])
    outside = [p for p in session.passages if p.voice == "outside" and p.position < position]
    rows: list[tuple[Any, ...]] = [
        (
            p.event_id, session.events[p.position]["occurred_at"], p.source, p.trust, p.path,
            gives_orders(p), before, p.text,
        )
        for p in outside
    ]  # fmt: skip
    return list(_UNTRUSTED_COLUMNS), rows[-bound["last"] :] if bound["last"] else []


def _first_odd(session: Session, event_id: str | None) -> tuple[int, str | None]:
    """Return where the first odd action stands: that named, else one that obeys, or changes."""
    if event_id is not None:
        deed = deed_of(session, event_id)
        return deed.position, deed.event_id
    obeying = [judged.deed for judged in session.assess().obeying]
    changing = [deed for deed in session.deeds if not deed.only_looks]
    for deed in (*obeying[:1], *changing[:1]):
        return deed.position, deed.event_id
    return len(session.events), None


def _where(connection: duckdb.DuckDBPyConnection, bound: Bound, _: Standing) -> _Rows:
    rows = find_occurrences(connection, {bound["value"]: "value"}) if bound["value"] else []
    since, until = bound["since"], bound["until"]
    told = [
        row
        for row in rows
        if (since is None or row[0] >= since) and (until is None or row[0] < until)
    ]
    return list(OCCURRENCE_COLUMNS), told


def _blast_radius(connection: duckdb.DuckDBPyConnection, bound: Bound, _: Standing) -> _Rows:
    found = reach(connection, bound["event"], bound["session"])
    told = [tuple(getattr(one, name) for name in REACH_COLUMNS) for one in found]
    return list(REACH_COLUMNS), told


def _whole(_: duckdb.DuckDBPyConnection, __: Bound, stands: Standing) -> _Rows:
    told = stands.object()
    return list(told), [tuple(told.values())]


_BY_CODE: Final[Mapping[str, Callable[[duckdb.DuckDBPyConnection, Bound, Standing], _Rows]]] = {
    "timeline": _timeline,
    "untrusted-before": _untrusted_before,
    "where": _where,
    "blast-radius": _blast_radius,
    "whole": _whole,
}
