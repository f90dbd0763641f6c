"""The timeline: what happened, in order, one row for each event, gap, or call.

The row's form is `TIMELINE_COLUMNS` and has a version: within a major one columns are added, and
none changes its meaning.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import duckdb

from locard.query.clocks import Clock, clocks, corrected, source_of
from locard.query.lake import reading
from locard.query.order import in_causal_order
from locard.query.selection import Selection, select
from locard.query.sightings import merged
from locard.query.telling import tell
from locard.schema import CannotContinue

TIMELINE_VERSION: Final = "1.0"
_GONE: Final = ("quarantined", "erased", "expired")
_FEWEST_CHARACTERS: Final = 4  # of an event id that stand for the whole
ROW_NUMBER: Final = re.compile(r"#?([0-9]{1,7})")


@dataclass(frozen=True)
class TimelineRow:
    """One event of a timeline.

    Args:
        occurred_at: in UTC; made up by an importer where `time_made_up`.
        who: the role, model, agent, tool or decider that the event is of.
        what: the event in words, on as many lines as it has; hostile text, not made inert.
        trust: the least trusted of its parts, `None` where nothing is said.
        fields: the event's columns that are not NULL, those of a newer version included.
        session_id: `None` where it belongs to none.
        corrected_at: when it happened by a clock that agrees with the others; `occurred_at` stays.
        later_ms: how many milliseconds later than that it can have been at most; `None`: unknown.
        state: `recorded`; `gap`: events that are missing; `quarantined`, `erased` or `expired`:
            content that was taken out.
        sightings: of a tool call, who saw it where, the nearest to the deed first.
    """

    event_id: str
    occurred_at: datetime
    time_made_up: bool
    kind: str
    who: str
    what: str
    trust: str | None
    fields: dict[str, Any] = field(repr=False)
    session_id: str | None = None
    corrected_at: datetime | None = None
    later_ms: int | None = None
    state: str = "recorded"
    sightings: tuple[dict[str, Any], ...] = field(default=(), repr=False)


TIMELINE_COLUMNS: Final = (
    "event_id",
    "occurred_at",
    "time_made_up",
    "kind",
    "who",
    "trust",
    "what",
    "session_id",
    "corrected_at",
    "later_ms",
    "state",
    "sightings",
)


def timeline(
    connection: duckdb.DuckDBPyConnection,
    selected: Selection | str,
    without: Collection[str] = (),
    gaps: Sequence[Mapping[str, Any]] = (),
) -> list[TimelineRow]:
    """Return the selected events, causes before effects and otherwise by corrected time.

    The sightings of one tool call are one row. There are none where the lake knows no such event.

    Args:
        selected: what to show; a text is the id of a session.
        without: columns that are not to be shown.
        gaps: ranges of numbers that are missing, doubled or dropped, as `Standing.gaps` has them;
            each becomes a row after the last event before it of the same source.

    Raises:
        CannotContinue: the lake cannot be read, or nothing is selected.
    """
    selection = Selection(session_id=selected) if isinstance(selected, str) else selected
    with reading():
        cursor = connection.execute(*select(connection, selection))
        names = [column[0] for column in cursor.description or ()]
        events = [
            dict(zip(names, values, strict=True)) | dict.fromkeys(without)
            for values in cursor.fetchall()
        ]
    return rows_of(events, gaps)


def rows_of(
    events: Sequence[Mapping[str, Any]], gaps: Sequence[Mapping[str, Any]] = ()
) -> list[TimelineRow]:
    """Return rows of the view `events` as a timeline; their order does not matter. Pure."""
    tools = {
        event["call_id"]: event["tool_name"]
        for event in events
        if event["kind"] == "tool_call" and event["call_id"] and event["tool_name"]
    }
    known = clocks(events)
    timed = [{**event, "corrected_at": corrected(event, known)} for event in events]
    told = [
        _row(event, sightings, tools, known) for event, sightings in merged(in_causal_order(timed))
    ]
    for gap in sorted(gaps, key=lambda gap: (-gap["first_seq"], str(gap["what"]))):
        place = _place_of(gap, told)
        if place is not None:
            told.insert(place + 1, _gap(gap, told[place]))
    return told


def count_calls(rows: Sequence[TimelineRow]) -> int:
    """Return how many tool calls the rows show, as many as the view `tool_calls` has."""
    return sum(row.kind == "tool_call" for row in rows)


def position_of(rows: Sequence[TimelineRow], given: str) -> int:
    """Return where the row stands that `given` means.

    Args:
        given: the number of a row, from 1 on; an event id; or the beginning of one.

    Raises:
        CannotContinue: it means none of the rows, or several.
    """
    exact = [n for n, row in enumerate(rows) if row.event_id == given]
    number = ROW_NUMBER.fullmatch(given)
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


def _row(
    event: Mapping[str, Any],
    sightings: Sequence[dict[str, Any]],
    tools: dict[str, str],
    known: Mapping[Any, Clock],
) -> TimelineRow:
    event = dict(event)
    moment = event.pop("corrected_at")
    told = tell(event, tools)
    later = known.get(source_of(event), Clock()).later
    absent = event.get("absent") or ""
    return TimelineRow(
        event_id=event["event_id"],
        occurred_at=event["occurred_at"],
        time_made_up=event["time_source"] == "importer",
        kind=event["kind"],
        who=told.who,
        what=told.what,
        trust=told.trust,
        fields={name: value for name, value in event.items() if value is not None},
        session_id=event.get("session_id"),
        corrected_at=moment,
        later_ms=None if later is None else round(later.total_seconds() * 1000),
        state=next((why for why in _GONE if f'"{why}"' in absent), "recorded"),
        sightings=tuple(sightings),
    )


def _place_of(gap: Mapping[str, Any], rows: Sequence[TimelineRow]) -> int | None:
    """Return after which row a gap stands: the last of its source with a smaller number."""
    source = gap["collector_id"], gap["incarnation"]
    mine = [
        (row.fields["seq"], n)
        for n, row in enumerate(rows)
        if row.kind != "gap"
        and row.fields.get("seq") is not None
        and source_of(row.fields) == source
    ]
    before = [(seq, n) for seq, n in mine if seq < gap["first_seq"]]
    return max(before)[1] if before else min(mine)[1] - 1 if mine and min(mine)[1] else None


def _gap(gap: Mapping[str, Any], before: TimelineRow) -> TimelineRow:
    first, last = gap["first_seq"], gap["last_seq"]
    numbers = f"number {first}" if first == last else f"numbers {first} to {last}"
    why = f": {gap['drop_reason']}" if gap.get("drop_reason") else ""
    return TimelineRow(
        event_id=f"gap:{gap['collector_id']}:{gap['incarnation']}:{first}",
        occurred_at=before.occurred_at,
        time_made_up=True,
        kind="gap",
        who=str(gap["collector_id"]),
        what=f"{gap['count']} {gap['what']} ({numbers} of this collector){why}",
        trust=None,
        fields={name: value for name, value in gap.items() if value is not None},
        session_id=before.session_id,
        corrected_at=before.corrected_at,
        state="gap",
    )
