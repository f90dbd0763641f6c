"""What an event says, by kind. Fields marked `Content` may hold personal data; others may not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, Field, JsonValue

from locard.schema.content import Count, History, Message, Record, Trust

T = TypeVar("T")


@dataclass(frozen=True)
class ContentMark:
    """Marks a field as content: redacted before it is stored, and erasable afterwards."""


Content = Annotated[T, ContentMark()]

Effect = Literal["read", "write", "send", "execute", "delete"]
Outcome = Literal["ok", "error", "denied", "timeout", "unknown"]


class PromptBody(Record):
    """What was put before the model: the messages that are new, and a reference to the rest."""

    messages: Content[tuple[Message, ...]] = ()
    history: History | None = None
    tool_definitions: Content[JsonValue] = None


class ModelOutputBody(Record):
    """What the model answered, one message for each choice."""

    messages: Content[tuple[Message, ...]] = ()


class ToolCallBody(Record):
    """A tool call, as seen from one of up to four places.

    `sighting` says which: requested by the model, executed by the agent, or observed at the client
    or the server of a tool protocol.
    """

    tool_name: str
    tool_server: str | None = None
    tool_type: str | None = None
    sighting: Literal["requested", "executed", "client", "server"]
    effect: Effect | None = None
    arguments: Content[JsonValue] = None


class ToolResultBody(Record):
    """What a tool gave back. `trust` says how far its text may be believed."""

    tool_name: str | None = None
    tool_server: str | None = None
    outcome: Outcome
    trust: Trust = "tool"
    error_type: str | None = None
    error_message: Content[str | None] = None
    result: Content[JsonValue] = None


class ContentBody(Record):
    """A document, mail or memory that an agent read or wrote outside a tool."""

    operation: Literal["read", "write"]
    resource_type: str | None = None
    media_type: str | None = None
    trust: Trust = "unknown"
    uri: Content[str | None] = None
    title: Content[str | None] = None
    content: Content[JsonValue] = None


class DecisionBody(Record):
    """Why something was allowed, refused or changed, and by whom. `call_id` says which call."""

    decided_by: Literal["policy", "human", "guardrail", "model"]
    verdict: Literal["allow", "deny", "modify", "ask", "unknown"]
    rule: str | None = None
    latency_ms: float | None = None
    rationale: Content[str | None] = None


class LifecycleBody(Record):
    """A session that starts or ends, or a change of model, prompt, tools or permissions."""

    change: str = Field(min_length=1)
    attributes: Content[JsonValue] = None


class DeclaredDrop(Record):
    """Events that a collector numbered and could not send: a range of `seq`, both ends included.

    `incarnation` is given where it is another than that of the statement.
    """

    incarnation: str | None = None
    first_seq: Count
    last_seq: Count
    reason: str = Field(pattern=r"^[a-z_]{1,40}$")


class AccountingBody(Record):
    """A collector's statement of what it sent in one incarnation.

    It covers the events numbered `first_seq` to `last_seq`, of which `count` were handed on and
    `declared_drops` were not; `drops` says which, and may name earlier ones that failed later. An
    `open` statement covers nothing and begins an incarnation, a `close` statement ends it, and a
    `crash` statement is what the next incarnation found of one that ended badly. Statements are
    numbered as all events are; `previous` is the digest of the one before. `locard.evidence` says
    which bytes are signed.
    """

    statement: Literal["open", "interval", "close", "crash"]
    first_seq: Count | None = None
    last_seq: Count | None = None
    count: Count | None = None
    declared_drops: Count | None = None
    drops: tuple[DeclaredDrop, ...] = ()
    previous: str | None = None
    follows: str | None = None
    signing_key_id: str | None = None
    signature: str | None = None


class AccessBody(Record):
    """Somebody read, exported, unmasked or administered evidence, or was refused."""

    action: str = Field(min_length=1)
    row_count: Count | None = None
    case_id: str | None = None
    query: Content[str | None] = None
    purpose: Content[str | None] = None


class CustodyBody(Record):
    """A lawful change of the record: erasure, hold, expiry, compaction, key rotation."""

    custody_action: str = Field(min_length=1)
    legal_basis: str | None = None
    ticket: str | None = None
    requester: Content[str | None] = None
    reason: Content[str | None] = None
    targets: Content[JsonValue] = None


@cache
def content_fields(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the names of a model's fields that are marked as content, in their order."""
    return tuple(
        name
        for name, field in model.model_fields.items()
        if any(isinstance(mark, ContentMark) for mark in field.metadata)
    )
