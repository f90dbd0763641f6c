"""Commitments: what stands for a value in a digest, so that the value can go and the digest stay.

A commitment to a content field is `SHA-256("locard-commitment/1" 00 salt field 00 value)`: 16 bytes
of salt, the field's name and the RFC 8785 bytes of its value. It hides the value as long as the
salt is not known, and nobody can find another value for it (the construction of RFC 9901, section
4.2, with the claim written as bytes). `docs/format.md`, section 2.
"""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Final

SALT_BYTES: Final = 16
_COMMITMENT: Final = b"locard-commitment/1\x00"
_SALT: Final = b"locard-salt/1\x00"


def new_seed() -> bytes:
    """Return random bytes from which the salts of one event are derived."""
    return secrets.token_bytes(SALT_BYTES)


def salt_of(seed: bytes, field: str) -> bytes:
    """Return the salt of a field: who knows it knows nothing of the seed or of other salts."""
    return sha256(_SALT + seed + field.encode()).digest()[:SALT_BYTES]


def commitment(salt: bytes, field: str, value: bytes) -> bytes:
    """Return the 32 bytes that stand for a value.

    Args:
        salt: `SALT_BYTES` long.
        value: its RFC 8785 bytes.
    """
    return sha256(b"%b%b%b\x00%b" % (_COMMITMENT, salt, field.encode(), value)).digest()


def from_hex(text: str) -> bytes:
    """Return the bytes that lower-case hex stands for.

    Raises:
        ValueError: it is not the one way to write them.
    """
    found = bytes.fromhex(text)
    if found.hex() != text:
        raise ValueError("not the one hex of its bytes")
    return found
