"""The questions themselves: each takes the lake as one caller sees it, and returns plain data.

They run in processes of their own (`workers`), so what goes in and out of them is sent between
processes: no requests, no connections, no closures.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Concatenate, Final, ParamSpec, TypeAlias, TypeVar

import duckdb
from fastapi import HTTPException

from locard.query.api.answers import objects
from locard.query.api.failures import not_found
from locard.query.cases import Case
from locard.query.cases.pinned import Pinned
from locard.query.cases.pinned import pinned as pinned_of
from locard.query.catalogue import ask as ask_catalogue
from locard.query.catalogue import catalogue
from locard.query.gaps import GAP_COLUMNS, find_gaps
from locard.query.inventory import INVENTORY_COLUMNS
from locard.query.inventory import inventory as inventory_of
from locard.query.provenance import (
    EXPLANATION_VERSION,
    REACH_COLUMNS,
    explain,
    find_incidents,
    origin_told,
)
from locard.query.provenance import reach as reach_of
from locard.query.provenance.explanation import find_event as find_event_of
from locard.query.runbooks import follow as follow_book
from locard.query.runbooks import runbook
from locard.query.selection import Selection
from locard.query.standing import Standing, seal_state, standing
from locard.query.statements import run
from locard.query.timeline import TIMELINE_COLUMNS, TIMELINE_VERSION
from locard.query.timeline import timeline as timeline_of
from locard.schema import CannotContinue, LakePlace

ROW_COLUMNS: Final = (*TIMELINE_COLUMNS, "fields")
_SESSIONS: Final = "SELECT * FROM sessions ORDER BY started_at DESC, session_id"
_INCIDENT_COLUMNS: Final = ("session_id", "verdict", "points", "tools", "origin", "obeying")


@dataclass(frozen=True)
class Lake:
    """The lake as one question sees it.

    Args:
        version: of its table.
    """

    connection: duckdb.DuckDBPyConnection
    place: LakePlace
    version: int


@dataclass(frozen=True)
class Told:
    """What a question gives.

    Args:
        rest: what the answer has beside its rows.
        rows: as JSON has them; of a page its own.
        count: of all rows.
        version: of the lake that was asked.
    """

    rest: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]] = field(repr=False)
    count: int = 0
    version: int = 0

    def part(self, lake: Lake, offset: int, limit: int | None) -> Told:
        """Return a page of it."""
        end = None if limit is None else offset + limit
        rows = self.rows[offset:end]
        return replace(self, rows=rows, count=len(self.rows), version=lake.version)


_Given = ParamSpec("_Given")
_Answer = TypeVar("_Answer")
Question: TypeAlias = Callable[Concatenate[Lake, _Given], _Answer]


def sessions(lake: Lake) -> Told:
    """List sessions, the newest first."""
    found = lake.connection.execute(_SESSIONS)
    columns = [column[0] for column in found.description or ()]
    return Told(_of_all(lake), objects(columns, found.fetchall()))


def session_timeline(lake: Lake, session_id: str) -> Told:
    """Tell what happened in a session.

    Raises:
        HTTPException: 404, there is no such session.
    """
    told = timeline(lake, Selection(session_id=session_id))
    if not told.rows:
        raise HTTPException(
            404, "the lake has no session of this name; GET /v1/sessions lists those it has"
        )
    return replace(told, rest={"session_id": session_id, **told.rest})


def timeline(lake: Lake, selection: Selection) -> Told:
    """Tell what happened, of all that is selected."""
    stands = standing(lake.connection, selection, lake.place)
    rows = timeline_of(lake.connection, selection, gaps=stands.gaps)
    told = objects(ROW_COLUMNS, ([getattr(r, n) for n in ROW_COLUMNS] for r in rows))
    return Told(_versioned(TIMELINE_VERSION, stands), told)


def explanation(lake: Lake, event_id: str, session: str | None) -> Told:
    """Tell what made an action happen."""
    with not_found():
        told = explain(lake.connection, event_id, session)
    stands = standing(lake.connection, Selection(session_id=told["session_id"]), lake.place)
    return Told(_versioned(EXPLANATION_VERSION, stands), [told])


def reach(lake: Lake, event_id: str, session: str | None) -> Told:
    """Tell what the text of an event reached."""
    with not_found():
        found = reach_of(lake.connection, event_id, session)
    told = objects(REACH_COLUMNS, ([getattr(r, n) for n in REACH_COLUMNS] for r in found))
    return Told(_of_all(lake), told)


def incidents(
    lake: Lake, since: datetime | None, until: datetime | None, workflow: str | None
) -> Told:
    """Rank sessions by how much the record says that content from outside took control."""
    rows = (
        (
            one.session_id, one.verdict, one.points,
            list(dict.fromkeys(judged.deed.tool for judged in one.obeying)),
            origin_told(one.origin) if one.origin else None,
            [judged.deed.event_id for judged in one.obeying],
        )
        for one in find_incidents(lake.connection, since, until, workflow)
    )  # fmt: skip
    return Told(_of_all(lake), objects(_INCIDENT_COLUMNS, rows))


def ask(lake: Lake, name: str, parameters: Mapping[str, str], now: datetime) -> Told:
    """Ask a question of the catalogue."""
    with not_found():
        told = ask_catalogue(lake.connection, catalogue()[name], parameters, now, lake.place)
    rest = {"question": name, "standing": told.standing.object()}
    return Told(rest, objects(told.columns, told.rows))


def inventory(lake: Lake) -> Told:
    """List what is in use."""
    items = inventory_of(lake.connection)
    rows = ([getattr(item, name) for name in INVENTORY_COLUMNS] for item in items)
    return Told(_of_all(lake), objects(INVENTORY_COLUMNS, rows))


def gaps(lake: Lake) -> Told:
    """List what was recorded and is missing."""
    return Told(_of_all(lake), objects(GAP_COLUMNS, find_gaps(lake.connection)[1]))


def sql(lake: Lake, statement: str, limit: int, most_bytes: int) -> Told:
    """Run a statement that only reads the lake's views.

    Raises:
        HTTPException: 422, it does something else, it failed, or its rows are too large.
    """
    rows: list[dict[str, Any]] = []
    size = 0
    try:
        told = next(run(lake.connection, statement, only_one=True, only_views=True))
        for row in told.rows:
            rows += objects(told.columns, [row])
            size += len(json.dumps(rows[-1]))
            if size > most_bytes:
                raise CannotContinue(
                    f"its rows have more than {most_bytes:,} bytes; ask for fewer, or for less of "
                    "each"
                )
            if len(rows) > limit:
                break
    except (CannotContinue, OverflowError, RecursionError) as error:
        words = str(error) if isinstance(error, CannotContinue) else _BEYOND
        raise HTTPException(422, words) from None
    return Told({"is_cut": len(rows) > limit, **_of_all(lake)}, rows[:limit])


_BEYOND: Final = "a value is beyond what can be answered; cast it to VARCHAR"


def ready(_: Lake) -> None:
    """Return if the lake can be read."""


def find_event(lake: Lake, event_id: str) -> tuple[str, str | None]:
    """Return the ids of an event that is meant and of its session.

    Raises:
        HTTPException: 422, there is none, or several.
    """
    try:
        return find_event_of(lake.connection, event_id)
    except CannotContinue as error:
        raise HTTPException(422, str(error)) from None


def pinned(lake: Lake, case: Case) -> Pinned:
    """Return what the lake has of the events that are pinned to a case."""
    return pinned_of(lake.connection, case, lake.place)


def follow(lake: Lake, name: str, session: str, now: datetime) -> list[dict[str, Any]]:
    """Take the steps of a runbook; return what each gave, as a case keeps it."""
    with not_found():
        done = list(follow_book(lake.connection, runbook(name), session, now, lake.place))
    return [{"why": one.step.why, **one.data()} for one in done]


def _of_all(lake: Lake) -> dict[str, Any]:
    return {"standing": seal_state(lake.place).object()}


def _versioned(version: str, stands: Standing) -> dict[str, Any]:
    return {"version": version, "standing": stands.object()}
