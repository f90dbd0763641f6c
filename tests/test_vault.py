"""The vault: what tokens stand for, sealed, by session; opened with a case and a reason."""

from __future__ import annotations

import json
import sqlite3
import stat

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from locard.cli.commands import locard
from locard.query import connect
from locard.redaction import Original, Vault
from locard.schema import CannotContinue

KEY = X25519PrivateKey.from_private_bytes(bytes(range(32)))
MAIL = "mia.canary@example.com"
RUN = {
    "run_id": "r1",
    "messages": [
        {"role": "user", "content": f"Write to {MAIL}, the password: hunter2-canary"},
        {"role": "assistant", "content": f"I wrote to {MAIL}."},
    ],
}


@pytest.fixture
def vault(tmp_path):
    """A vault with one entry in each of two sessions."""
    vault = Vault(tmp_path / "vault.sqlite")
    vault.put("s1", {"‹A:k1:1›": MAIL}, KEY.public_key())
    vault.put("s2", {"‹A:k1:1›": "another"}, KEY.public_key())
    return vault


def everything(folder):
    """Return every byte below a folder but those of the raw log."""
    files = (path for path in folder.rglob("*") if path.is_file() and "log.sqlite" not in path.name)
    return b"".join(path.read_bytes() for path in files)


@given(st.text(max_size=30), st.dictionaries(st.text(min_size=1, max_size=20), st.text()))
@settings(max_examples=30, deadline=None)
def test_what_was_put_in_comes_out(tmp_path_factory, session_id, originals):
    """Any session, any token, any value, in order; a second time changes nothing."""
    vault = Vault(tmp_path_factory.mktemp("vault") / "vault.sqlite")
    for _ in range(2):
        vault.put(session_id, originals, KEY.public_key())
    assert dict(vault.open(session_id, KEY)) == originals


def test_no_byte_of_a_value_is_in_its_files(tmp_path, vault):
    """Nor may anybody else read them; an entry shows its token alone."""
    assert MAIL.encode() not in everything(tmp_path)
    for file in tmp_path.glob("vault.sqlite*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert MAIL not in repr(vault.open("s1", KEY))


def _change(tmp_path, statement):
    with sqlite3.connect(tmp_path / "vault.sqlite") as connection:
        connection.execute(statement)
    connection.close()


ATTACKS = {
    "an entry of another session": "UPDATE originals SET session_id = 's3' WHERE session_id = 's1'",
    "an entry under another token": "UPDATE originals SET token = 'B' WHERE session_id = 's1'",
    "values exchanged": "UPDATE originals SET sealed = (SELECT sealed FROM originals WHERE "
    "session_id = 's2') WHERE session_id = 's1'",
    "cut short": "UPDATE originals SET sealed = substr(sealed, 1, 20)",
    "a changed byte": "UPDATE originals SET sealed = CAST(substr(sealed, 1, 40) || x'00' || "
    "substr(sealed, 42) AS BLOB)",
}


@pytest.mark.parametrize("statement", ATTACKS.values(), ids=ATTACKS.keys())
def test_what_was_tampered_with_does_not_open(tmp_path, vault, statement):
    """It says which entry, and shows nothing."""
    _change(tmp_path, statement)
    session = "s3" if "'s3'" in statement else "s1"
    with pytest.raises(CannotContinue, match=f"vault/2/{session}/.* does not open"):
        vault.open(session, KEY)


def test_another_key_opens_nothing(vault):
    """Whoever has only what sealed it has nothing."""
    with pytest.raises(CannotContinue, match="does not open"):
        vault.open("s1", X25519PrivateKey.generate())


def test_a_damaged_file_is_told(tmp_path):
    """Not as an error of SQLite."""
    (tmp_path / "vault.sqlite").write_bytes(b"no database" * 1_000)
    with pytest.raises(CannotContinue, match="cannot be used"):
        Vault(tmp_path / "vault.sqlite").open("s1", KEY)


def test_what_is_forgotten_is_in_no_file(tmp_path, vault):
    """Not even sealed; other sessions keep theirs."""
    with sqlite3.connect(tmp_path / "vault.sqlite") as connection:
        ((sealed,),) = connection.execute(
            "SELECT sealed FROM originals WHERE session_id = 's1'"
        ).fetchall()
    connection.close()
    assert vault.forget("s1") == 1
    assert sealed not in everything(tmp_path)
    assert vault.open("s1", KEY) == []
    assert vault.open("s2", KEY) == [Original("‹A:k1:1›", "another")]


def run(home, *arguments):
    """Return what the command did."""
    return CliRunner().invoke(locard, ["--home", str(home), *arguments], standalone_mode=False)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with a vault, and one session in it."""
    home = tmp_path_factory.mktemp("home")
    (home / "locard.toml").write_text("vault = true\n")
    file = home / "runs.jsonl"
    file.write_text(json.dumps(RUN))
    assert run(home, "import", "openai-messages", str(file)).exception is None
    file.unlink()
    return home


OPEN = ["vault", "open", "--session", "r1", "--case", "4711", "--reason", "whom to warn"]


def test_a_token_of_the_lake_is_opened_with_a_case_and_a_reason(home):
    """What it stands for is shown; secrets were never kept."""
    result = run(home, *OPEN, "--format", "jsonl")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    with connect(home / "lake") as connection:
        ((messages,),) = connection.execute(
            "SELECT messages FROM events WHERE kind = 'prompt'"
        ).fetchall()
    told = {row["token"]: row["value"] for row in rows}
    assert MAIL in told.values()
    assert all(token in messages for token, value in told.items() if value == MAIL)
    assert "hunter2" not in result.stdout
    assert MAIL.encode() not in everything(home)


def test_looking_is_in_the_record_before_the_answer_and_without_it(home):
    """Who, for which case, why, which tokens; never what they stand for."""
    run(home, *OPEN)
    assert run(home, "consume", "--once").exception is None
    with connect(home / "lake") as connection:
        rows = connection.execute(
            "SELECT case_id, purpose, row_count FROM events WHERE action = 'vault_opened'"
        ).fetchall()
    assert rows
    assert {row[:2] for row in rows} == {("4711", "whom to warn")}
    assert MAIL.encode() not in everything(home)


@pytest.mark.parametrize("missing", ["--case", "--reason"])
def test_without_a_case_or_a_reason_it_stays_shut(home, missing):
    """Not given, or given as nothing."""
    at = OPEN.index(missing)
    assert run(home, *OPEN[:at], *OPEN[at + 2 :]).exception
    empty = run(home, *OPEN[: at + 1], " ", *OPEN[at + 2 :])
    assert isinstance(empty.exception, CannotContinue)
    assert MAIL not in empty.output


def test_without_its_private_key_it_is_written_and_not_read(home):
    """The key may be kept on another machine."""
    file = home / "keys" / "vault.private"
    key = file.read_bytes()
    file.unlink()
    try:
        assert run(home, "consume", "--once").exception is None
        assert isinstance(run(home, *OPEN).exception, CannotContinue)
    finally:
        file.write_bytes(key)


def test_a_session_can_be_forgotten(home):
    """Its tokens stay in the lake, and stand for nothing that anybody knows."""
    result = run(home, "vault", "forget", "--session", "r1", "--reason", "erasure request 12")
    assert "originals of r1 are erased" in result.stdout
    assert run(home, *OPEN).return_value == 1


def test_without_the_setting_nothing_is_kept(tmp_path):
    """It is off by default."""
    file = tmp_path / "runs.jsonl"
    file.write_text(json.dumps(RUN))
    home = tmp_path / "home"
    assert run(home, "import", "openai-messages", str(file)).exception is None
    assert not list(home.rglob("vault*"))
    assert isinstance(run(home, *OPEN).exception, CannotContinue)


def test_an_event_whose_originals_cannot_be_kept_is_not_redacted(tmp_path):
    """A token whose original should be there and is not would be a gap that nobody sees."""
    from locard.redaction.keeping import KeepingRedactor, VaultSettings

    class Redactor:
        def redact(self, event):
            originals["‹A:k1:1›"] = MAIL
            return dict(event), None

    originals = {}
    file = tmp_path / "vault.sqlite"
    file.mkdir()
    settings = VaultSettings(file, KEY.public_key().public_bytes_raw())
    with pytest.raises(CannotContinue, match="cannot be used") as raised:
        KeepingRedactor(Redactor(), originals, settings).redact({"session_id": "s1"})
    assert MAIL not in str(raised.value)
    assert not originals
