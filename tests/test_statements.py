"""Signed statements: no change goes unseen, redaction and storage leave them whole."""

from __future__ import annotations

import base64
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from locard.evidence import (
    SigningKey,
    is_signature,
    is_signed,
    is_signing_key_id,
    signed,
    statement_bytes,
    statement_digest,
)
from locard.redaction import DEFAULT_POLICY, Pseudonymizer, RedactedEvent, presidio_redactor
from locard.schema import (
    AccountingEvent,
    canonical_bytes,
    event_json,
    event_object,
    parse_event,
    validate_event,
)
from locard.schema.arrow import event_table, events_of_table
from making import event, redacted
from strategies import event_objects

KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes(32)))
BODY: dict[str, Any] = {
    "statement": "interval",
    "first_seq": 3,
    "last_seq": 9,
    "count": 5,
    "declared_drops": 2,
    "drops": [
        {"first_seq": 4, "last_seq": 4, "reason": "queue_full"},
        {"incarnation": "run 1", "first_seq": 7, "last_seq": 7, "reason": "unfit"},
    ],
    "previous": "ab" * 32,
    "follows": "run 1",
}
CORE = {"collector_id": "machine/agent", "incarnation": "run 2", "seq": 10}


def statement(body: dict[str, Any] | None = None, **core: Any) -> AccountingEvent:
    """Return a statement that is not signed yet."""
    made = event("accounting", BODY if body is None else body, **{**CORE, **core})
    assert isinstance(made, AccountingEvent)
    return made


def changed(given_event: AccountingEvent, **fields: Any) -> AccountingEvent:
    """Return an event with other fields; `body` adds to the body, `None` takes a field away."""
    dumped = event_object(given_event)
    body = {**dumped["body"], **fields.pop("body", {})}
    dumped |= fields | {"body": {name: v for name, v in body.items() if v is not None}}
    made = validate_event({name: v for name, v in dumped.items() if v is not None})
    assert isinstance(made, AccountingEvent)
    return made


# RFC 8032, section 7.1: secret key, public key, message, signature.
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
]


def in_base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.mark.parametrize(("secret", "public", "message", "signature"), VECTORS)
def test_keys_and_signatures_are_those_of_rfc_8032(secret, public, message, signature, tmp_path):
    """A key in a file has the id and gives the signatures that the standard says."""
    path = tmp_path / "key"
    path.write_text(in_base64(bytes.fromhex(secret)) + "\n")
    key = SigningKey.open_or_create(path)
    text = in_base64(bytes.fromhex(signature))

    assert key.key_id == "ed25519:" + in_base64(bytes.fromhex(public))
    assert key.sign(bytes.fromhex(message)) == text
    assert is_signature(key.key_id, text, bytes.fromhex(message))
    assert not is_signature(key.key_id, text, bytes.fromhex(message) + b"x")


@pytest.mark.parametrize("number", range(86))
def test_a_signature_has_one_spelling(number):
    """Whatever character of a signature is changed, it is none, also in bits that say nothing."""
    text = KEY.sign(b"data")
    for other in "AQgw_-":
        if other != text[number]:
            assert not is_signature(KEY.key_id, text[:number] + other + text[number + 1 :], b"data")


@given(st.text(max_size=100) | st.just(KEY.key_id), st.text(max_size=100))
def test_what_is_no_key_or_no_signature_is_refused_and_never_raises(key_id, signature):
    """Texts from anywhere are no signatures."""
    assert not is_signature(key_id, signature, b"data")
    assert is_signing_key_id(key_id) is (key_id == KEY.key_id)


@pytest.mark.parametrize(
    "key_id",
    [
        KEY.key_id + "=",
        KEY.key_id[:-1] + "p",  # other spare bits
        KEY.key_id.removeprefix("ed25519:"),
        KEY.key_id.upper(),
        KEY.key_id + "\n",
        " " + KEY.key_id,
    ],
)
def test_a_key_has_one_id(key_id):
    """No other spelling of a key's id counts as one, so that it cannot be registered twice."""
    assert is_signing_key_id(KEY.key_id)
    assert not is_signing_key_id(key_id)
    assert not is_signature(key_id, KEY.sign(b"data"), b"data")


CHANGES: dict[str, dict[str, Any]] = {
    "collector_id": {"collector_id": "other"},
    "no collector_id": {"collector_id": None},
    "incarnation": {"incarnation": "run 3"},
    "no incarnation": {"incarnation": None},
    "seq": {"seq": 11},
    "no seq": {"seq": None},
    "occurred_at": {"occurred_at": "2026-05-04T09:32:00.000001Z"},
    "statement": {"body": {"statement": "close"}},
    "first_seq": {"body": {"first_seq": 2}},
    "no first_seq": {"body": {"first_seq": None}},
    "last_seq": {"body": {"last_seq": 8}},
    "count": {"body": {"count": 6}},
    "declared_drops": {"body": {"declared_drops": 0}},
    "no drops": {"body": {"drops": None}},
    "fewer drops": {"body": {"drops": BODY["drops"][:1]}},
    "order of drops": {"body": {"drops": BODY["drops"][::-1]}},
    "reason": {"body": {"drops": [{**BODY["drops"][0], "reason": "unfit"}, BODY["drops"][1]]}},
    "whose drop": {"body": {"drops": [{**d, "incarnation": "run 2"} for d in BODY["drops"]]}},
    "field of a drop": {"body": {"drops": [{**d, "novel": 1} for d in BODY["drops"]]}},
    "previous": {"body": {"previous": "cd" * 32}},
    "no previous": {"body": {"previous": None}},
    "follows": {"body": {"follows": "run 0"}},
    "key": {"body": {"signing_key_id": SigningKey.generate().key_id}},
    "no key": {"body": {"signing_key_id": None}},
    "no signature": {"body": {"signature": None}},
    "other signature": {"body": {"signature": KEY.sign(b"")}},
    "new field": {"body": {"novel": 1}},
    "moved field": {"body": {"count": None}, "extensions": {"/body/count": 5}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_any_change_of_what_is_signed_breaks_the_signature(change):
    """A statement with another number, range, drop, time or chain is not signed."""
    whole = signed(statement(), KEY)
    other = changed(whole, **change)

    assert is_signed(whole)
    assert not is_signed(other)
    if "signature" not in change.get("body", {}):
        assert statement_digest(other) != statement_digest(whole)


def test_every_field_of_a_statement_is_changed_above():
    """A field that a statement gets has to be signed, and its change has to be tried here."""
    tried = {name for change in CHANGES.values() for name in change.get("body", {})}

    assert set(type(statement().body).model_fields) <= tried


@pytest.mark.parametrize("name", ["observed_at", "ingested_at"])
def test_what_later_stages_stamp_is_not_signed(name):
    """The pipeline adds its own times and the sender's name, and the signature holds."""
    whole = signed(statement(), KEY)
    stamped = changed(
        whole, **{name: "2026-05-05T00:00:00Z"}, principal="token:a", principal_verified=True
    )

    assert stamped != whole
    assert is_signed(stamped)


def test_a_statement_survives_the_real_redaction():
    """The redactor of the pipeline changes nothing that is signed, whatever is said beside it."""
    redactor = presidio_redactor(Pseudonymizer("k1", b"0" * 32), DEFAULT_POLICY)
    beside = {"note": "write to mia.li3818@example.com please"}
    whole = signed(statement(extensions=beside, on_behalf_of="mia.li3818@example.com"), KEY)

    value, _ = redactor.redact(event_object(whole))
    back = validate_event(value)

    assert isinstance(back, AccountingEvent)
    assert back.extensions != whole.extensions
    assert is_signed(back)
    erased = validate_event({k: v for k, v in value.items() if k != "extensions"})
    assert isinstance(erased, AccountingEvent)
    assert is_signed(erased)


@given(event_objects(kinds=("accounting",)))
@settings(max_examples=100)
def test_a_statement_survives_json_redaction_arrow_and_parquet(tmp_path_factory, value):
    """Any statement is still signed when it comes back out of the lake's form."""
    plain = validate_event(value)
    assert isinstance(plain, AccountingEvent)
    whole = signed(plain, KEY)
    stored = redacted(parse_event(event_json(whole)))
    assert isinstance(stored, RedactedEvent)
    path = tmp_path_factory.mktemp("trip") / "events.parquet"
    pq.write_table(event_table([stored.event]), path)

    (back,) = events_of_table(pq.read_table(path))

    assert isinstance(back, AccountingEvent)
    assert is_signed(back)
    assert statement_bytes(back) == statement_bytes(whole)
    assert statement_digest(back) == statement_digest(whole)


def newer_statement(**fields: Any) -> bytes:
    """Return the JSON of a statement that a newer version signed with fields of its own."""
    dumped = event_object(statement())
    body = {**dumped["body"], **fields, "signing_key_id": KEY.key_id}
    told = {name: dumped[name] for name in ("collector_id", "incarnation", "seq", "occurred_at")}
    data = canonical_bytes({"format": "locard-accounting/1", **told, "body": body})
    return canonical_bytes({**dumped, "body": {**body, "signature": KEY.sign(data)}})


@pytest.mark.parametrize("fields", [{"skew_ms": 7}, {"a/b": {"c": [1]}, "x": None}])
def test_fields_of_a_newer_version_are_signed_as_well(fields):
    """They end in `extensions`; the signature covers them there, and breaks with them."""
    read = parse_event(newer_statement(**fields))
    assert isinstance(read, AccountingEvent)
    name = "/body/" + next(iter(fields)).replace("/", "~1")

    assert name in read.extensions
    assert is_signed(read)
    assert not is_signed(changed(read, extensions={**read.extensions, name: "other"}))
    assert not is_signed(changed(read, extensions={}))
    assert is_signed(changed(read, extensions={**read.extensions, "/novel": 1, "note": 2}))


def test_a_statement_without_a_signature_is_not_signed():
    """Neither a key nor a signature alone is enough; another key's signature is none."""
    plain = statement()
    named = changed(plain, body={"signing_key_id": KEY.key_id})

    assert not is_signed(plain)
    assert not is_signed(named)
    assert is_signed(changed(named, body={"signature": KEY.sign(statement_bytes(named))}))
    assert is_signed(signed(signed(plain, SigningKey.generate()), KEY))


def test_a_key_is_made_once_for_its_owner_alone(tmp_path):
    """The first call makes the file, readable for its owner only; the next one reads it."""
    path = tmp_path / "key"
    key = SigningKey.open_or_create(path)

    assert SigningKey.open_or_create(path).key_id == key.key_id
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["key"]
    assert path.read_text().strip() not in repr(key)


def test_processes_that_make_a_key_at_once_have_one_key(tmp_path):
    """Whoever is second takes the first one's key."""
    program = (
        "import sys, pathlib; from locard.evidence import SigningKey; sys.stdin.readline(); "
        "print(SigningKey.open_or_create(pathlib.Path(sys.argv[1])).key_id)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "key")]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        said = [found for found, _ in pool.map(lambda p: p.communicate("go\n", 60), processes)]

    assert len(set(said)) == 1
    assert is_signing_key_id(said[0].strip())
    assert [file.name for file in tmp_path.iterdir()] == ["key"]


def test_threads_that_make_a_key_at_once_have_one_key(tmp_path):
    """Of many at once, each has the key in the file."""
    for number in range(20):
        path = tmp_path / f"key{number}"
        with ThreadPoolExecutor(8) as pool:
            keys = list(pool.map(SigningKey.open_or_create, [path] * 8))
        assert len({key.key_id for key in keys}) == 1


SECRET = in_base64(bytes(range(32)))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        SECRET[:-1].encode(),
        SECRET.encode() + b"A",
        SECRET.encode() + b"=",
        SECRET.encode()[:-1] + b"9",  # spare bits
        b"\xff\xfe" + SECRET.encode(),
        SECRET.replace("A", "+", 1).encode(),
        SECRET.encode() * 2,
        b"-----BEGIN PRIVATE KEY-----\n" + SECRET.encode(),
    ],
)
def test_a_broken_key_file_is_refused_without_its_content(content, tmp_path):
    """The error names the file and what to do, and nothing that could be of the secret."""
    path = tmp_path / "key"
    path.write_bytes(content)

    with pytest.raises(ValueError, match="holds no signing key; restore it") as caught:
        SigningKey.open_or_create(path)

    told = [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
    told += [repr(caught.value.__context__)]
    assert not any(SECRET[:8] in text for text in told)
    assert path.read_bytes() == content


@pytest.mark.parametrize("place", ["no folder/key", "."])
def test_a_key_that_cannot_be_made_or_read_is_an_os_error(place, tmp_path):
    """A folder that is missing, or a folder in its place, is told by the system's own error."""
    with pytest.raises(OSError, match="key|directory"):
        SigningKey.open_or_create(Path(tmp_path / place))
