"""Messages and their parts: the content that may hold personal data, and how far it is trusted.

Part types and field names follow the message schema of the OpenTelemetry GenAI conventions
v1.41.1 (`gen-ai-input-messages.json`), with a `trust` added to each part.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

Trust = Literal["system", "operator", "user", "tool", "external", "unknown"]
"""Who stands behind a text. What a model wrote is `unknown`: it may repeat anybody."""

Absence = Literal["not_captured", "redacted_upstream", "quarantined", "erased", "expired"]
"""Why a content field has no value. Empty is not absent: that is the value `""` or `[]`."""


Count = Annotated[int, Field(ge=0, lt=2**53)]
"""A number of things: what every reader of JSON keeps exact, and what a column can hold."""


class Record(BaseModel):
    """What every stored structure shares: strict types, no change after construction.

    Unknown fields are kept, since a newer writer may have sent them.
    """

    model_config = ConfigDict(
        strict=True, frozen=True, extra="allow", allow_inf_nan=False, protected_namespaces=()
    )

    def __repr__(self) -> str:
        """Name the type alone: a `repr` ends up in logs, and content must not."""
        return f"<{type(self).__name__}>"

    __str__ = __repr__


class TextPart(Record):
    """Plain text."""

    type: Literal["text"]
    trust: Trust = "unknown"
    content: str


class ReasoningPart(Record):
    """What the model wrote as its reasoning."""

    type: Literal["reasoning"]
    trust: Trust = "unknown"
    content: str


class ToolCallPart(Record):
    """A tool call as the model requested it; whether it ran is another event."""

    type: Literal["tool_call"]
    trust: Trust = "unknown"
    id: str | None = None
    name: str
    arguments: JsonValue = None


class ToolCallResponsePart(Record):
    """A tool's answer as it was shown to the model."""

    type: Literal["tool_call_response"]
    trust: Trust = "unknown"
    id: str | None = None
    response: JsonValue = None


class BlobPart(Record):
    """Bytes given inline, as base64."""

    type: Literal["blob"]
    trust: Trust = "unknown"
    mime_type: str | None = None
    modality: str | None = None
    content: str


class FilePart(Record):
    """A file that the provider holds, by its id."""

    type: Literal["file"]
    trust: Trust = "unknown"
    mime_type: str | None = None
    modality: str | None = None
    file_id: str


class UriPart(Record):
    """Content named by its address."""

    type: Literal["uri"]
    trust: Trust = "unknown"
    mime_type: str | None = None
    modality: str | None = None
    uri: str


KnownPart = Annotated[
    TextPart | ReasoningPart | ToolCallPart | ToolCallResponsePart | BlobPart | FilePart | UriPart,
    Field(discriminator="type"),
]

_KNOWN_PARTS: Final[tuple[type[Record], ...]] = get_args(get_args(KnownPart)[0])
KNOWN_PART_TYPES: Final = frozenset(
    get_args(part.model_fields["type"].annotation)[0] for part in _KNOWN_PARTS
)


class OtherPart(Record):
    """A part of a type that this version does not know; its fields are kept as they came."""

    type: str
    trust: Trust = "unknown"

    @field_validator("type")
    @classmethod
    def _must_be_unknown(cls, value: str) -> str:
        """A malformed part of a known type is an error, not something else."""
        if value in KNOWN_PART_TYPES:
            raise ValueError("the part lacks a field that its type requires")
        return value


Part = Annotated[KnownPart | OtherPart, Field(union_mode="left_to_right")]


class MessageReference(Record):
    """A message that an event of the same session holds.

    For a prompt, `message` counts in the conversation through it, from 0, so that it means the same
    however much of that conversation is stored with the prompt itself. For a model's output it is
    the number of the choice. A `tool_result` holds one message, 0: the one that shows its result to
    the model.
    """

    event: UUID
    message: Count = 0


class Message(Record):
    """One message of a conversation. `parts` is empty when the message had no content at all.

    With `same_as` it says again what another event holds, and its parts are there.
    """

    role: str
    name: str | None = None
    finish_reason: str | None = None
    parts: tuple[Part, ...] = ()
    same_as: MessageReference | None = None


MESSAGE_FIELD_NAMES: Final = frozenset(Message.model_fields).union(
    KNOWN_PART_TYPES, MessageReference.model_fields, *(part.model_fields for part in _KNOWN_PARTS)
)
"""The names that the structure of a message can have: what may be told of it without quoting it."""


class History(Record):
    """The messages that preceded a prompt, told by reference, since each is stored once.

    They are the first `messages` messages of the conversation through event `through`. For a
    prompt, that is its own history and then its messages; for a model's output, the conversation
    through the prompt that it answers (the last prompt in its `caused_by`) and then its first
    message. An event of the lane `import` ends the one conversation of its session: all messages of
    the session so far, in the order of its events.
    """

    through: UUID
    messages: Count
