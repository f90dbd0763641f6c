"""What leaves quarantine: replayed through the log like any other record, or dropped for good.

The log has the record, and the `custody` event that tells of it, before its file goes. A process
that is killed in between leaves the file, and replaying again adds nothing, since events are told
apart by their id.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from locard.evidence.durable import remove_durably
from locard.ingest.access import custody_record
from locard.ingest.eventlog import EventLogWriter, OutgoingRecord, record_key
from locard.ingest.quarantine import Quarantined, unsealed
from locard.schema import CannotContinue

REPLAYED: Final = "quarantine_replayed"
DROPPED: Final = "quarantine_dropped"
_AT_ONCE: Final = 20  # records in memory, and in one custody event


def replay(
    directory: Path,
    pointers: Sequence[Quarantined],
    private_key: X25519PrivateKey,
    log: EventLogWriter,
    by: str,
) -> None:
    """Append quarantined records to the log, from where they are redacted like any other.

    What made them fail should be mended before: else they come back, under their new positions.

    Args:
        directory: of the quarantine.
        private_key: opens them.
        by: who does it.

    Raises:
        CannotContinue: one cannot be opened or its file not removed. Those before it are done.
        RetryableError: the log takes none now; the same call goes on.
    """
    for group in _groups(pointers):
        records = [
            OutgoingRecord(
                record_key(one.session_id, None, one.event_id or one.place),
                unsealed(directory, one, private_key),
            )
            for one in group
        ]
        log.append([*records, _told(REPLAYED, group, by, None)])
        _remove(directory, group)


def drop(
    directory: Path, pointers: Sequence[Quarantined], log: EventLogWriter, by: str, reason: str
) -> None:
    """Give up quarantined records for good; that it was done, by whom and why, is recorded.

    Raises:
        CannotContinue: a file cannot be removed. Those before it are done.
        RetryableError: the log takes nothing now, so nothing is dropped.
    """
    for group in _groups(pointers):
        log.append([_told(DROPPED, group, by, reason)])
        _remove(directory, group)


def _groups(pointers: Sequence[Quarantined]) -> Iterator[Sequence[Quarantined]]:
    for start in range(0, len(pointers), _AT_ONCE):
        yield pointers[start : start + _AT_ONCE]


def _told(action: str, group: Sequence[Quarantined], by: str, reason: str | None) -> OutgoingRecord:
    return custody_record(
        action,
        by,
        reason=reason,
        targets=[
            {"place": one.place, "error_class": one.error_class, "event_id": one.event_id}
            for one in group
        ],
    )


def _remove(directory: Path, group: Sequence[Quarantined]) -> None:
    for one in group:
        path = one.path_in(directory)
        try:
            remove_durably(path)
        except OSError as error:
            raise CannotContinue(
                f"{path} cannot be removed: {error.strerror}; what it holds is in the log already "
                "or given up, so correct the permissions and do the same again"
            ) from error
