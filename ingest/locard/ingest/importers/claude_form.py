"""The form of a transcript of Claude Code: what stands around the content of each of its lines.

    {"type": "user", "sessionId": "…", "uuid": "…", "parentUuid": "…", "timestamp": "…", …}

Only `type` is required. Kinds of lines come and go with each version of the program; whatever is
not known here is kept as it came.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from locard.ingest.importers.conversion import read_json
from locard.ingest.importers.lines import Line
from locard.ingest.importers.openai_calls import id_text
from locard.schema import RejectedRecord, Trust

_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d:?\d\d)")
_NAME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}")

_IN_COLUMNS: Final = frozenset({"type", "sessionId", "timestamp", "version", "message"})
_SAID_TWICE: Final = {"session_id": "sessionId"}  # newer versions write some fields under two names
_ENVELOPE: Final = frozenset(
    {
        "uuid", "parentUuid", "logicalParentUuid", "isSidechain", "agentId", "cwd", "gitBranch",
        "userType", "entrypoint", "slug", "promptId", "requestId", "forkedFrom", "session_id",
    }
)  # fmt: skip


@dataclass(frozen=True)
class TranscriptLine:
    """A line of a transcript.

    Args:
        identity: what tells the line from the others of its session: its `uuid`, else its digest.
        parent: the `uuid` of the line that it follows in the conversation.
        moment: when it was written; `None` where it does not say.
        fields: the whole object.
        numbers_kept_as_text: how many numbers JSON cannot keep exact.
    """

    type: str
    session_id: str
    identity: str
    uuid: str | None
    parent: str | None
    moment: datetime | None
    fields: dict[str, Any] = field(repr=False)
    numbers_kept_as_text: int

    @property
    def is_of_sub_agent(self) -> bool:
        """Whether a sub-agent's conversation holds the line, and not the session's own."""
        return self.fields.get("isSidechain") is True

    @property
    def is_copy(self) -> bool:
        """Whether the line was copied from another session when this one branched off."""
        return isinstance(self.fields.get("forkedFrom"), dict)

    @property
    def message(self) -> Any:
        """The message in the form of the API; `None` where there is none."""
        return self.fields.get("message")

    def text(self, name: str) -> str | None:
        """Return a field that is text, `None` where it is empty or anything else."""
        value = self.fields.get(name)
        return value if isinstance(value, str) and value else None

    def envelope(self) -> dict[str, Any]:
        """Return what stands around the content and has no column."""
        return {name: value for name, value in self._others() if name in _ENVELOPE}

    def content(self) -> dict[str, Any]:
        """Return everything else that has no column, without the message."""
        return {name: value for name, value in self._others() if name not in _ENVELOPE}

    def _others(self) -> list[tuple[str, Any]]:
        others = []
        for name, value in self.fields.items():
            twice = _SAID_TWICE.get(name)
            is_told = twice is not None and value == self.fields.get(twice)
            if value is not None and not is_told and not self._has_column(name):
                others.append((name, value))
        return others

    def _has_column(self, name: str) -> bool:
        if name == "timestamp":
            return self.moment is not None
        if name == "sessionId":
            return id_text(self.fields[name]) is not None
        if name == "version":
            return self.text(name) is not None
        return name in _IN_COLUMNS


def read_transcript_line(line: Line, file_name: str) -> TranscriptLine:
    """Return what a line says.

    Args:
        file_name: names the session of lines that do not, as the program itself does it.

    Raises:
        RejectedRecord: it is no line of a transcript. The message says what is wrong.
    """
    value, numbers_kept_as_text = read_json(line)
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(kind, str):
        raise RejectedRecord(
            "no object with a text `type`; is this a transcript of Claude Code?",
            "no_transcript_line",
        )
    fields: dict[str, Any] = value
    uuid = id_text(fields.get("uuid"))
    parent = id_text(fields.get("parentUuid")) or id_text(fields.get("logicalParentUuid"))
    return TranscriptLine(
        type=kind,
        session_id=id_text(fields.get("sessionId")) or file_name.split(".")[0] or "transcript",
        identity=uuid or line.digest,
        uuid=uuid,
        parent=parent if parent != uuid else None,
        moment=_moment(fields.get("timestamp")),
        fields=fields,
        numbers_kept_as_text=numbers_kept_as_text,
    )


def plain_name(value: Any) -> str | None:
    """Return a name that may stand in the core of an event, `None` for anything else."""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None


def trusted(messages: list[dict[str, Any]], trust: Trust) -> list[dict[str, Any]]:
    """Return messages of which each part is trusted so far, but for what tools gave back.

    Whoever a message says that it is of, the type of its line tells who put it there.
    """
    for message in messages:
        for part in message["parts"]:
            if part["trust"] != "tool":
                part["trust"] = trust
    return messages


def _moment(value: Any) -> datetime | None:
    """Return the moment that an RFC 3339 text names, `None` for anything else."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
