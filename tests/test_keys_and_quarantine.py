"""Keys on disk, sealing, and the quarantine that depends on them."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from locard.ingest.eventlog import RawRecord
from locard.ingest.quarantine import Quarantine, pointers, unsealed
from locard.redaction import Keyring, seal, unseal
from locard.schema import CannotContinue
from making import event

NOW = datetime(2026, 5, 4, 9, 32, tzinfo=UTC)
CANARY = b"CANARY-77aa"


def record(offset: int = 0, value: bytes = CANARY) -> RawRecord:
    """Return a raw record at this offset."""
    return RawRecord("topic", 1, offset, NOW, value)


@pytest.fixture
def keyring(tmp_path):
    """New keys."""
    return Keyring.open_or_create(tmp_path / "keys")


@pytest.fixture
def quarantine(tmp_path, keyring):
    """An empty quarantine."""
    return Quarantine(tmp_path / "quarantine", keyring.quarantine_public_key(), limit=3)


def test_keys_are_made_once_and_only_their_owner_may_read_them(keyring):
    """Opening a keyring again gives the same keys; files are 0600 in a directory that is 0700."""
    again = Keyring.open_or_create(keyring.directory)

    assert again.pseudonymizer().token("X", "v") == keyring.pseudonymizer().token("X", "v")
    assert stat.S_IMODE(keyring.directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in keyring.directory.iterdir()} == {0o600}


def test_the_newest_pseudonym_key_is_used(keyring):
    """A key that is added becomes the one for new tokens, by number and not by name."""
    for number in range(2, 12):
        assert keyring.add_pseudonym_key(bytes([number]) * 32) == f"k{number}"

    assert keyring.pseudonymizer().key_id == "k11"


def test_a_consumer_without_the_private_key_can_seal(keyring):
    """Where only the public key is kept, quarantine works and nothing can be opened."""
    (keyring.directory / "quarantine.private").unlink()
    again = Keyring.open_or_create(keyring.directory)

    assert seal(CANARY, again.quarantine_public_key(), "place")
    with pytest.raises(CannotContinue, match=r"quarantine\.private cannot be read"):
        again.quarantine_private_key()


def test_keys_that_cannot_be_made_are_named(tmp_path):
    """A directory below a file cannot exist; the error names it and says what to do."""
    (tmp_path / "file").write_text("")

    with pytest.raises(CannotContinue, match="keys cannot be made in .*file/keys"):
        Keyring.open_or_create(tmp_path / "file" / "keys")


def test_what_was_sealed_opens_only_with_its_key_and_in_its_place(keyring):
    """Another key, another place or one changed bit, and it stays shut, with one clear line."""
    sealed = seal(CANARY, keyring.quarantine_public_key(), "t/0/1")
    private = keyring.quarantine_private_key()

    assert CANARY not in sealed
    assert unseal(sealed, private, "t/0/1") == CANARY
    for attempt in (
        (sealed, private, "t/0/2"),
        (sealed[:-1] + bytes([sealed[-1] ^ 1]), private, "t/0/1"),
        (sealed[:10], private, "t/0/1"),
        (sealed, X25519PrivateKey.generate(), "t/0/1"),
    ):
        with pytest.raises(CannotContinue, match="does not open"):
            unseal(*attempt)


def test_a_quarantined_record_can_be_found_and_opened(quarantine, keyring):
    """The pointer says where, when, why and which event; the payload opens with the private key."""
    known = event(session_id="s9")
    quarantine.put(record(5), "redaction_error", known, NOW)
    quarantine.put(record(2), "json_syntax", None, NOW)

    first, second = quarantine
    assert (first.offset, first.error_class, first.event_id) == (2, "json_syntax", None)
    assert (second.offset, second.event_id, second.session_id) == (5, str(known.event_id), "s9")
    assert unsealed(quarantine.directory, second, keyring.quarantine_private_key()) == CANARY
    assert not any(CANARY in path.read_bytes() for path in quarantine.directory.rglob("*.json"))


def test_quarantining_again_changes_nothing(quarantine, keyring):
    """After a crash the same record is put away once more: it is still one record."""
    quarantine.put(record(), "redaction_error", None, NOW)
    quarantine.put(record(), "redaction_error", None, NOW)
    reopened = Quarantine(quarantine.directory, keyring.quarantine_public_key())

    assert len(quarantine) == len(reopened) == len(list(reopened)) == 1


def test_a_full_quarantine_stops_the_consumer(quarantine):
    """At the limit nothing is dropped and nothing goes on: somebody has to look."""
    for offset in range(3):
        quarantine.put(record(offset), "redaction_error", None, NOW)

    with pytest.raises(CannotContinue, match="holds 3 records, its limit"):
        quarantine.put(record(3), "redaction_error", None, NOW)
    quarantine.put(record(0), "redaction_error", None, NOW)


def test_a_quarantine_that_does_not_exist_is_empty(tmp_path):
    """Asking before anything was quarantined is no error."""
    assert list(pointers(tmp_path / "quarantine")) == []


def test_a_quarantine_file_moved_to_another_offset_does_not_open(quarantine, keyring):
    """Whoever renames an entry cannot make it pass for another record."""
    pointer = quarantine.put(record(0), "redaction_error", None, NOW)
    (path,) = quarantine.directory.rglob("*.json")
    entry = json.loads(path.read_bytes())
    path.with_name(f"{1:020}.json").write_text(json.dumps({**entry, "offset": 1}))
    moved = list(quarantine)[1]

    assert unsealed(quarantine.directory, pointer, keyring.quarantine_private_key()) == CANARY
    with pytest.raises(CannotContinue, match="does not open"):
        unsealed(quarantine.directory, moved, keyring.quarantine_private_key())
