"""The lake's writer: one atomic commit, owned by whoever stands where the lake stands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from locard.evidence import durable
from locard.evidence.merkle import root_of
from locard.ingest import delta, lake_store
from locard.ingest import lake as lake_module
from locard.ingest.lake import MANIFESTS_KEY, LakeWriter
from locard.ingest.segments import Position, Row, Segment
from locard.schema import CannotContinue, Fenced, StateUnknown
from locard.schema.arrow import events_of_table
from making import event, redacted

NOW = datetime(2026, 5, 4, 9, 32, tzinfo=UTC)


def segment(first: int, count: int, partition: int = 0, **changes) -> Segment:
    """Return a segment of that many events from offset `first` on."""
    made = Segment("topic", partition, first, first, **changes)
    for offset in range(first, first + count):
        position = Position("topic", partition, offset)
        made.rows.append(Row(position, redacted(event(session_id=f"s{offset}"))))
        made.advance(position)
    return made


def stored(path: Path) -> list:
    """Return the events of the lake, by partition and offset."""
    table = (
        DeltaTable(path)
        .to_pyarrow_table()
        .sort_by([("log_partition", "ascending"), ("log_offset", "ascending")])
    )
    return list(events_of_table(table))


@pytest.fixture
def path(tmp_path):
    """Where the lake will be."""
    return tmp_path / "lake"


def test_published_events_are_in_the_lake_unchanged(path):
    """What was published can be read back equal, and the next offsets say where to go on."""
    lake = LakeWriter(path)
    segments = [segment(0, 3), segment(5, 2, partition=1)]
    lake.publish(segments, NOW)

    assert stored(path) == [row.redacted.event for s in segments for row in s.rows]
    assert lake.next_offsets("topic", range(3)) == {0: 3, 1: 7}
    assert LakeWriter(path).next_offsets("topic", range(3)) == {0: 3, 1: 7}
    assert LakeWriter(path).next_offsets("another topic", range(3)) == {}


def test_the_commit_carries_the_manifest_of_each_segment(path):
    """The manifest says which offsets, how many rows, and what is in quarantine and why."""
    made = segment(0, 2)
    made.quarantined[2] = "json_syntax"
    made.advance(Position("topic", 0, 2))
    LakeWriter(path).publish([made], NOW)

    (manifest,) = json.loads(DeltaTable(path).history(1)[0][MANIFESTS_KEY])
    assert manifest.pop("root") == root_of([row.leaf() for row in made.rows]).hex()
    assert manifest == {
        "format": "locard-segment/2",
        "topic_id": "topic",
        "partition": 0,
        "first_offset": 0,
        "next_offset": 3,
        "rows": 2,
        "quarantined": [{"offset": 2, "error_class": "json_syntax"}],
        "without_row": [[2, 3]],
        "streams": [],
        "policies": [""],
        "occurred_at": ["2026-05-04T09:32:00.000000Z"] * 2,
    }


def test_a_segment_of_quarantined_records_alone_moves_the_position(path):
    """Where nothing can be stored there is no file, and still the partition goes on."""
    made = Segment("topic", 0, 0, 1, quarantined={0: "json_syntax"})
    lake = LakeWriter(path)
    lake.publish([made], NOW)

    assert lake.next_offsets("topic", [0]) == {0: 1}
    assert DeltaTable(path).file_uris() == []


def test_a_zombie_cannot_publish_what_another_owner_has_published(path):
    """Two consumers that both think they own a partition: the second is fenced and adds nothing."""
    first, zombie = LakeWriter(path), LakeWriter(path)
    first.publish([segment(0, 3)], NOW)

    with pytest.raises(
        Fenced, match="stands at offset 3 in the lake, and this consumer began at 0"
    ):
        zombie.publish([segment(0, 2)], NOW)
    assert len(stored(path)) == 3


def race(monkeypatch, slow: LakeWriter, fast: LakeWriter) -> None:
    """Let `fast` publish partition 0 after `slow` has written its file and before it commits."""
    write_file = slow._write_file

    def fast_is_first(segments, now):
        added = write_file(segments, now)
        fast.publish([segment(0, 3)], NOW)
        return added

    monkeypatch.setattr(slow, "_write_file", fast_is_first)


def test_a_zombie_that_races_the_commit_is_fenced_by_delta(path, monkeypatch):
    """Where the check came before the other's commit, the commit itself is refused."""
    zombie = LakeWriter(path)
    race(monkeypatch, zombie, LakeWriter(path))

    with pytest.raises(Fenced):
        zombie.publish([segment(0, 2)], NOW)
    assert len(stored(path)) == 3


def test_consumers_of_different_partitions_do_not_disturb_each_other(path, monkeypatch):
    """A commit that raced one of another partition is made all the same."""
    second = LakeWriter(path)
    race(monkeypatch, second, LakeWriter(path))
    second.publish([segment(0, 2, partition=1)], NOW)

    assert len(stored(path)) == 5


def test_a_skipped_offset_is_refused(path):
    """A segment that begins beyond where the lake stands would lose what lies between."""
    lake = LakeWriter(path)
    lake.publish([segment(0, 3)], NOW)

    with pytest.raises(Fenced):
        lake.publish([segment(4, 1)], NOW)


def test_file_directory_and_log_entry_are_synced_around_the_commit(path, monkeypatch):
    """The data file and its directories are synced before the commit, the log entry after it."""
    lake = LakeWriter(path)
    synced: list[tuple[str, int]] = []

    def noting(target: Path) -> None:
        fsync_path(target)
        synced.append((str(target.relative_to(path)), DeltaTable(path).version()))

    fsync_path = durable.fsync_path
    for module in (lake_store, delta, durable):
        monkeypatch.setattr(module, "fsync_path", noting)
    lake.publish([segment(0, 1)], NOW)

    names = [(re.sub(r"events-.*", "FILE", name), version) for name, version in synced]
    assert names == [
        (".", 0),
        ("ingest_date=2026-05-04/FILE", 0),
        ("ingest_date=2026-05-04", 0),
        ("_delta_log/00000000000000000001.json", 1),
        ("_delta_log", 1),
    ]


def test_files_have_page_checksums_and_statistics(path):
    """Other engines can prune by time, and a flipped bit in a page is noticed."""
    LakeWriter(path).publish([segment(0, 3)], NOW)
    (file,) = DeltaTable(path).file_uris()
    (action,) = pa.table(DeltaTable(path).get_add_actions(flatten=True)).to_pylist()

    assert action["num_records"] == 3
    assert action["min.occurred_at"] == action["max.occurred_at"] == NOW
    data = bytearray(Path(file).read_bytes())
    data[40] ^= 0x01
    Path(file).write_bytes(data)
    with pytest.raises(OSError, match="could not verify page integrity|CRC|checksum"):
        pq.read_table(file, page_checksum_verification=True)


def test_a_commit_that_was_made_but_reported_as_failed_is_recognised(path, monkeypatch):
    """After an unknown fate the lake is read again: it has the commit, so it is not made twice."""
    lake = LakeWriter(path)
    create = DeltaTable.create_write_transaction

    def reports_failure(*args, **kwargs):
        create(*args, **kwargs)
        raise OSError("connection reset")

    monkeypatch.setattr(DeltaTable, "create_write_transaction", reports_failure)
    lake.publish([segment(0, 2)], NOW)

    assert len(stored(path)) == 2


def test_a_commit_that_was_not_made_is_told_and_nothing_is_lost(path, monkeypatch):
    """Where the lake does not have the commit, publishing fails and can be done again."""
    lake = LakeWriter(path)
    with monkeypatch.context() as patched:
        patched.setattr(DeltaTable, "create_write_transaction", _no_space)
        with pytest.raises(CannotContinue, match="did not take a commit"):
            lake.publish([segment(0, 2)], NOW)
    assert lake.next_offsets("topic", [0]) == {}
    lake.publish([segment(0, 2)], NOW)

    assert len(stored(path)) == 2


def _no_space(*_args, **_kwargs):
    raise OSError(28, "No space left on device")


def test_a_disk_that_does_not_sync_the_log_entry_leaves_the_state_unknown(path, monkeypatch):
    """A commit that may not outlast a power cut must not count as done."""
    lake = LakeWriter(path)

    def failing(target: Path) -> None:
        if "_delta_log" in str(target):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(delta, "fsync_path", failing)
    with pytest.raises(StateUnknown, match="may not outlast a power cut"):
        lake.publish([segment(0, 1)], NOW)


def test_a_data_file_that_cannot_be_written_leaves_the_lake_as_it_was(path, monkeypatch):
    """A full disk stops publishing with one line, and no commit names the file."""
    lake = LakeWriter(path)
    monkeypatch.setattr(lake_module.pq, "write_table", _no_space)

    with pytest.raises(
        CannotContinue, match="cannot be written: No space left on device; make room"
    ):
        lake.publish([segment(0, 1)], NOW)
    assert DeltaTable(path).version() == 0


def test_a_lake_of_a_newer_major_version_is_not_touched(path):
    """A lake that a later version made is refused, by version and with what to do."""
    LakeWriter(path)
    _set_format(path, "2.0")

    with pytest.raises(
        CannotContinue, match=r"has format 2\.0 and this program knows 1\.0; install"
    ):
        LakeWriter(path)


def test_a_lake_of_a_newer_minor_version_is_used(path):
    """Minor versions only add."""
    LakeWriter(path)
    _set_format(path, "1.7")

    LakeWriter(path).publish([segment(0, 1)], NOW)


def test_a_delta_table_that_is_no_lake_is_not_touched(path):
    """Somebody else's table at this place is left alone."""
    DeltaTable.create(path, pa.schema([("a", pa.string())]))

    with pytest.raises(CannotContinue, match="is a Delta table but no Locard lake"):
        LakeWriter(path)


def _set_format(path: Path, version: str) -> None:
    DeltaTable(path).alter.set_table_properties(
        {"locard.format": version}, raise_if_not_exists=False
    )


def test_writing_an_unredacted_event_is_a_type_error(tmp_path):
    """The type checker refuses to put an `Event` where a `RedactedEvent` belongs."""
    root = Path(__file__).parents[1]
    snippet = tmp_path / "snippet.py"
    snippet.write_text(
        textwrap.dedent(
            """
            from locard.ingest.segments import Position, Row
            from locard.schema import Event

            def store(event: Event, position: Position) -> Row:
                return Row(position, event)
            """
        )
    )
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file",
        str(root / "pyproject.toml"),
        str(snippet),
    ]
    environment = {**os.environ, "MYPY_FORCE_COLOR": "0"}
    checked = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)

    assert checked.returncode == 1, checked.stdout + checked.stderr
    assert "RedactedEvent" in checked.stdout


def test_a_writer_lets_go_of_what_it_read(path, monkeypatch):
    """Now and then it opens the table anew behind a checkpoint, and goes on where it was."""
    monkeypatch.setattr(lake_module, "_REOPEN_EVERY", 5)
    lake = LakeWriter(path)
    tables = [lake._table]
    for offset in range(12):
        lake.publish([segment(offset, 1)], NOW)
        if lake._table is not tables[-1]:
            tables.append(lake._table)
    assert len(tables) == 3
    assert len(list((path / "_delta_log").glob("*.checkpoint.parquet"))) == 2
    assert lake.next_offsets("topic", [0]) == {0: 12}


def test_a_writer_that_cannot_write_a_checkpoint_goes_on(path, monkeypatch):
    """What it has published is there; a checkpoint only saves memory and time."""
    monkeypatch.setattr(lake_module, "_REOPEN_EVERY", 2)
    monkeypatch.setattr(DeltaTable, "create_checkpoint", _no_space)
    lake = LakeWriter(path)
    for offset in range(5):
        lake.publish([segment(offset, 1)], NOW)
    assert LakeWriter(path).next_offsets("topic", [0]) == {0: 5}
