"""`explain`: one action back to what caused it, ready for people and for machines.

The form is versioned (`EXPLANATION_VERSION`): within a major version members are added, and none
changes its meaning. It quotes values of the record, redacted as the lake has them, not made inert.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import duckdb

from locard.query.lake import reading
from locard.query.provenance.assessment import Judged, Session
from locard.query.provenance.deeds import Deed
from locard.query.provenance.origins import TAKEN_OVER, Origin, Traced
from locard.query.provenance.reading import read_session
from locard.query.values import plain
from locard.schema import CannotContinue

EXPLANATION_VERSION: Final = "1.0"
_FIND: Final = tuple(
    f"""
    SELECT DISTINCT event_id, session_id FROM lake_rows
    WHERE {meant} AND ($2 IS NULL OR session_id = $2)
    ORDER BY event_id, session_id LIMIT 2
    """  # noqa: S608 - made of constants
    for meant in ("event_id = $1", "length($1) >= 8 AND starts_with(event_id, lower($1))")
)
"""Whole ids first: they are found sooner. Copies of an event have its id and its session."""
_MOST_CAUSES: Final = 1_000


def explain(
    connection: duckdb.DuckDBPyConnection, event_id: str, session_id: str | None = None
) -> dict[str, Any]:
    """Return where an action comes from.

    Args:
        event_id: a tool call, its result, or a decision about it; its first 8 characters do.
        session_id: whose event it is, where several sessions have one of this id.

    Returns:
        `version`; `event_id`, `session_id`, `tool`, `kinds`, `outcome`; `verdict`: `taken_over`,
        `refused` where it obeyed content and did not come about, or `nothing_found`;
        `was_asked_for`; `values`: for each its `path`, `value` and `first_seen`, with `event_id`,
        `path`, `voice`, `trust`, `source` and `how`, or null where it appeared nowhere before;
        `origins`: the likeliest first, each with `points`, `event_id`, `path`, `source`, `trust`,
        `values` (paths) and `reasons` (`points`, `words`); `causes`: the chain of recorded cause,
        nearest first, with `event_id`, `kind` and `occurred_at`.

    Raises:
        CannotContinue: there is no such event, or several, or it is of no action; or the lake
            cannot be read.
    """
    event, whose = find_event(connection, event_id, session_id)
    session = read_session(connection, whose)
    deed = deed_of(session, event)
    return _told(session, session.judged(deed))


def find_event(
    connection: duckdb.DuckDBPyConnection, event_id: str, session_id: str | None = None
) -> tuple[str, str]:
    """Return the whole id of an event and that of its session.

    Raises:
        CannotContinue: there is none, there are several, or it belongs to no session.
    """
    found: list[tuple[str, str | None]] = []
    with reading():
        for statement in _FIND:
            found = found or connection.execute(statement, [event_id, session_id]).fetchall()
    if not found:
        raise CannotContinue(
            "the lake has no event of this id; `locard timeline --session S --format json` lists "
            "the ids of a session"
        )
    if len(found) > 1:
        raise CannotContinue(
            "several events are meant by this; give the whole id, and the session with --session"
        )
    ((whole, session),) = found
    if session is None:
        raise CannotContinue("this event belongs to no session, so nothing is known before it")
    return whole, session


def deed_of(session: Session, event_id: str) -> Deed:
    """Return the action that an event is of.

    Raises:
        CannotContinue: it is of none.
    """
    found = [n for n, e in enumerate(session.events) if e["event_id"] == event_id]
    if not found:
        raise CannotContinue("the session has no event of this id")
    position = found[0]
    event = session.events[position]
    call_id = event.get("call_id")
    if event["kind"] in ("tool_call", "tool_result", "decision"):
        exact = [deed for deed in session.deeds if event_id in deed.event_ids]
        named = [deed for deed in session.deeds if call_id and deed.call_id == call_id]
        before = [deed for deed in named if deed.position <= position]
        for deed in (*exact, *before[-1:], *named[:1]):
            return deed
    raise CannotContinue(
        "this event is no action; explain a tool call, its result or a decision about it, or ask "
        "with --forward what a text led to"
    )


def _told(session: Session, judged: Judged) -> dict[str, Any]:
    deed = judged.deed
    verdict = "nothing_found"
    if judged.obeys is not None:
        verdict = "refused" if deed.was_refused else "taken_over"
    return {
        "version": EXPLANATION_VERSION,
        "session_id": session.session_id,
        "event_id": deed.event_id,
        "sightings": list(deed.event_ids),
        "tool": deed.tool,
        "kinds": sorted(deed.kinds),
        "outcome": deed.outcome,
        "verdict": verdict,
        "points_from_which_taken_over": TAKEN_OVER,
        "was_asked_for": judged.was_asked_for,
        "values": [_value(traced) for traced in judged.traced],
        "origins": [origin_told(origin) for origin in judged.origins],
        "causes": list(_causes(session, deed.event_ids)),
    }


def _value(traced: Traced) -> dict[str, Any]:
    first = traced.first
    return {
        "path": traced.value.path,
        "value": traced.value.text,
        "is_from_person": traced.is_from_person,
        "first_seen": None
        if first is None
        else {
            "event_id": first.passage.event_id,
            "path": first.passage.path,
            "voice": first.passage.voice,
            "trust": first.passage.trust,
            "source": first.passage.source,
            "how": first.how,
        },
    }


def origin_told(origin: Origin) -> dict[str, Any]:
    """Return an origin as JSON has it; it does not quote the text."""
    return {
        "points": origin.points,
        "event_id": origin.passage.event_id,
        "path": origin.passage.path,
        "source": origin.passage.source,
        "trust": origin.passage.trust,
        "values": list(origin.paths),
        "reasons": [{"points": r.points, "words": r.words} for r in origin.reasons],
    }


def _causes(session: Session, start: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield what is recorded as the cause of these events, breadth first; circles end."""
    events = {event["event_id"]: event for event in session.events}
    seen, layer = set(start), list(start)
    while layer and len(seen) < _MOST_CAUSES:
        following: list[str] = []
        for event_id in layer:
            for cause in events.get(event_id, {}).get("caused_by") or ():
                if cause not in seen:
                    seen.add(cause)
                    following.append(cause)
                    known = events.get(cause, {})
                    yield {
                        "event_id": cause,
                        "kind": known.get("kind"),
                        "occurred_at": plain(known.get("occurred_at")),
                    }
        layer = following
