"""The keys of an installation, as files that only their owner may read.

| file | what | if it is lost | who may have it |
|---|---|---|---|
| `pseudonym-kN` | HMAC key of the tokens | old and new tokens of one value differ | the consumer |
| `quarantine.public` | seals quarantined events | made again from the private one | anybody |
| `quarantine.private` | opens them | what is in quarantine stays shut | who may see raw data |
| `vault.public` | seals originals, where they are kept | made again, for new ones | anybody |
| `vault.private` | opens them | they stay shut | who may see raw data |
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from locard.redaction.pseudonyms import Pseudonymizer
from locard.schema import CannotContinue

_PSEUDONYM_BYTES: Final = 32


@dataclass(frozen=True)
class Keyring:
    """The keys in one directory."""

    directory: Path

    @classmethod
    def open_or_create(cls, directory: Path) -> Keyring:
        """Return the keyring in `directory`, with new random keys where there are none at all.

        Raises:
            CannotContinue: the directory cannot be read or written, or the keys of the tokens are
                gone: under another one of the same name a value would look like two.
        """
        ring = cls(directory)
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            is_new = not ring._quarantine_private.exists() and not ring._quarantine_public.exists()
            if not any(ring._pseudonym_files()):
                if not is_new:
                    raise CannotContinue(
                        f"{directory} has lost its keys `pseudonym-kN`: restore them. If they are "
                        "gone for good, `locard keys rotate --number N` makes one with a number "
                        "that no token has yet"
                    )
                ring.rotate_pseudonym_key()
            if is_new:
                _write_pair(ring._quarantine_private, ring._quarantine_public)
        except OSError as error:
            raise CannotContinue(
                f"keys cannot be made in {directory}: {error.strerror}; "
                "make the directory writable or choose another with --home"
            ) from error
        return ring

    def add_pseudonym_key(self, key: bytes, number: int | None = None) -> str:
        """Store `key` as the newest pseudonym key and return its name; older ones stay.

        Raises:
            CannotContinue: there is one with this number or a higher one.
        """
        highest = max(self._pseudonym_numbers(), default=0)
        number = number or highest + 1
        if number <= highest:
            raise CannotContinue(f"there is a key k{highest}; choose a higher number than that")
        key_id = f"k{number}"
        _write_new(self.directory / f"pseudonym-{key_id}", key)
        return key_id

    def rotate_pseudonym_key(self, number: int | None = None) -> str:
        """Add a random key, which makes tokens from the next start on, and return its name."""
        return self.add_pseudonym_key(secrets.token_bytes(_PSEUDONYM_BYTES), number)

    def pseudonymizer(self) -> Pseudonymizer:
        """Return the maker of tokens under the newest key."""
        return self.pseudonymizers()[0]

    def pseudonymizers(self) -> list[Pseudonymizer]:
        """Return a maker of tokens for every key that is here, the newest first.

        Raises:
            CannotContinue: there is none, or one cannot be read.
        """
        numbers = sorted(self._pseudonym_numbers(), reverse=True)
        if not numbers:
            raise CannotContinue(
                f"{self.directory} has no key `pseudonym-kN`; give the --home of the installation "
                "whose lake it is, or restore its keys"
            )
        return [
            Pseudonymizer(f"k{number}", self._read(self.directory / f"pseudonym-k{number}"))
            for number in numbers
        ]

    def quarantine_public_key(self) -> X25519PublicKey:
        """Return the key that seals quarantined events."""
        return X25519PublicKey.from_public_bytes(self._read(self._quarantine_public))

    def quarantine_private_key(self) -> X25519PrivateKey:
        """Return the key that opens quarantined events."""
        return X25519PrivateKey.from_private_bytes(self._read(self._quarantine_private))

    def vault_public_key(self) -> X25519PublicKey:
        """Return the key that seals the originals of tokens; the first time it is made."""
        public, private = self.directory / "vault.public", self.directory / "vault.private"
        if not public.exists():
            _write_pair(private, public)
        return X25519PublicKey.from_public_bytes(self._read(public))

    def vault_private_key(self) -> X25519PrivateKey:
        """Return the key that opens the originals of tokens."""
        return X25519PrivateKey.from_private_bytes(self._read(self.directory / "vault.private"))

    @property
    def _quarantine_public(self) -> Path:
        return self.directory / "quarantine.public"

    @property
    def _quarantine_private(self) -> Path:
        return self.directory / "quarantine.private"

    def _pseudonym_numbers(self) -> list[int]:
        names = (path.name.removeprefix("pseudonym-k") for path in self._pseudonym_files())
        return [int(name) for name in names if name.isdecimal()]

    def _pseudonym_files(self) -> Iterator[Path]:
        return self.directory.glob("pseudonym-k*")

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise CannotContinue(
                f"key {path} cannot be read: {error.strerror}; restore it from where keys are kept"
            ) from error


def _write_pair(private: Path, public: Path) -> None:
    key = X25519PrivateKey.generate()
    _write_new(private, key.private_bytes_raw())
    _write_new(public, key.public_key().public_bytes_raw())


def _write_new(path: Path, data: bytes) -> None:
    """Write a file that must not exist yet, readable by its owner alone, and make it last."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
