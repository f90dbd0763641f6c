"""Transcripts of Claude Code, the files `~/.claude/projects/DIR/SESSION.jsonl`, become events.

One line is one step of a session, with its own time and id. Ids of events are derived from the
session and the line's `uuid`, so a line that stands in another file as well adds nothing.

    user         a `prompt`; each `tool_result` in it a `tool_result`, and before it a `decision`
                 where the call was refused
    assistant    a `model_output`, and each call in it a `tool_call`; a `lifecycle` event where the
                 program wrote it in the model's place
    attachment   a `prompt` for what the user typed meanwhile, `content` for files and memories that
                 were put before the model, a `decision` of a hook, else `lifecycle`
    all others   `lifecycle`, but for the few in `_LEFT_OUT`

`caused_by` follows `parentUuid` and the ids of calls; it tells branches and sub-agents apart, which
share a session. Whatever has no column is kept under `extensions`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import ClassVar, Final

from locard.ingest.importers.claude_form import plain_name, read_transcript_line
from locard.ingest.importers.claude_memory import Memory
from locard.ingest.importers.claude_outputs import assistant_events
from locard.ingest.importers.claude_prompts import attachment_event, user_events
from locard.ingest.importers.claude_step import FORMAT, Step
from locard.ingest.importers.conversion import NUMBERS, Converted, Surroundings
from locard.ingest.importers.lines import Line
from locard.schema import Event

SNAPSHOTS: Final = (
    "snapshots for undoing changes of files, left out; the calls that made them are in"
)
LAST_PROMPTS: Final = (
    "repetitions of how the latest prompt begins, left out; the prompt itself is in"
)
UNKNOWN_TYPE: Final = "lines of an unknown type, kept as they are; read them as `lifecycle` events"
NO_MESSAGE: Final = "lines without what their type should hold, kept as `lifecycle` events"

_LEFT_OUT: Final = {
    "file-history-snapshot": SNAPSHOTS,
    "file-history-delta": SNAPSHOTS,
    "last-prompt": LAST_PROMPTS,
}
_CONVERSATION: Final = frozenset({"user", "assistant", "attachment"})
_NOTES: Final = frozenset(
    {
        "system", "summary", "progress", "queue-operation", "mode", "permission-mode", "ai-title",
        "custom-title", "agent-name", "agent-color", "agent-setting", "tag", "pr-link",
        "bridge-session", "cost-state", "result",
    }
)  # fmt: skip


class ClaudeCode:
    """Converts the lines of transcripts. See `Converter`."""

    format_name: ClassVar[str] = FORMAT
    unit: ClassVar[str] = "lines"
    remembers: ClassVar[bool] = True

    def __init__(self) -> None:
        self._memory = Memory()

    def convert(self, line: Line, surroundings: Surroundings) -> Converted:
        """Return the events of this line, and what was odd about it or left out."""
        read = read_transcript_line(line, surroundings.file_name)
        notices = Counter({NUMBERS: read.numbers_kept_as_text} if read.numbers_kept_as_text else {})
        if read.type in _LEFT_OUT:
            notices[_LEFT_OUT[read.type]] += 1
            return Converted((), notices)
        step = Step(read, surroundings, self._memory, notices)
        start = step.session_start()
        events = (*([start] if start else ()), *_events(step))
        return Converted(events, notices, lambda: self._memory.learn(step.learned))


def _events(step: Step) -> Iterator[Event]:
    line = step.line
    attachment = line.fields.get("attachment")
    if line.type == "user" and line.message is not None:
        yield from user_events(step)
    elif line.type == "assistant" and line.message is not None:
        yield from assistant_events(step)
    elif line.type == "attachment" and isinstance(attachment, dict):
        yield attachment_event(step, attachment)
    else:
        yield _note(step)


def _note(step: Step) -> Event:
    """Return the event of a line that is no part of the conversation."""
    line = step.line
    if line.type in _CONVERSATION:
        step.notices[NO_MESSAGE] += 1
    elif line.type not in _NOTES:
        step.notices[UNKNOWN_TYPE] += 1
    attributes = line.content()
    if line.message is not None:
        attributes["message"] = line.message
    name, subtype = plain_name(line.type), plain_name(line.fields.get("subtype"))
    if name is None:
        return step.lifecycle("unknown", {"type": line.type, **attributes})
    return step.lifecycle(f"{name}.{subtype}" if subtype else name, attributes)
