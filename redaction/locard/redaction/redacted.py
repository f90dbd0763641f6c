"""`RedactedEvent`: the proof, as a type, that an event has been through redaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from locard.schema import Event, RedactionRecord, content_fields

_NO_CONTENT: Final = RedactionRecord(policy="no-content/1", engine="locard")


@dataclass(frozen=True)
class RedactedEvent:
    """An event whose content holds no personal data that the policy names.

    Only this package makes one. The lake writer accepts nothing else, so that writing an event
    that was not redacted is an error of types and not a matter of care.

    Args:
        attested: what was said of the event before and after; see `RedactionPool`.
    """

    event: Event = field(repr=False)
    redaction: RedactionRecord = field(repr=False)
    attested: object = field(default=None, repr=False)


@dataclass(frozen=True)
class FailedRedaction:
    """An event that could not be redacted, and why, in one word of a closed set.

    Args:
        error_class: `redaction_error`, `redaction_timeout` or `redaction_crash`.
    """

    event: Event = field(repr=False)
    error_class: str


RedactionResult = RedactedEvent | FailedRedaction


def without_content(event: Event) -> RedactedEvent:
    """Return what may be known of an event whose content is in quarantine: its core.

    Every content field that has a value loses it and is named in `absent` as `quarantined`; one
    that was absent before stays what it was.

    Args:
        event: as it was decoded.
    """
    core, body = _content_at_default(event), _content_at_default(event.body)
    absent = {**event.absent, **dict.fromkeys([*core, *body], "quarantined")}
    left = {**core, "absent": absent, "body": event.body.model_copy(update=body)}
    return RedactedEvent(event.model_copy(update=left), _NO_CONTENT)


def _content_at_default(record: BaseModel) -> dict[str, Any]:
    """Return the content fields that have a value, at what they are without one."""
    fields = type(record).model_fields
    defaults = {
        name: fields[name].get_default(call_default_factory=True)
        for name in content_fields(type(record))
    }
    return {name: value for name, value in defaults.items() if getattr(record, name) != value}
