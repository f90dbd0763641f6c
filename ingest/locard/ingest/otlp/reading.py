"""One span or log record while it is read: its attributes, and the events that it gives so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from locard.ingest.conversations import Telling
from locard.ingest.elements import BYTES_OF_ELEMENT, spend
from locard.ingest.otlp import names
from locard.ingest.otlp.attributes import Reader
from locard.ingest.otlp.making import Made, made_event
from locard.ingest.otlp.transcripts import SessionTranscripts
from locard.schema import SCHEMA_VERSION, RejectedRecord, derived_event_id

_EVENT_COSTS: Final = 16  # elements


@dataclass(slots=True)
class Reading:
    """A record while it is read; a span, a log record or an event of a span.

    Args:
        core: core fields that all of its events share.
        id_parts: what its events' ids are derived from, beside the slot of each.
        started_at, ended_at: in the form of an event; the same for what has no length.
        facts: what it says of itself beside its attributes, such as its name.
        is_failed: its status says so.
        telling: what its session was told, under the key `session`.
        earlier: the prompts that its session had before.
        made: the events that the drafts became, once the record is closed.
        told_beside: ids of its events that tell of something else, such as an earlier result.
    """

    name: str = field(repr=False)
    kind: str
    reader: Reader = field(repr=False)
    core: dict[str, Any] = field(repr=False)
    id_parts: tuple[str, ...]
    started_at: str
    ended_at: str
    telling: Telling
    session: str = field(repr=False)
    earlier: SessionTranscripts | None = None
    facts: dict[str, Any] = field(default_factory=dict, repr=False)
    is_failed: bool = False
    status_message: str = field(default="", repr=False)
    extensions: dict[str, Any] = field(default_factory=dict, repr=False)
    drafts: list[dict[str, Any]] = field(default_factory=list, repr=False)
    made: list[Made] = field(default_factory=list, repr=False)
    rest_in_body: bool = False
    told_beside: set[UUID] = field(default_factory=set)
    _ids: dict[str, UUID] = field(default_factory=dict)

    def event_id(self, slot: str) -> UUID:
        """Return the id of this record's event with that slot."""
        found = self._ids.get(slot)
        if found is None:
            found = self._ids[slot] = derived_event_id("otlp", *self.id_parts, slot)
        return found

    def add(
        self, kind: str, slot: str, body: dict[str, Any], *, at_end: bool = False, **core: Any
    ) -> UUID:
        """Add an event, and return its id.

        Args:
            slot: names the event within its record.
            body: fields that are `None` are left out.
            core: more core fields; those that are `None` or an empty object are left out.
        """
        event_id = self.event_id(slot)
        draft: dict[str, Any] = {
            "kind": kind,
            "event_id": event_id,
            "schema_version": SCHEMA_VERSION,
            "occurred_at": self.ended_at if at_end else self.started_at,
            **self.core,
        }
        draft |= {name: value for name, value in core.items() if value is not None and value != {}}
        draft["body"] = {name: value for name, value in body.items() if value is not None}
        self.drafts.append(draft)
        return event_id

    def lifecycle(self, change: str, **core: Any) -> UUID:
        """Add an event that holds the record itself: what is left of its attributes."""
        self.rest_in_body = True
        return self.add("lifecycle", "lifecycle", {"change": change}, **core)

    def close(self) -> RejectedRecord | None:
        """Make the events; one that could not be kept whole must not be referred to.

        Returns:
            why no event can be made of the record, `None` where they were.
        """
        try:
            self.made = [_bounded(draft) for draft in self.finish()]
            self.drafts = []  # their memory is taken for the next record's while it is at hand
        except RejectedRecord as error:
            for draft in self.drafts:
                self.telling.withdraw(self.session, draft["event_id"])
            return error
        if not all(one.is_whole for one in self.made):
            for one in self.made:
                self.telling.withdraw(self.session, one.event.event_id)
        return None

    def finish(self) -> list[dict[str, Any]]:
        """Return the drafts, the first with all that nothing else of the record holds."""
        first = next(
            (draft for draft in self.drafts if draft["event_id"] not in self.told_beside),
            self.drafts[0],
        )
        rest = self.reader.rest()
        extensions = {**self.extensions, **first.get("extensions", {})}
        if self.rest_in_body:
            holder = next(draft for draft in self.drafts if draft["kind"] == "lifecycle")
            told = {**self.facts, **({"attributes": rest} if rest else {})}
            holder["body"]["attributes"] = {**told, **holder["body"].get("attributes", {})}
        else:
            extensions |= {"attributes": rest} if rest else {}
            extensions |= {"source": self.facts} if self.facts else {}
        if self.reader.nonconformant:
            extensions["schema_nonconformant"] = list(self.reader.nonconformant)
        if extensions:
            first["extensions"] = extensions
        return self.drafts


def _bounded(draft: dict[str, Any]) -> Made:
    spend(_EVENT_COSTS)
    made = made_event(draft)
    spend(len(made.data) // BYTES_OF_ELEMENT)
    return made


def error_of(reading: Reading) -> tuple[str | None, str | None]:
    """Take the type of a record's error, and return it with the message of its status."""
    return reading.reader.text(names.ERROR_TYPE), reading.status_message or None
