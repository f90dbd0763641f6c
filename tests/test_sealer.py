"""The sealer beside others that seal, beside those who publish, and where it cannot go on."""

from __future__ import annotations

import json
import shutil

import pytest
from deltalake import DeltaTable

from attacks.installation import Installation, said
from locard.ingest.sealer import SealerMetrics
from locard.schema import EvidenceGap


@pytest.fixture
def one(tmp_path) -> Installation:
    made = Installation(tmp_path / "home", [])
    made.publish(said(), said())
    return made


def test_two_sealers_take_turns(one):
    """As a service and whoever erases meanwhile do: each goes on from where the other got."""
    service = one.sealer()
    service.seal()
    one.publish(said())
    one.seal()
    one.publish(said())
    service.refresh()
    assert service.seal().segments == 1
    report = one.verify()
    assert not report.findings
    assert [segment.index for segment in report.segments] == [0, 1, 2]


def test_a_sealer_without_a_lake_waits_for_one(tmp_path):
    one = Installation(tmp_path / "home", [])
    sealer = one.sealer()
    assert sealer.seal().checkpoint is None
    one.publish(said())
    assert sealer.seal().rows == 1


def test_a_lake_that_is_older_than_its_log_is_told_of(one, tmp_path):
    """It was put back from a copy: nothing may be sealed as if that were all."""
    shutil.copytree(one.lake / "_delta_log", tmp_path / "log")
    one.publish(said())
    one.seal()
    shutil.rmtree(one.lake / "_delta_log")
    (tmp_path / "log").rename(one.lake / "_delta_log")
    with pytest.raises(EvidenceGap, match="put back from an older copy, or cut"):
        one.sealer().seal()


def test_an_entry_of_the_lakes_log_that_is_gone_is_told_of(one):
    """What it said of its segments is nowhere else."""
    one.publish(said())
    one.publish(said())
    DeltaTable(one.lake).create_checkpoint()
    (one.lake / "_delta_log/00000000000000000002.json").unlink()
    with pytest.raises(EvidenceGap, match="gone before it was sealed"):
        one.sealer().seal()


def test_entries_say_which_commit_and_which_segment_came_before(one):
    one.publish(said(), partition=1)
    one.publish(said())
    one.seal()
    entries = [json.loads(data) for data in one.sealer().log.reader.entries()]
    assert [entry["table_version"] for entry in entries] == [1, 2, 3]
    assert [entry.get("previous") for entry in entries] == [None, None, 0]


def test_the_sealer_tells_how_far_it_is(one):
    sealer = one.sealer()
    sealer.seal()
    told = {
        sample.name: sample.value
        for family in SealerMetrics(sealer.counts).collect()
        for sample in family.samples
    }
    assert told["locard_sealer_events_sealed_total"] == 2
    assert told["locard_sealer_log_entries"] == 1
    assert told["locard_sealer_versions_waiting"] == 0
    assert told["locard_sealer_latency_seconds"] < 3600
