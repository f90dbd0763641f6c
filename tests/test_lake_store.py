"""A lake on a disk and a lake in a bucket do the same: one suite for both, and what differs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from locard.cli.commands import locard
from locard.ingest import doctor
from locard.ingest.batch import BatchLimits
from locard.ingest.checkpoints import checkpoint, last_checkpoint
from locard.ingest.consumer import Consumer
from locard.ingest.eventlog import outgoing
from locard.ingest.eventlog.embedded import EmbeddedReader, EmbeddedWriter
from locard.ingest.lake import LakeWriter
from locard.ingest.lake_store import data_files, has_lake, lake_store
from locard.ingest.quarantine import Quarantine
from locard.ingest.retention import Holds, Retention, RetentionPolicy
from locard.ingest.segments import Position, Row, Segment
from locard.ingest.upkeep import FileSizes, lake_stats, open_lake, optimize, vacuum
from locard.query import connect
from locard.query.lake import confine
from locard.redaction import Keyring, RedactionPool
from locard.schema import (
    BucketPlace,
    CannotContinue,
    Fenced,
    RetryableError,
    event_json,
    lake_place,
)
from making import custodian, event, redacted
from redactors import FaultyRedactor

DAY = datetime(2026, 5, 4, 9, tzinfo=UTC)
LATER = DAY + timedelta(days=2)
AGES_LATER = DAY + timedelta(days=400)


@pytest.fixture(params=["disk", "bucket"])
def place(request, tmp_path):
    """Where a lake can be."""
    return tmp_path / "lake" if request.param == "disk" else request.getfixturevalue("bucket")


def segment(first: int, count: int) -> Segment:
    """Return a segment of so many events from an offset on."""
    made = Segment("topic", 0, first, first)
    for offset in range(first, first + count):
        body = {"outcome": "ok", "result": f"result {offset}"}
        told = event("tool_result", body, seq=offset, collector_id="c", session_id=f"s{offset % 2}")
        made.rows.append(Row(Position("topic", 0, offset), redacted(told)))
        made.advance(made.rows[-1].position)
    return made


def filled(place, files: int = 4) -> LakeWriter:
    """Publish files of three events each."""
    lake = LakeWriter(place)
    for number in range(files):
        lake.publish([segment(number * 3, 3)], DAY)
    return lake


def numbers(place) -> list[int]:
    """Return what the lake has."""
    with connect(place) as lake:
        return [seq for (seq,) in lake.sql("SELECT seq FROM lake_rows ORDER BY seq").fetchall()]


def test_what_is_published_can_be_asked_for(place):
    """Rows and positions are there for whoever opens the lake next, and for nobody before."""
    assert not has_lake(place)
    filled(place)
    assert has_lake(place)
    assert numbers(place) == list(range(12))
    assert LakeWriter(place).next_offsets("topic", [0, 1]) == {0: 12}


def test_a_zombie_and_a_racer_are_refused(place, monkeypatch):
    """Who starts elsewhere than where the lake stands publishes nothing, before or in a race."""
    lake, late = filled(place), LakeWriter(place)
    with pytest.raises(Fenced):
        LakeWriter(place).publish([segment(3, 3)], DAY)
    write = late._write_file

    def overtaken(segments, now):
        lake.publish([segment(12, 1)], DAY)
        return write(segments, now)

    monkeypatch.setattr(late, "_write_file", overtaken)
    with pytest.raises(Fenced):
        late.publish([segment(12, 3)], DAY)
    assert numbers(place) == list(range(13))


def test_upkeep_keeps_each_row(place):
    """Closed days become one sorted file, and a checkpoint can be written and found."""
    filled(place)
    report = optimize(place, LATER, FileSizes(fewest=2))
    assert [(one.files_before, one.files_after, one.rows) for one in report.rewritten] == [
        (4, 1, 12)
    ]
    assert numbers(place) == list(range(12))
    stats = lake_stats(open_lake(place), place)
    assert (stats.files, stats.rows, stats.unused_files) == (1, 12, 4)
    assert checkpoint(open_lake(place), lake_store(place), 1)
    assert last_checkpoint(lake_store(place)) == open_lake(place).version()


def test_vacuum_leaves_what_may_be_in_the_making(place):
    """On a disk a lock says what is; in a bucket whatever is younger than an hour may be."""
    filled(place)
    optimize(place, LATER, FileSizes(fewest=2))
    removed = vacuum(open_lake(place), place, timedelta(0))
    assert len(removed) == (0 if isinstance(place, BucketPlace) else 4)
    assert len(data_files(lake_store(place))) == (5 if isinstance(place, BucketPlace) else 1)
    assert numbers(place) == list(range(12))


def test_what_is_over_expires(place, tmp_path):
    """Retention and holds do not care where the lake is."""
    filled(place)
    holds = Holds(tmp_path / "holds.json")
    holds.add("anna", "case 7", DAY, sessions=["s1"])
    policy = RetentionPolicy.model_validate({"default": {"payload_days": 183}})
    (done,) = Retention(place, policy, holds, custodian(), tmp_path).run(AGES_LATER)
    assert (done.payloads, done.held) == (6, 6)
    with connect(place) as lake:
        kept = lake.sql("SELECT seq FROM lake_rows WHERE result IS NOT NULL ORDER BY 1").fetchall()
    assert kept == [(number,) for number in range(1, 12, 2)]


def test_the_doctor_finds_a_file_that_is_gone(place):
    """And says that all is well before."""
    filled(place)
    assert {one.level for one in doctor.examine_files(place, repair=False, deep=True)} <= {"ok"}
    assert {one.level for one in doctor.examine_clock(place)} == {"ok"}
    store = lake_store(place)
    lost = min(data_files(store))
    store.files.delete_file(lost)
    (found,) = [
        one for one in doctor.examine_files(place, repair=False, deep=False) if one.level != "ok"
    ]
    assert (found.what, found.told) == (lost, "is not there")


def test_a_confined_statement_reads_the_lake_and_no_other_file(place):
    """What is beside the lake's own files stays shut."""
    filled(place)
    path = next(iter(data_files(lake_store(place))))
    other = path.replace("events-", "other-")
    store = lake_store(place)
    store.files.copy_file(path, other)
    with connect(place) as lake:
        confine(lake)
        assert lake.sql("SELECT count(*) FROM lake_rows").fetchall() == [(12,)]
        with pytest.raises(Exception, match="disabled"):
            lake.sql(f"SELECT * FROM read_parquet('{place}/{other}')").fetchall()  # noqa: S608


def test_the_command_line_works_on_a_bucket(bucket, tmp_path, monkeypatch):
    """Import, consume, ask, upkeep and doctor, with the place from the configuration."""
    runs = tmp_path / "runs.jsonl"
    runs.write_text(json.dumps({"run_id": "r", "messages": [{"role": "user", "content": "hello"}]}))
    monkeypatch.setenv("LOCARD_LAKE", bucket.uri)
    monkeypatch.setenv("LOCARD_S3_ENDPOINT", str(bucket.endpoint))
    monkeypatch.setenv("LOCARD_S3_REGION", bucket.region)

    def run(*arguments: str) -> str:
        home = ["--home", str(tmp_path / "home")]
        told = CliRunner().invoke(locard, [*home, *arguments], standalone_mode=False)
        assert told.exception is None, told.output
        return told.output

    run("import", "openai-messages", str(runs))
    assert "hello" in run("timeline", "--session", "r")
    run("lake", "upkeep")
    assert "lake" in run("doctor")
    assert not (tmp_path / "home" / "lake").exists()


def test_a_store_that_is_away_for_a_while_costs_nothing(bucket_behind_proxy, tmp_path):
    """The consumer tries again until it is back, and each event is there once."""
    bucket, proxy = bucket_behind_proxy
    events = [event(seq=number, collector_id="c") for number in range(30)]
    log = tmp_path / "log.sqlite"
    writer = EmbeddedWriter(log)
    writer.append([outgoing(one, event_json(one)) for one in events])
    writer.close()
    keyring = Keyring.open_or_create(tmp_path / "keys")
    quarantine = Quarantine(tmp_path / "quarantine", keyring.quarantine_public_key())
    lake = LakeWriter(bucket)
    waits = []

    def back_again(seconds):
        waits.append(seconds)
        proxy.mend()

    reader = EmbeddedReader(log)
    with RedactionPool(FaultyRedactor) as pool:
        consumer = Consumer(
            reader, pool, lake, quarantine, limits=BatchLimits(rows=10), pause=back_again
        )

        def is_done():
            if not waits:
                proxy.cut()
            return sum(consumer._starts.values()) >= 30

        consumer.run(is_done)
    reader.close()

    assert waits
    assert numbers(bucket) == list(range(30))


def test_a_commit_that_was_made_counts_although_the_store_is_away_then(
    bucket_behind_proxy, monkeypatch
):
    """Publishing again would find the place taken, and stop the consumer for nothing."""
    bucket, proxy = bucket_behind_proxy
    lake = filled(bucket)
    commit = lake._commit

    def commit_and_cut(*told):
        commit(*told)
        proxy.cut()

    monkeypatch.setattr(lake, "_commit", commit_and_cut)
    lake.publish([segment(12, 3)], DAY)
    proxy.mend()
    monkeypatch.setattr(lake, "_commit", commit)
    lake.publish([segment(15, 3)], DAY)
    assert numbers(bucket) == list(range(18))


def test_a_store_that_is_away_is_told_in_one_line(bucket_behind_proxy):
    """Whoever asks, opens or tidies up hears what is wrong."""
    bucket, proxy = bucket_behind_proxy
    lake = filled(bucket)
    proxy.cut()
    with pytest.raises(RetryableError, match="object store"):
        lake.publish([segment(12, 3)], DAY)
    with pytest.raises(RetryableError, match="cannot be reached"):
        has_lake(bucket)
    for wanted in (connect, LakeWriter, open_lake):
        with pytest.raises(CannotContinue, match="evidence"):
            wanted(bucket)


PLACES = {
    "/var/lake": None,
    "lake": None,
    "s3://bucket/lake": "s3://bucket/lake",
    "s3://bucket/a/b/": "s3://bucket/a/b",
}


@pytest.mark.parametrize(("told", "uri"), PLACES.items())
def test_a_place_is_a_directory_or_a_bucket(told, uri):
    """And what begins like a bucket and is none is refused."""
    place = lake_place(told)
    assert str(place) == (uri or told)
    assert isinstance(place, BucketPlace) == bool(uri)


@pytest.mark.parametrize("told", ["s3://", "s3://bucket", "s3://bucket/", "s3://B_cket/lake"])
def test_half_a_bucket_is_refused(told):
    """A lake at the root of a bucket would take everything in it for its own."""
    with pytest.raises(CannotContinue, match="s3://BUCKET/PREFIX"):
        lake_place(told)
