"""A line of a transcript on its way to events: what its events share, and what they react to."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from locard.ingest.importers.claude_form import TranscriptLine
from locard.ingest.importers.claude_memory import KnownCall, Learned, Memory
from locard.ingest.importers.conversion import Surroundings
from locard.ingest.importers.events import made_event, shared_core
from locard.ingest.importers.openai_calls import id_text
from locard.schema import Event, derived_event_id

FORMAT: Final = "claude-code"
PROGRAM: Final = "claude-code"
"""What the agent is called, and how the names of its lifecycle events begin."""

NO_TIME: Final = "lines without a time, given that of the line before; only their order counts"
COPIES: Final = (
    "lines that a branched session copied, kept without their tokens; they count in the other one"
)
REPEATS: Final = (
    "lines with the id of an earlier one that say something else; `FROM duplicates` shows both"
)

_OF_THE_SESSION: Final = ("cwd", "gitBranch", "userType", "entrypoint", "slug", "forkedFrom")


class Step:
    """One line, whose events are numbered in the order in which they are made.

    Args:
        notices: counts what is odd.
    """

    def __init__(
        self,
        line: TranscriptLine,
        surroundings: Surroundings,
        memory: Memory,
        notices: Counter[str],
    ) -> None:
        self.line = line
        self.memory = memory
        self.notices = notices
        self.learned = Learned(line)
        self._count = 0
        self._moment = line.moment or memory.latest_moment(line.session_id) or surroundings.start
        time_source: Final = "source" if line.moment else "importer"
        self._core = shared_core(surroundings.observed_at, time_source, _core(line))
        if line.moment is None:
            notices[NO_TIME] += 1
        if line.is_copy:
            notices[COPIES] += 1
        if line.uuid is not None and memory.said(line.session_id, line.uuid) is not None:
            notices[REPEATS] += 1

    def make(self, kind: str, body: dict[str, Any], **core: Any) -> Event:
        """Return the line's next event; what is `None` in its body or core is left out.

        Raises:
            RejectedRecord: the values do not make an event.
        """
        number = self._count
        self._count += 1
        return self._event(str(number), kind, body, self.line.identity, core)

    def say(self, kind: str, body: dict[str, Any], **core: Any) -> Event:
        """Make an event that the lines which follow this one react to."""
        event = self.make(kind, body, **core)
        self.learned.said.append(str(event.event_id))
        return event

    def lifecycle(self, change: str, attributes: dict[str, Any]) -> Event:
        """Make an event of something that is no part of the conversation."""
        return self.say(
            "lifecycle",
            {"change": f"{PROGRAM}.{change}", "attributes": attributes},
            caused_by=self.causes(),
            extensions=self.line.envelope(),
        )

    def session_start(self) -> Event | None:
        """Return the event that starts the session, if this line is the first of it."""
        line = self.line
        is_root = line.uuid is not None and line.parent is None and not line.is_of_sub_agent
        if not is_root or self.memory.has_started(line.session_id):
            return None
        self.learned.starts_session = True
        attributes = {k: v for k, v in line.envelope().items() if k in _OF_THE_SESSION}
        body = {"change": "session_start", "attributes": attributes}
        return self._event("session_start", "lifecycle", body, "", {})

    def causes(self) -> list[str] | None:
        """Return the events that this line reacts to: those of its parent."""
        parent, session_id = self.line.parent, self.line.session_id
        if parent is None:
            return None
        first = derived_event_id(FORMAT, session_id, parent, "0")
        return list(self.memory.said(session_id, parent) or (str(first),))

    def call(self, call_id: str | None) -> KnownCall | None:
        """Return the session's call of this id, `None` where it is not known."""
        return self.memory.call(self.line.session_id, call_id) if call_id is not None else None

    def _event(
        self, slot: str, kind: str, body: dict[str, Any], identity: str, core: dict[str, Any]
    ) -> Event:
        return made_event(
            self._core | core,
            event_id=derived_event_id(FORMAT, self.line.session_id, identity, slot),
            occurred_at=self._moment,
            kind=kind,
            body=body,
        )


def _core(line: TranscriptLine) -> dict[str, Any]:
    """Return the columns that all events of a line share."""
    is_of_sub_agent = line.is_of_sub_agent
    return {
        "session_id": line.session_id,
        "agent_id": id_text(line.fields.get("agentId")) if is_of_sub_agent else None,
        "agent_name": line.text("attributionAgent") if is_of_sub_agent else PROGRAM,
        "agent_version": line.text("version"),
    }
