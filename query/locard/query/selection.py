"""Which events a question is about: a session, a trace, a person, a value, or any combination.

What is selected is one condition on rows of the lake. Files are sorted by session: so where one is
not given, `select` first looks, in the columns of the condition alone, which sessions it is about.
Where they are few it reads those; where they are many, what was found and its copies.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime
from itertools import chain
from typing import Any, Final

import duckdb

from locard.query.event_view import PLACED, events_of, events_where
from locard.schema import EVENT_TYPE_OF_KIND, CannotContinue, EventCore, content_fields

_BODIES: Final = [event_type.body_type() for event_type in EVENT_TYPE_OF_KIND.values()]
CONTENT: Final = sorted({*content_fields(EventCore), *chain(*map(content_fields, _BODIES))})
"""The columns that hold what was said."""

_FEW_SESSIONS: Final = 16  # so many are read whole sooner than copies are looked for in all files

_CONDITIONS: Final = {
    "session_id": "session_id = {0}",
    "trace_id": "trace_id = {0}",
    "agent": "(agent_id = {0} OR agent_name = {0})",
    "workflow_id": "workflow_id = {0}",
    "person": "on_behalf_of = {0}",
    "tool": "tool_name = {0}",
    "value": "(" + " OR ".join(f"contains({name}, {{0}})" for name in CONTENT) + ")",
    "document": "(uri = {0} OR title = {0} OR contains(arguments, {0}))",
    "since": "occurred_at >= {0}",
    "until": "occurred_at < {0}",
}


@dataclass(frozen=True)
class Selection:
    """What has to be true of an event; what is `None` is no matter.

    Args:
        agent: its id or its name.
        person: who was served, as the lake has it: usually a pseudonym.
        tool: calls of it, their results, and nothing else.
        value: it stands in the content, exactly so; usually a pseudonym.
        document: the address or title of what was read or written, also among arguments.
        since: an aware time; events from then on, by the source's clock.
        until: likewise; events before then.
        workflows: only of these, whatever else is asked: what the asker may see. `None` is all.
    """

    session_id: str | None = None
    trace_id: str | None = None
    agent: str | None = None
    workflow_id: str | None = None
    person: str | None = field(default=None, repr=False)
    tool: str | None = None
    value: str | None = field(default=None, repr=False)
    document: str | None = field(default=None, repr=False)
    since: datetime | None = None
    until: datetime | None = None
    workflows: frozenset[str] | None = None

    def condition(self) -> tuple[str, list[Any]]:
        """Return the condition on rows of the lake, and what its parameters `$1`, … stand for.

        Raises:
            CannotContinue: nothing is selected, and that would be the whole lake.
        """
        parts, values = [], []
        for item in fields(self):
            value = getattr(self, item.name)
            if value is not None and item.name in _CONDITIONS:
                values.append(value)
                parts.append(_CONDITIONS[item.name].format(f"${len(values)}"))
        if not parts:
            raise CannotContinue(
                "nothing is selected; name a session, trace, agent, workflow, person, tool, value, "
                "document or a time"
            )
        if self.workflows is not None:
            values.append(sorted(self.workflows))
            parts.append(f"list_contains(${len(values)}::VARCHAR[], workflow_id)")
        return " AND ".join(parts), values


def select(
    connection: duckdb.DuckDBPyConnection, selection: Selection | None
) -> tuple[str, list[Any]]:
    """Return a statement for the selected rows of `events`, and the values of its parameters.

    Args:
        selection: `None` for the whole lake.

    Raises:
        CannotContinue: nothing is selected.
        duckdb.Error: the lake cannot be read.
    """
    if selection is None:
        return "FROM events", []
    condition, values = selection.condition()
    if selection.session_id is not None:
        own = _CONDITIONS["session_id"].format("$1")  # the first of a selection's fields
        return f"SELECT * FROM ({events_of(own)}) WHERE {condition}", values  # noqa: S608
    sessions = connection.execute(
        f"SELECT DISTINCT session_id FROM {PLACED} WHERE {condition} LIMIT {_FEW_SESSIONS + 1}",  # noqa: S608
        values,
    ).fetchall()
    names = [name for (name,) in sessions if name is not None]
    if len(names) < len(sessions) or not 0 < len(names) <= _FEW_SESSIONS:
        return events_where(condition), values
    listed = ", ".join(f"${len(values) + n}" for n in range(1, len(names) + 1))
    few = events_of(f"session_id IN ({listed})")
    return f"SELECT * FROM ({few}) WHERE {condition}", [*values, *names]  # noqa: S608
