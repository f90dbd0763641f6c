"""Evidence: what makes a loss or a change provable.

This package names what a recorder needs; modules that need more than the base install, such as
the verifier, are imported by themselves.
"""

from __future__ import annotations

from locard.evidence.seals import new_seal, sealed_json
from locard.evidence.signing import SigningKey, is_signature, is_signing_key_id
from locard.evidence.statements import (
    STATEMENT_FORMAT,
    is_signed,
    signed,
    statement_bytes,
    statement_digest,
)

__all__ = [
    "STATEMENT_FORMAT",
    "SigningKey",
    "is_signature",
    "is_signed",
    "is_signing_key_id",
    "new_seal",
    "sealed_json",
    "signed",
    "statement_bytes",
    "statement_digest",
]
