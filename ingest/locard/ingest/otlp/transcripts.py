"""Prompts that begin as an earlier one of their session did: what is known of that is used again.

Each call of a model repeats the whole conversation, as JSON text. Where that text goes on from one
that was read before, to the character, only what follows has to be read.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from locard.ingest.chat import chat_messages, is_standard
from locard.ingest.otlp.attributes import structured
from locard.ingest.sameness import MarkedMessage, marked

_MOST_CHARACTERS: Final = 16 * 1024 * 1024  # in memory some four times as many bytes
_LONGEST: Final = _MOST_CHARACTERS // 8
_TOLD_APART_BY: Final = 400  # characters: agents that share a session begin differently

_Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Transcript:
    """Messages as JSON text, and as messages of the schema, which must not be changed."""

    text: str = field(repr=False)
    messages: Sequence[MarkedMessage] = field(repr=False)


class Transcripts:
    """The last transcript of each conversation; bounded, and safe to share between threads."""

    def __init__(self, most_characters: int = _MOST_CHARACTERS) -> None:
        self._most_characters = most_characters
        self._characters = 0
        self._kept: OrderedDict[_Key, Transcript] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, session: str) -> SessionTranscripts:
        """Return those of one session."""
        return SessionTranscripts(self, session)

    def find(self, key: _Key) -> Transcript | None:
        """Return what is kept under a key."""
        with self._lock:
            return self._kept.get(key)

    def put(self, key: _Key, transcript: Transcript) -> None:
        """Keep a transcript instead of the one before."""
        with self._lock:
            replaced = self._kept.pop(key, None)
            self._characters += len(transcript.text) - (len(replaced.text) if replaced else 0)
            self._kept[key] = transcript
            while self._characters > self._most_characters:
                _, forgotten = self._kept.popitem(last=False)
                self._characters -= len(forgotten.text)


@dataclass(frozen=True, slots=True)
class SessionTranscripts:
    """What was read of one session."""

    transcripts: Transcripts
    session: str = field(repr=False)

    def read_on(self, text: Any) -> Sequence[MarkedMessage] | None:
        """Return the messages of a text that goes on from one that is kept, and keep it instead.

        Returns:
            `None` where it does not, or says more than messages that each stand for themselves.
        """
        if not isinstance(text, str):
            return None
        earlier = self.transcripts.find(self._key(text))
        if earlier is None or not _goes_on(text, earlier.text):
            return None
        if len(text) == len(earlier.text):
            return earlier.messages
        value, replaced = structured("[" + text[len(earlier.text) :])
        if replaced or not value:  # what follows a comma must be a message
            return None
        return self.keep(text, value, earlier.messages)

    def keep(
        self, text: Any, value: Any, before: Sequence[MarkedMessage] = ()
    ) -> Sequence[MarkedMessage] | None:
        """Keep a text that was read, and return its messages.

        Args:
            value: what the text holds, beside the messages `before`.

        Returns:
            `None` where nothing could be read on from it.
        """
        if not isinstance(text, str) or not is_standard(value):
            return None
        if any("type" in item for item in value):  # it may be one message with what follows
            return None
        messages = [*before, *(marked(message) for message in chat_messages(value))]
        if text.endswith("]") and len(text) <= _LONGEST:
            self.transcripts.put(self._key(text), Transcript(text, messages))
        return messages

    def _key(self, text: str) -> _Key:
        return self.session, text[:_TOLD_APART_BY]


def _goes_on(text: str, earlier: str) -> bool:
    """Say whether a list in JSON is an earlier one, perhaps with more items."""
    if len(text) == len(earlier):
        return text == earlier
    last = len(earlier) - 1
    return text[last : last + 1] == "," and text.startswith(earlier[:last])
