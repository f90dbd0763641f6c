"""Signed notes (C2SP signed-note) and the checkpoints in them (C2SP tlog-checkpoint). Pure.

A note is text that ends with a newline, an empty line, and signature lines: an em dash, the key's
name, and base64 of four bytes that identify the key and of its signature. A checkpoint is a note
whose first lines are the log's name, the number of its entries and the root of its tree.

Ed25519 (type 0x01) signs logs' own notes, and a cosignature (type 0x04, C2SP tlog-cosignature)
says since when a witness has known a checkpoint.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from locard.evidence.merkle import HASH_BYTES

ED25519: Final = 1
COSIGNATURE: Final = 4
_SIGNATURE: Final = "\u2014 "
_KEY_BYTES: Final = 32
_ID_BYTES: Final = 4
_SIGNATURE_BYTES: Final = 64
_TIME_BYTES: Final = 8
_MOST_SIGNATURES: Final = 100
_NAME: Final = re.compile(r"[^\s+]+")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_UNWANTED: Final = re.compile("[\x00-\x09\x0b-\x1f\ufffd]")


class NoteError(ValueError):
    """A note or a key is not what it has to be."""


@dataclass(frozen=True)
class VerifierKey:
    """The public half of a key, with the name of whose it is: `name+hash+base64`.

    Args:
        kind: `ED25519` or `COSIGNATURE`.
        public: its 32 bytes.
    """

    name: str
    kind: int
    public: bytes

    @classmethod
    def parse(cls, encoded: str) -> VerifierKey:
        """Return the key in this text.

        Raises:
            NoteError: it is none, or of a type that is not known here.
        """
        name, plus, rest = encoded.partition("+")
        key_hash, plus_too, data = rest.partition("+")
        if not (plus and plus_too and _NAME.fullmatch(name)):
            raise NoteError("a verifier key reads `name+hash+base64`")
        decoded = _decoded(data)
        if len(decoded) != 1 + _KEY_BYTES or decoded[0] not in (ED25519, COSIGNATURE):
            raise NoteError(f"the verifier key of {name} is neither Ed25519 nor a cosigner's")
        key = cls(name, decoded[0], decoded[1:])
        if key.key_id.hex() != key_hash:
            raise NoteError(f"the verifier key of {name} does not fit its own hash")
        return key

    def __str__(self) -> str:
        data = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{data}"

    @property
    def key_id(self) -> bytes:
        """The four bytes that tell it from others of its name."""
        kind = bytes([self.kind])
        return sha256(self.name.encode() + b"\n" + kind + self.public).digest()[:_ID_BYTES]

    def verify(self, text: str, signature: bytes) -> int | None:
        """Check a signature of this key under a note's text.

        Returns:
            For a cosignature, since when the witness knows the checkpoint, in seconds since 1970.

        Raises:
            NoteError: it is not the signature of this text.
        """
        moment: int | None = None
        message = text.encode()
        if self.kind == COSIGNATURE:
            moment = int.from_bytes(signature[:_TIME_BYTES])
            signature = signature[_TIME_BYTES:]
            message = cosigned_bytes(text, moment)
        try:
            if len(signature) != _SIGNATURE_BYTES:
                raise InvalidSignature
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise NoteError(f"a signature of {self.name} does not fit") from None
        return moment


@dataclass(frozen=True)
class NoteKey:
    """A private key that signs notes in a name; `kind` as for `VerifierKey`."""

    name: str
    private: Ed25519PrivateKey
    kind: int = ED25519

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise NoteError("the name of a key has neither spaces nor `+`")

    @property
    def verifier(self) -> VerifierKey:
        """The public half."""
        public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return VerifierKey(self.name, self.kind, public)

    def line(self, text: str, moment: int | None = None) -> str:
        """Return the signature line, with its newline, under a note's text.

        Args:
            moment: seconds since 1970; for a cosignature.
        """
        if self.kind == COSIGNATURE:
            if moment is None:
                raise NoteError("a cosignature has a time")
            signature = moment.to_bytes(_TIME_BYTES) + self.private.sign(
                cosigned_bytes(text, moment)
            )
        else:
            signature = self.private.sign(text.encode())
        data = base64.b64encode(self.verifier.key_id + signature).decode()
        return f"{_SIGNATURE}{self.name} {data}\n"


@dataclass(frozen=True)
class Note:
    """A note, taken apart.

    Args:
        text: what is signed, with its last newline.
        signatures: of each line the name, the key's four bytes, and the signature.
    """

    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]

    @classmethod
    def parse(cls, data: bytes) -> Note:
        """Take a note apart; which signatures fit is not looked at.

        Raises:
            NoteError: the bytes are no note.
        """
        try:
            whole = data.decode()
        except UnicodeDecodeError:
            raise NoteError("a note is UTF-8 text") from None
        if _UNWANTED.search(whole) or not whole.endswith("\n"):
            raise NoteError("a note is lines of text without control characters")
        text, middle, below = whole.rpartition("\n\n")
        if not middle or not below:
            raise NoteError("a note has signatures below an empty line")
        lines = below.removesuffix("\n").split("\n")
        if len(lines) > _MOST_SIGNATURES:
            raise NoteError(f"a note has at most {_MOST_SIGNATURES} signatures")
        return cls(text + "\n", tuple(map(_signature, lines)))

    def verified(self, keys: Iterable[VerifierKey]) -> dict[VerifierKey, int | None]:
        """Return the keys that have signed it, with the times of cosignatures.

        Lines of other keys do not count.

        Raises:
            NoteError: a line in the name of one of these keys does not fit.
        """
        by_id = {(key.name, key.key_id): key for key in keys}
        found: dict[VerifierKey, int | None] = {}
        for name, key_id, signature in self.signatures:
            key = by_id.get((name, key_id))
            if key and key not in found:
                found[key] = key.verify(self.text, signature)
        return found


@dataclass(frozen=True)
class Checkpoint:
    """What a log says of itself at one moment.

    Args:
        origin: the log's name, for ever.
        size: number of its entries.
        root: of the tree over them, 32 bytes.
    """

    origin: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Return the checkpoint in the text of a note; further lines are passed over.

        Raises:
            NoteError: there is none.
        """
        lines = text.split("\n")
        if len(lines) < 4 or not lines[0] or not _NUMBER.fullmatch(lines[1]):
            raise NoteError("a checkpoint begins with the log's name, its size and its root")
        root = _decoded(lines[2])
        if len(root) != HASH_BYTES or not all(lines[3:-1]):
            raise NoteError("a checkpoint begins with the log's name, its size and its root")
        return cls(lines[0], int(lines[1]), root)

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def note(text: str, lines: Sequence[str]) -> bytes:
    """Return a note with these signature lines."""
    return f"{text}\n{''.join(lines)}".encode()


def cosigned_bytes(text: str, moment: int) -> bytes:
    """Return what a witness signs; C2SP tlog-cosignature, "Format" of version 1."""
    return f"cosignature/v1\ntime {moment}\n{text}".encode()


def _signature(line: str) -> tuple[str, bytes, bytes]:
    name, space, data = line.removeprefix(_SIGNATURE).partition(" ")
    if not line.startswith(_SIGNATURE) or not space or not _NAME.fullmatch(name):
        raise NoteError("a signature line reads `\u2014 name base64`")
    decoded = _decoded(data)
    if len(decoded) <= _ID_BYTES:
        raise NoteError("a signature line holds no signature")
    return name, decoded[:_ID_BYTES], decoded[_ID_BYTES:]


def _decoded(data: str) -> bytes:
    try:
        decoded = base64.b64decode(data, validate=True)
    except binascii.Error:
        raise NoteError("that is not base64") from None
    if base64.b64encode(decoded).decode() != data:
        raise NoteError("that is not the one base64 of its bytes")
    return decoded
