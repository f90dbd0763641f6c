"""Whatever goes wrong in redaction: nothing raw is written, nothing is lost, and it is told."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from eventlogs import LogUnderTest
from locard.cli.commands import locard
from locard.ingest.consumer import Consumer
from locard.ingest.lake import LakeWriter
from locard.ingest.quarantine import Quarantine
from locard.query import connect
from locard.redaction import Keyring, RedactionPool
from locard.schema import CannotContinue, event_json
from making import event
from redactors import faulty_recognizer

VALUE = "mia@example.com"
RECOGNIZER_FAULTS = {
    "raise": "redaction_error",
    "hang": "redaction_timeout",
    "memory": "redaction_error",
    "die": "redaction_crash",
    "outside": "redaction_error",
}


def files_without_the_log(home):
    """Return every byte in a home but those of the raw log."""
    files = (path for path in home.rglob("*") if path.is_file())
    return b"".join(path.read_bytes() for path in files if "log.sqlite" not in path.name)


@pytest.mark.parametrize(("fault", "error_class"), RECOGNIZER_FAULTS.items())
def test_a_recognizer_that_fails_costs_the_content_of_one_event(tmp_path, fault, error_class):
    """It raises, hangs, takes all memory, dies, or finds what is not there.

    That event is in the lake with its core alone and sealed in quarantine; its neighbours are
    redacted.
    """
    told = [f"write to {VALUE}", f"{fault} with {VALUE}", f"and to {VALUE}"]
    events = [event("tool_result", {"outcome": "ok", "result": text}) for text in told]
    keyring = Keyring.open_or_create(tmp_path / "keys")
    quarantine = Quarantine(tmp_path / "quarantine", keyring.quarantine_public_key())
    log = LogUnderTest(tmp_path, None)
    log.append(*(event_json(one) for one in events))
    with RedactionPool(faulty_recognizer, seconds_per_event=0.5) as pool, log.reader() as reader:
        Consumer(reader, pool, LakeWriter(tmp_path / "lake"), quarantine).run_once()
    with connect(tmp_path / "lake") as connection:
        rows = dict(connection.execute("SELECT event_id::VARCHAR, result FROM events").fetchall())

    assert [record.error_class for record in quarantine] == [error_class]
    assert [rows[str(one.event_id)] for one in events][1] is None
    assert sum("‹EMAIL_ADDRESS:k1:" in str(result) for result in rows.values()) == 2
    assert VALUE.encode() not in files_without_the_log(tmp_path)


def run(home, *arguments):
    """Return what the command did."""
    return CliRunner().invoke(locard, ["--home", str(home), *arguments], standalone_mode=False)


def prompt(home):
    """Return the messages of the one prompt in the lake."""
    with connect(home / "lake") as connection:
        rows = connection.execute("SELECT messages FROM events WHERE kind = 'prompt'").fetchall()
    ((messages,),) = rows
    return messages


def break_model(home):
    """Configure a model that is not installed."""
    (home / "locard.toml").write_text('redaction_model = "spacy:en_core_web_lg"\n')
    return home / "locard.toml"


def break_policy(home):
    """Put half a policy into the home."""
    (home / "redaction.toml").write_text('name = "x"\n[entities]\nPERSON = "hide"\n')
    return home / "redaction.toml"


def break_recognizers(home):
    """Configure a file of recognizers that is gone."""
    (home / "locard.toml").write_text('redaction_recognizers = "gone.yaml"\n')
    return home / "locard.toml"


CONFIGURATION_FAULTS = {
    "the model is missing": (break_model, "en_core_web_lg is not installed"),
    "the policy is broken": (break_policy, "redaction.toml is refused: entities.PERSON"),
    "the recognizers are missing": (break_recognizers, "gone.yaml cannot be read"),
}


@pytest.fixture
def home(tmp_path):
    """A home whose log has a run that nobody has consumed yet, and keys."""
    message = {"role": "user", "content": f"write to {VALUE}"}
    file = tmp_path / "runs.jsonl"
    file.write_text(json.dumps({"run_id": "r1", "messages": [message]}) + "\n")
    home = tmp_path / "home"
    assert not run(home, "import", "openai-messages", str(file), "--no-consume").exception
    Keyring.open_or_create(home / "keys")
    return home


@pytest.mark.parametrize(
    ("damage", "why"), CONFIGURATION_FAULTS.values(), ids=CONFIGURATION_FAULTS.keys()
)
def test_a_broken_configuration_stops_the_consumer_and_loses_nothing(home, damage, why):
    """It says what and where; once mended, each event is redacted and published."""
    broken = damage(home)
    stopped = run(home, "consume", "--once")
    assert isinstance(stopped.exception, CannotContinue)
    assert why in str(stopped.exception)
    assert VALUE not in str(stopped.exception)
    assert VALUE.encode() not in files_without_the_log(home)

    broken.unlink()
    assert not run(home, "consume", "--once").exception
    with connect(home / "lake") as connection:
        (messages,) = connection.execute(
            "SELECT messages FROM events WHERE kind = 'prompt'"
        ).fetchone() or ("",)
    assert "‹EMAIL_ADDRESS:k1:" in messages


def test_without_its_key_redaction_does_not_begin_and_no_new_key_takes_its_place(home):
    """Tokens under another key would look like other people; the key has to come back."""
    (key,) = (home / "keys").glob("pseudonym-k1")
    taken = key.read_bytes()
    key.unlink()
    stopped = run(home, "consume", "--once")
    assert isinstance(stopped.exception, CannotContinue)
    assert "restore" in str(stopped.exception)
    assert not list((home / "keys").glob("pseudonym-*"))

    key.write_bytes(taken)
    assert not run(home, "consume", "--once").exception


def test_a_key_that_is_lost_for_good_is_followed_by_one_of_another_name(home):
    """Whoever reads a token sees that it is of another key."""
    (home / "keys" / "pseudonym-k1").unlink()
    assert run(home, "keys", "rotate", "--number", "2").exception is None
    assert run(home, "consume", "--once").exception is None
    assert "‹EMAIL_ADDRESS:k2:" in prompt(home)
    assert isinstance(run(home, "keys", "rotate", "--number", "2").exception, CannotContinue)
