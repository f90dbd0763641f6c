"""Upkeep: fewer and sorted files with the same rows, whoever reads, writes or kills meanwhile."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from locard.ingest import lake_store as lake_store_module
from locard.ingest.checkpoints import last_checkpoint
from locard.ingest.lake import LakeWriter
from locard.ingest.lake_store import DiskStore
from locard.ingest.segments import Position, Row, Segment
from locard.ingest.upkeep import (
    FileSizes,
    LakeFile,
    Rewriter,
    live_files,
    optimize,
    plan,
    row_files,
    sorting,
    upkeep,
    vacuum,
)
from locard.ingest.upkeep import rewriting as rewriting_module
from locard.query import connect
from locard.schema import CannotContinue, RetryableError
from making import event, redacted

DAY = datetime(2026, 5, 4, 9, 32, tzinfo=UTC)
NEXT_DAY = DAY + timedelta(days=1)
NO_GRACE = timedelta(0)
ALWAYS = FileSizes(fewest=2)


def publish(lake: LakeWriter, first: int, count: int, now: datetime = DAY, sessions: int = 3):
    """Publish so many events from an offset on; sessions by turns, times going backwards."""
    made = Segment("topic", 0, first, first)
    for offset in range(first, first + count):
        core = {
            "session_id": f"s{offset % sessions}",
            "occurred_at": f"2026-05-04T09:{59 - offset % 60:02}:00Z",
            "seq": offset,
            "collector_id": "c",
        }
        position = Position("topic", 0, offset)
        made.rows.append(Row(position, redacted(event(**core))))
        made.advance(position)
    lake.publish([made], now)


def rows(path) -> list[tuple]:
    """Return all rows of the lake's table, in an order of their own."""
    with connect(path) as lake:
        return lake.sql("SELECT * FROM lake_rows ORDER BY log_offset").fetchall()


def files(path) -> list[LakeFile]:
    """Return the lake's files."""
    return live_files(DeltaTable(path))


@pytest.fixture
def path(tmp_path):
    """A lake of ten files of one day."""
    path = tmp_path / "lake"
    lake = LakeWriter(path)
    for number in range(10):
        publish(lake, number * 5, 5)
    return path


def test_a_day_that_is_over_becomes_one_file_sorted_by_session_and_time(path):
    """With the same rows, and what each says of its place in the log."""
    before = rows(path)
    (done,) = optimize(path, NEXT_DAY).rewritten

    assert (done.files_before, done.files_after, done.rows) == (10, 1, 50)
    assert rows(path) == before
    (file,) = files(path)
    table = pq.read_table(path / file.path, partitioning=None)
    keys = list(zip(*(table[n].to_pylist() for n in ("session_id", "occurred_at")), strict=True))
    assert keys == sorted(keys)
    assert file.is_sorted


def test_the_new_file_has_the_types_statistics_and_checksums_of_a_published_one(path):
    """Engines that prune by time or session still can; the columns are the same."""
    published = pq.read_schema(path / files(path)[0].path)
    optimize(path, NEXT_DAY)
    (file,) = files(path)
    (action,) = pa.table(DeltaTable(path).get_add_actions(flatten=True)).to_pylist()

    assert pq.read_schema(path / file.path).remove_metadata() == published.remove_metadata()
    assert (action["num_records"], action["min.session_id"], action["max.session_id"]) == (
        50,
        "s0",
        "s2",
    )
    data = bytearray((path / file.path).read_bytes())
    data[40] ^= 1
    (path / file.path).write_bytes(data)
    with pytest.raises(OSError, match="could not verify page integrity|CRC|checksum"):
        pq.read_table(path / file.path, partitioning=None, page_checksum_verification=True)


def test_upkeep_that_has_nothing_to_do_does_nothing(path):
    """A second run makes no commit, so it can run as often as anybody likes."""
    optimize(path, NEXT_DAY)
    version = DeltaTable(path).version()

    assert optimize(path, NEXT_DAY).rewritten == []
    assert DeltaTable(path).version() == version


def test_small_files_of_today_are_merged_and_sorted_when_the_day_is_over(path):
    """Today's rows can be read in few files; the merged one does not count as sorted."""
    before = rows(path)
    optimize(path, DAY)
    (merged,) = files(path)
    assert not merged.is_sorted
    optimize(path, NEXT_DAY)

    assert [file.is_sorted for file in files(path)] == [True]
    assert rows(path) == before


def test_a_file_that_comes_late_to_a_closed_day_is_sorted_in(path):
    """A publish that began before midnight and ended after upkeep."""
    optimize(path, NEXT_DAY)
    publish(LakeWriter(path), 50, 5)
    optimize(path, NEXT_DAY)

    assert [(file.is_sorted, file.rows) for file in files(path)] == [(True, 55)]


@pytest.mark.parametrize("length", [200, 4_000], ids=["small rows", "large rows"])
def test_what_does_not_fit_into_memory_goes_to_the_disk_and_leaves_it(
    tmp_path, monkeypatch, length
):
    """A day is sorted within a bound on memory; nothing of that stays behind."""
    path = tmp_path / "lake"
    lake = LakeWriter(path)
    chance = random.Random(3)  # noqa: S311 - texts, not secrets
    for number in range(16):
        made = Segment("topic", 0, number * 1000, number * 1000)
        for offset in range(number * 1000, (number + 1) * 1000):
            body = {"outcome": "ok", "result": chance.randbytes(length).hex()}
            session = None if offset % 50 == 0 else f"s{chance.randrange(3000):04}"
            told = event("tool_result", body, seq=offset, session_id=session)
            made.rows.append(Row(Position("topic", 0, offset), redacted(told)))
            made.advance(made.rows[-1].position)
        lake.publish([made], DAY)
    table = DeltaTable(path)
    (wanted,) = plan(live_files(table), NEXT_DAY.date())
    deal_out, dealt = sorting._dealt_out, []
    monkeypatch.setattr(sorting, "_dealt_out", lambda *told: dealt.append(1) or deal_out(*told))

    assert Rewriter(path, memory=190_000_000).rewrite(table, wanted).rows == 16_000
    assert bool(dealt) == (length > 1_000)  # where DuckDB alone cannot
    assert list((path / "_upkeep").iterdir()) == []
    assert numbers(path) == [(number,) for number in range(16_000)]
    (file,) = files(path)
    sessions = pq.read_table(path / file.path, columns=["session_id"])["session_id"].to_pylist()
    assert sessions == sorted(sessions, key=lambda name: (name is None, name))
    assert sessions.count(None) == 320


def test_large_days_become_several_files_in_one_order(path, monkeypatch):
    """A file is closed when it is large enough; sessions lie in one or two of them."""
    monkeypatch.setattr(sorting, "_ROWS_AT_ONCE", 10)
    monkeypatch.setattr(row_files, "ROWS_IN_GROUP", 10)
    before = rows(path)
    optimize(path, NEXT_DAY, FileSizes(target=1))

    assert len(files(path)) == 5
    assert rows(path) == before
    optimize(path, NEXT_DAY, FileSizes(target=1))
    assert len(files(path)) == 5, "what is sorted and large enough is left alone"


def test_consumers_publish_while_files_are_written_anew(path, monkeypatch):
    """Neither disturbs the other; positions stay where the consumer has them."""
    lake = LakeWriter(path)
    write = Rewriter._write

    def published_meanwhile(self, *arguments):
        added = write(self, *arguments)
        publish(lake, 50, 5, NEXT_DAY)
        return added

    monkeypatch.setattr(Rewriter, "_write", published_meanwhile)
    optimize(path, NEXT_DAY)
    publish(lake, 55, 5, NEXT_DAY)

    assert [row[0] for row in numbers(path)] == list(range(60))
    assert lake.next_offsets("topic", [0]) == {0: 60}


def numbers(path):
    """Return the numbers of all rows."""
    with connect(path) as lake:
        return lake.sql("SELECT seq FROM lake_rows ORDER BY seq").fetchall()


def test_of_two_upkeeps_at_once_one_is_refused(path, monkeypatch):
    """delta-rs would take both, and every row would be there twice."""
    write = Rewriter._write
    monkeypatch.setattr(
        Rewriter,
        "_write",
        lambda self, *arguments: (
            monkeypatch.undo(),
            optimize(path, NEXT_DAY),
            write(self, *arguments),
        )[2],
    )
    with pytest.raises(RetryableError, match="another upkeep was at work"):
        optimize(path, NEXT_DAY)

    assert len(numbers(path)) == 50
    assert [file.name for file in path.glob("*/sorted-*")] == [files(path)[0].path.split("/")[1]]


def test_a_plan_that_is_out_of_date_is_refused(path):
    """Also where the table has been read again since, so that Delta would see no conflict."""
    table = DeltaTable(path)
    (wanted,) = plan(live_files(table), NEXT_DAY.date())
    optimize(path, NEXT_DAY)
    table.update_incremental()

    with pytest.raises(RetryableError):
        Rewriter(path).rewrite(table, wanted)
    assert len(numbers(path)) == 50


def test_a_commit_that_was_made_but_reported_as_failed_is_recognised(path, monkeypatch):
    """Its files are the lake now, so they are not removed."""
    create = DeltaTable.create_write_transaction

    def reports_failure(*args, **kwargs):
        create(*args, **kwargs)
        raise OSError("connection reset")

    monkeypatch.setattr(DeltaTable, "create_write_transaction", reports_failure)
    optimize(path, NEXT_DAY)

    assert len(files(path)) == 1
    assert len(numbers(path)) == 50


def _no_space(*_args, **_kwargs):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    "where",
    ["DeltaTable.create_write_transaction", "lake_store.fsync_path", "rewriting.write_rows"],
)
def test_a_full_disk_leaves_the_lake_as_it_was_and_no_file_behind(path, monkeypatch, where):
    """One line says what to do, and afterwards the same run succeeds."""
    before = sorted(path.rglob("*.parquet"))
    owners = {
        "DeltaTable": DeltaTable,
        "rewriting": rewriting_module,
        "lake_store": lake_store_module,
    }
    owner, name = where.split(".")
    with monkeypatch.context() as patched:
        patched.setattr(owners[owner], name, _no_space)
        with pytest.raises(CannotContinue, match="could not be written anew: No space left"):
            optimize(path, NEXT_DAY)
    assert sorted(path.rglob("*.parquet")) == before
    assert not list((path / "_upkeep").glob("*"))
    optimize(path, NEXT_DAY)
    assert len(numbers(path)) == 50


def _without_first(table):
    return table.slice(1)


def _with_other_text(table):
    changed = ["{}", *table["extensions"].to_pylist()[1:]]
    return table.set_column(
        table.column_names.index("extensions"), "extensions", pa.array(changed, pa.string())
    )


def _with_one_twice(table):
    return pa.concat_tables([table.slice(0, 1), table.slice(0, 1), table.slice(2)])


@pytest.mark.parametrize("change", [_without_first, _with_other_text, _with_one_twice])
def test_a_row_that_changed_on_the_way_stops_the_rewrite(path, monkeypatch, change):
    """What was written is read back before the old files may go."""
    write = rewriting_module.write_rows

    def changing(target, first, following, size):
        return write(target, change(first), following, size)

    monkeypatch.setattr(rewriting_module, "write_rows", changing)
    with pytest.raises(CannotContinue, match="rows of 2026-05-04 changed"):
        optimize(path, NEXT_DAY)
    assert len(files(path)) == 10


def test_a_file_that_was_cut_short_is_not_written_anew(path):
    """Upkeep must not turn damage into the truth."""
    victim = path / files(path)[3].path
    victim.write_bytes(victim.read_bytes()[:-20])

    with pytest.raises(CannotContinue, match="could not be written anew"):
        optimize(path, NEXT_DAY)
    assert len(files(path)) == 10


def test_vacuum_removes_old_files_and_orphans_after_the_grace_and_nothing_else(path):
    """What the lake consists of stays; so does what a running reader may still need."""
    optimize(path, NEXT_DAY)
    orphan = path / "ingest_date=2026-05-04" / "events-orphan.parquet"
    orphan.write_bytes(b"cut")

    assert vacuum(DeltaTable(path), path, timedelta(hours=1)) == []
    assert len(vacuum(DeltaTable(path), path, NO_GRACE)) == 11
    assert [file.name for file in path.glob("*/*.parquet")] == [files(path)[0].path.split("/")[1]]
    assert len(numbers(path)) == 50


def test_a_file_that_is_being_added_is_no_orphan_however_old(path, monkeypatch):
    """A consumer that was stopped for days between its file and its commit loses nothing."""
    lake = LakeWriter(path)
    write = lake._write_file

    def slept(*arguments):
        added = write(*arguments)
        (file,) = set(path.rglob("*.parquet")) - known
        os.utime(file, (0, 0))
        monkeypatch.setattr("locard.ingest.upkeep.space._SECONDS_TO_WAIT", 0.0)
        with pytest.raises(RetryableError, match="has been busy"):
            vacuum(DeltaTable(path), path, NO_GRACE)
        return added

    known = set(path.rglob("*.parquet"))
    monkeypatch.setattr(lake, "_write_file", slept)
    publish(lake, 50, 5)

    assert len(numbers(path)) == 55


def test_a_reader_that_began_before_upkeep_ends_well(path):
    """Its files stay for the grace, also when they are no longer the lake's."""
    with connect(path) as reader:
        upkeep(path, NEXT_DAY, timedelta(hours=24))
        assert len(reader.sql("SELECT * FROM events").fetchall()) == 50


def test_a_checkpoint_is_written_when_the_log_has_grown(path, monkeypatch):
    """And the lake opens from it."""
    monkeypatch.setattr("locard.ingest.upkeep.run._CHECKPOINT_EVERY", 5)

    assert last_checkpoint(DiskStore(path)) == -1
    assert optimize(path, NEXT_DAY).has_checkpoint
    assert last_checkpoint(DiskStore(path)) == DeltaTable(path).version()
    assert not optimize(path, NEXT_DAY).has_checkpoint
    assert len(numbers(path)) == 50
    lake = LakeWriter(path)
    assert lake.next_offsets("topic", [0]) == {0: 50}


_KILLED = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from locard.ingest.upkeep import FileSizes, upkeep
print("ready", flush=True)
upkeep(Path(sys.argv[1]), datetime(2026, 5, 5, 12, tzinfo=UTC), timedelta(0), FileSizes(fewest=2))
"""


@pytest.mark.parametrize("seed", range(6))
def test_upkeep_that_is_killed_at_any_moment_leaves_the_lake_whole(path, seed):
    """Every row is there once, and the next run finishes the work and removes what was left."""
    chance = random.Random(seed)  # noqa: S311 - a fixed choice
    command = [sys.executable, "-c", textwrap.dedent(_KILLED), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        try:
            process.wait(chance.uniform(0, 0.12))
        except subprocess.TimeoutExpired:
            process.kill()
    assert [row[0] for row in numbers(path)] == list(range(50))
    upkeep(path, NEXT_DAY, NO_GRACE)

    assert [row[0] for row in numbers(path)] == list(range(50))
    assert [file.name for file in path.glob("*/*.parquet")] == [files(path)[0].path.split("/")[1]]


STEPS = st.lists(st.sampled_from("pppomvrc"), min_size=1, max_size=14)


@given(STEPS)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_readers_never_see_a_row_twice_or_miss_one(tmp_path_factory, steps):
    """Publishes, merges, sorting, vacuum and readers in any order: each sees its moment."""
    path = tmp_path_factory.mktemp("interleaved") / "lake"
    lake = LakeWriter(path)
    count = 0
    readers = []
    for step in steps:
        match step:
            case "p":
                publish(lake, count, 3)
                count += 3
            case "o":
                optimize(path, NEXT_DAY, ALWAYS)
            case "m":
                optimize(path, DAY, ALWAYS)
            case "v":
                vacuum(DeltaTable(path), path, timedelta(hours=24))
            case "c":
                DeltaTable(path).create_checkpoint()
            case "r":
                readers.append((connect(path), count))
        for reader, seen in (*readers, (connect(path), count)):
            found = reader.sql("SELECT seq FROM lake_rows ORDER BY seq").fetchall()
            assert found == [(number,) for number in range(seen)]
    for reader, _ in readers:
        reader.close()


SIZES = st.integers(1, 400)
NAMES = st.sampled_from(["events-", "merged-", "sorted-"])


@given(st.lists(st.tuples(NAMES, SIZES, st.integers(1, 3)), max_size=20))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_a_plan_names_each_file_once_and_is_never_for_one_sorted_file_alone(made):
    """It never mixes days, and after it is done there is nothing more to plan."""
    listed = [
        LakeFile(f"{name}{number}.parquet", date(2026, 5, day), size, 1)
        for number, (name, size, day) in enumerate(made)
    ]
    sizes = FileSizes(small=50, fewest=3, target=200, at_once=500)
    planned = plan(listed, date(2026, 5, 3), sizes)
    named = [file for one in planned for file in one.files]

    assert len(named) == len(set(named))
    for one in planned:
        assert {file.day for file in one.files} == {one.day}
        assert one.is_closed == (one.day < date(2026, 5, 3))
    unsorted = {file for file in listed if file.day < date(2026, 5, 3) and not file.is_sorted}
    assert unsorted <= set(named)
