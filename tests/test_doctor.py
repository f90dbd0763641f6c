"""The doctor: what a power cut leaves is found, told and repaired, and nothing else is touched."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from deltalake import DeltaTable
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from locard.cli.commands import locard
from locard.ingest.doctor import examine_files, examine_kafka, examine_log
from locard.ingest.doctor.commit_entry import fault_of
from locard.ingest.eventlog.embedded import EmbeddedWriter
from locard.ingest.eventlog.kafka_cluster import KafkaSettings, ensure_topic
from locard.ingest.lake import LakeWriter
from locard.ingest.segments import Segment
from locard.ingest.upkeep import live_files, optimize
from locard.query import connect
from locard.redaction import Keyring
from locard.schema import RetryableError
from test_upkeep import DAY, NEXT_DAY, numbers, publish


@pytest.fixture
def lake(tmp_path):
    """A lake of four files in a home."""
    path = tmp_path / "lake"
    writer = LakeWriter(path)
    for number in range(4):
        publish(writer, number * 5, 5)
    return path


def entry(lake, version):
    """Return the path of an entry of the Delta log."""
    return lake / "_delta_log" / f"{version:020}.json"


def doctor(home, *arguments):
    """Return the status of `locard doctor`, and what is not in order.

    That nobody seals these lakes is left out; `test_doctor_sealing.py` is about that.
    """
    done = CliRunner().invoke(
        locard,
        ["--home", str(home), "doctor", "--format", "jsonl", *arguments],
        standalone_mode=False,
    )
    assert done.exception is None, done.exception
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return done.return_value, [
        row for row in rows if row["level"] != "ok" and row["what"] != "transparency log"
    ]


CUTS = {
    "empty": lambda data: b"",
    "zeros": lambda data: bytes(len(data)),
    "cut": lambda data: data[: len(data) // 2],
    "cut in its last line": lambda data: data[:-5],
    "cut after its first line": lambda data: data.splitlines(keepends=True)[0],
    "without its position": lambda data: b"".join(data.splitlines(keepends=True)[:2]),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_a_damaged_newest_entry_is_told_and_moved_aside(lake, cut):
    """Its publish was never reported as done, so it is read and published again."""
    path = entry(lake, 4)
    path.write_bytes(cut(path.read_bytes()))

    status, (found, *_) = doctor(lake.parent)
    assert (status, found["level"], found["what"]) == (1, "wrong", path.name)
    assert path.exists()
    status, found = doctor(lake.parent, "--repair")
    assert (status, [(one["level"], one["what"]) for one in found]) == (
        0,
        [("repaired", path.name)],
    )
    assert [one.name for one in (lake / "_damaged").iterdir()] == [path.name]
    assert doctor(lake.parent) == (0, [])

    writer = LakeWriter(lake)
    assert writer.next_offsets("topic", [0]) == {0: 15}
    publish(writer, 15, 5)
    assert numbers(lake) == [(number,) for number in range(20)]


def test_several_damaged_entries_at_the_end_go_together(lake):
    """A disk may lose more than the last one."""
    for version in (3, 4):
        entry(lake, version).write_bytes(b"\0")
    _, found = doctor(lake.parent, "--repair")

    assert [one["what"][-6:-5] for one in found] == ["3", "4"]
    assert LakeWriter(lake).next_offsets("topic", [0]) == {0: 10}


def test_the_repair_is_in_the_record(lake):
    """Whoever reads the lake later sees that it was done, by whom and what it was about."""
    entry(lake, 4).write_bytes(b"")
    doctor(lake.parent, "--repair")
    home = ["--home", str(lake.parent)]
    assert CliRunner().invoke(locard, [*home, "consume", "--once"], standalone_mode=False)

    with connect(lake) as opened:
        (row,) = opened.sql(
            "SELECT principal, targets FROM events WHERE custody_action = 'repair'"
        ).fetchall()
    assert row[0].startswith("os:")
    assert entry(lake, 4).name in row[1]


def test_a_damaged_entry_that_others_follow_is_never_touched(lake):
    """Rows of later commits stand on it: it has to come from a copy."""
    before = entry(lake, 3).read_bytes()
    entry(lake, 3).write_bytes(before[:100])
    status, found = doctor(lake.parent, "--repair")

    assert status == 1
    assert ("wrong", entry(lake, 3).name) in [(one["level"], one["what"]) for one in found]
    assert entry(lake, 3).read_bytes() == before[:100]


def test_an_entry_that_says_nothing_and_was_passed_over_is_no_loss(lake):
    """delta-rs reads an empty entry as a commit of nothing, and others have followed it."""
    entry(lake, 4).write_bytes(b"")
    writer = LakeWriter(lake)
    assert writer.next_offsets("topic", [0]) == {0: 15}
    publish(writer, 15, 5)

    status, (found,) = doctor(lake.parent)
    assert (status, found["level"]) == (0, "warning")
    assert numbers(lake) == [(number,) for number in range(20)]


def test_a_missing_entry_is_told(lake):
    """Nothing may be guessed about it."""
    entry(lake, 2).unlink()
    status, found = doctor(lake.parent)

    assert status == 1
    assert any("entries 2 to 2 are missing" in one["told"] for one in found)


@pytest.mark.parametrize("victim", ["checkpoint", "pointer", "both"])
def test_a_damaged_checkpoint_is_moved_aside(lake, victim):
    """The log has all its entries, so it is only slower to open."""
    DeltaTable(lake).create_checkpoint()
    log = lake / "_delta_log"
    for path in (log / f"{4:020}.checkpoint.parquet", log / "_last_checkpoint"):
        if victim == "both" or (victim == "pointer") == (path.name == "_last_checkpoint"):
            path.write_bytes(path.read_bytes()[:40])
    assert doctor(lake.parent)[0] == 1
    status, found = doctor(lake.parent, "--repair")

    assert status == 0
    assert found
    assert doctor(lake.parent) == (0, [])
    assert len(numbers(lake)) == 20


def test_damaged_and_missing_files_are_named(lake):
    """Each with what is wrong; nothing about the others is hidden by it."""
    first, second, third, _ = (lake / file.path for file in live_files(DeltaTable(lake)))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-10])
    data = bytearray(third.read_bytes())
    data[40] ^= 1
    third.write_bytes(data)

    told = {one.what.split("/")[-1]: one for one in examine_files(lake, repair=False, deep=False)}
    assert told[first.name].told == "is not there"
    assert "bytes and the log says" in told[second.name].told
    assert third.name not in told
    told = {one.what.split("/")[-1]: one for one in examine_files(lake, repair=False, deep=True)}
    assert told[third.name].told == "cannot be read (OSError)"


def test_what_a_killed_upkeep_left_is_removed_and_a_running_one_keeps_its_own(lake):
    """Files that DuckDB spills belong to nobody once their process is gone."""
    spilled = lake / "_upkeep" / "a" / "b"
    spilled.parent.mkdir(parents=True)
    spilled.write_bytes(b"x")
    _, (found,) = doctor(lake.parent)
    assert found["level"] == "warning"
    doctor(lake.parent, "--repair")

    assert doctor(lake.parent) == (0, [])
    assert not spilled.exists()


def test_no_repair_while_others_are_between_a_file_and_its_commit(lake, monkeypatch):
    """The entry that they are about to write would come after one that is moved away."""
    monkeypatch.setattr("locard.ingest.doctor.lake_log._SECONDS_TO_WAIT", 0.0)
    from locard.ingest.delta import files_being_added

    entry(lake, 4).write_bytes(b"")
    with files_being_added(lake), pytest.raises(RetryableError, match="has been busy"):
        list(examine_log(lake, repair=True))
    assert entry(lake, 4).exists()


def test_whole_entries_of_every_kind_are_whole(lake):
    """Of publishes, of rewrites, of vacuum and of other programs."""
    optimize(lake, NEXT_DAY)
    DeltaTable(lake).vacuum(0, dry_run=False, enforce_retention_duration=False)
    publish(LakeWriter(lake), 20, 1, DAY + timedelta(days=2))

    assert {fault_of(path.read_bytes()) for path in (lake / "_delta_log").glob("*.json")} == {None}
    assert [one.level for one in examine_log(lake, repair=False)] == ["ok"]


def test_a_rewrite_that_lost_a_line_is_partial(lake):
    """Its files would be there twice, or not at all."""
    optimize(lake, NEXT_DAY)
    lines = entry(lake, 5).read_bytes().splitlines(keepends=True)

    assert fault_of(b"".join(lines)) is None
    for left_out in range(len(lines)):
        kept = b"".join(line for n, line in enumerate(lines) if n != left_out)
        if b'"add"' in lines[left_out] or b'"remove"' in lines[left_out]:
            assert fault_of(kept) == "partial"


def test_an_installation_without_anything_is_in_order(tmp_path):
    """Before the first start there is nothing to find, and nothing is made."""
    assert doctor(tmp_path / "home") == (0, [])
    assert not (tmp_path / "home").exists()


def test_a_log_that_ends_before_the_lake_is_told(tmp_path):
    """It was restored from an older copy, or belongs to another lake."""
    log = EmbeddedWriter(tmp_path / "log.sqlite")
    topic_id = log.topic_id
    log.close()
    writer = LakeWriter(tmp_path / "lake")
    writer.publish([Segment(topic_id, 0, 0, 7)], DAY)
    status, (found,) = doctor(tmp_path)

    assert status == 1
    assert "the log ends at 0" in found["told"]


def test_records_that_left_the_log_unread_are_told(tmp_path):
    """Before the consumer meets the gap."""
    EmbeddedWriter(tmp_path / "log.sqlite").close()
    with sqlite3.connect(tmp_path / "log.sqlite") as connection:
        connection.execute("UPDATE partitions SET begin_offset = 5, end_offset = 9")
    connection.close()
    LakeWriter(tmp_path / "lake")
    status, found = doctor(tmp_path)

    assert (status, {one["level"] for one in found}) == (0, {"warning"})
    assert "records 0 to 4 left the log unread" in found[0]["told"]


def test_a_damaged_event_log_is_told(tmp_path):
    """And nothing is written to it."""
    path = tmp_path / "log.sqlite"
    path.write_bytes(b"no database at all" * 100)
    status, (found,) = doctor(tmp_path)

    assert (status, found["what"]) == (1, "event log")
    assert path.read_bytes().startswith(b"no database")


def test_keys_that_are_lost_or_open_to_others_are_told(tmp_path):
    """Both before they matter."""
    ring = Keyring.open_or_create(tmp_path / "keys")
    (ring.directory / "pseudonym-k1").chmod(0o644)
    _, (found,) = doctor(tmp_path)
    assert "mode 644" in found["told"]
    (ring.directory / "pseudonym-k1").unlink()
    status, (found,) = doctor(tmp_path)
    assert (status, found["what"]) == (1, "keys")


def test_a_clock_that_is_behind_is_told(lake):
    """Days and ages would be wrong."""
    future = datetime.now(UTC).timestamp() + 3600
    os.utime(entry(lake, 4), (future, future))
    status, (found,) = doctor(lake.parent)

    assert (status, found["what"]) == (1, "clock")


@pytest.mark.kafka
def test_a_topic_is_looked_over_with_its_settings_and_positions(tmp_path, kafka_bootstrap):
    """What makes events vanish is wrong; a topic that Locard made itself is in order."""
    name = f"doctor.{tmp_path.name}"
    settings = KafkaSettings(kafka_bootstrap, topic=name, group=name, partitions=2)
    lake = tmp_path / "lake"
    (found,) = examine_kafka(settings, lake)
    assert (found.level, "is made when" in found.told) == ("ok", True)

    topic_id = ensure_topic(settings)
    LakeWriter(lake).publish([Segment(topic_id, 1, 0, 7)], DAY)
    assert [one.level for one in examine_kafka(settings, lake)] == ["ok", "wrong"]
    with closing(KafkaAdminClient(bootstrap_servers=kafka_bootstrap)) as admin:
        changed = {"cleanup.policy": "compact", "retention.ms": "60000", "max.message.bytes": "9"}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, changed)])
    told = [(one.level, one.told.split(":")[0]) for one in examine_kafka(settings, lake)]
    assert ("wrong", "cleanup.policy is compact") in told
    assert ("warning", "max.message.bytes is 9") in told
    assert ("warning", "keeps records for 0") in told


def test_a_broker_that_does_not_answer_is_told(tmp_path):
    """In one line, after the configured time."""
    settings = KafkaSettings("127.0.0.1:9", seconds_to_answer=0.5)
    (found,) = examine_kafka(settings, tmp_path / "lake")

    assert (found.level, found.what) == ("wrong", "event log")
    assert "did not answer" in found.told
