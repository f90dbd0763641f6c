"""`locard seal`, `verify` and `bundle` as somebody uses them: what they print, and their status."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile

import pytest
from click.testing import CliRunner, Result

from attacks.installation import Installation, made, said
from locard.cli.commands import locard
from locard.evidence.verifier import Verdict, verify_lake
from locard.query import connect
from locard.schema import CannotContinue


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Installation:
    return made(tmp_path_factory.mktemp("verifying") / "home")


@pytest.fixture
def one(original, tmp_path) -> Installation:
    return original.copy(tmp_path / "home")


def run(one: Installation, *arguments: object) -> Result:
    """Run a command in the installation's home."""
    return CliRunner().invoke(
        locard, ["--home", str(one.home), *map(str, arguments)], standalone_mode=False
    )


def status(result: Result) -> int:
    """Return the exit status that a result stands for."""
    return 2 if result.exception else result.return_value or 0


def test_a_whole_lake_is_told_to_be_whole(one):
    """In words for people, with what was lawfully taken out, and whom that is believed to."""
    done = run(one, "verify")
    assert status(done) == 0
    assert done.output.startswith("The record is whole: nothing was altered")
    assert "ERASED: content was erased, and a signed statement says by whom" in done.output
    assert "believed: the keys of this installation" in done.output
    told = json.loads(run(one, "verify", "--format", "json").output)
    assert (told["whole"], told["format"]) == (True, "locard-verification/1")
    assert {entry["verdict"] for entry in told["segments"]} == {"OK", "ERASED", "EXPIRED"}


def test_an_altered_lake_is_told_to_be_that_and_where(one):
    one.change_row(9, tool_name="transfer_money")
    done = run(one, "verify")
    assert status(done) == 1
    assert done.output.startswith("The record is NOT whole")
    assert "offsets 9 to 9" in done.output


def test_a_lake_that_is_not_there_could_not_be_checked(one, tmp_path):
    done = run(one, "verify", tmp_path / "none")
    assert isinstance(done.exception, CannotContinue)


def test_a_copy_is_verified_by_somebody_with_a_policy_alone(one, tmp_path):
    """Another home, without any key: the pinned policy and a checkpoint that was kept."""
    policy = tmp_path / "trust.toml"
    policy.write_text(run(one, "keys", "trust").output)
    copy = shutil.copytree(one.lake, tmp_path / "copy")
    auditor = Installation(tmp_path / "auditor", [])
    kept = tmp_path / "kept.checkpoint"
    done = run(auditor, "verify", copy, "--trust", policy, "--save", kept)
    assert status(done) == 0
    assert kept.read_bytes() == one.kept[-1]
    assert status(run(auditor, "verify", copy)) == 2  # whom to believe was not said
    (copy / "_transparency/checkpoint").write_bytes(one.kept[1])
    done = run(auditor, "verify", copy, "--trust", policy, "--checkpoint", kept)
    assert status(done) == 1
    assert "the log was cut" in done.output


def test_only_what_came_after_a_checkpoint_is_read(one, tmp_path):
    """Older rows may be anything then; later ones, and those not sealed yet, are looked at."""
    kept = tmp_path / "kept.checkpoint"
    run(one, "verify", "--save", kept)
    one.publish(said())
    one.seal()
    one.publish(said())
    one.publish(said(), partition=1)
    done = run(one, "verify", "--since", kept)
    assert status(done) == 0
    assert "only segments from entry 10 of the log on were looked at" in done.output
    assert done.output.count("rows lie behind what was sealed last") == 2
    one.change_row(9, tool_name="transfer_money")
    assert status(run(one, "verify", "--since", kept)) == 0
    one.change_row(12, tool_name="transfer_money")
    assert status(run(one, "verify", "--since", kept)) == 1


def test_several_processes_find_what_one_does(one):
    """Rows that were read elsewhere, and what is wrong with them, come back in their places."""
    from locard.evidence.verifier import rows

    one.change_row(9, tool_name="transfer_money")
    alone = verify_lake(one.lake, one.policy)
    few, rows._FEW_ROWS = rows._FEW_ROWS, 0
    try:
        together = verify_lake(one.lake, one.policy, processes=2)
    finally:
        rows._FEW_ROWS = few
    assert together.findings == alone.findings


def test_sealing_once_says_what_it_did(one):
    one.publish(said())
    done = run(one, "seal", "--once")
    assert done.output == "sealed 1 events in 1 segments; the log has 11 entries\n"
    assert run(one, "seal", "--once").output.startswith("sealed 0 events")
    one.publish(said())
    one.change_row(13, tool_name="transfer_money")
    assert status(run(one, "seal", "--once")) == 1


def test_a_bundle_is_made_checked_and_read(one, tmp_path):
    """By command, by its own verifier, and by a person; that it was made is recorded."""
    path = tmp_path / "case-7.zip"
    done = run(
        one, "bundle", "--session", "s1", "--case", "7", "--purpose", "look", "--output", path
    )
    assert status(done) == 0
    assert status(run(one, "verify", "--bundle", path)) == 0
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "open")
        report = archive.read("report.html").decode()
        assert json.loads(archive.read("manifest.json"))["selection"]["sql"].startswith("SELECT *")
    command = [sys.executable, "-I", "-S", tmp_path / "open/verify.py", path]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert "<script" not in report
    assert "Evidence of case 7" in report
    actions = run(one, "consume", "--once"), run(
        one, "sql", "SELECT action, case_id FROM events WHERE action = 'bundled'",
        "--format", "csv",
    )  # fmt: skip
    assert actions[1].output.splitlines()[1] == "bundled,7"


def test_a_bundle_of_a_lake_that_is_not_whole_says_so(one, tmp_path):
    one.change_row(9, tool_name="transfer_money")
    path = tmp_path / "case.zip"
    done = run(one, "bundle", "--session", "s1", "--output", path)
    assert status(done) == 1
    with zipfile.ZipFile(path) as archive:
        assert "NOT whole" in archive.read("verification.txt").decode()
    assert status(run(one, "verify", "--bundle", path)) == 1


def test_a_report_shows_hostile_text_so_that_it_does_nothing(one, tmp_path):
    """Markup is escaped, what acts in a terminal is named, and what is withheld is nowhere."""
    hostile = "<script>alert(1)</script>\x1b[2J\u202egnp"
    one.publish(said("evil").model_copy(update={"on_behalf_of": None}), said("evil"))
    one.change_row(12, session_id="evil")
    one.publish(hostile_event(hostile))
    path = tmp_path / "evil.zip"
    run(one, "bundle", "--session", "evil", "--output", path)
    with zipfile.ZipFile(path) as archive:
        page, text = archive.read("report.html").decode(), archive.read("report.txt").decode()
    assert "&lt;script&gt;" in page
    for shown in (page, text):
        assert "<script" not in shown or shown is text
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    run(one, "bundle", "--session", "evil", "--withhold", "result", "--output", path)
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            assert b"alert(1)" not in archive.read(name), name


def hostile_event(text: str):
    from making import event

    body = {"outcome": "ok", "tool_name": "read", "result": text}
    return event("tool_result", body, session_id="evil")


def test_a_bundle_of_nothing_is_refused(one, tmp_path):
    done = run(one, "bundle", "--case", "9", "--output", tmp_path / "none.zip")
    assert isinstance(done.exception, CannotContinue)
    assert not (tmp_path / "none.zip").exists()


def test_what_a_hold_names_is_what_a_case_is_about(one, tmp_path):
    run(one, "hold", "add", "--session", "s2", "--reason", "court", "--case", "11")
    path = tmp_path / "case-11.zip"
    assert status(run(one, "bundle", "--case", "11", "--output", path)) == 0
    with zipfile.ZipFile(path) as archive:
        rows = [json.loads(line) for line in archive.read("rows.jsonl").splitlines()]
    assert {row["session_id"] for row in rows} == {"s2"}


def test_a_rotated_key_goes_on_with_the_log(one):
    """The policy that was pinned before needs the new key; with it, all of the log counts."""
    pinned = one.policy
    run(one, "keys", "rotate-log")
    one.publish(said())
    assert status(run(one, "seal", "--once")) == 0
    assert status(run(one, "verify")) == 0
    assert Verdict.ALTERED in one.verify(policy=pinned).verdicts()


def test_a_case_that_pins_events_is_in_its_bundle(one, tmp_path):
    """The sessions of what is pinned, and what responders wrote; not where content is withheld."""
    with connect(one.lake) as connection:
        found = connection.execute("SELECT event_id FROM events WHERE session_id = 's2'").fetchone()
    run(one, "case", "open", "c-2", "A payment is missing")
    run(one, "case", "pin", "c-2", found[0])
    run(one, "case", "comment", "c-2", "it was the mail")
    path = tmp_path / "case-2.zip"
    assert status(run(one, "bundle", "--case", "c-2", "--output", path)) == 0
    assert status(run(one, "verify", "--bundle", path)) == 0
    with zipfile.ZipFile(path) as archive:
        rows = [json.loads(line) for line in archive.read("rows.jsonl").splitlines()]
        assert b"it was the mail" in archive.read("case.md")
    assert {row["session_id"] for row in rows} == {"s2"}
    command = "bundle", "--case", "c-2", "--withhold", "result", "--output", path
    assert status(run(one, *command)) == 0
    with zipfile.ZipFile(path) as archive:
        assert "case.md" not in archive.namelist()
