"""Who sent an event: the collector API writes it into the event, and believes no claim. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal

from pydantic_core import to_json

from locard.evidence import is_signed
from locard.ingest.eventlog import OutgoingRecord, outgoing
from locard.schema import AccountingEvent, Event, JsonValue, RejectedRecord, event_json

CLAIMED_PRINCIPAL: Final = "claimed_principal"
_OURS_ALONE: Final = frozenset({"access", "custody"})
SHARED_PRINCIPAL: Final = "shared-token"
"""The principal of whoever has the installation's one token: it identifies nobody."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose credential came with a request.

    Args:
        principal: the id of the identity.
        workflow_id: the one that it may send events of; `None` for any.
        agent_id: the one agent that it may send events of; `None` for any.
        is_verified: whether nobody else can have sent the request, as far as can be known.
        key_ids: of the signing keys that are registered with the identity.
    """

    principal: str
    workflow_id: str | None = None
    agent_id: str | None = None
    is_verified: bool = False
    key_ids: tuple[str, ...] = ()

    def vouches_for(self, event: Event) -> bool:
        """Say whether an event is certainly this sender's.

        A statement of what was sent counts for more than other events, so it has to be signed
        itself, with a key of the sender's.
        """
        if not self.is_verified or not isinstance(event, AccountingEvent):
            return self.is_verified
        return event.body.signing_key_id in self.key_ids and is_signed(event)


@dataclass(frozen=True, slots=True)
class ForeignClaim:
    """An event says that it is of another workflow or agent than its sender's.

    Args:
        error_class: which of the two.
        claimed: the name. It is text of the event: for the access event alone, where it is content.
    """

    error_class: Literal["other_workflow", "other_agent"]
    claimed: str = field(repr=False)

    @property
    def reason(self) -> str:
        """What to tell the sender, without the name."""
        what = "workflow" if self.error_class == "other_workflow" else "agent"
        return (
            f"the event names another {what} than the one that the token stands for; use that "
            f"{what}'s own token"
        )


def foreign_claim(
    sender: Sender, workflow_id: str | None, agent_id: str | None
) -> ForeignClaim | None:
    """Return what is wrong with what an event claims, `None` if its sender may send it."""
    if workflow_id and sender.workflow_id not in (None, workflow_id):
        return ForeignClaim("other_workflow", workflow_id)
    if agent_id and sender.agent_id not in (None, agent_id):
        return ForeignClaim("other_agent", agent_id)
    return None


def refuse_kinds_of_ours(event: Event, instead: str) -> None:
    """Return if the event is of a kind that comes from outside: an erasure must not be forged.

    Args:
        instead: what to do, for the message.

    Raises:
        RejectedRecord: only Locard itself writes events of this kind.
    """
    if event.kind in _OURS_ALONE:
        raise RejectedRecord(
            f"an event of kind {event.kind} is written by Locard itself; {instead}",
            "kind_not_accepted",
        )


def without_claims(event: Event) -> Event:
    """Return the event without the workflow and agent that it names, which are kept as claims."""
    extensions = event.extensions
    for name, value in (("workflow_id", event.workflow_id), ("agent_id", event.agent_id)):
        if value is not None:
            extensions = with_claim(extensions, f"claimed_{name}", value)
    update = {"workflow_id": None, "agent_id": None, "extensions": extensions, "seal": None}
    return event.model_copy(update=update)


def stamps(event: Event, sender: Sender) -> dict[str, str]:
    """Return the fields of the core that its sender's credential adds to an event."""
    return {
        name: value
        for name, value, claimed in (
            ("workflow_id", sender.workflow_id, event.workflow_id),
            ("agent_id", sender.agent_id, event.agent_id),
        )
        if value is not None and not claimed
    }


def stamped(event: Event, sender: Sender) -> Event:
    """Return the event with its sender in it; what it claims of its principal is kept as a claim.

    Args:
        event: one that is not a `foreign_claim`.
    """
    update: dict[str, Any] = {
        "principal": sender.principal,
        "principal_verified": sender.vouches_for(event),
        **stamps(event, sender),
    }
    if event.seal is not None and (added := stamps(event, sender)):
        update["seal"] = event.seal.model_copy(update={"stamped": tuple(sorted(added))})
    if event.principal is not None:
        update["seal"] = None  # it does not cover the claim, which is content from here on
        update["extensions"] = with_claim(event.extensions, CLAIMED_PRINCIPAL, event.principal)
    return event.model_copy(update=update)


def stamped_record(event: Event, sender: Sender, data: bytes | None = None) -> OutgoingRecord:
    """Return the record of an event with its sender in it; see `stamped_json`."""
    if event.principal is not None:
        event = stamped(event, sender)
        return outgoing(event, event_json(event))
    return outgoing(event, stamped_json(event, sender, data), stamps(event, sender))


def stamped_json(event: Event, sender: Sender, data: bytes | None = None) -> bytes:
    """Return the JSON of the event with its sender in it; see `stamped`.

    Args:
        data: the event as JSON where that is known, without fields that have no value.
    """
    has_claims = event.principal is not None or event.principal_verified
    is_statement = isinstance(event, AccountingEvent)
    is_sealed = event.seal is not None
    if (
        data is None
        or is_sealed
        or is_statement
        or has_claims
        or "" in (event.workflow_id, event.agent_id)
    ):
        return event_json(stamped(event, sender))
    # Nothing that is added stands in the JSON already, so it need not be written again.
    return data[:-1] + _members(
        sender.principal,
        sender.is_verified,
        sender.workflow_id if event.workflow_id is None else None,
        sender.agent_id if event.agent_id is None else None,
    )


@lru_cache(maxsize=1024)
def _members(
    principal: str, is_verified: bool, workflow_id: str | None, agent_id: str | None
) -> bytes:
    """Return the end of a stamped event's JSON, from the comma on."""
    stamp = {
        "principal": principal,
        "principal_verified": is_verified or None,
        "workflow_id": workflow_id,
        "agent_id": agent_id,
    }
    added = {name: value for name, value in stamp.items() if value is not None}
    return b"," + to_json(added)[1:]


def with_claim(extensions: dict[str, JsonValue], name: str, claimed: str) -> dict[str, JsonValue]:
    """Return extensions with a claim under a name, beside whatever stands there already."""
    while name in extensions:  # the sender may have used the very name; keep both
        name += "'"
    return {**extensions, name: claimed}
