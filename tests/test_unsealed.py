"""What is not sealed yet stands beside every answer."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from attacks.installation import Installation, said
from locard.cli.commands import locard
from locard.evidence.unsealed import unsealed

ASKED = [["sessions"], ["timeline", "--session", "s1"], ["gaps"], ["sql", "SELECT 1"]]


@pytest.fixture
def one(tmp_path) -> Installation:
    made = Installation(tmp_path / "home", [])
    made.publish(said(), said())
    return made


def test_the_window_is_what_came_after_the_last_checkpoint(one):
    assert (unsealed(one.lake).events, unsealed(one.lake).is_all) == (2, True)
    one.seal()
    assert unsealed(one.lake).sentence() == ""
    one.publish(said(), said(), said())
    told = unsealed(one.lake)
    assert (told.commits, told.events, told.is_all) == (1, 3, False)
    assert told.sentence().startswith("3 of the newest events are not sealed yet, the first since")


def test_a_log_that_cannot_be_read_covers_nothing(one):
    one.seal()
    (one.lake / "_transparency/checkpoint").write_bytes(b"nonsense")
    assert unsealed(one.lake).is_all


@pytest.mark.parametrize("arguments", ASKED, ids=lambda told: told[0])
def test_every_answer_says_what_is_not_sealed(one, arguments):
    """On standard error, so that machine formats have the answer alone."""
    one.seal()
    one.publish(said())
    command = ["--home", str(one.home), *arguments, "--format", "json"]
    done = CliRunner().invoke(locard, command)
    assert "1 of the newest events are not sealed yet" in done.stderr
    assert "sealed" not in done.stdout
    one.seal()
    assert "sealed" not in CliRunner().invoke(locard, command).stderr


def test_a_lake_that_nobody_seals_says_that_none_of_it_can_be_proved(one):
    done = CliRunner().invoke(locard, ["--home", str(one.home), "sessions"])
    assert "none of it can be proved" in done.stderr
