"""Redaction that keeps the originals of its tokens in the vault, before anybody gets the token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from locard.redaction.vault import Vault
from locard.redaction.worker import EventRedactor
from locard.schema import RedactionRecord


@dataclass(frozen=True)
class VaultSettings:
    """Where originals go.

    Args:
        path: the vault's file.
        public_key: 32 bytes of X25519; the vault opens with the private one alone.
    """

    path: Path
    public_key: bytes


class KeepingRedactor:
    """Redacts, and has what the tokens stand for durable in the vault before it answers.

    Args:
        redactor: does the work.
        originals: where that leaves what its tokens stand for.
    """

    def __init__(
        self, redactor: EventRedactor, originals: dict[str, str], settings: VaultSettings
    ) -> None:
        self._redactor = redactor
        self._originals = originals
        self._vault = Vault(settings.path)
        self._key = X25519PublicKey.from_public_bytes(settings.public_key)

    def redact(self, event: Mapping[str, Any]) -> tuple[dict[str, Any], RedactionRecord]:
        """Return the redacted event and the record of what was done.

        Raises:
            CannotContinue: the vault cannot be written.
        """
        self._originals.clear()
        try:
            redacted = self._redactor.redact(event)
            self._vault.put(event.get("session_id") or "", self._originals, self._key)
        finally:
            self._originals.clear()
        return redacted
