"""The lake's one writer: a Parquet file, made durable, and then one atomic Delta commit.

The commit adds the file, moves each partition's next offset (Delta's application transaction) and
carries the segments' manifests: all of it happens or none. delta-rs itself never calls fsync, so
the data file and its directory are synced before the commit, the log entry and its directory after
it, and only then does an offset count as done.

Who may commit is decided by the offsets: a commit that starts elsewhere than where the lake stands
is refused here, and one that raced another is refused by Delta. Nothing is retried blindly.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from locard.ingest.checkpoints import checkpoint
from locard.ingest.delta import NO_HOOKS, PARTITION_COLUMN, first_line
from locard.ingest.lake_store import LakeStore, lake_store, remove, size_of
from locard.ingest.segments import (
    LAKE_COLUMNS,
    Segment,
    application_id,
    check_owned,
    manifests_json,
    moments,
    segments_table,
)
from locard.schema import (
    LAKE_FORMAT,
    LAKE_FORMAT_KEY,
    CannotContinue,
    LakePlace,
    LocardError,
    RetryableError,
    StateUnknown,
    check_lake_format,
    rfc3339,
)

MANIFESTS_KEY: Final = "locard.segments"
_COMPRESSION: Final = "zstd"
_REOPEN_EVERY: Final = 100  # versions


class LakeWriter:
    """Publishes segments to the Delta table at a place, making it if there is none.

    Raises:
        CannotContinue: it cannot be made or read, or is of another major format.
    """

    def __init__(self, place: LakePlace) -> None:
        self.place = place
        self._store = lake_store(place)
        try:
            self._table = _open_or_create(self._store)
        except (DeltaError, OSError) as error:
            raise CannotContinue(
                f"the lake at {place} cannot be opened: {first_line(error)}; "
                "check that it can be reached, has room and may be written"
            ) from error
        check_lake_format(self._table.metadata().configuration, str(place))
        self._opened_at = self._table.version()

    def next_offsets(self, topic_id: str, partitions: Iterable[int]) -> Mapping[int, int]:
        """Return where each partition continues; one that was never published is left out."""
        self._refresh()
        found = {
            n: self._table.transaction_version(application_id(topic_id, n)) for n in partitions
        }
        return {partition: offset for partition, offset in found.items() if offset is not None}

    def _refresh(self) -> None:
        try:
            self._table.update_incremental()
        except (DeltaError, OSError) as error:
            raise self._store.could_not("cannot be read", error) from error

    def file_count(self) -> int:
        """Return how many files the lake consists of, in the version that was last looked at."""
        return len(self._table.file_uris())

    def publish(self, segments: Sequence[Segment], now: datetime) -> None:
        """Add the segments to the lake, all or none, and return when they are durable.

        Raises:
            Fenced: another consumer has published one of these partitions; do not retry.
            RetryableError: other writers were faster too often; the same call may succeed.
            StateUnknown: whether the commit was made cannot be found out; read the lake again.
            CannotContinue: the file or the log entry cannot be written.
        """
        self._refresh()
        before = self._table.version()
        for segment in segments:
            check_owned(segment, self._table.transaction_version(segment.application_id))
        try:
            with self._store.adding():
                self._commit(segments, self._write_file(segments, now))
        except OSError as error:
            raise self._store.could_not("cannot be written", error) from error
        self._store.sync_log(self._table, before)
        self._reopen_now_and_then()

    def _reopen_now_and_then(self) -> None:
        """Let go of what delta-rs keeps of each commit; see `checkpoints`."""
        if self._table.version() - self._opened_at < _REOPEN_EVERY:
            return
        with suppress(LocardError, DeltaError, OSError):  # what was published is there all the same
            checkpoint(self._table, self._store, _REOPEN_EVERY)
            self._table = self._store.open()
        self._opened_at = self._table.version()

    def _write_file(
        self, segments: Sequence[Segment], now: datetime
    ) -> list[AddAction | RemoveAction]:
        """Write the rows to a file that no commit names yet; without rows there is none."""
        times = moments(segments)
        if times is None:
            return []
        table = segments_table(segments)
        directory = f"{PARTITION_COLUMN}={now:%Y-%m-%d}"
        relative = f"{directory}/events-{now:%H%M%S}-{secrets.token_hex(8)}.parquet"
        self._store.prepare(directory)
        try:
            with self._store.files.open_output_stream(relative) as file:
                pq.write_table(
                    table,
                    file,
                    compression=_COMPRESSION,
                    write_page_checksum=True,
                    use_dictionary=True,
                )
        except OSError:
            remove(self._store, [relative])
            raise
        self._store.sync([relative, directory])
        return [
            AddAction(
                relative,
                size_of(self._store, relative),
                {PARTITION_COLUMN: f"{now:%Y-%m-%d}"},
                int(now.timestamp() * 1000),
                data_change=True,
                stats=json.dumps(_statistics(table, times)),
            )
        ]

    def _commit(self, segments: Sequence[Segment], added: list[AddAction | RemoveAction]) -> None:
        properties = CommitProperties(
            custom_metadata={MANIFESTS_KEY: manifests_json(segments)},
            app_transactions=[
                Transaction(segment.application_id, segment.next_offset) for segment in segments
            ],
        )
        try:
            self._table.create_write_transaction(
                added,
                "append",
                self._table.schema(),
                [PARTITION_COLUMN],
                commit_properties=properties,
                post_commithook_properties=NO_HOOKS,
            )
        except (DeltaError, OSError) as error:
            self._settle(segments, error)

    def _settle(self, segments: Sequence[Segment], error: Exception) -> None:
        """Find out from the lake itself what became of a commit that was reported as failed."""
        try:
            self._table.update_incremental()
            found = [self._table.transaction_version(s.application_id) for s in segments]
        except (DeltaError, OSError) as unreadable:
            raise StateUnknown(
                f"the lake at {self.place} did not confirm a commit and cannot be read: "
                f"{first_line(unreadable)}; start again when it can"
            ) from unreadable
        if isinstance(error, CommitFailedError):  # certain: it was not made
            for segment, published in zip(segments, found, strict=True):
                check_owned(segment, published)
            raise RetryableError(
                f"the lake at {self.place} was busy with other writers; publish again"
            ) from error
        if found == [segment.next_offset for segment in segments]:
            return  # it was made after all
        raise self._store.could_not("did not take a commit", error) from error


def _open_or_create(store: LakeStore) -> DeltaTable:
    try:
        return store.open()
    except TableNotFoundError:
        pass
    schema = LAKE_COLUMNS.append(pa.field(PARTITION_COLUMN, pa.date32(), nullable=False))
    return store.create(
        schema,
        mode="ignore",  # another process may be making it at this moment
        partition_by=[PARTITION_COLUMN],
        name="locard",
        configuration={LAKE_FORMAT_KEY: LAKE_FORMAT},
        raise_if_key_not_exists=False,  # the key is ours, not Delta's
    )


def _statistics(table: pa.Table, times: tuple[datetime, datetime]) -> dict[str, Any]:
    """Return Delta's statistics: what other engines prune files by."""
    earliest, latest = (rfc3339(moment) for moment in times)
    return {
        "numRecords": table.num_rows,
        "minValues": {"occurred_at": earliest},
        "maxValues": {"occurred_at": latest},
        "nullCount": {"occurred_at": 0},
    }
