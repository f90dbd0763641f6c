"""Table macros: the questions that analysts ask again and again, with a name in SQL.

They stand on the views, so they hide what those hide; `docs/views.md` is made from here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from locard.query.event_view import events_of
from locard.query.text_view import TEXT_COLUMNS, texts_of


@dataclass(frozen=True)
class Macro:
    """A documented table macro.

    Args:
        name: as used in SQL.
        parameters: their names, in order.
        row: what it gives.
        sql: the statement behind it.
    """

    name: str
    parameters: tuple[str, ...]
    row: str
    sql: str

    @property
    def signature(self) -> str:
        """How it is called."""
        return f"{self.name}({', '.join(self.parameters)})"


# Taking structures apart costs most: so events are left out first in whose columns the words cannot
# be. What JSON may write in another way than it is read, quotes and numbers, could be anywhere.
_WRITTEN_OTHERWISE: Final = r"""[\x00-\x1f\x7f"\\]|^[-+.0-9eE]+$"""
_EVENTS_THAT_SAY: Final = f"""
    FROM events WHERE regexp_matches(words, '{_WRITTEN_OTHERWISE}')
        OR {" OR ".join(f"contains({name}, words)" for name in TEXT_COLUMNS)}
"""

MACROS: Final = (
    Macro(
        "session_events",
        ("session",),
        "The events of one session, by the source's clock.",
        f"FROM ({events_of('session_id = session')}) ORDER BY occurred_at, event_id",
    ),
    Macro(
        "mentions",
        ("words",),
        "Every piece of text that has these words, or this token, in it.",
        f"""FROM ({texts_of(_EVENTS_THAT_SAY)}) WHERE contains(text, words)
        ORDER BY occurred_at, event_id, field""",
    ),
    Macro(
        "calls_of",
        ("tool",),
        "The calls of one tool, merged, with their outcome.",
        "SELECT * FROM tool_calls WHERE tool_name = tool ORDER BY occurred_at, event_id",
    ),
    Macro(
        "untrusted_texts",
        ("session",),
        "What a session read from outside: neither the person's nor the operator's words.",
        "SELECT * FROM texts WHERE session_id = session AND trust IN ('tool', 'external')"
        " ORDER BY occurred_at, event_id, field",
    ),
)
"""All macros; each is a function that makes rows, as in `FROM mentions('invoice')`."""
