"""Identities: a token is shown once and kept as its digest, and every change leaves a record."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventlogs import LogUnderTest, read_all
from locard.evidence import SigningKey
from locard.ingest.eventlog import OutgoingRecord
from locard.ingest.identities import IdentityRegistry, Issued, registry, trail
from locard.schema import CannotContinue, Event, RetryableError, parse_event

HOUR = timedelta(hours=1)
KEY = SigningKey.generate().key_id


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, time: timedelta) -> None:
        """Let some time pass."""
        self.now += time


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


@pytest.fixture
def path(tmp_path) -> Path:
    """Where the registry is."""
    return tmp_path / "home" / "identities.sqlite"


@pytest.fixture
def identities(path, clock) -> Iterator[IdentityRegistry]:
    """An empty registry."""
    with closing(IdentityRegistry(path, clock)) as identities:
        yield identities


class KeepingWriter:
    """A log in memory that can be away."""

    topic_id = "kept"

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.is_away = False

    def append(self, records: Sequence[OutgoingRecord]) -> None:
        """Keep the events, or fail."""
        if self.is_away:
            raise RetryableError("the log is away; wait for it")
        self.events += [parse_event(record.value) for record in records]

    def close(self) -> None:
        """Do nothing."""


def locard(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line on a home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LOCARD_")}
    command = [sys.executable, "-m", "locard.cli", "--home", str(home), *arguments]
    return subprocess.run(
        command, env={**kept, **variables}, capture_output=True, text=True, check=False
    )


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that a command which could not has written."""
    assert (done.returncode, done.stdout) == (2, ""), done
    assert re.fullmatch(r"locard: [^\n]+\n", done.stderr), done.stderr
    return done.stderr


def everything_in(path: Path) -> bytes:
    """Return the bytes of the registry's files."""
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_a_token_stands_for_its_workflow_and_agent(identities, clock):
    """Whoever presents a token is the identity that it was made for; a made-up one is nobody's."""
    payer = identities.create("payments", "payer", name="on host 7")
    other = identities.create("payments")

    found = identities.identify(payer.token)
    assert found == payer.identity
    assert (found.workflow_id, found.agent_id, found.role) == ("payments", "payer", "collector")
    assert re.fullmatch(r"payments/payer-[0-9a-f]{6}", found.identity)
    assert identities.identify(other.token) == other.identity
    assert found.created_at == clock.now
    assert found.expires_at is None
    assert [identity.name for identity in identities.identities()] == ["on host 7", None]
    for stranger in ("", "x", payer.token[:-1], payer.token + "x", "locard_" + "A" * 43, "‹›"):
        assert identities.identify(stranger) is None


def test_a_token_has_256_random_bits_and_a_prefix_that_scanners_know(identities):
    """Tokens differ, begin alike, and carry 43 characters of base64url."""
    tokens = {identities.create("w").token for _ in range(20)}
    assert len(tokens) == 20
    assert all(re.fullmatch(r"locard_[A-Za-z0-9_-]{43}", token) for token in tokens)


def test_a_token_is_kept_nowhere(identities, path):
    """Neither the file, which its owner alone may read, nor what Python shows has the token."""
    issued = identities.create("payments")
    again = identities.rotate(issued.identity.identity, HOUR)

    kept = everything_in(path)
    for token in (issued.token, again.token):
        assert token.encode() not in kept
        assert token.removeprefix("locard_").encode() not in kept
        assert token not in repr(issued) + repr(again) + str(identities.identities())
    assert b"payments" in kept  # and the search would find it
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_token_ends_when_it_expires_and_can_be_prolonged(identities, clock):
    """Up to the very moment a token is good, from then on it is not, until it is prolonged."""
    issued = identities.create("w", lifetime=HOUR)
    clock.forward(HOUR - timedelta(microseconds=1))
    assert identities.identify(issued.token)
    clock.forward(timedelta(microseconds=1))
    assert identities.identify(issued.token) is None
    with pytest.raises(CannotContinue, match="has expired"):
        identities.rotate(issued.identity.identity)

    assert identities.expire(issued.identity.identity, HOUR).expires_at == clock.now + HOUR
    assert identities.identify(issued.token)
    identities.expire(issued.identity.identity, timedelta())
    assert identities.identify(issued.token) is None
    assert identities.expire(issued.identity.identity, None).expires_at is None
    assert identities.identify(issued.token)


def test_a_rotated_token_ends_at_once_or_after_its_grace(identities, clock):
    """Both tokens are good while the grace lasts; a later rotation does not lengthen it."""
    first = identities.create("w")
    name = first.identity.identity
    second = identities.rotate(name, HOUR)
    assert second.token != first.token
    assert identities.identify(first.token) == identities.identify(second.token) != None  # noqa: E711
    clock.forward(HOUR / 2)
    third = identities.rotate(name, 2 * HOUR)
    clock.forward(HOUR / 2)
    assert identities.identify(first.token) is None
    assert identities.identify(second.token)
    fourth = identities.rotate(name)
    assert [bool(identities.identify(i.token)) for i in (second, third, fourth)] == [
        False,
        False,
        True,
    ]


def test_a_revoked_identity_is_over_for_good(identities, clock):
    """Its tokens end at once in every process, and nothing brings it back."""
    issued = identities.create("w")
    name = issued.identity.identity
    with closing(IdentityRegistry(identities._file.path)) as elsewhere:
        assert elsewhere.identify(issued.token)
        revoked = identities.revoke(name)
        assert elsewhere.identify(issued.token) is None
    assert revoked.revoked_at == clock.now
    clock.forward(HOUR)
    assert identities.revoke(name) == revoked
    for change in (
        lambda: identities.rotate(name),
        lambda: identities.expire(name, HOUR),
        lambda: identities.add_key(name, KEY),
    ):
        with pytest.raises(CannotContinue, match="revoked"):
            change()
    assert identities.identities() == [revoked]


def test_a_digest_that_the_search_finds_is_compared_in_constant_time(identities, monkeypatch):
    """What decides is a comparison that tells nothing by its time."""
    issued = identities.create("w")
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return False

    monkeypatch.setattr(registry.secrets, "compare_digest", compare)
    assert identities.identify(issued.token) is None
    ((one, other),) = compared
    assert one == other
    assert len(one) == 32


def test_keys_are_registered_once_and_revoked_for_good(identities):
    """An identity has the keys that were added, in order; a revoked one does not come back."""
    name = identities.create("w").identity.identity
    other = SigningKey.generate().key_id
    assert not identities.identities()[0].signs
    for key in (KEY, other, KEY):
        identities.add_key(name, key)
    assert identities.identities()[0].keys == (KEY, other)
    found = identities.revoke_key(name, KEY)
    assert (found.keys, found.revoked_keys, found.signs) == ((other,), (KEY,), True)
    assert identities.revoke_key(name, KEY) == found
    with pytest.raises(CannotContinue, match="was revoked"):
        identities.add_key(name, KEY)
    with pytest.raises(CannotContinue, match="has no such key"):
        identities.revoke_key(name, SigningKey.generate().key_id)
    assert identities.revoke_key(name, other).signs
    for wrong in ("", "ed25519:short", KEY + "=", KEY.upper()):
        with pytest.raises(CannotContinue, match="no id of a signing key"):
            identities.add_key(name, wrong)


def test_the_last_use_is_noted(identities, clock):
    """What is noted is when a token was presented."""
    issued = identities.create("w")
    clock.forward(HOUR)
    identities.note_use(issued.identity.identity)
    assert identities.identities()[0].used_at == clock.now


@given(st.text(max_size=300), st.none() | st.text(max_size=300))
def test_any_name_is_taken_whole_or_refused(tmp_path_factory, workflow, agent):
    """A name stays as it was given, its id is plain text, and what cannot be shown is refused."""
    path = tmp_path_factory.mktemp("names") / "identities.sqlite"
    with closing(IdentityRegistry(path)) as identities:
        names = [workflow] if agent is None else [workflow, agent]
        if all(
            name == name.strip() and 0 < len(name) <= 200 and name.isprintable() for name in names
        ):
            found = identities.identify(identities.create(workflow, agent).token)
            assert (found.workflow_id, found.agent_id) == (workflow, agent)
            assert re.fullmatch(r"[A-Za-z0-9._/-]{1,90}", found.identity)
        else:
            with pytest.raises(CannotContinue, match=r"^the (workflow|agent) is empty, longer"):
                identities.create(workflow, agent)
            assert identities.identities() == []


@pytest.mark.parametrize("role", ["reader", "Responder", "root", "owner", ""])
def test_a_role_that_there_is_not_is_refused(identities, role):
    """And nothing is made."""
    with pytest.raises(CannotContinue, match="role"):
        identities.create("w", role=role)
    assert identities.identities() == []


def test_only_who_reads_can_be_of_all_workflows(identities):
    """A collector's events are of one workflow; a reader may see all of them."""
    with pytest.raises(CannotContinue, match="one workflow"):
        identities.create("*")
    assert identities.create("*", role="auditor").identity.workflow_id == "*"


def test_every_change_is_an_access_event(identities):
    """Who did what to which identity goes to the event log, once, and without any token."""
    log = KeepingWriter()
    issued = identities.create("payments", "payer", lifetime=HOUR)
    name = issued.identity.identity
    rotated = identities.rotate(name, HOUR)
    identities.expire(name, None)
    identities.add_key(name, KEY)
    identities.add_key(name, KEY)
    identities.revoke_key(name, KEY)
    identities.revoke(name)
    identities.revoke(name)

    assert identities.record_changes(log) == 6
    assert identities.record_changes(log) == 0
    assert [(event.kind, event.body.action) for event in log.events] == [
        ("access", action)
        for action in (
            "identity_created",
            "identity_rotated",
            "identity_expiry_set",
            "identity_key_added",
            "identity_key_revoked",
            "identity_revoked",
        )
    ]
    for event in log.events:
        assert event.principal.startswith("os:")
        assert (event.workflow_id, event.agent_id) == ("payments", "payer")
        assert event.extensions["identity"] == name
    assert log.events[3].extensions["key_id"] == KEY
    told = str([event.model_dump() for event in log.events])
    assert not [token for token in (issued.token, rotated.token) if token in told]


def test_changes_wait_for_a_log_that_is_away(identities):
    """A change is made while the log is away, and recorded when it is back."""
    log = KeepingWriter()
    log.is_away = True
    issued = identities.create("w")
    with pytest.raises(RetryableError):
        identities.record_changes(log)
    identities.revoke(issued.identity.identity)
    assert identities.identify(issued.token) is None
    log.is_away = False
    assert identities.record_changes(log) == 2
    assert [event.body.action for event in log.events] == ["identity_created", "identity_revoked"]


def test_a_change_that_comes_while_others_are_handed_over_is_not_forgotten(identities):
    """What is taken out is what the log was given, whatever another process did meanwhile."""
    log = KeepingWriter()
    identities.create("first")
    append, log.append = log.append, lambda records: meanwhile(records)

    def meanwhile(records: Sequence[OutgoingRecord]) -> None:
        log.append = append
        identities.record_changes(log)  # another process is faster
        identities.create("second")
        append(records)

    identities.record_changes(log)
    assert [event.workflow_id for event in log.events] == ["first", "first", "second"]
    assert log.events[0].event_id == log.events[1].event_id


def test_a_change_that_fails_leaves_nothing(identities, monkeypatch):
    """Change and access event are one: where the second cannot be written the first is undone."""
    monkeypatch.setattr(trail, "access_record", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        identities.create("w")
    assert identities.identities() == []
    assert identities.record_changes(KeepingWriter()) == 0


def test_threads_look_up_while_another_changes(identities):
    """A token is found at every moment, whatever else goes on in the file."""
    issued = identities.create("w")
    misses: list[object] = []
    go_on = threading.Event()

    def look() -> None:
        while not go_on.is_set():
            if identities.identify(issued.token) is None:
                misses.append(issued)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(30):
            identities.create("w")
            identities.note_use(issued.identity.identity)
    finally:
        go_on.set()
        for thread in threads:
            thread.join()
    assert misses == []
    assert len(identities.identities()) == 31


def test_two_processes_make_identities_at_once(tmp_path):
    """Two commands that both find no registry each make their identity in the same one."""
    home = tmp_path / "home"
    command = [sys.executable, "-m", "locard.cli", "--home", str(home), "identity", "create"]
    running = [
        subprocess.Popen(
            [*command, "--workflow", f"w{number}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for number in range(3)
    ]
    tokens = [process.communicate()[0].decode().strip() for process in running]

    assert [process.returncode for process in running] == [0, 0, 0]
    with closing(IdentityRegistry(home / "identities.sqlite")) as identities:
        found = [identities.identify(token) for token in tokens]
    assert [identity and identity.workflow_id for identity in found] == ["w0", "w1", "w2"]
    events = [parse_event(record.value) for record in read_all(LogUnderTest(home))]
    workflows = {event.event_id: event.workflow_id for event in events}  # one may come twice
    assert sorted(workflows.values()) == ["w0", "w1", "w2"]


def test_the_commands_tell_what_they_did(tmp_path):
    """The token alone is on stdout; the list has everything but it; the log has every change."""
    home = tmp_path / "home"
    created = locard(home, "identity", "create", "--workflow", "payments", "--expires", "90d")
    token = created.stdout.strip()
    assert re.fullmatch(r"locard_[A-Za-z0-9_-]{43}", token)
    (listed,) = json.loads(locard(home, "identity", "list", "--format", "json").stdout)
    name = listed["identity"]
    assert name in created.stderr
    assert token not in created.stderr
    assert (listed["state"], listed["used_at"]) == ("valid", None)
    rotated = locard(home, "identity", "rotate", name, "--grace", "1h").stdout.strip()
    for arguments in (
        ("key", "add", name, KEY),
        ("key", "revoke", name, KEY),
        ("expire", name, "--never"),
        ("revoke", name),
    ):
        done = locard(home, "identity", *arguments)
        assert (done.returncode, done.stdout) == (0, ""), done
        assert name in done.stderr
    for format_name in ("table", "json", "jsonl", "csv"):
        done = locard(home, "identity", "list", "--format", format_name)
        assert name in done.stdout
        assert "revoked" in done.stdout
        assert KEY in done.stdout
        assert token not in done.stdout + done.stderr
        assert rotated not in done.stdout + done.stderr
    actions = [parse_event(record.value).body.action for record in read_all(LogUnderTest(home))]
    assert len(actions) == 6


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("list",), "there are no identities in"),
        (("revoke", "nobody"), "there are no identities in"),
        (("create", "--workflow", "w", "--role", "reader"), "no such role"),
        (("create", "--workflow", ""), "workflow is empty"),
        (("create", "--workflow", "w\x1b[31m"), "choose a plain name"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path, arguments, told):
    """A command that could not says why in one line, with status 2."""
    assert told in one_line(locard(tmp_path / "home", "identity", *arguments))


@pytest.mark.parametrize("command", [("revoke",), ("rotate",), ("expire", "--never")])
def test_an_identity_that_does_not_exist_is_told(path, command):
    """A change of an identity that nobody made is one line."""
    IdentityRegistry(path).close()
    line = one_line(locard(path.parent, "identity", command[0], "nobody", *command[1:]))
    assert "no identity of this id; `locard identity list` shows" in line


def test_a_change_while_kafka_is_away_is_made_and_told(tmp_path):
    """The command succeeds, says that the record waits, and the next one hands it over."""
    home = tmp_path / "home"
    away = {"LOCARD_KAFKA": "127.0.0.1:1", "LOCARD_KAFKA_SECONDS": "0.3"}
    done = locard(home, "identity", "create", "--workflow", "w", **away)
    assert done.returncode == 0
    assert done.stdout.startswith("locard_")
    assert "waits in identities.sqlite" in done.stderr
    assert locard(home, "identity", "create", "--workflow", "w").returncode == 0
    assert len(read_all(LogUnderTest(home))) == 2


def test_a_file_that_is_no_registry_is_left_alone(path):
    """A damaged file, another program's, or a later version's is one clear line, unchanged."""
    path.parent.mkdir()
    path.write_bytes(b"this is no database, and longer than a hundred bytes " * 3)
    with pytest.raises(CannotContinue, match="cannot be used: file is not a database"):
        IdentityRegistry(path)
    path.unlink()
    with closing(sqlite3.connect(path)) as foreign:
        foreign.execute("CREATE TABLE theirs (thing TEXT)")
        foreign.commit()
    before = path.read_bytes()
    with pytest.raises(CannotContinue, match="file of another program"):
        IdentityRegistry(path)
    assert path.read_bytes() == before
    path.unlink()
    IdentityRegistry(path).close()
    with closing(sqlite3.connect(path)) as later:
        later.execute("PRAGMA user_version=2")
    with pytest.raises(CannotContinue, match="format 2 and this program knows 1"):
        IdentityRegistry(path)
    line = one_line(locard(path.parent, "identity", "list"))
    assert "install the version of Locard that wrote it" in line


def test_a_registry_that_another_process_holds_is_told(path, monkeypatch):
    """A change that cannot have the file says so; looking up goes on meanwhile."""
    monkeypatch.setattr("locard.ingest.identities.file.BUSY_SECONDS", 0.01)
    with closing(IdentityRegistry(path)) as identities:
        issued = identities.create("w")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(RetryableError, match="held by another process; try again"):
                identities.revoke(issued.identity.identity)
            assert identities.identify(issued.token)


def test_a_registry_that_was_put_back_counts_at_once(identities, path):
    """Where another file stands in its place, its identities are good and no others; so is none."""
    old = identities.create("w")
    path.rename(path.with_name("old"))
    with pytest.raises(CannotContinue, match=r"cannot be used: .*No such file"):
        identities.identify(old.token)
    with pytest.raises(CannotContinue, match="cannot be used"):
        identities.revoke(old.identity.identity)
    assert not path.exists()
    with closing(IdentityRegistry(path)) as other:
        new = other.create("w")
        assert identities.identify(old.token) is None
        assert identities.identify(new.token) == new.identity


def test_a_directory_that_cannot_be_written_is_told(tmp_path):
    """Where no registry can be made one line names it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotContinue, match=r"identities.sqlite cannot be used: File exists"):
        IdentityRegistry(tmp_path / "file" / "identities.sqlite")


def test_an_issued_token_is_not_shown_by_accident():
    """A log line that gets hold of the whole answer does not have the token."""
    assert "token" not in repr(Issued(None, "locard_x"))  # type: ignore[arg-type]
