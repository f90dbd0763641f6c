"""The timeline of one session: what happened, in order, one row for each event."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import duckdb

from locard.query.lake import reading
from locard.query.order import in_causal_order
from locard.query.telling import tell
from locard.schema import CannotContinue

_SQL: Final = "SELECT * FROM events WHERE session_id = $1"
_FEWEST_CHARACTERS: Final = 4  # of an event id that stand for the whole
_NUMBER: Final = re.compile(r"#?([0-9]{1,7})")


@dataclass(frozen=True)
class TimelineRow:
    """One event of a timeline.

    Args:
        occurred_at: in UTC; made up by an importer where `time_made_up`.
        who: the role, model, agent, tool or decider that the event is of.
        what: the event in words, on as many lines as it has; hostile text, not made inert.
        trust: the least trusted of its parts, `None` where nothing is said.
        fields: the event's columns that are not NULL, those of a newer version included.
    """

    event_id: str
    occurred_at: datetime
    time_made_up: bool
    kind: str
    who: str
    what: str
    trust: str | None
    fields: dict[str, Any] = field(repr=False)


TIMELINE_COLUMNS: Final = (
    "event_id",
    "occurred_at",
    "time_made_up",
    "kind",
    "who",
    "trust",
    "what",
)


def timeline(
    connection: duckdb.DuckDBPyConnection,
    session_id: str,
    without: Collection[str] = (),
) -> list[TimelineRow]:
    """Return the session's events, causes before effects and otherwise by time.

    There are none where the lake does not know the session.

    Args:
        without: columns that are not to be shown.

    Raises:
        CannotContinue: the lake cannot be read.
    """
    with reading():
        cursor = connection.execute(_SQL, [session_id])
        names = [column[0] for column in cursor.description or ()]
        events = [
            dict(zip(names, values, strict=True)) | dict.fromkeys(without)
            for values in cursor.fetchall()
        ]
    tools = {
        event["call_id"]: event["tool_name"]
        for event in events
        if event["kind"] == "tool_call" and event["call_id"] and event["tool_name"]
    }
    return [_row(dict(event), tools) for event in in_causal_order(events)]


def count_calls(rows: Sequence[TimelineRow]) -> int:
    """Return how many tool calls the rows show, counted as the view `tool_calls` does.

    A call may be seen in several places, and sources use an id twice.
    """
    seen: Counter[tuple[str, str | None]] = Counter()
    for row in rows:
        if row.kind == "tool_call":
            seen[row.fields.get("call_id") or row.event_id, row.fields.get("sighting")] += 1
    calls: dict[str, int] = {}
    for (call_id, _), count in seen.items():
        calls[call_id] = max(count, calls.get(call_id, 0))
    return sum(calls.values())


def position_of(rows: Sequence[TimelineRow], given: str) -> int:
    """Return where the row stands that `given` means.

    Args:
        given: the number of a row, from 1 on; an event id; or the beginning of one.

    Raises:
        CannotContinue: it means none of the rows, or several.
    """
    exact = [n for n, row in enumerate(rows) if row.event_id == given]
    number = _NUMBER.fullmatch(given)
    if exact:
        return exact[0]
    if number and 1 <= int(number[1]) <= len(rows):
        return int(number[1]) - 1
    beginning = given.lower()
    found = [n for n, row in enumerate(rows) if row.event_id.startswith(beginning)]
    if len(found) != 1 or len(given) < _FEWEST_CHARACTERS:
        many = f"{len(found)} events" if len(found) > 1 else "no event"
        raise CannotContinue(
            f"the session has {many} of this id; give its number in the timeline, which has "
            f"{len(rows)} rows, or more of its id"
        )
    return found[0]


def _row(event: dict[str, Any], tools: dict[str, str]) -> TimelineRow:
    told = tell(event, tools)
    return TimelineRow(
        event_id=event["event_id"],
        occurred_at=event["occurred_at"],
        time_made_up=event["time_source"] == "importer",
        kind=event["kind"],
        who=told.who,
        what=told.what,
        trust=told.trust,
        fields={name: value for name, value in event.items() if value is not None},
    )
