"""Erasure: what is asked for is nowhere any more, nothing else moved, and the proof says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from locard.cli.assembly import evidence_keys, log_writer
from locard.cli.commands import locard
from locard.cli.settings import Settings, load_settings
from locard.evidence.verifier import Verdict, own_policy, verify_lake
from locard.ingest.eventlog import OutgoingRecord, outgoing
from locard.query import connect
from locard.schema import event_json
from making import event

MAIL = "mia.brandt@example.com"
PLAN = "merger-plan-canary"
BASIS = ["--legal-basis", "GDPR 17(1)(a)", "--ticket", "T-1", "--requester", "Mia Brandt"]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> Path:
    """A home with two sessions of Mia's, one of somebody else's, and one record that is broken."""
    home = tmp_path_factory.mktemp("erasure") / "home"
    settings = load_settings(home)
    told = [
        event("tool_result", result(f"a mail of {MAIL} about {PLAN}"), session_id="mias/1"),
        event("tool_call", session_id="mias/1", on_behalf_of=MAIL),
        event("tool_result", result(f"also {MAIL}"), session_id="mias/2"),
        event("tool_result", result("nothing of hers"), session_id="others"),
    ]
    with log_writer(settings) as log:
        log.append([outgoing(one, event_json(one)) for one in told])
        log.append([OutgoingRecord(b"mias/1", b'{"kind": "broken"')])
    run(home, "consume", "--once")
    run(home, "seal", "--once")
    return home


@pytest.fixture
def home(recorded, tmp_path) -> Path:
    import shutil

    return Path(shutil.copytree(recorded, tmp_path / "home"))


def result(text: str) -> dict[str, object]:
    return {"outcome": "ok", "tool_name": "read", "result": text}


def run(home: Path, *arguments: str, status: int = 0) -> str:
    """Run a command in this home, and return what it printed."""
    done = CliRunner().invoke(
        locard, ["--home", str(home), *arguments], standalone_mode=False, catch_exceptions=False
    )
    assert (done.return_value or 0) == status, done.output
    return done.output


def rows(home: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return the content of each session's events."""
    found: dict[str, list[tuple[object, ...]]] = {}
    with connect(home / "lake") as lake:
        for session, *cells in lake.execute(
            "SELECT session_id, result, arguments, on_behalf_of, absent FROM events"
            " WHERE session_id IS NOT NULL ORDER BY log_offset"
        ).fetchall():
            found.setdefault(session, []).append(tuple(cells))
    return found


def verdicts(home: Path) -> set[Verdict]:
    settings: Settings = load_settings(home)
    report = verify_lake(home / "lake", own_policy(evidence_keys(settings)))
    assert report.is_whole, report.findings
    return report.verdicts()


def token_of(home: Path) -> str:
    """Return the token of Mia's address."""
    with connect(home / "lake") as lake:
        (found,) = lake.execute(
            "SELECT DISTINCT token FROM pseudonyms WHERE entity_type = 'EMAIL_ADDRESS'"
        ).fetchall()
    return str(found[0])


def test_a_session_goes_and_another_stays(home):
    """Its content, the salts of it, its raw records; its events and their proof are there."""
    before = rows(home)
    receipt = json.loads(run(home, "erase", "--session", "mias/1", *BASIS))

    assert (receipt["events"], receipt["sessions"], receipt["ticket"]) == (2, 1, "T-1")
    after = rows(home)
    assert after["others"] == before["others"]
    assert after["mias/2"] == before["mias/2"]
    assert [row[:3] for row in after["mias/1"]] == [(None, None, None)] * 2
    assert all('"erased"' in str(row[3]) for row in after["mias/1"])
    assert verdicts(home) == {Verdict.ERASED}
    for path in home.rglob("*"):
        if path.is_file():
            assert PLAN.encode() not in path.read_bytes(), path


def test_a_person_goes_wherever_the_token_is(home):
    token = token_of(home)
    shown = run(home, "erase", "--subject", token.strip("‹›"), *BASIS, "--dry-run")
    assert shown.startswith("3 events of 2 sessions")
    receipt = json.loads(run(home, "erase", "--subject", token, *BASIS))
    assert (receipt["events"], receipt["sessions"]) == (3, 2)
    with connect(home / "lake") as lake:
        assert lake.execute("FROM pseudonyms").fetchall() == []
    assert verdicts(home) == {Verdict.ERASED}
    for path in home.rglob("*"):
        if path.is_file() and path.name != "log.sqlite":  # the request itself names the token
            assert token.encode() not in path.read_bytes(), path


def test_a_dry_run_changes_nothing(home):
    before = {path: path.read_bytes() for path in (home / "lake").rglob("*") if path.is_file()}
    run(home, "erase", "--session", "mias/1", *BASIS, "--dry-run")
    assert before == {
        path: path.read_bytes() for path in (home / "lake").rglob("*") if path.is_file()
    }


def test_a_hold_prevents_all_of_it(home):
    """Also where it names a part only: an erasure that is half done helps nobody."""
    run(home, "hold", "add", "--session", "mias/2", "--reason", "case 7")
    before = rows(home)
    with pytest.raises(Exception, match="a hold keeps 1 of the 3 events"):
        run(home, "erase", "--subject", token_of(home), *BASIS)
    assert rows(home) == before
    assert verdicts(home) == set()


def test_what_nobody_has_is_not_erased(home):
    assert "nothing was erased" in run(home, "erase", "--session", "nobody's", *BASIS, status=1)


def test_an_erasure_leaves_an_event_that_says_so(home):
    """Who, on what basis, for which ticket; the requester's name is redacted like any other."""
    run(home, "erase", "--session", "mias/1", *BASIS)
    run(home, "consume", "--once")
    with connect(home / "lake") as lake:
        ((basis, ticket, requester),) = lake.execute(
            "SELECT legal_basis, ticket, requester FROM events WHERE custody_action = 'erasure'"
        ).fetchall()
    assert (basis, ticket) == ("GDPR 17(1)(a)", "T-1")
    assert "Brandt" not in requester


def test_raw_records_of_what_was_erased_hold_no_event_any_more(home):
    """A lake that is made anew from the log must not bring it back."""
    run(home, "erase", "--session", "mias/1", *BASIS)
    (home / "lake").rename(home / "gone")
    run(home, "consume", "--once")
    assert "mias/1" not in rows(home)
    assert "others" in rows(home)


def test_a_subject_is_named_by_a_token_and_not_by_a_value(home):
    with pytest.raises(Exception, match="named by a token"):
        run(home, "erase", "--subject", MAIL, *BASIS)
