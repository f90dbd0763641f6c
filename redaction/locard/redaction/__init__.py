"""Redaction: an `Event` goes in, a `RedactedEvent` or a `FailedRedaction` comes out."""

from __future__ import annotations

from functools import partial

from locard.redaction.keys import Keyring
from locard.redaction.policy import DEFAULT_POLICY, RedactionPolicy
from locard.redaction.pool import DEFAULT_SECONDS_PER_EVENT, RedactionPool
from locard.redaction.pseudonyms import TOKEN, Pseudonymizer
from locard.redaction.redacted import (
    FailedRedaction,
    RedactedEvent,
    RedactionResult,
    without_content,
)
from locard.redaction.sealing import SUITE_NAME, seal, unseal
from locard.redaction.worker import EventRedactor

__all__ = [
    "DEFAULT_POLICY",
    "DEFAULT_SECONDS_PER_EVENT",
    "SUITE_NAME",
    "TOKEN",
    "EventRedactor",
    "FailedRedaction",
    "Keyring",
    "Pseudonymizer",
    "RedactedEvent",
    "RedactionPolicy",
    "RedactionPool",
    "RedactionResult",
    "presidio_pool",
    "presidio_redactor",
    "seal",
    "unseal",
    "without_content",
]


def presidio_redactor(pseudonymizer: Pseudonymizer, policy: RedactionPolicy) -> EventRedactor:
    """Return a redactor that works in this process, with Presidio's findings."""
    # Presidio and spaCy take a second to import: only the process that redacts should pay.
    from locard.redaction.analyzer import offline_analyzer
    from locard.redaction.redactor import Redactor
    from locard.redaction.text import TextRedactor

    texts = TextRedactor(offline_analyzer(), pseudonymizer, policy)
    return Redactor(texts, policy, pseudonymizer.key_id)


def presidio_pool(
    pseudonymizer: Pseudonymizer,
    policy: RedactionPolicy = DEFAULT_POLICY,
    *,
    workers: int = 1,
    seconds_per_event: float = DEFAULT_SECONDS_PER_EVENT,
) -> RedactionPool:
    """Return a pool of processes that redact with Presidio."""
    make = partial(presidio_redactor, pseudonymizer, policy)
    return RedactionPool(make, workers=workers, seconds_per_event=seconds_per_event)
