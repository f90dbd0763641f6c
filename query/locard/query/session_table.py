"""Sessions for eyes: the few columns that tell them apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import Any, Final, TextIO

from locard.query.output import Shape, write_rows

SESSION_TABLE: Final = ("session", "started (UTC)", "agent, model", "events", "calls", "failed")


def print_sessions(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], stream: TextIO, width: int | None
) -> None:
    """Print a table of sessions with the most telling columns.

    Args:
        columns: names of what a row has; at least those of the view `sessions`.
        width: to how many columns the table is cut; `None` cuts nothing.
    """
    sessions = (dict(zip(columns, row, strict=True)) for row in rows)
    write_rows(
        SESSION_TABLE,
        (list(_cells(session)) for session in sessions),
        "table",
        stream,
        width=width,
        # An id is what one needs to go on, and what tells ids apart is often their end.
        shape=Shape(gives_way="agent, model", cut_in_the_middle=frozenset({"session"})),
    )


def _cells(session: dict[str, Any]) -> Iterator[Any]:
    yield session["session_id"]
    made_up = "~" if session["times_made_up"] else ""
    yield f"{made_up}{session['started_at'].astimezone(UTC):%Y-%m-%d %H:%M}"
    yield ", ".join(filter(None, (session["agent_name"], *session["models"]))) or None
    yield from (session["events"], session["tool_calls"], session["failed_calls"])
