"""Signed notes and checkpoints: the published vectors, and everything that is none."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from locard.evidence.keys import EvidenceKeys, parse_private, private_text
from locard.evidence.notes import (
    COSIGNATURE,
    Checkpoint,
    Note,
    NoteError,
    NoteKey,
    VerifierKey,
    cosigned_bytes,
    note,
)

# The example of C2SP signed-note and of golang.org/x/mod/sumdb/note.
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotp"
    "RZb6KE6RyyBwJnAM=\n"
)
NOTE = f"{TEXT}\n{LINE}".encode()
KEY = NoteKey("log.example/1", Ed25519PrivateKey.from_private_bytes(bytes(32)))


def test_the_published_note_is_signed_and_made_again_byte_by_byte():
    """Ed25519 signs in one way, so the same key makes the same note."""
    key = VerifierKey.parse(VKEY)
    assert str(key) == VKEY
    found = Note.parse(NOTE)
    assert found.text == TEXT
    assert found.verified([key]) == {key: None}
    mine = parse_private(SKEY)
    assert private_text(mine) == SKEY
    assert mine.verifier == key
    assert note(TEXT, [mine.line(TEXT)]) == NOTE


def test_no_part_of_a_verifier_key_is_one():
    """As the tests of the Go implementation have it: nothing shorter, no byte another."""
    for begin in range(len(VKEY)):
        for end in range(begin + 1, len(VKEY) + 1):
            if (begin, end) != (0, len(VKEY)):
                with pytest.raises(NoteError):
                    VerifierKey.parse(VKEY[begin:end])
    for at in range(len(VKEY)):
        with pytest.raises(NoteError):
            VerifierKey.parse(VKEY[:at] + chr(ord(VKEY[at]) + 1) + VKEY[at + 1 :])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        TEXT.encode(),
        f"{TEXT}\n".encode(),
        f"{TEXT}{LINE}".encode(),
        NOTE[:-1],
        NOTE + b"\n",
        NOTE.replace("—".encode(), b"-"),
        NOTE.replace(b"PeterNeumann x", b"PeterNeumann  x"),
        NOTE.replace(b"PeterNeumann x", b"Peter+Neumann x"),
        NOTE.replace(b"AM=\n", b"AM\n"),
        NOTE.replace(b"AM=\n", b"AN=\n"),
        b"\xff" + NOTE,
        NOTE.replace(b"problem,", b"problem\0"),
        NOTE.replace(b"problem,", b"problem\r"),
        NOTE + LINE.encode() * 100,
        f"{TEXT}\n— PeterNeumann AAAA\n".encode(),
    ],
)
def test_what_is_no_note_is_refused(data):
    with pytest.raises(NoteError):
        Note.parse(data)


def test_a_note_that_was_changed_is_not_signed():
    key = VerifierKey.parse(VKEY)
    with pytest.raises(NoteError):
        Note.parse(NOTE.replace(b"cryptography", b"cryptographY")).verified([key])


def test_signatures_of_others_do_not_count():
    """Nor do those of the same name with another key; a second one of a key is passed over."""
    other = NoteKey("PeterNeumann", Ed25519PrivateKey.generate())
    mixed = note(TEXT, [KEY.line(TEXT), other.line(TEXT), LINE, LINE])
    assert Note.parse(mixed).verified([VerifierKey.parse(VKEY)]) == {VerifierKey.parse(VKEY): None}
    assert Note.parse(mixed).verified([]) == {}


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_says_what_it_said(size, root):
    made = Checkpoint("log.example/1", size, root)
    assert Checkpoint.parse(made.text) == made
    signed = Note.parse(note(made.text, [KEY.line(made.text)]))
    assert signed.text == made.text
    assert signed.verified([KEY.verifier]) == {KEY.verifier: None}


def test_further_lines_of_a_checkpoint_are_passed_over():
    made = Checkpoint("log.example/1", 5, bytes(32))
    assert Checkpoint.parse(made.text + "an extension\n") == made


@pytest.mark.parametrize(
    "text",
    [
        "log\n5\n",
        "\n5\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "log\n05\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "log\n-5\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "log\n5.0\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "log\n٥\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "log\n5\n" + base64.b64encode(bytes(31)).decode() + "\n",
        "log\n5\n" + base64.b64encode(bytes(32)).decode() + "\n\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text):
    with pytest.raises(NoteError):
        Checkpoint.parse(text)


def test_a_cosignature_is_of_its_time():
    """C2SP tlog-cosignature: the time is signed with the checkpoint, and comes back."""
    witness = NoteKey("w.example", Ed25519PrivateKey.generate(), COSIGNATURE)
    text = Checkpoint("log.example/1", 5, bytes(32)).text
    assert cosigned_bytes(text, 7) == f"cosignature/v1\ntime 7\n{text}".encode()
    found = Note.parse(note(text, [witness.line(text, 1_700_000_000)]))
    assert found.verified([witness.verifier]) == {witness.verifier: 1_700_000_000}
    name, key_id, signature = found.signatures[0]
    moved = (1_700_000_001).to_bytes(8) + signature[8:]
    with pytest.raises(NoteError):
        Note(found.text, ((name, key_id, moved),)).verified([witness.verifier])
    with pytest.raises(NoteError):
        witness.line(text)


def test_keys_are_made_once_and_rotation_keeps_the_older_ones(tmp_path):
    """The log keeps its name; what the old key has signed can still be told."""
    keys = EvidenceKeys(tmp_path / "keys")
    first = keys.log_key("log.example/1")
    assert keys.log_key().verifier == first.verifier
    assert (tmp_path / "keys/log").stat().st_mode & 0o077 == 0
    old, new = keys.rotate_log_key()
    assert old.verifier == first.verifier
    assert keys.log_key().verifier == new.verifier
    assert (new.name, new.verifier) == ("log.example/1", keys.log_verifiers()[0])
    third = keys.rotate_log_key()[1]
    assert keys.log_verifiers() == [third.verifier, new.verifier, first.verifier]
    assert keys.custody_key().key_id == keys.custody_key().key_id
