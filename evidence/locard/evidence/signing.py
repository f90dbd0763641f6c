"""Signing keys of collectors: Ed25519 (RFC 8032), named by the public key itself.

A key id is `ed25519:` and the 32 bytes of the public key in base64url without padding. So whoever
has a key id can check a signature, and nobody can register another key under it.
"""

from __future__ import annotations

import base64
import re
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from locard.evidence.durable import fsync_path, write_durably

_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]+")
_PREFIX: Final = "ed25519:"
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64


class SigningKey:
    """A private key and the id of its public half."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = _PREFIX + _text(public)

    def __repr__(self) -> str:
        return f"<SigningKey {self.key_id}>"

    @classmethod
    def generate(cls) -> SigningKey:
        """Return a new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def open_or_create(cls, path: Path) -> SigningKey:
        """Return the key in this file, which is made, for its owner alone, if it does not exist.

        The file holds the 32 bytes of the private key in base64url.

        Raises:
            OSError: the file cannot be made or read.
            ValueError: it holds no key.
        """
        if not path.exists():
            _write_once(path, _text(secrets.token_bytes(_KEY_BYTES)))
        seed = _bytes(path.read_text(encoding="utf-8", errors="replace").strip(), _KEY_BYTES)
        if seed is None:
            raise ValueError(
                f"{path} holds no signing key; restore it from a copy, or remove it to get a new "
                "key, which then has to be registered"
            )
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, data: bytes) -> str:
        """Return the signature of the data, in base64url without padding."""
        return _text(self._private.sign(data))


def is_signing_key_id(text: str) -> bool:
    """Say whether a text is the id of a signing key."""
    return _public_bytes(text) is not None


def is_signature(key_id: str, signature: str, data: bytes) -> bool:
    """Say whether this is the signature of the data by the key of this id; never raises."""
    public, signed = _public_bytes(key_id), _bytes(signature, _SIGNATURE_BYTES)
    if public is None or signed is None:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signed, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def _public_bytes(key_id: str) -> bytes | None:
    is_named = key_id.startswith(_PREFIX)
    return _bytes(key_id.removeprefix(_PREFIX), _KEY_BYTES) if is_named else None


def _write_once(path: Path, text: str) -> None:
    """Make a file so that nobody sees half of it, and whoever is second leaves the first one."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write_durably(new, f"{text}\n".encode())
        path.hardlink_to(new)
    except FileExistsError:
        return
    finally:
        new.unlink(missing_ok=True)
    fsync_path(path.parent)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str, length: int) -> bytes | None:
    """Return so many bytes, `None` where the text is not the one way to write them."""
    if not _ALPHABET.fullmatch(text) or len(text) != len(_text(bytes(length))):
        return None
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return data if _text(data) == text else None
