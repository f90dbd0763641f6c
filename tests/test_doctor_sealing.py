"""The doctor on the transparency log: nothing sealed, up to date, behind for long, damaged."""

from __future__ import annotations

import time

import pytest

from attacks.installation import Installation, said
from locard.ingest.doctor import examine_sealing, sealing


@pytest.fixture
def one(tmp_path) -> Installation:
    made = Installation(tmp_path / "home", [])
    made.publish(said())
    return made


def told(one: Installation) -> tuple[str, str]:
    (finding,) = examine_sealing(one.lake)
    return finding.level, finding.told


def test_a_lake_that_nobody_seals_is_told_of(one):
    assert told(one) == ("warning", "nothing is sealed")


def test_a_lake_that_is_sealed_is_in_order(one):
    one.seal()
    assert told(one) == ("ok", "1 entries, 0 commits wait")
    one.publish(said())
    assert told(one) == ("ok", "1 entries, 1 commits wait")


def test_commits_that_wait_for_long_are_told_of(one, monkeypatch):
    one.seal()
    one.publish(said())
    later = time.time() + 3600
    monkeypatch.setattr(sealing.time, "time", lambda: later)
    level, text = told(one)
    assert (level, text) == ("warning", "1 entries, 1 commits wait, the first for long")


def test_a_log_that_cannot_be_read_is_wrong(one):
    one.seal()
    (one.lake / "_transparency/checkpoint").write_bytes(b"nonsense")
    assert told(one)[0] == "wrong"
