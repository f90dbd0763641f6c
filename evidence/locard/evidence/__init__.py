"""Evidence: what makes a loss or a change provable.

So far: the signed statements in which a collector says what it sent.
"""

from __future__ import annotations

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
    "signed",
    "statement_bytes",
    "statement_digest",
]
