"""Redaction: an `Event` goes in, a `RedactedEvent` or a `FailedRedaction` comes out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from locard.redaction.detection_settings import DEFAULT_DETECTION, DetectionSettings
from locard.redaction.keeping import KeepingRedactor, VaultSettings
from locard.redaction.keys import Keyring
from locard.redaction.policy import DEFAULT_POLICY, RedactionPolicy
from locard.redaction.policy_file import read_policy
from locard.redaction.pool import DEFAULT_SECONDS_PER_EVENT, RedactionPool
from locard.redaction.pseudonyms import TOKEN, Pseudonymizer, tokens_of
from locard.redaction.redacted import (
    FailedRedaction,
    RedactedEvent,
    RedactionResult,
    without_content,
)
from locard.redaction.sealing import SUITE_NAME, seal, unseal
from locard.redaction.vault import Original, Vault
from locard.redaction.worker import Attest, EventRedactor

if TYPE_CHECKING:
    from locard.redaction.explanation import Explanation

__all__ = [
    "DEFAULT_POLICY",
    "DEFAULT_SECONDS_PER_EVENT",
    "SUITE_NAME",
    "TOKEN",
    "Attest",
    "DetectionSettings",
    "EventRedactor",
    "FailedRedaction",
    "Keyring",
    "Original",
    "Pseudonymizer",
    "RedactedEvent",
    "RedactionPolicy",
    "RedactionPool",
    "RedactionResult",
    "Vault",
    "VaultSettings",
    "dry_run",
    "presidio_pool",
    "presidio_redactor",
    "read_policy",
    "seal",
    "tokens_of",
    "unseal",
    "without_content",
]


_EXAMPLE: Final = "Mia, phone 079 555 12 34, bank GB29NWBK60161331926819, http://a.ch/?q=a%40b.ch"


def presidio_redactor(
    pseudonymizer: Pseudonymizer,
    policy: RedactionPolicy,
    settings: DetectionSettings = DEFAULT_DETECTION,
    vault: VaultSettings | None = None,
) -> EventRedactor:
    """Return a redactor that works in this process, with Presidio's findings.

    Args:
        vault: where the originals of tokens are kept; default: nowhere.

    Raises:
        CannotContinue: something that is configured is not there, or the policy names what nobody
            looks for.
    """
    # Presidio and spaCy take a second to import: only the process that redacts should pay.
    from locard.redaction.detection import detection
    from locard.redaction.redactor import Redactor
    from locard.redaction.text import TextRedactor

    found = detection(settings)
    originals: dict[str, str] = {}
    texts = TextRedactor(found.finder(policy), pseudonymizer, originals if vault else None)
    # What is loaded at its first use is loaded now, before the first event has to wait for it.
    texts.redact(_EXAMPLE, policy.rules(None, "result"))
    redactor = Redactor(
        texts, policy, key_id=pseudonymizer.key_id, engine=found.engine, model=found.model
    )
    return KeepingRedactor(redactor, originals, vault) if vault else redactor


def dry_run(
    pseudonymizer: Pseudonymizer,
    policy: RedactionPolicy,
    settings: DetectionSettings = DEFAULT_DETECTION,
) -> Explanation:
    """Return a dry run of a policy; see `presidio_redactor` for what is raised."""
    from locard.redaction.detection import detection
    from locard.redaction.explanation import Explanation

    return Explanation(detection(settings), pseudonymizer, policy)


def presidio_pool(
    pseudonymizer: Pseudonymizer,
    policy: RedactionPolicy = DEFAULT_POLICY,
    settings: DetectionSettings = DEFAULT_DETECTION,
    vault: VaultSettings | None = None,
    *,
    workers: int = 1,
    seconds_per_event: float = DEFAULT_SECONDS_PER_EVENT,
    attest: Attest | None = None,
) -> RedactionPool:
    """Return a pool of processes that redact with Presidio; see `RedactionPool`."""
    make = partial(presidio_redactor, pseudonymizer, policy, settings, vault)
    return RedactionPool(make, workers=workers, seconds_per_event=seconds_per_event, attest=attest)
