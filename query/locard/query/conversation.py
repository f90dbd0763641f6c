"""A conversation as a model was given it, put together from where its messages are stored.

A message is stored once; a prompt tells what preceded it by reference (`history`), and a message
can say that it is the same as another (`same_as`). The schema's `History` and `MessageReference`
say what such references mean; here they are followed, within what one sender sent of one session:
whoever writes into another's session puts no words into anybody's mouth.

References are evidence too, and hostile: they may lead nowhere, or in a circle, or name more than
there is. What cannot be had becomes a message that says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeGuard

import duckdb

from locard.query.event_view import events_of, events_where
from locard.query.lake import reading
from locard.schema import CannotContinue

Message: TypeAlias = dict[str, Any]
Row: TypeAlias = Mapping[str, Any]

_COLUMNS: Final = (
    "event_id, session_id, kind, lane, caused_by, call_id, messages, history, result, absent"
)
_OF_SENDER: Final = f"""
    SELECT {_COLUMNS} FROM ({events_of("session_id = $1")})
    WHERE workflow_id IS NOT DISTINCT FROM $2
        AND principal IS NOT DISTINCT FROM $3
    ORDER BY occurred_at, log_topic_id, log_partition, log_offset, event_id
"""  # noqa: S608 - made of the constant above
_OF_ID: Final = f"""
    SELECT {_COLUMNS}, workflow_id, principal FROM ({events_where("event_id = $1")})
    WHERE ($2 IS NULL OR session_id = $2)
        AND ($3 IS NULL OR workflow_id = $3) AND ($4 IS NULL OR principal = $4)
    LIMIT 2
"""  # noqa: S608 - made of the constant above
_HOLDS_MESSAGES: Final = frozenset({"prompt", "model_output", "tool_result"})
_MOST_HOPS: Final = 1_000  # from a prompt back to the event that holds one of its messages
_MOST_REFERENCES: Final = 8  # to a message that is itself a reference, and so on


def conversation(
    connection: duckdb.DuckDBPyConnection,
    event_id: str,
    session_id: str | None = None,
    *,
    workflow_id: str | None = None,
    principal: str | None = None,
) -> list[Message]:
    """Return the messages of the conversation through an event, in order.

    For a prompt that is what the model was given; for a model's output, what it was given and what
    it answered; for a tool's result, the message that shows it; for what was imported, all that
    was said in the session so far. Messages are as the schema has them, and redacted as the lake
    has them. One that cannot be had has a sentence under `missing`, and under `messages` how many
    it stands for, where that is known.

    Args:
        event_id: a prompt, a model's output or a tool's result.
        session_id: whose event it is, where several sessions have one of this id.
        workflow_id: likewise.
        principal: who sent it, likewise.

    Raises:
        CannotContinue: the lake has no such event, or several, or it is of another kind; or the
            lake cannot be read.
    """
    with reading():
        found = _rows(connection, _OF_ID, [event_id, session_id, workflow_id, principal])
        if len(found) > 1:
            raise CannotContinue(
                "several senders sent an event of this id, and it is not one event: name its "
                'session, workflow and principal; `locard sql "SELECT session_id, workflow_id, '
                "principal FROM events WHERE event_id = '…'\"` lists them"
            )
        if not found or found[0]["kind"] not in _HOLDS_MESSAGES:
            raise CannotContinue(
                "the lake has no prompt, model output or tool result with this event id; "
                "`locard timeline --session S --format json` lists the ids of a session"
            )
        whose = [found[0][name] for name in ("session_id", "workflow_id", "principal")]
        rows = found if whose[0] is None else _rows(connection, _OF_SENDER, whose)
    return _Session(rows).conversation(event_id)


def _rows(
    connection: duckdb.DuckDBPyConnection, statement: str, parameters: list[Any]
) -> list[dict[str, Any]]:
    cursor = connection.execute(statement, parameters)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class _Held:
    """A message and how many it stands for: one; where it is missing any number, or `None`."""

    message: Message = field(repr=False)
    count: int | None = 1

    def standing_for(self, count: int) -> _Held:
        """Return a missing message with how many it stands for."""
        return _Held({**self.message, "messages": count}, count)


class _Session:
    """The events of one sender in one session, in their order, and the messages they hold."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._order = rows
        self._rows = {row["event_id"]: row for row in rows}
        self._held: dict[str, list[_Held]] = {}

    def conversation(self, event_id: str) -> list[Message]:
        """Return the messages through an event that is there."""
        told = _Conversation()
        for keep, added in reversed(list(self._steps_back(event_id))):
            if keep is not None:
                told.keep(keep)
            for held in added:
                told.add(held)
        return [self._resolved(held.message) for held in told.held]

    def _steps_back(self, event_id: str) -> Iterator[tuple[int | None, Sequence[_Held]]]:
        """Yield how many messages before an event count, and its own; then of the event before."""
        seen: set[str] = set()
        row = self._rows[event_id]
        while True:
            before, keep = self._before(row)
            # What was imported is one conversation; only the prompt asked for knows its length.
            if row["lane"] == "import" and (seen or keep is None):
                yield None, list(self._so_far(row))
                return
            seen.add(row["event_id"])
            yield keep, self._of(row)[: 1 if row["kind"] == "model_output" else None]
            if before is None:
                return
            if before in seen or before not in self._rows:
                why = "leads back to itself" if before in seen else "is not in the lake"
                yield None, [_missing(f"what preceded: event {before} {why}", None)]
                return
            row = self._rows[before]

    def _before(self, row: Row) -> tuple[str | None, int | None]:
        """Return through which event the conversation came, and how many messages of it count."""
        if row["kind"] == "prompt":
            history = _object(row["history"])
            through, count = history.get("through"), history.get("messages")
            if isinstance(through, str) and _is_count(count):
                return through, count
        if row["kind"] == "model_output":
            causes = list(reversed(row["caused_by"] or ()))
            prompts = (c for c in causes if c in self._rows and self._rows[c]["kind"] == "prompt")
            lost = (cause for cause in causes if cause not in self._rows)
            return next(prompts, None) or next(lost, None), None
        return None, None

    def _so_far(self, last: Row) -> Iterator[_Held]:
        for row in self._order:
            if row["lane"] == "import":
                yield from self._of(row)
            if row is last:
                return

    def _of(self, row: Row) -> list[_Held]:
        """Return the messages that an event holds; parsed once, however often referred to."""
        if row["event_id"] not in self._held:
            self._held[row["event_id"]] = list(_messages_of(row))
        return self._held[row["event_id"]]

    def _resolved(self, message: Message) -> Message:
        """Return a message with what it refers to in place of the reference."""
        for _ in range(_MOST_REFERENCES):
            reference = message.get("same_as")
            if message.get("parts") or not isinstance(reference, dict):
                return message
            said = {k: v for k, v in message.items() if k not in ("same_as", "parts")}
            message = {**self._at(reference.get("event"), reference.get("message", 0)), **said}
        told = "a message: references lead from one to another, too often"
        return {**_missing(told).message, "role": message.get("role", "unknown")}

    def _at(self, event_id: Any, number: Any) -> Message:
        if not isinstance(event_id, str) or not _is_count(number):
            return _missing("a message: what refers to it is no reference").message
        row = self._rows.get(event_id)
        what = f"message {number} of event {event_id}"
        if row is None:
            return _missing(f"{what}, which is not here").message
        if row["kind"] != "prompt":
            return self._own(row, number, what)
        for _ in range(_MOST_HOPS):
            first = self._end_before(row)
            if first is not None and number >= first:
                return self._own(row, number - first, what)
            before, _ = self._before(row)
            row = self._rows.get(before) if before and first is not None else None
            if row is None:
                break
        return _missing(f"{what}, which leads nowhere").message

    def _end_before(self, row: Row) -> int | None:
        """Return how many messages of its conversation precede those that an event holds."""
        if row["kind"] == "prompt":
            count = _object(row["history"]).get("messages")
            return count if _is_count(count) else 0
        before, _ = self._before(row)
        prompt = self._rows.get(before) if before else None
        if prompt is None or prompt["kind"] != "prompt":
            return None
        return (self._end_before(prompt) or 0) + len(self._of(prompt))

    def _own(self, row: Row, index: int, what: str) -> Message:
        held = self._of(row)
        if held and held[0].count is None:  # nobody knows how many it held
            return held[0].standing_for(1).message
        if index >= len(held):
            return _missing(f"{what}, which has none").message
        return held[index].message


class _Conversation:
    """Messages that are told one after the other, some of which may stand for several."""

    def __init__(self) -> None:
        self.held: list[_Held] = []
        self._total = 0  # of those whose count is known
        self._unknown: list[int] = []  # where those stand whose count is not
        self._before_unknown = 0

    def add(self, held: _Held) -> None:
        """Append a message."""
        if held.count is None:
            if not self._unknown:
                self._before_unknown = self._total
            self._unknown.append(len(self.held))
        else:
            self._total += held.count
        self.held.append(held)

    def keep(self, count: int) -> None:
        """Take the first so many; where there are fewer, the rest is missing."""
        if self._unknown and self._before_unknown < count:
            # Nobody knows where they end: all of it is meant, or as good as that.
            if len(self._unknown) == 1 and self._total < count:
                position = self._unknown.pop()
                self.held[position] = self.held[position].standing_for(count - self._total)
                self._total = count
            return
        while self._unknown or self._total > count:
            last = self.held.pop()
            if last.count is None:
                self._unknown.pop()
                continue
            self._total -= last.count
            if self._total < count and not self._unknown:  # it stood for several
                self.add(last.standing_for(count - self._total))
        if self._total < count:
            told = "what preceded: more messages are referred to than there are"
            self.add(_missing(told, count - self._total))


def _messages_of(row: Row) -> Iterator[_Held]:
    is_result = row["kind"] == "tool_result"
    name = "result" if is_result else "messages"
    if row["kind"] not in _HOLDS_MESSAGES:
        return
    absence = _object(row["absent"]).get(name)
    if absence is not None and row[name] is None:
        count = None if row["kind"] == "prompt" else 1
        yield _missing(f"{name} of event {row['event_id']}: {absence}", count)
    elif is_result:
        named = {} if row["call_id"] is None else {"id": row["call_id"]}
        part = {"type": "tool_call_response", **named, "response": _parsed(row["result"])}
        yield _Held({"role": "tool", "parts": [part]})
    elif row["messages"] is not None:
        messages = _parsed(row["messages"])
        if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
            yield _missing(f"messages of event {row['event_id']}: damaged in the lake", None)
            return
        yield from map(_Held, messages)


def _missing(what: str, count: int | None = 1) -> _Held:
    held = _Held({"role": "unknown", "parts": [], "missing": what}, None)
    return held if count is None else held.standing_for(count)


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _parsed(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):  # the lake was damaged
        return None


def _object(text: str | None) -> dict[str, Any]:
    found = _parsed(text)
    return found if isinstance(found, dict) else {}
