"""The messages that a model was given or gave, from whichever attributes hold them.

The first source that has any is read. What the others say again is left out, since it would repeat
the conversation with every turn: its name, size and digest are told under `restated`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from locard.ingest.chat import chat_messages, is_standard, parts_of
from locard.ingest.elements import affords
from locard.ingest.otlp import names
from locard.ingest.otlp.attributes import Reader, structured
from locard.ingest.otlp.message_forms import (
    Message,
    as_text,
    holds_messages,
    indexed_message,
    told_in,
)
from locard.ingest.otlp.transcripts import SessionTranscripts
from locard.schema import Absence

Side = Literal["input", "output"]

_ROLE: Final[dict[Side, str]] = {"input": "user", "output": "assistant"}
_INDEXED: Final[dict[Side, tuple[tuple[str, str], ...]]] = {
    "input": (
        ("llm.input_messages", "message"),
        ("gen_ai.prompt", ""),
        ("llm.prompts", "prompt"),
    ),
    "output": (
        ("llm.output_messages", "message"),
        ("gen_ai.completion", ""),
        ("llm.choices", "completion"),
    ),
}
_WHOLE: Final[dict[Side, tuple[str, ...]]] = {
    "input": names.INPUT_MESSAGES,
    "output": names.OUTPUT_MESSAGES,
}
_VALUES: Final[dict[Side, tuple[str, ...]]] = {
    "input": names.INPUT_VALUES,
    "output": names.OUTPUT_VALUES,
}
_MESSAGE_COSTS: Final = 8  # elements beside those that it consists of
_LONGEST_MARKER: Final = 20
_STANDARD: Final = (names.INPUT_MESSAGES[0], names.OUTPUT_MESSAGES[0])


@dataclass(slots=True)
class Said:
    """What one side of a record said.

    Args:
        messages: `None` where the record does not tell them.
        absence: why it does not.
        restated: what said them again, by attribute: its size and digest.
        beside: what a request or a response says beside its messages, such as its `id`.
    """

    messages: Sequence[Message] | None = field(default=None, repr=False)
    absence: Absence | None = "not_captured"
    is_partly_hidden: bool = False
    restated: dict[str, Any] = field(default_factory=dict)
    beside: dict[str, Any] = field(default_factory=dict, repr=False)


def said(
    reader: Reader,
    side: Side,
    earlier: SessionTranscripts | None = None,
    *,
    only_messages: bool = False,
) -> Said:
    """Take what the record says on one side.

    Args:
        earlier: what the session said before, where it is likely to be said again.
        only_messages: leave an object or a list that is none of messages where it is.
    """
    found = Said()
    for name, value in _sources(reader, side):
        if only_messages and not holds_messages(value):
            reader.keep(name, value)
        elif found.messages:
            found.restated[name] = digest_of(value)
            found.beside |= told_in(structured(value)[0], "")[1]
        elif value == "" or (isinstance(value, str) and value in names.HIDDEN):
            found.absence = "redacted_upstream" if value else found.absence
        else:
            found.messages = earlier.read_on(value) if earlier else None
            if found.messages is None:
                found.messages = _read(reader, name, value, _ROLE[side], found.beside, earlier)
    if found.messages is not None:
        found.absence = None
        _note_hidden(found)
    return found


def system_message(reader: Reader) -> list[Message]:
    """Take the system instructions as a message that leads the others, if there are any."""
    found = reader.take(names.SYSTEM_INSTRUCTIONS)
    if found is None:
        return []
    name, given = found
    value = structured(given)[0]
    if not (isinstance(value, list) and all(isinstance(item, dict) for item in value)):
        reader.flag(name)
    if value in ("", []):
        return []
    return [{"role": "system", "parts": parts_of(value, "system")}]


def _sources(reader: Reader, side: Side) -> Iterator[tuple[str, Any]]:
    """Take, in order, each source of this side that is there."""
    yield from reader.take_all(_WHOLE[side])
    if reader.has_lists():
        for prefix, inner in _INDEXED[side]:
            if items := reader.indexed(prefix):
                yield prefix + ".", [indexed_message(item, inner) for item in items]
    yield from reader.take_all(_VALUES[side])


def _read(
    reader: Reader,
    name: str,
    value: Any,
    role: str,
    beside: dict[str, Any],
    earlier: SessionTranscripts | None,
) -> Sequence[Message]:
    read, numbers = structured(value)
    if isinstance(read, list) and not affords(_MESSAGE_COSTS * len(read)):
        read = as_text(value)
    if numbers:
        reader.flag(name)
    if is_standard(read):
        kept = earlier.keep(value, read) if earlier and not numbers else None
        return kept or chat_messages(read, role)
    if name in _STANDARD:
        reader.flag(name)
    messages, more = told_in(read, role)
    beside |= more
    return messages


def _note_hidden(found: Said) -> None:
    parts = [part for message in found.messages or () for part in message["parts"]]
    hidden = sum([_is_hidden(part.get("content", part.get("response"))) for part in parts])
    if hidden:
        found.is_partly_hidden = True
        found.absence = "redacted_upstream" if hidden == len(parts) else None


def _is_hidden(text: Any) -> bool:
    return isinstance(text, str) and len(text) < _LONGEST_MARKER and text in names.HIDDEN


def digest_of(value: Any) -> dict[str, Any]:
    """Return how a value is told that says again what is told already: its size and digest."""
    data = as_text(value).encode("utf-8", "surrogatepass")
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
