"""Which sessions the record itself calls incidents, the worst first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import duckdb

from locard.query.provenance.assessment import Assessment
from locard.query.provenance.reading import read_sessions
from locard.query.sessions import sessions_between

_RANK: Final = {"taken_over": 0, "tried": 1, "nothing_found": 2}


def find_incidents(
    connection: duckdb.DuckDBPyConnection,
    since: datetime | None = None,
    until: datetime | None = None,
    workflow_id: str | None = None,
    *,
    is_all: bool = False,
) -> list[Assessment]:
    """Return sessions by how much the record says that content from outside took control.

    Args:
        since: only sessions with an event from then on; it has a time zone.
        until: likewise, before then.
        workflow_id: only of this workflow.
        is_all: with those in which nothing was found.

    Raises:
        CannotContinue: the lake cannot be read.
    """
    wanted = sessions_between(connection, since, until, workflow_id)
    found = [
        assessment
        for assessment in assessments(connection, wanted)
        if is_all or assessment.verdict != "nothing_found"
    ]
    return sorted(found, key=lambda one: (_RANK[one.verdict], -one.points, one.session_id))


def assessments(
    connection: duckdb.DuckDBPyConnection, session_ids: list[str]
) -> Iterator[Assessment]:
    """Yield what the record says of each of these sessions."""
    for session in read_sessions(connection, session_ids):
        yield session.assess()
