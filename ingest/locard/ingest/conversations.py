"""History once: what was said in a session is stored once and referred to afterwards.

Each call of a model repeats the whole conversation. Here a prompt is taken apart into

* the longest beginning that an earlier event of the session ends in (`history`),
* messages that other events hold (`same_as`): results of tools by their call, and anything long,
* what is new, which alone is stored.

So what a session costs grows with what was said. Nothing is left out that could not be put together
again: a message is referred to only where what it says is, to the value, what that event holds
(`sameness.py` says what counts). Of a model's output a prompt may repeat less, as sources do.

The memory is bounded and may be lost; then a conversation is stored once more. It is updated in two
steps, since an event that another refers to has to be in the log: a `Telling` sees what it has told
itself, and others see it after `commit`.

    >>> telling = conversations.tell()
    >>> told = telling.prompt("session", event_id, messages)
    >>> ...                        # append the event with told.history and told.messages
    >>> telling.commit()
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from uuid import UUID

from locard.ingest.sameness import (
    START,
    Message,
    chains,
    link,
    mark_of,
    message_digest,
    repeated_digests,
)
from locard.schema import JsonValue

__all__ = ["Conversations", "Message", "Telling", "Told", "message_digest"]

_REFERENCE_PAYS: Final = 256  # bytes of a message in canonical form; a reference has about 100
_SESSION_COSTS: Final = 8  # as many entries as an empty session is worth
_OVERLAID: Final = ("role", "name", "finish_reason")  # what a reference says itself

_Place: TypeAlias = tuple[UUID, int]
_End: TypeAlias = tuple[bytes, int]  # the chain of a conversation, and how many messages it has


@dataclass(frozen=True, slots=True)
class Told:
    """How a prompt is stored.

    Args:
        history: `{"through", "messages"}` as `History` has it, `None` where nothing preceded.
        messages: what is new, and references, in the order of the prompt.
    """

    history: dict[str, Any] | None
    messages: list[dict[str, Any]] = field(repr=False)


@dataclass(slots=True)
class _Session:
    """Where each message of a session stands, and what conversations there were.

    Args:
        holders: by a message's digest.
        beginnings: which event's conversation begins so, by the chain of that beginning.
        told: what conversation each event ends; none is known of a tool's result, or of an answer
            to a prompt that is not remembered.
    """

    holders: dict[bytes, _Place] = field(default_factory=dict)
    beginnings: dict[bytes, _Place] = field(default_factory=dict)
    told: dict[UUID, _End | None] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return _SESSION_COSTS + len(self.holders) + len(self.beginnings) + len(self.told)

    def add(self, new: _Session) -> None:
        """Add what was told; what was known first stays, and nothing is told twice."""
        again = new.told.keys() & self.told.keys()
        for mine, theirs in ((self.holders, new.holders), (self.beginnings, new.beginnings)):
            for digest, place in theirs.items():
                if place[0] not in again:
                    mine.setdefault(digest, place)
        for event_id, end in new.told.items():
            self.told.setdefault(event_id, end)

    def forget(self, event_id: UUID, told: _Session) -> None:
        """Forget an event, of which this was told."""
        self.told.pop(event_id, None)
        for mine, theirs in ((self.holders, told.holders), (self.beginnings, told.beginnings)):
            for digest in theirs:
                if digest in mine and mine[digest][0] == event_id:
                    del mine[digest]


class Conversations:
    """The memory of a process; safe to share between threads.

    Args:
        most_entries: in all sessions together, some 150 bytes each. The session that was told
            least recently is forgotten first.
    """

    def __init__(self, most_entries: int = 300_000) -> None:
        self._most_entries = most_entries
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()
        self._entries = 0
        self._lock = threading.Lock()

    def tell(self) -> Telling:
        """Begin to tell some events."""
        return Telling(self)

    def known(self, session_id: str) -> _Session:
        """Return what is known of a session. It must not be changed, and others may add to it."""
        key = _key(session_id)
        with self._lock:
            found = self._sessions.get(key)
            if found is None:
                return _Session()
            self._sessions.move_to_end(key)
            return found

    def merge(self, told: Mapping[str, _Session]) -> None:
        """Add what was told; what was known first stays."""
        with self._lock:
            for session_id, new in told.items():
                key = _key(session_id)
                session = self._sessions.get(key)
                before = session.size if session else 0
                session = self._sessions.setdefault(key, _Session())
                session.add(new)
                self._sessions.move_to_end(key)
                self._entries += session.size - before
            while self._entries > self._most_entries and self._sessions:
                _, forgotten = self._sessions.popitem(last=False)
                self._entries -= forgotten.size


class Telling:
    """Events that are being told; not for several threads.

    An event is told once: told again, with the same id, it adds nothing to what is remembered,
    since of two the first counts. Told again after the memory was lost, it may be stored in another
    way, whole instead of by reference; what refers to it counts in the conversation and holds.
    """

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations
        self._own: dict[str, _Session] = {}
        self._told: dict[UUID, _Session] = {}  # of each event alone, so that it can be withdrawn

    def prompt(self, session_id: str, event_id: UUID, messages: Sequence[Message]) -> Told:
        """Return how this prompt is stored.

        Args:
            messages: all of them, as the model was given them.
        """
        sight = self._sight(session_id, event_id)
        marks = [mark_of(message) for message in messages]
        beginnings = chains([mark.digest for mark in marks])
        history, start = sight.longest_beginning(beginnings)
        new = _Session()
        stored: list[dict[str, Any]] = []
        for position in range(start, len(messages)):
            message, mark = messages[position], marks[position]
            holder = sight.holder(mark.digest)
            if holder and (mark.size >= _REFERENCE_PAYS or _is_result(message)):
                stored.append(_reference(message, holder))
            else:
                new.holders.setdefault(mark.digest, (event_id, position))
                stored.append(dict(message))
            new.beginnings.setdefault(beginnings[position], (event_id, position + 1))
        new.told[event_id] = (beginnings[-1] if beginnings else START, len(messages))
        sight.note(new)
        return Told(history, stored)

    def output(
        self, session_id: str, event_id: UUID, prompt_id: UUID | None, message: Message
    ) -> None:
        """Note what a model answered to a prompt, as a message that the next prompt will repeat.

        Args:
            prompt_id: the last prompt in the event's `caused_by`, `None` where it has none.
            message: its first one.
        """
        sight = self._sight(session_id, event_id)
        before = sight.end(prompt_id) if prompt_id else (START, 0)
        new = _Session()
        end: _End | None = None
        for digest in repeated_digests(message):
            new.holders.setdefault(digest, (event_id, 0))
            if before is not None:  # else nobody knows what the conversation began with
                following = (link(before[0], digest), before[1] + 1)
                new.beginnings.setdefault(following[0], (event_id, following[1]))
                end = end or following
        new.told[event_id] = end
        sight.note(new)

    def result(
        self,
        session_id: str,
        event_id: UUID,
        call_id: str,
        result: JsonValue,
        tool_name: str | None = None,
    ) -> None:
        """Note what a tool gave back, which the next prompt will show to the model.

        Args:
            tool_name: some sources name the tool in that message as well.
        """
        part = {"type": "tool_call_response", "id": call_id, "response": result}
        shown: dict[str, Any] = {"role": "tool", "parts": [part]}
        new = _Session(told={event_id: None})
        new.holders[message_digest(shown)] = (event_id, 0)
        if tool_name is not None:
            new.holders[message_digest({**shown, "name": tool_name})] = (event_id, 0)
        self._sight(session_id, event_id).note(new)

    def holds(self, session_id: str, message: Message) -> UUID | None:
        """Return the event of the session that holds this message, if there is one."""
        digest = message_digest(message)
        for session in (self._conversations.known(session_id), self._own.get(session_id)):
            if session and digest in session.holders:
                return session.holders[digest][0]
        return None

    def withdraw(self, session_id: str, event_id: UUID) -> None:
        """Forget an event that was just told and will not be stored as it was told.

        What was told after it may refer to it already, so withdraw it before the next is told.
        """
        told = self._told.pop(event_id, None)
        if told and session_id in self._own:
            self._own[session_id].forget(event_id, told)

    def commit(self) -> None:
        """Let others refer to what was told: it is durable now."""
        self._conversations.merge(self._own)
        self._own = {}
        self._told = {}

    def _sight(self, session_id: str, event_id: UUID) -> _Sight:
        own = self._own.setdefault(session_id, _Session())
        return _Sight(self._conversations.known(session_id), own, self._told, event_id)


@dataclass(frozen=True, slots=True)
class _Sight:
    """What one event may refer to: what others hold, never itself."""

    known: _Session
    own: _Session
    told: dict[UUID, _Session]
    event_id: UUID

    def holder(self, digest: bytes) -> _Place | None:
        return self._of_another(self.known.holders.get(digest) or self.own.holders.get(digest))

    def longest_beginning(self, beginnings: Sequence[bytes]) -> tuple[dict[str, Any] | None, int]:
        """Return the longest beginning that another event has, and how many messages it is."""
        for count in range(len(beginnings), 0, -1):
            chain = beginnings[count - 1]
            known, own = self.known.beginnings.get(chain), self.own.beginnings.get(chain)
            if found := self._of_another(known or own):
                return {"through": str(found[0]), "messages": count}, count
        return None, 0

    def end(self, event_id: UUID) -> _End | None:
        return self.known.told.get(event_id) or self.own.told.get(event_id)

    def note(self, new: _Session) -> None:
        """Note what this event holds, unless it was told before: then the first one counts."""
        if self.event_id not in self.known.told:
            self.told.setdefault(self.event_id, new)
            self.own.add(new)

    def _of_another(self, place: _Place | None) -> _Place | None:
        return place if place and place[0] != self.event_id else None


def _key(session_id: str) -> bytes:
    """Return what a session is remembered by: ids may be long."""
    return hashlib.blake2b(session_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _reference(message: Message, holder: _Place) -> dict[str, Any]:
    said = {name: message[name] for name in _OVERLAID if message.get(name) is not None}
    return {**said, "same_as": {"event": str(holder[0]), "message": holder[1]}}


def _is_result(message: Message) -> bool:
    parts = message.get("parts") or ()
    return bool(parts) and all(part.get("type") == "tool_call_response" for part in parts)
