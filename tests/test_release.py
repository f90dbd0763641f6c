"""What leaves quarantine: seen for a reason, replayed through the same door, or given up."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from locard.cli.commands import locard
from locard.ingest import release
from locard.ingest.eventlog import RawRecord
from locard.ingest.eventlog.embedded import EmbeddedWriter
from locard.ingest.quarantine import Quarantine, pointers
from locard.redaction import Keyring
from locard.schema import CannotContinue, RetryableError, event_json
from making import event, said

NOW = datetime(2026, 5, 4, 9, 32, tzinfo=UTC)


class Home:
    """An installation with quarantined records."""

    def __init__(self, path):
        self.path = path
        self.directory = path / "quarantine"
        self.keyring = Keyring.open_or_create(path / "keys")
        self.quarantine = Quarantine(self.directory, self.keyring.quarantine_public_key())

    def put(self, offset, value, error_class="redaction_timeout", of=None):
        """Put a record away as the consumer does."""
        record = RawRecord("topic", 0, offset, NOW, value)
        return self.quarantine.put(record, error_class, of, NOW)

    def run(self, *arguments):
        """Return what a command did."""
        return CliRunner().invoke(
            locard, ["--home", str(self.path), *arguments], standalone_mode=False
        )

    def rows(self, statement):
        """Return the rows of a statement over the lake, after all is consumed."""
        assert self.run("consume", "--once").exception is None
        done = self.run("sql", statement, "--format", "jsonl")
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def home(tmp_path):
    """A home with two records in quarantine: an event that failed, and what is no event."""
    made = Home(tmp_path / "home")
    body = {"messages": [said("write to mia@example.com\x1b[2J")]}
    failed = event("prompt", body, session_id="s1")
    made.put(0, event_json(failed), of=failed)
    made.put(1, b"no event", "json_syntax")
    return made


def test_a_replayed_event_is_redacted_and_whole_in_the_lake_and_its_file_is_gone(home):
    """It goes through the same door; who replayed it is in the record."""
    done = home.run("quarantine", "replay", "topic/0/0")

    assert done.stdout == "replayed: 1\n"
    (row,) = home.rows("SELECT text FROM texts WHERE session_id = 's1'")
    assert "‹EMAIL_ADDRESS:k1:" in row["text"]
    (told,) = home.rows("SELECT principal, targets FROM events WHERE kind = 'custody'")
    assert told["principal"].startswith("os:")
    assert "topic/0/0" in str(told["targets"])
    assert [one.place for one in pointers(home.directory)] == ["topic/0/1"]


def test_what_fails_again_comes_back_under_its_new_place(home):
    """Nothing is lost by trying too early."""
    home.run("quarantine", "replay", "--all")
    home.rows("SELECT 1")

    (left,) = pointers(home.directory)
    assert (left.error_class, left.topic_id != "topic") == ("json_syntax", True)


def test_a_replay_that_the_log_does_not_take_leaves_everything_where_it_is(home):
    """The file goes only after the log has the record."""

    class Away:
        def append(self, _):
            raise RetryableError("the log is away")

    before = list(pointers(home.directory))
    with pytest.raises(RetryableError):
        release.replay(
            home.directory, before, home.keyring.quarantine_private_key(), Away(), "os:me"
        )
    with pytest.raises(RetryableError):
        release.drop(home.directory, before, Away(), "os:me", "why")
    assert list(pointers(home.directory)) == before


def test_replaying_twice_after_a_crash_adds_nothing(home, monkeypatch):
    """Killed between the append and the removal, the same command is simply run again."""

    def killed(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(release, "remove_durably", killed)
    chosen = list(pointers(home.directory))[:1]
    key = home.keyring.quarantine_private_key()
    log = EmbeddedWriter(home.path / "log.sqlite")
    with pytest.raises(KeyboardInterrupt):
        release.replay(home.directory, chosen, key, log, "os:me")
    monkeypatch.undo()
    release.replay(home.directory, chosen, key, log, "os:me")
    log.close()

    assert home.rows("SELECT count(*) AS n FROM texts WHERE session_id = 's1'") == [{"n": 1}]
    assert home.rows("SELECT copies, differ FROM duplicates") == [{"copies": 2, "differ": False}]


def test_a_record_is_shown_inert_for_a_reason_and_that_is_recorded_first(home):
    """No escape sequence reaches the terminal, and without a reason nothing is opened."""
    assert home.run("quarantine", "show", "topic/0/0").exception is not None
    assert isinstance(
        home.run("quarantine", "show", "topic/0/0", "--reason", " ").exception, CannotContinue
    )
    done = home.run("quarantine", "show", "topic/0/0", "--reason", "why it failed", "--case", "C7")

    assert "mia@example.com" in done.stdout
    assert "\x1b" not in done.stdout
    (told,) = home.rows("SELECT action, case_id, purpose FROM events WHERE kind = 'access'")
    assert told == {"action": "quarantine_opened", "case_id": "C7", "purpose": "why it failed"}


def test_a_dropped_record_is_gone_and_the_record_says_who_gave_it_up_and_why(home):
    """Its place, its error class and the reason stay."""
    done = home.run("quarantine", "drop", "--error-class", "json_syntax", "--reason", "no event")

    assert done.stdout == "dropped: 1\n"
    assert [one.error_class for one in pointers(home.directory)] == ["redaction_timeout"]
    (told,) = home.rows("SELECT custody_action, reason, targets FROM events WHERE kind = 'custody'")
    assert (told["custody_action"], told["reason"]) == ("quarantine_dropped", "no event")
    assert "json_syntax" in str(told["targets"])


@pytest.mark.parametrize("command", ["replay", "drop"])
def test_no_record_is_chosen_by_accident(home, command):
    """Neither by naming nothing, nor by a place that is not there, and then none of the others."""
    reason = ["--reason", "x"] if command == "drop" else []
    nothing = home.run("quarantine", command, *reason).exception
    unknown = home.run("quarantine", command, "topic/0/0", "topic/0/9", *reason).exception

    assert "no record is named" in str(nothing)
    assert "no quarantined record topic/0/9" in str(unknown)
    assert len(list(pointers(home.directory))) == 2


def test_records_that_left_quarantine_make_room_for_a_running_consumer(home):
    """It counted them when it started; at the limit it looks again."""
    running = Quarantine(home.directory, home.keyring.quarantine_public_key(), limit=2)
    home.run("quarantine", "drop", "topic/0/1", "--reason", "no event")

    running.put(RawRecord("topic", 0, 2, NOW, b"x"), "json_syntax", None, NOW)
    with pytest.raises(CannotContinue, match="holds 2 records, its limit"):
        running.put(RawRecord("topic", 0, 3, NOW, b"x"), "json_syntax", None, NOW)
