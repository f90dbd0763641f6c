"""`RedactedEvent`: the proof, as a type, that an event has been through redaction."""

from __future__ import annotations

from dataclasses import dataclass, field

from locard.schema import Event, RedactionRecord


@dataclass(frozen=True)
class RedactedEvent:
    """An event whose content holds no personal data that the policy names.

    Only this package makes one. The lake writer accepts nothing else, so that writing an event
    that was not redacted is an error of types and not a matter of care.
    """

    event: Event = field(repr=False)
    redaction: RedactionRecord = field(repr=False)


@dataclass(frozen=True)
class FailedRedaction:
    """An event that could not be redacted, and why, in one word of a closed set.

    Args:
        error_class: `redaction_error`, `redaction_timeout` or `redaction_crash`.
    """

    event: Event = field(repr=False)
    error_class: str


RedactionResult = RedactedEvent | FailedRedaction
