"""A witness: cosigns checkpoints of a log, as long as each continues the one before it.

This is C2SP tlog-witness. It keeps the size and the root of the last checkpoint of each log, and
that is all it knows: what is in a log it never sees. A checkpoint is noted durably before the
cosignature goes out.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from locard.evidence.merkle import HASH_BYTES, ProofError, verify_consistency
from locard.evidence.notes import COSIGNATURE, Checkpoint, Note, NoteError, NoteKey, VerifierKey
from locard.schema import CannotContinue

SIZE_TYPE: Final = "text/x.tlog.size"
_MOST_STEPS: Final = 63
_MOST_BYTES: Final = 64 * 1024
_SECONDS_TO_WAIT: Final = 10.0
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS logs (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL)
WITHOUT ROWID
"""


@dataclass(frozen=True)
class Answer:
    """What a witness answers: a status of HTTP, and a body."""

    status: int
    body: str = ""
    media_type: str = "text/plain; charset=utf-8"


class Witness:
    """A witness of some logs.

    Args:
        key: signs; of the kind `COSIGNATURE`.
        logs: the keys of each log, by its name.
        state: the file of what it has seen.
        now: seconds since 1970.
    """

    def __init__(
        self,
        key: NoteKey,
        logs: Mapping[str, Sequence[VerifierKey]],
        state: Path,
        now: Callable[[], float],
    ) -> None:
        if key.kind != COSIGNATURE:
            raise CannotContinue("a witness has a key of its own kind; `locard keys witness`")
        self._key = key
        self._logs = logs
        self._state = state
        self._now = now

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer a request to cosign a checkpoint.

        Args:
            body: `old SIZE`, the consistency proof in base64, an empty line, and the checkpoint.

        Raises:
            CannotContinue: what was seen cannot be kept, so nothing is signed.
        """
        try:
            old, proof, note = _taken_apart(body)
            checkpoint = Checkpoint.parse(note.text)
        except (NoteError, ValueError):
            return Answer(400, "the request cannot be read; see C2SP tlog-witness\n")
        keys = self._logs.get(checkpoint.origin)
        if keys is None:
            return Answer(404, "this log is not known here\n")
        try:
            is_signed = bool(note.verified(keys))
        except NoteError:
            is_signed = False
        if not is_signed:
            return Answer(403, "no key of the log has signed this\n")
        if old > checkpoint.size:
            return Answer(400, "the old size is above that of the checkpoint\n")
        with self._seen() as connection:
            return self._continue(connection, old, proof, checkpoint)

    def _continue(
        self, connection: sqlite3.Connection, old: int, proof: Sequence[bytes], new: Checkpoint
    ) -> Answer:
        row = connection.execute(
            "SELECT size, root FROM logs WHERE origin = ?", (new.origin,)
        ).fetchone()
        size, root = row or (0, None)
        if old != size:
            return Answer(409, f"{size}\n", SIZE_TYPE)
        if size == new.size and root not in (None, new.root):
            return Answer(409, f"{size}\n", SIZE_TYPE)
        try:
            if size:
                verify_consistency(size, new.size, proof, root or b"", new.root)
            elif proof:
                raise ProofError("there is nothing before the first checkpoint")
        except ProofError:
            return Answer(422, "the proof does not show that the log continues\n")
        connection.execute(
            "INSERT OR REPLACE INTO logs VALUES (?, ?, ?)", (new.origin, new.size, new.root)
        )
        connection.execute("COMMIT")
        return Answer(200, self._key.line(new.text, int(self._now())))

    @contextmanager
    def _seen(self) -> Iterator[sqlite3.Connection]:
        """Hold what was seen, alone: to look and to note is one step."""
        try:
            with closing(
                sqlite3.connect(self._state, timeout=_SECONDS_TO_WAIT, isolation_level=None)
            ) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute(_TABLE)
                connection.execute("BEGIN IMMEDIATE")
                yield connection
        except sqlite3.Error as error:
            raise CannotContinue(
                f"the witness cannot keep what it has seen in {self._state}: {error}; nothing was "
                "signed"
            ) from error


def request_body(old: int, proof: Sequence[bytes], note: bytes) -> bytes:
    """Return the body of a request to cosign."""
    steps = "".join(f"{base64.b64encode(step).decode()}\n" for step in proof)
    return f"old {old}\n{steps}\n".encode() + note


def _taken_apart(body: bytes) -> tuple[int, list[bytes], Note]:
    if len(body) > _MOST_BYTES:
        raise ValueError("the request is too long")
    head, empty, note = body.partition(b"\n\n")
    first, *steps = head.decode("ascii").split("\n")
    word, _, size = first.partition(" ")
    if word != "old" or not empty or not size.isdecimal() or size != str(int(size)):
        raise ValueError("the request does not begin with the old size")
    proof = [base64.b64decode(step, validate=True) for step in steps]
    if len(proof) > _MOST_STEPS or any(len(step) != HASH_BYTES for step in proof):
        raise ValueError("a proof has at most 63 hashes")
    return int(size), proof, Note.parse(note)
