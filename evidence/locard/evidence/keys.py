"""The keys of an installation that its evidence rests on, as files that only their owner may read.

| file | what | if it is lost | who may have it |
|---|---|---|---|
| `log` | signs checkpoints of the transparency log | the log goes on under a new key alone by `locard keys log --rotate` before | the sealer |
| `log.verifier` | its public half, and those of older keys | made again from `log`; of older keys not | anybody |
| `witness` | cosigns checkpoints of others' logs | a new one has to be trusted | the witness |
| `custody` | signs what lawfully leaves the record | a new one has to be trusted by those who verify | who may erase |

The private half of the log's key is written as `golang.org/x/mod/sumdb/note` writes it.
"""  # noqa: E501 - a table

from __future__ import annotations

import base64
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from locard.evidence.durable import replace_durably
from locard.evidence.notes import COSIGNATURE, ED25519, NoteError, NoteKey, VerifierKey
from locard.evidence.signing import SigningKey
from locard.schema import CannotContinue

_PRIVATE: Final = "PRIVATE+KEY+"


@dataclass(frozen=True)
class EvidenceKeys:
    """The keys in one directory."""

    directory: Path

    def log_key(self, origin: str | None = None) -> NoteKey:
        """Return the key of the transparency log; the first time it is made.

        Args:
            origin: the log's name, for a new key; default: one that nobody else has.

        Raises:
            CannotContinue: it cannot be read or made.
        """
        path = self.directory / "log"
        try:
            if not path.exists():
                name = origin or f"locard.local/{secrets.token_hex(8)}"
                self._write(path, private_text(NoteKey(name, Ed25519PrivateKey.generate())))
            return parse_private(path.read_text(encoding="utf-8").strip())
        except (OSError, NoteError, ValueError) as error:
            raise CannotContinue(
                f"the log's key {path} cannot be used: {error}; restore it from where keys are kept"
            ) from error

    def log_verifiers(self) -> list[VerifierKey]:
        """Return the public keys of the log, the one in use first."""
        current = self.log_key().verifier
        older: list[VerifierKey] = []
        with suppress(FileNotFoundError):
            lines = (self.directory / "log.verifier").read_text(encoding="utf-8").split()
            older = [VerifierKey.parse(line) for line in lines]
        return [current, *(key for key in older if key != current)]

    def custody_key(self) -> SigningKey:
        """Return the key that signs custody statements; the first time it is made.

        Raises:
            CannotContinue: it cannot be read or made.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            return SigningKey.open_or_create(self.directory / "custody")
        except (OSError, ValueError) as error:
            raise CannotContinue(f"the custody key cannot be used: {error}") from error

    def witness_key(self, name: str | None = None) -> NoteKey:
        """Return the key of a witness; the first time it is made.

        Args:
            name: the witness's own, for a new key.

        Raises:
            CannotContinue: it cannot be read or made, or there is none and no name for it.
        """
        path = self.directory / "witness"
        try:
            if not path.exists():
                if not name:
                    raise CannotContinue("a witness needs a name, such as witness.example; --name")
                key = NoteKey(name, Ed25519PrivateKey.generate(), COSIGNATURE)
                self._write(path, private_text(key))
            return parse_private(path.read_text(encoding="utf-8").strip())
        except (OSError, NoteError, ValueError) as error:
            raise CannotContinue(f"the witness's key {path} cannot be used: {error}") from error

    def rotate_log_key(self) -> tuple[NoteKey, NoteKey]:
        """Return the log's key until now and the new one that takes its place.

        Raises:
            CannotContinue: see `log_key`.
        """
        old = self.log_key()
        new = NoteKey(old.name, Ed25519PrivateKey.generate())
        try:
            self._write(
                self.directory / "log.verifier", "\n".join(map(str, self.log_verifiers())) + "\n"
            )
            self._write(self.directory / "log", private_text(new))
        except OSError as error:
            raise CannotContinue(
                f"the log's new key cannot be written: {error.strerror}; the old one stays in use"
            ) from error
        return old, new

    def _write(self, path: Path, told: str) -> None:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_durably(path, told.encode())


def private_text(key: NoteKey) -> str:
    """Return a private key as text."""
    data = base64.b64encode(bytes([key.kind]) + key.private.private_bytes_raw()).decode()
    return f"{_PRIVATE}{key.name}+{key.verifier.key_id.hex()}+{data}"


def parse_private(text: str) -> NoteKey:
    """Return the private key in a text; see `private_text`.

    Raises:
        NoteError: there is none.
    """
    name, plus, rest = text.removeprefix(_PRIVATE).partition("+")
    key_hash, plus_too, encoded = rest.partition("+")
    data = base64.b64decode(encoded, validate=True)
    if not (text.startswith(_PRIVATE) and plus and plus_too) or len(data) != 33:
        raise NoteError("it is no private key of a note")
    key = NoteKey(name, Ed25519PrivateKey.from_private_bytes(data[1:]), data[0])
    if data[0] not in (ED25519, COSIGNATURE) or key.verifier.key_id.hex() != key_hash:
        raise NoteError("it does not fit its own hash")
    return key
