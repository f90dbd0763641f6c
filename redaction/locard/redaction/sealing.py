"""Sealing of quarantined events and of originals: HPKE (RFC 9180) to a public key.

The process that seals needs no secret, so stealing its disk opens nothing. Where something stands
is authenticated with it: what was moved to another place does not open.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from locard.schema import CannotContinue

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
SUITE_NAME: Final = "HPKE-X25519-HKDF-SHA256-CHACHA20POLY1305"


def seal(payload: bytes, key: X25519PublicKey, place: str) -> bytes:
    """Return `payload` encrypted to `key` and bound to `place`."""
    return _SUITE.encrypt(payload, key, info=place.encode())


def unseal(sealed: bytes, key: X25519PrivateKey, place: str) -> bytes:
    """Return what was sealed for `place`.

    Raises:
        CannotContinue: another key sealed it, it stood elsewhere, or it was changed.
    """
    try:
        return _SUITE.decrypt(sealed, key, info=place.encode())
    except (InvalidTag, ValueError) as error:
        raise CannotContinue(
            f"what is sealed at {place} does not open: it was sealed for another key or place, or "
            "changed since; use the key of the installation that sealed it"
        ) from error
