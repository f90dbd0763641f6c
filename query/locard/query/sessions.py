"""Which sessions there are, and which one somebody means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import duckdb

from locard.query.lake import reading
from locard.schema import CannotContinue

_SESSIONS: Final = """
    SELECT * FROM sessions
    WHERE ($since IS NULL OR ended_at >= $since) AND ($until IS NULL OR started_at < $until)
        AND ($tool IS NULL OR session_id IN (
            SELECT session_id FROM events WHERE kind = 'tool_call' AND tool_name = $tool
        ))
    ORDER BY started_at DESC, session_id
    LIMIT $limit
"""
_WITHOUT: Final = """
    SELECT count(*) FROM events
    WHERE session_id IS NULL AND kind NOT IN ('access', 'custody', 'accounting')
"""
_CUT: Final = "…"
_FEWEST_CHARACTERS: Final = 4  # of a session id that stand for the whole


@dataclass(frozen=True)
class Wanted:
    """Which sessions to list.

    Args:
        tool: only such as called this tool.
        since: only such as were active at or after this moment; it has a time zone.
        until: only such as began before this moment; it has a time zone.
        limit: at most so many, the newest.
    """

    tool: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None


def list_sessions(
    connection: duckdb.DuckDBPyConnection, wanted: Wanted
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the columns of the view `sessions` and a row for each session, the newest first.

    Raises:
        CannotContinue: the lake cannot be read.
    """
    parameters = {
        "tool": wanted.tool,
        "since": wanted.since,
        "until": wanted.until,
        "limit": wanted.limit,
    }
    with reading():
        cursor = connection.execute(_SESSIONS, parameters)
        return [column[0] for column in cursor.description or ()], cursor.fetchall()


def events_without_session(connection: duckdb.DuckDBPyConnection) -> int:
    """Return how many events of agents belong to no session."""
    with reading():
        (count,) = connection.execute(_WITHOUT).fetchone() or (0,)
    return int(count)


def find_session(connection: duckdb.DuckDBPyConnection, given: str) -> str:
    """Return the id of the session that `given` means.

    Args:
        given: its id; the beginning of it; or its id with `…` for what a table left out.

    Raises:
        CannotContinue: the lake has no such session, or several.
    """
    with reading():
        exact = connection.execute(
            "SELECT session_id FROM lake_rows WHERE session_id = $1 LIMIT 1", [given]
        ).fetchone()
        if exact:
            return given
        beginning, _, end = given.partition(_CUT)
        found = connection.execute(
            "SELECT DISTINCT session_id FROM lake_rows WHERE starts_with(session_id, $1)"
            " AND ends_with(session_id, $2) AND length(session_id) >= $3 ORDER BY ALL LIMIT 2",
            [beginning, end, len(beginning) + len(end)],
        ).fetchall()
    return _only(found, len(given))


def _only(found: Sequence[tuple[str]], given: int) -> str:
    if len(found) == 1 and given >= _FEWEST_CHARACTERS:
        return found[0][0]
    if len(found) > 1:
        raise CannotContinue(
            "several sessions have an id like this one; give the whole id, which "
            "`locard sessions --format json` lists"
        )
    raise CannotContinue(
        "the lake has no session of this name; `locard sessions` lists those it has"
    )


def sessions_between(
    connection: duckdb.DuckDBPyConnection,
    since: datetime | None,
    until: datetime | None,
    workflow_id: str | None = None,
) -> list[str]:
    """Return the ids of sessions with an event in a window of time, by their first event there.

    Args:
        since: an aware time, or `None` for the beginning; events from then on count.
        until: likewise; events before then count.
        workflow_id: only events of this workflow count.
    """
    with reading():
        rows = connection.execute(
            "SELECT session_id FROM events WHERE session_id IS NOT NULL"
            " AND ($1 IS NULL OR occurred_at >= $1) AND ($2 IS NULL OR occurred_at < $2)"
            " AND ($3 IS NULL OR workflow_id = $3)"
            " GROUP BY session_id ORDER BY min(occurred_at), session_id",
            [since, until, workflow_id],
        ).fetchall()
    return [name for (name,) in rows]
