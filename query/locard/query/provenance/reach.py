"""Forward: from a text to every session, action, recipient and person that it reached.

What marks a text are the addresses, tokens and long numbers in it that nobody served had said
before, and the whole text where it is long. A session was reached if one of its texts has a mark;
an action was, if one of its values is one, or if it obeys a text that has one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import duckdb

from locard.query.occurrences import find_occurrences
from locard.query.provenance.appearances import Value, is_in, stands_in, telling_pieces
from locard.query.provenance.assessment import Judged, Session
from locard.query.provenance.explanation import find_event
from locard.query.provenance.passages import Passage
from locard.query.provenance.reading import read_session, read_sessions

REACH_COLUMNS: Final = (
    "session_id",
    "event_id",
    "kind",
    "how",
    "tool",
    "outcome",
    "recipients",
    "on_behalf_of",
)
_TO_SOMEBODY: Final = frozenset({"send", "pay", "post", "grant", "visit"})
_MOST_MARKS: Final = 100
_SHORTEST_TEXT: Final = 40  # characters of a text that is a mark as a whole


@dataclass(frozen=True)
class Reached:
    """One event that a text reached.

    Args:
        how: `read`: the same text or a mark of it was read; `used`: an action has a value of it;
            `obeyed`: an action does what it says.
        recipients: addresses among the values of the action, where it goes to somebody.
        on_behalf_of: the person served there.
    """

    session_id: str
    event_id: str
    kind: str
    how: str
    tool: str | None
    outcome: str | None
    recipients: tuple[str, ...] = field(repr=False)
    on_behalf_of: str | None = field(repr=False)


def reach(
    connection: duckdb.DuckDBPyConnection, event_id: str, session_id: str | None = None
) -> list[Reached]:
    """Return everything that the text of an event reached, by session, in its order.

    Args:
        event_id: of a result, prompt or content; its first 8 characters do.
        session_id: whose event it is, where several sessions have one of this id.

    Raises:
        CannotContinue: there is no such event, or the lake cannot be read.
    """
    event, whose = find_event(connection, event_id, session_id)
    home = read_session(connection, whose)
    marks = marks_of(home, event)
    words = {mark: mark for mark in marks}
    found = {row[2] for row in find_occurrences(connection, words)} if words else set()
    wanted = sorted({whose, *(name for name in found if name is not None)})
    reached: list[Reached] = []
    for session in read_sessions(connection, wanted):
        reached += _in(session, marks, event)
    # The session that it came from first: what follows is where else it came.
    return sorted(reached, key=lambda one: one.session_id != whose)


def marks_of(session: Session, event_id: str) -> list[str]:
    """Return what marks the text of an event, in its order."""
    said = [p for p in session.passages if p.voice in ("person", "operator")]
    marks: dict[str, None] = {}
    for passage in session.passages:
        if passage.event_id != event_id:
            continue
        for piece in telling_pieces(passage.text):
            if not any(is_in(Value("", piece), one) for one in said):
                marks.setdefault(piece)
        if len(passage.text) >= _SHORTEST_TEXT and passage.voice == "outside":
            marks.setdefault(passage.text)
    return list(marks)[:_MOST_MARKS]


def _in(session: Session, marks: Sequence[str], origin: str) -> Iterator[Reached]:
    values = [Value("", mark) for mark in marks]
    served = next((e["on_behalf_of"] for e in session.events if e.get("on_behalf_of")), None)
    bearing = {
        id(p): p
        for p in session.passages
        if p.voice == "outside" and any(is_in(value, p) for value in values)
    }
    told: list[tuple[int, Reached]] = []
    for event, position in {p.event_id: p.position for p in bearing.values()}.items():
        if event != origin:
            kind = session.events[position]["kind"]
            reached = Reached(session.session_id, event, kind, "read", None, None, (), served)
            told.append((position, reached))
    for deed in session.deeds:
        judged = session.judged(deed)
        if how := _how(judged, bearing, values):
            addresses = dict.fromkeys(v.text for v in deed.values if v.is_address)
            recipients = tuple(addresses if deed.kinds & _TO_SOMEBODY else ())
            reached = Reached(
                session.session_id, deed.event_id, "tool_call", how, deed.tool, deed.outcome,
                recipients, served,
            )  # fmt: skip
            told.append((deed.position, reached))
    return (reached for _, reached in sorted(told, key=lambda one: (one[0], one[1].event_id)))


def _how(judged: Judged, bearing: dict[int, Passage], marks: Sequence[Value]) -> str | None:
    if judged.obeys is not None and id(judged.obeys.passage) in bearing:
        return "obeyed"
    values = [traced.value for traced in judged.traced if not traced.is_from_person]
    if any(
        stands_in(mark, value.text) or stands_in(value, mark.text)
        for value in values
        for mark in marks
    ):
        return "used"
    return None
