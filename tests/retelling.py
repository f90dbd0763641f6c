"""A log of what was told, and the reader that puts a conversation together again.

The reader follows the docstrings of `History` and `MessageReference` alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

from locard.ingest.conversations import Conversations, Telling

Message = dict[str, Any]
SESSION = "session"
_NAMES = UUID(int=0)


def event_id(number: int) -> UUID:
    """Return an event id that is the same in every run."""
    return uuid5(_NAMES, str(number))


def says(text: str, role: str = "user", **more: Any) -> Message:
    """Return a message of one text."""
    return {"role": role, "parts": [{"type": "text", "trust": "user", "content": text}], **more}


def shows(call_id: str, response: Any, **more: Any) -> Message:
    """Return the message that shows a tool's result."""
    part = {"type": "tool_call_response", "trust": "tool", "id": call_id, "response": response}
    return {"role": "tool", "parts": [part], **more}


@dataclass
class Log:
    """The events that were appended, as they are stored; the first one of an id counts."""

    prompts: dict[UUID, tuple[dict[str, Any] | None, list[Message]]] = field(default_factory=dict)
    outputs: dict[UUID, tuple[UUID | None, list[Message]]] = field(default_factory=dict)
    results: dict[UUID, Message] = field(default_factory=dict)

    def conversation(self, event: UUID) -> list[Message]:
        """Return the conversation through an event, in the order of `History`."""
        if event in self.prompts:
            history, messages = self.prompts[event]
            before = self.conversation(UUID(history["through"])) if history else []
            count = history["messages"] if history else 0
            assert count <= len(before), "history of more messages than there are"
            return [*before[:count], *(self.resolved(event, message) for message in messages)]
        prompt, choices = self.outputs[event]
        return [*(self.conversation(prompt) if prompt else []), choices[0]]

    def resolved(self, event: UUID, message: Message) -> Message:
        """Return the message that this one is the same as, or itself."""
        if "same_as" not in message:
            return message
        holder = UUID(message["same_as"]["event"])
        number = message["same_as"]["message"]
        assert holder != event, "an event refers to itself"
        if holder in self.results:
            assert number == 0
            held = self.results[holder]
        elif holder in self.outputs:
            held = self.resolved(holder, self.outputs[holder][1][number])
        else:
            history, messages = self.prompts[holder]
            before = history["messages"] if history else 0
            if history and number < before:
                held = self.conversation(UUID(history["through"]))[number]
            else:
                held = self.resolved(holder, messages[number - before])
        return {**held, **{k: v for k, v in message.items() if k != "same_as"}}

    def references(self, event: UUID) -> set[UUID]:
        """Return the events that a prompt refers to."""
        history, messages = self.prompts[event]
        found = {UUID(m["same_as"]["event"]) for m in messages if "same_as" in m}
        return found | ({UUID(history["through"])} if history else set())

    def __contains__(self, event: UUID) -> bool:
        return event in self.prompts or event in self.outputs or event in self.results

    def update(self, other: Log) -> None:
        """Append what another log holds; what is there already stays."""
        self.prompts = {**other.prompts, **self.prompts}
        self.outputs = {**other.outputs, **self.outputs}
        self.results = {**other.results, **self.results}


class Agent:
    """One source of events: tells, appends to its log when it commits, forgets when it fails."""

    def __init__(self, conversations: Conversations, log: Log) -> None:
        self.conversations = conversations
        self.log = log
        self.begin()

    def begin(self) -> None:
        """Begin a telling; what was told and not committed is lost."""
        self.telling: Telling = self.conversations.tell()
        self.pending = Log()

    def prompt(self, event: UUID, messages: list[Message], session: str = SESSION) -> None:
        """Tell a prompt; it may refer to what is in the log and to what this telling told."""
        told = self.telling.prompt(session, event, messages)
        if event not in self.pending:
            self.pending.prompts[event] = (told.history, told.messages)
        reader = Log()
        reader.update(self.log)
        reader.update(self.pending)
        assert reader.references(event) <= {e for e in self.everything() if e != event}

    def output(self, event: UUID, prompt: UUID | None, choices: list[Message]) -> None:
        """Tell an output."""
        self.telling.output(SESSION, event, prompt, choices[0])
        if event not in self.pending:
            self.pending.outputs[event] = (prompt, choices)

    def result(self, event: UUID, call_id: str, value: Any, name: str | None = None) -> None:
        """Tell a tool's result."""
        self.telling.result(SESSION, event, call_id, value, name)
        if event not in self.pending:
            self.pending.results[event] = shows(call_id, value)

    def everything(self) -> set[UUID]:
        """Return what this source may refer to."""
        return {
            *(self.log.prompts.keys() | self.log.outputs.keys() | self.log.results.keys()),
            *(self.pending.prompts.keys() | self.pending.outputs.keys()),
            *self.pending.results.keys(),
        }

    def commit(self) -> None:
        """Append what was told, and let others refer to it."""
        self.log.update(self.pending)
        self.telling.commit()
        self.pending = Log()
