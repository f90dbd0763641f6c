"""Quarantine: what could not be redacted, sealed, counted and found again.

One file for each record, named by its position, so that quarantining it again changes nothing.
The pointer is readable (where, when, why, which event); the payload is sealed to the installation's
quarantine key, and the process that writes it cannot open it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from locard.evidence.durable import make_directory_durably, replace_durably
from locard.ingest.eventlog import RawRecord
from locard.redaction import SUITE_NAME, seal, unseal
from locard.schema import CannotContinue, Event, rfc3339

_FORMAT: Final = "locard-quarantine/1"
DEFAULT_LIMIT: Final = 10_000


@dataclass(frozen=True)
class Quarantined:
    """What may be known of a quarantined record without opening it."""

    topic_id: str
    partition: int
    offset: int
    error_class: str
    quarantined_at: str
    event_id: str | None
    kind: str | None
    session_id: str | None

    @property
    def place(self) -> str:
        """Where the record stood: topic id, partition and offset."""
        return f"{self.topic_id}/{self.partition}/{self.offset}"

    def path_in(self, directory: Path) -> Path:
        """Return the file of this record in a quarantine at `directory`."""
        return directory / self.topic_id / str(self.partition) / f"{self.offset:020}.json"


class Quarantine:
    """The quarantined records below one directory.

    Args:
        directory: made if it does not exist.
        public_key: seals what is put in.
        limit: the number of records at which the consumer stops instead of going on: so many
            failures are no bad events but a broken installation.
    """

    def __init__(
        self, directory: Path, public_key: X25519PublicKey, limit: int = DEFAULT_LIMIT
    ) -> None:
        self.directory = directory
        self._public_key = public_key
        self._limit = limit
        self._count = sum(1 for _ in _files(directory))

    def put(
        self, record: RawRecord, error_class: str, event: Event | None, now: datetime
    ) -> Quarantined:
        """Seal a record durably.

        Args:
            error_class: why, in one word of a closed set.
            event: what was decoded from it, `None` where decoding failed.

        Raises:
            CannotContinue: the limit is reached, or the directory cannot be written.
        """
        pointer = Quarantined(
            topic_id=record.topic_id,
            partition=record.partition,
            offset=record.offset,
            error_class=error_class,
            quarantined_at=rfc3339(now),
            event_id=str(event.event_id) if event else None,
            kind=event.kind if event else None,
            session_id=event.session_id if event else None,
        )
        path = pointer.path_in(self.directory)
        is_new = not path.exists()
        if is_new and self._count >= self._limit:
            self._count = sum(1 for _ in _files(self.directory))  # some may have left it meanwhile
        if is_new and self._count >= self._limit:
            raise CannotContinue(
                f"quarantine {self.directory} holds {self._count:,} records, its limit; look at "
                "the error classes there, mend the cause, then `locard quarantine replay` or raise "
                "the limit"
            )
        sealed = seal(record.value, self._public_key, pointer.place)
        entry = {
            "format": _FORMAT,
            **pointer.__dict__,
            "suite": SUITE_NAME,
            "sealed": base64.b64encode(sealed).decode(),
        }
        try:
            make_directory_durably(path.parent)
            replace_durably(path, json.dumps(entry).encode())
        except OSError as error:
            raise CannotContinue(
                f"quarantine {self.directory} cannot be written: {error.strerror}; make room or "
                "correct its permissions, then start again: nothing was lost"
            ) from error
        self._count += is_new
        return pointer

    def __iter__(self) -> Iterator[Quarantined]:
        """Yield the pointers, by position."""
        return pointers(self.directory)

    def __len__(self) -> int:
        return self._count


def pointers(directory: Path) -> Iterator[Quarantined]:
    """Yield what may be known of the records quarantined below a directory, by position."""
    for path in sorted(_files(directory)):
        entry = _read(path)
        yield Quarantined(**{name: entry[name] for name in Quarantined.__dataclass_fields__})


def unsealed(directory: Path, pointer: Quarantined, private_key: X25519PrivateKey) -> bytes:
    """Return the record's bytes as they came. This is raw data.

    Raises:
        CannotContinue: the key is another one, or the file is gone, was changed or moved.
    """
    path = pointer.path_in(directory)
    try:
        sealed = base64.b64decode(_read(path)["sealed"])
    except (OSError, ValueError, KeyError) as error:
        raise CannotContinue(
            f"{path} cannot be read as a quarantined record ({type(error).__name__}); restore it "
            "from a copy"
        ) from error
    return unseal(sealed, private_key, pointer.place)


def _files(directory: Path) -> Iterator[Path]:
    return directory.glob("*/*/[0-9]*.json")


def _read(path: Path) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(path.read_bytes())
    return entry
