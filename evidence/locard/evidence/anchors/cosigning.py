"""Asking witnesses to cosign a checkpoint: the client's side of C2SP tlog-witness."""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from locard.evidence.anchors.http import Post
from locard.evidence.anchors.witness import request_body
from locard.evidence.log_reader import LogReader
from locard.evidence.merkle import consistency_proof
from locard.evidence.notes import Checkpoint, Note, NoteError, VerifierKey, note
from locard.schema import CannotContinue

log = logging.getLogger(__name__)

_CONFLICT: Final = 409
_OK: Final = 200
_TYPE: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class WitnessAddress:
    """A witness: where it answers, and its key.

    Args:
        url: before `/add-checkpoint`.
    """

    url: str
    key: VerifierKey

    @classmethod
    def parse(cls, text: str) -> WitnessAddress:
        """Return the witness that `URL KEY` names.

        Raises:
            CannotContinue: it names none.
        """
        url, _, key = text.strip().partition(" ")
        try:
            return cls(url.rstrip("/"), VerifierKey.parse(key.strip()))
        except NoteError as error:
            raise CannotContinue(
                f"a witness is configured as `URL KEY`, with its verifier key: {error}"
            ) from error


class Cosigning:
    """Collects cosignatures, and remembers up to where each witness has followed.

    Args:
        post: sends a request; see `http.post`.
    """

    def __init__(self, witnesses: Sequence[WitnessAddress], post: Post) -> None:
        self._witnesses = witnesses
        self._post = post
        self._sizes: dict[str, int] = {}

    def lines(self, checkpoint: Checkpoint, signed: bytes, reader: LogReader) -> list[str]:
        """Return the signature lines of the witnesses that vouch for a checkpoint.

        One that does not is told of in the log, and is asked again the next time.

        Args:
            signed: the checkpoint as the log has signed it.
            reader: of the log at that size.
        """
        lines = []
        for witness in self._witnesses:
            try:
                lines.append(self._ask(witness, checkpoint, signed, reader))
            except (CannotContinue, NoteError) as error:
                log.warning("witness %s does not vouch: %s", witness.key.name, error)
        return lines

    def _ask(
        self, witness: WitnessAddress, checkpoint: Checkpoint, signed: bytes, reader: LogReader
    ) -> str:
        old = self._sizes.get(witness.url, 0)
        for _ in range(2):
            proof = consistency_proof(old, checkpoint.size, reader.nodes)
            status, body = self._post(
                f"{witness.url}/add-checkpoint", request_body(old, proof, signed), _TYPE
            )
            if status == _OK:
                self._sizes[witness.url] = checkpoint.size
                return _line(witness.key, checkpoint, body)
            if status != _CONFLICT:
                raise CannotContinue(f"it answers with status {status}")
            seen = int(body) if body.strip().isdigit() and len(body) < 20 else -1
            if not 0 <= seen <= checkpoint.size or seen == old:
                raise CannotContinue(
                    "it has seen another log of this name, or more of this one: the log was cut, "
                    "put back from an older copy, or written anew"
                )
            old = seen
        raise CannotContinue("it has seen something else each time")


def _line(key: VerifierKey, checkpoint: Checkpoint, body: bytes) -> str:
    """Return the line of a key in what a witness answered.

    Raises:
        NoteError: there is none that fits.
    """
    answered = Note.parse(note(checkpoint.text, [body.decode("utf-8", "replace")]))
    if key not in answered.verified([key]):
        raise NoteError("it answers without a signature of its own")
    found = next(s for n, i, s in answered.signatures if (n, i) == (key.name, key.key_id))
    return f"\u2014 {key.name} {base64.b64encode(key.key_id + found).decode()}\n"
