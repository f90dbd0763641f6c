"""Reading leaves a trace, before the answer goes out."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from collecting import stored
from eventlogs import LogUnderTest
from lakes import publish
from locard.cli.commands import locard
from locard.cli.serving import reading_trail
from locard.cli.settings import load_settings
from locard.query.api import query_app
from locard.schema import CannotContinue, RetryableError
from making import event


@pytest.fixture
def home(tmp_path) -> Path:
    publish(tmp_path / "lake", event(), event(session_id="s2"))
    return tmp_path


def run(home: Path, *arguments: str) -> str:
    done = CliRunner().invoke(
        locard, ["--home", str(home), *arguments], standalone_mode=False, catch_exceptions=False
    )
    assert not done.exception
    return done.output


def reads(home: Path):
    """Return the access events in the log."""
    return stored(LogUnderTest(home), "access")


@pytest.mark.parametrize(
    ("arguments", "query", "count"),
    [
        (["sessions", "--tool", "send_money"], "sessions --tool send_money", 2),
        (["timeline", "--session", "s2"], "timeline --session s2", 1),
        (["gaps"], "gaps", 0),
    ],
)
def test_a_question_is_recorded(home, monkeypatch, arguments, query, count):
    """Who asked, what, how much came back; and for what, where that was said."""
    monkeypatch.setenv("LOCARD_CASE", "case-7")
    monkeypatch.setenv("LOCARD_PURPOSE", "a payment is missing")
    run(home, *arguments)
    (found,) = reads(home)
    assert found.principal.startswith("os:")
    body = found.body
    assert (body.action, body.query, body.row_count) == ("read", query, count)
    assert (body.case_id, body.purpose) == ("case-7", "a payment is missing")


def test_a_statement_is_recorded_before_it_runs_and_its_rows_after(home):
    run(home, "sql", "SELECT event_id FROM events")
    before, after = sorted(reads(home), key=lambda found: found.body.action)
    assert (before.body.action, before.body.row_count) == ("read", None)
    assert (after.body.action, after.body.row_count) == ("read_done", 2)
    assert before.body.query == after.body.query == "SELECT event_id FROM events"


def test_a_statement_that_fails_was_asked_all_the_same(home):
    done = CliRunner().invoke(locard, ["--home", str(home), "sql", "SELECT nonsense"])
    assert done.exception
    assert [found.body.action for found in reads(home)] == ["read"]


@pytest.mark.parametrize("command", [["sessions"], ["sql", "SELECT 1 AS one"]])
def test_nobody_sees_an_answer_that_cannot_be_recorded(home, command):
    """Here the event log is no file that can be one."""
    (home / "log.sqlite").mkdir()
    done = CliRunner().invoke(locard, ["--home", str(home), *command])
    assert isinstance(done.exception, CannotContinue)
    assert "send_money" not in done.output
    assert "one" not in done.output.replace("--home", "")


def test_a_copy_that_cannot_be_written_can_be_read_where_that_was_chosen(home, monkeypatch):
    (home / "log.sqlite").mkdir()
    monkeypatch.setenv("LOCARD_ACCESS_TRAIL", "off")
    assert "s2" in run(home, "sessions")


def test_an_answer_of_the_api_is_recorded(home):
    settings = load_settings(home)
    with reading_trail(settings) as trail:
        client = TestClient(query_app(home / "lake", "a token", trail))
        headers = {"Authorization": "Bearer a token", "Locard-Case": "case-7"}
        assert client.get("/v1/sessions?limit=1", headers=headers).status_code == 200
        assert client.get("/v1/sessions/s2/timeline", headers=headers).status_code == 200
        assert client.get("/v1/sessions/none/timeline", headers=headers).status_code == 404
        assert client.get("/v1/sessions").status_code == 401
        assert client.get("/readyz").status_code == 200
    found = [(one.body.query, one.body.row_count, one.body.case_id) for one in reads(home)]
    assert sorted(found) == [
        ("GET /v1/sessions/s2/timeline", 1, "case-7"),
        ("GET /v1/sessions?limit=1", 1, "case-7"),
    ]


def test_an_api_that_cannot_record_answers_nothing(home):
    def refuses(_: object) -> None:
        raise RetryableError("the log is away")

    client = TestClient(query_app(home / "lake", "a token", refuses))
    answer = client.get("/v1/sessions", headers={"Authorization": "Bearer a token"})
    assert answer.status_code == 503
    assert "s2" not in answer.text
