"""What happens in honest operation. None of it may alarm anybody."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest
from deltalake import DeltaTable

from attacks.cases import accident
from attacks.installation import (
    NOW,
    TOPIC,
    Installation,
    event,
    numbered,
    row,
    said,
)
from locard.evidence.verifier import Verdict
from locard.ingest.erasure import Erasure, Subject
from locard.ingest.lake import LakeWriter
from locard.ingest.retention import Retention, RetentionPolicy
from locard.ingest.segments import Position, Segment
from locard.ingest.upkeep import FileSizes, optimize, vacuum
from locard.schema import Fenced

MERGE_ALL = FileSizes(fewest=2)


@accident()
def nothing_at_all(one: Installation) -> None:
    return


@accident(Verdict.UNSEALED)
def events_wait_to_be_sealed(one: Installation) -> None:
    one.publish(said())


@accident()
def the_agent_starts_again(one: Installation) -> None:
    """Its numbers begin at 0 once more, in another incarnation."""
    one.publish(*(numbered(n, incarnation="run-2") for n in range(3)), partition=1)
    one.seal()


@accident()
def another_consumer_takes_over(one: Installation) -> None:
    one.publish(said())
    one.publish(said())
    one.seal()


@accident()
def a_zombie_wants_to_publish(one: Installation) -> None:
    zombie = LakeWriter(one.lake)
    late = Segment(TOPIC, 0, 9, 9)
    late.rows.append(row(said(), Position(TOPIC, 0, 9)))
    late.advance(late.rows[0].position)
    with pytest.raises(Fenced):
        zombie.publish([late], NOW)
    one.seal()


@accident()
def an_event_arrives_twice(one: Installation) -> None:
    again = numbered(8, session_id="s9")
    one.publish(numbered(7, session_id="s9"), again, again, partition=1)
    one.seal()


@accident()
def files_of_today_are_merged(one: Installation) -> None:
    assert optimize(one.lake, NOW, MERGE_ALL).rewritten
    one.seal()


@accident()
def days_that_are_over_are_sorted(one: Installation) -> None:
    assert optimize(one.lake, NOW + timedelta(days=3)).rewritten
    one.seal()


@accident()
def files_are_merged_before_they_are_sealed(one: Installation) -> None:
    """The sealer finds the rows where upkeep has put them, and the old files are gone."""
    one.publish(said("s7"))
    one.publish(said("s8"))
    assert optimize(one.lake, NOW + timedelta(days=3)).rewritten
    vacuum(DeltaTable(one.lake), one.lake, timedelta(0))
    one.seal()


@accident()
def old_files_are_vacuumed(one: Installation) -> None:
    optimize(one.lake, NOW, MERGE_ALL)
    vacuum(DeltaTable(one.lake), one.lake, timedelta(0))
    one.seal()


@accident()
def a_checkpoint_of_delta_is_written(one: Installation) -> None:
    DeltaTable(one.lake).create_checkpoint()
    one.seal()


@accident()
def the_disk_is_full_and_what_was_written_stays_as_an_orphan(one: Installation) -> None:
    whole = one.file_with(9)
    whole.with_name("events-orphan.parquet").write_bytes(whole.read_bytes()[:100])
    one.seal()


@accident()
def the_topic_is_made_again(one: Installation) -> None:
    """Another topic id: its offsets begin at 0, and belong to nothing that was before."""
    one.publish(said(), said(), topic="another")
    one.seal()


@accident()
def the_log_gets_a_new_key(one: Installation) -> None:
    one.keys.rotate_log_key()
    one.publish(said())
    one.seal()


@accident()
def a_clock_jumps_back(one: Installation) -> None:
    one.publish(event(occurred_at="2020-01-01T00:00:00Z"), event())
    one.seal()


@accident()
def midnight_passes_while_a_batch_is_published(one: Installation) -> None:
    writer = LakeWriter(one.lake)
    segment = Segment(TOPIC, 0, 12, 12)
    segment.rows.append(row(said(), Position(TOPIC, 0, 12), NOW))
    segment.advance(segment.rows[0].position)
    writer.publish([segment], NOW + timedelta(hours=15))
    one.seal()


@accident()
def a_record_cannot_be_decoded(one: Installation) -> None:
    LakeWriter(one.lake).publish([Segment(TOPIC, 0, 12, 13, quarantined={12: "json_syntax"})], NOW)
    one.seal()


@accident()
def every_other_record_is_refused(one: Installation) -> None:
    """A manifest has to fit into an entry of the log, however much there is to tell."""
    segment = Segment(TOPIC, 0, 12, 12)
    for offset in range(12, 4012, 2):
        segment.rows.append(row(event(), Position(TOPIC, 0, offset)))
        segment.advance(segment.rows[-1].position)
        segment.quarantined[offset + 1] = "json_syntax"
        segment.next_offset = offset + 2
    LakeWriter(one.lake).publish([segment], NOW)
    one.seal()


@accident()
def an_event_goes_to_quarantine_and_comes_back(one: Installation) -> None:
    writer = LakeWriter(one.lake)
    segment = Segment(TOPIC, 0, 12, 13, quarantined={12: "redaction_timeout"})
    again = said("s5")
    segment.rows.append(row(again, Position(TOPIC, 0, 12), is_core=True))
    writer.publish([segment], NOW)
    one.publish(again)
    one.seal()


@accident()
def a_broker_uses_up_offsets(one: Installation) -> None:
    """Markers of transactions are records that nobody sees."""
    segment = Segment(TOPIC, 0, 12, 12)
    for offset in (12, 15):
        segment.rows.append(row(said(), Position(TOPIC, 0, offset)))
        segment.advance(segment.rows[-1].position)
    LakeWriter(one.lake).publish([segment], NOW)
    one.seal()


@accident(Verdict.DECLARED_LOSS)
def records_leave_the_event_log_unread(one: Installation) -> None:
    """A loss, and one that says of itself what it is."""
    LakeWriter(one.lake).publish([Segment(TOPIC, 0, 12, 20, expired=(12, 20))], NOW)
    one.publish(said())
    one.seal()


@accident()
def whole_events_expire(one: Installation) -> None:
    rules = RetentionPolicy.model_validate({"default": {"record_days": 100, "because": "a test"}})
    done = Retention(one.lake, rules, one.holds, one.custodian, one.home).run(
        NOW + timedelta(days=101)
    )
    assert sum(len(ranges) for day in done for ranges in day.ranges.values())
    one.seal()


@accident()
def content_expires_that_was_erased_in_part(one: Installation) -> None:
    rules = RetentionPolicy.model_validate({"default": {"payload_days": 100, "because": "a test"}})
    assert Retention(one.lake, rules, one.holds, one.custodian, one.home).run(
        NOW + timedelta(days=101)
    )
    one.seal()


@accident()
def a_session_is_erased(one: Installation) -> None:
    Erasure(one.lake, one.holds, one.custodian).run(
        Subject(sessions=["s1", "s2"]), {"ticket": "T3"}, NOW
    )
    one.seal()


@accident(Verdict.UNSEALED)
def a_session_is_erased_before_it_was_sealed(one: Installation) -> None:
    one.publish(said("late"))
    Erasure(one.lake, one.holds, one.custodian).run(
        Subject(sessions=["late"]), {"ticket": "T4"}, NOW
    )
    one.seal()


@accident()
def the_sealer_is_killed_before_its_checkpoint(one: Installation) -> None:
    """It has written tiles and leaves; the next one writes them again."""
    before = one.checkpoint()
    one.publish(said())
    one.seal()
    (one.lake / "_transparency/checkpoint").write_bytes(before)
    one.publish(said())
    one.seal()


@accident()
def the_lake_is_copied(one: Installation) -> None:
    shutil.copytree(one.lake, one.home / "copy")
    shutil.rmtree(one.lake)
    (one.home / "copy").rename(one.lake)


@accident()
def a_damaged_file_is_put_back_from_a_copy(one: Installation) -> None:
    path = one.file_with(9)
    whole = path.read_bytes()
    path.write_bytes(b"")
    path.write_bytes(whole)


@accident()
def an_empty_topic_is_read(one: Installation) -> None:
    LakeWriter(one.lake).next_offsets("another", range(4))
    one.seal()
