"""Runbooks ask what they say, in their order, and a case keeps what was found."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from lakes import publish
from locard.cli.commands import locard
from locard.query import connect
from locard.query.catalogue import catalogue
from locard.query.runbooks import RUNBOOKS, follow, runbook
from locard.schema import CannotContinue, utc_now
from test_provenance import ORDER, STRANGER, summarise


@pytest.fixture
def home(tmp_path):
    story = summarise().read(ORDER).call("send_money", recipient=STRANGER, amount=900)
    publish(tmp_path / "lake", *story.result("sent").events)
    return tmp_path


def test_there_are_six_and_each_first_keeps_what_containment_destroys():
    """Whether the record is whole, who acted, and what could be done come before anything else."""
    assert set(RUNBOOKS) == {"hijack", "model", "leakage", "identity", "tool", "exfiltration"}
    for book in RUNBOOKS.values():
        assert [step.name for step in book.steps[:3]] == ["whole", "identity", "could-do"]
        assert {step.name for step in book.steps} <= set(catalogue())


@pytest.mark.parametrize("name", RUNBOOKS)
def test_each_step_is_taken_or_says_what_it_lacks(home, name):
    """No step fails for want of a parameter."""
    with connect(home / "lake") as connection:
        done = list(follow(connection, runbook(name), "s1", utc_now(), home / "lake"))
    assert [one.step.name for one in done] == [step.name for step in runbook(name).steps]
    lacking = {one.lacking for one in done if one.answer is None}
    assert lacking <= {"agent", "principal"}
    for one in done:
        json.dumps(one.data())


def test_hijack_finds_the_mail_and_what_followed(home):
    """The text that was obeyed, the payment that followed, and nobody else."""
    with connect(home / "lake") as connection:
        done = {d.step.name: d for d in follow(connection, runbook("hijack"), "s1", utc_now())}
    followed = done["followed"].answer
    assert followed is not None
    assert [
        dict(zip(followed.columns, row, strict=True))["tool_name"] for row in followed.rows
    ] == ["send_money"]


def test_a_session_that_is_not_there_is_told(home):
    """Before any question is asked."""
    with connect(home / "lake") as connection, pytest.raises(CannotContinue, match="no session"):
        list(follow(connection, runbook("hijack"), "nobody", utc_now()))


def test_a_case_is_filled_in(home):
    """Each step an entry, with its rows, its statement, and how far it can be relied on."""

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(locard, ["--home", str(home), *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout

    run("case", "open", "c-1", "hijacked")
    told = json.loads(
        run("runbook", "hijack", "--session", "s1", "--case", "c-1", "--format", "json")
    )
    exported = [
        json.loads(line) for line in run("case", "export", "c-1", "--as", "jsonl").splitlines()
    ]
    runs = [one for one in exported if one.get("kind") == "run"]
    assert len(runs) == len(told) == len(RUNBOOKS["hijack"].steps)
    assert all("standing" in one["data"] or "lacking" in one["data"] for one in runs)
