"""`locard explain` and `locard incidents`, as their user has them."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from lakes import publish
from locard.cli.commands import locard
from locard.query import connect
from locard.query.provenance import explain, find_incidents, reach
from locard.schema import CannotContinue
from test_provenance import ORDER, STRANGER, summarise
from told import Story


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Four sessions: taken over, tried, honest, and one that only read the same mail."""
    home = tmp_path_factory.mktemp("home")
    publish(home / "lake", *(event for story in STORIES.values() for event in story.events))
    return home


def _obeys(name: str) -> Story:
    story = summarise()
    story.session_id = name
    story.events.clear()
    return story.person("Summarise the mail of this morning for me.").read(ORDER)


STORIES = {
    "bad": _obeys("bad").call("send_money", recipient=STRANGER, amount=900).result("sent"),
    "tried": _obeys("tried").agent("It is about Monday."),
    "honest": Story("honest").person("Tell noa@corp.example hello.")
    .call("send_mail", to="noa@corp.example", text="hello").result("sent"),
}  # fmt: skip
MAIL, CALL = STORIES["bad"].events[2], STORIES["bad"].events[3]


def run(home, *arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(
        locard, ["--home", str(home), *arguments], standalone_mode=False, catch_exceptions=False
    )
    assert done.return_value == status, done.output
    return done.stdout


def test_incidents_are_ranked_and_the_honest_session_is_not_among_them(home):
    """The worst first; `--all` shows the rest."""
    told = json.loads(run(home, "incidents", "--format", "json", status=1))
    assert [(row["session_id"], row["verdict"]) for row in told] == [
        ("bad", "taken_over"),
        ("tried", "tried"),
    ]
    assert told[0]["origin_event_id"] == str(MAIL.event_id)
    assert told[0]["obeying_event_ids"] == [str(CALL.event_id)]
    with connect(home / "lake") as connection:
        assert len(find_incidents(connection, is_all=True)) == 3
        assert find_incidents(connection, workflow_id="another") == []


def test_an_action_is_explained(home):
    """Each value with where it is from, the origin with its reasons, the chain of cause."""
    with connect(home / "lake") as connection:
        told = explain(connection, str(CALL.event_id))
    assert told["verdict"] == "taken_over"
    assert not told["was_asked_for"]
    seen = {value["path"]: value["first_seen"] for value in told["values"]}
    assert seen["arguments.recipient"]["event_id"] == str(MAIL.event_id)
    assert seen["arguments.recipient"]["voice"] == "outside"
    assert told["origins"][0]["event_id"] == str(MAIL.event_id)
    assert [cause["kind"] for cause in told["causes"]] == ["tool_result", "tool_call", "prompt"]
    json.dumps(told)


@pytest.mark.parametrize("number", [3, 4])
def test_a_result_and_a_beginning_of_an_id_mean_the_action(home, number):
    """Whoever has the result in hand gets the explanation of its call."""
    event_id = str(STORIES["bad"].events[number].event_id)
    with connect(home / "lake") as connection:
        assert explain(connection, event_id)["event_id"] == str(CALL.event_id)


def test_a_text_is_no_action(home):
    """It is said what can be asked of it instead."""
    with connect(home / "lake") as connection, pytest.raises(CannotContinue, match="--forward"):
        explain(connection, str(STORIES["tried"].events[0].event_id))


def test_an_unknown_event_is_told(home):
    """With what lists those there are."""
    with connect(home / "lake") as connection, pytest.raises(CannotContinue, match="no event"):
        explain(connection, "00000000-0000-7000-8000-000000000000")


def test_a_text_is_followed_to_all_that_it_reached(home):
    """The action that obeyed it, and the other session that read it; not the honest one."""
    with connect(home / "lake") as connection:
        found = reach(connection, str(MAIL.event_id))
    assert [(one.session_id, one.how, one.tool) for one in found] == [
        ("bad", "obeyed", "send_money"),
        ("tried", "read", None),
    ]
    assert found[0].recipients == (STRANGER,)


def test_the_command_ends_with_1_on_a_finding_and_shows_no_escape(home):
    """For eyes: no character of the record acts on the terminal."""
    told = run(home, "explain", str(CALL.event_id), status=1)
    assert "a text from outside decided this action" in told
    assert told.replace("\n", "").isprintable()
    forward = run(home, "explain", "--forward", str(MAIL.event_id), "--format", "json")
    assert {row["session_id"] for row in json.loads(forward)} == {"bad", "tried"}
