"""What a converter of transcripts remembers of earlier lines, in bounded memory.

Nothing is lost where it forgets: an event then says a little less about how it hangs together with
others.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, TypeAlias, TypeVar

from locard.ingest.importers.claude_form import TranscriptLine

Key: TypeAlias = tuple[str, str]
"""A session, and the id of something in it."""

T = TypeVar("T")
_MOST_REMEMBERED: Final = 100_000


@dataclass(frozen=True)
class KnownCall:
    """A tool call that an event holds."""

    tool_name: str = field(repr=False)
    event_id: str


@dataclass
class Learned:
    """What one line adds; it counts once the line is taken.

    Args:
        said: the events that a line following this one reacts to.
        counted: the tokens counted so far of one answer of the model, by column.
    """

    line: TranscriptLine
    starts_session: bool = False
    said: list[str] = field(default_factory=list)
    calls: dict[str, KnownCall] = field(default_factory=dict)
    answer: str | None = None
    counted: dict[str, int] = field(default_factory=dict)


class _Recent(OrderedDict[Key | str, T], Generic[T]):
    """A mapping that forgets what was set first when it grows too large."""

    def __setitem__(self, key: Key | str, value: T) -> None:
        super().__setitem__(key, value)
        if len(self) > _MOST_REMEMBERED:
            self.popitem(last=False)


class Memory:
    """What is known of the lines so far, of all sessions of an import."""

    def __init__(self) -> None:
        self._started: _Recent[bool] = _Recent()
        self._moments: _Recent[datetime] = _Recent()
        self._said: _Recent[tuple[str, ...]] = _Recent()
        self._calls: _Recent[KnownCall] = _Recent()
        self._counted: _Recent[dict[str, int]] = _Recent()

    def has_started(self, session_id: str) -> bool:
        """Say whether the start of a session was seen."""
        return session_id in self._started

    def latest_moment(self, session_id: str) -> datetime | None:
        """Return when the session's latest line was written that says so."""
        return self._moments.get(session_id)

    def said(self, session_id: str, uuid: str) -> tuple[str, ...] | None:
        """Return the events of a line that another follows."""
        return self._said.get((session_id, uuid))

    def call(self, session_id: str, call_id: str) -> KnownCall | None:
        """Return the call of this id."""
        return self._calls.get((session_id, call_id))

    def counted(self, session_id: str, answer: str) -> dict[str, int]:
        """Return the tokens that were counted of an answer."""
        return self._counted.get((session_id, answer), {})

    def learn(self, learned: Learned) -> None:
        """Remember what a line added."""
        line, session_id = learned.line, learned.line.session_id
        if learned.starts_session:
            self._started[session_id] = True
        if line.moment is not None:
            self._moments[session_id] = line.moment
        if line.uuid is not None and learned.said:
            self._said[session_id, line.uuid] = tuple(learned.said)
        for call_id, call in learned.calls.items():
            self._calls[session_id, call_id] = call
        if learned.answer is not None:
            self._counted[session_id, learned.answer] = learned.counted
