"""The published vectors are what the code computes, and what a stranger would from the page."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from format_vectors import vectors
from locard.evidence.bundle import standalone
from locard.evidence.notes import Note, VerifierKey

PAGE = Path(__file__).parents[1] / "docs/format-vectors.json"


def test_the_published_vectors_are_those_of_the_code():
    assert json.loads(PAGE.read_text()) == json.loads(json.dumps(vectors()))


def test_the_vectors_follow_from_the_page_alone():
    """With nothing but the standard library, and the verifier that bundles carry."""
    told = json.loads(PAGE.read_text())

    seed = bytes.fromhex(told["seed"])
    for name, value in told["values"].items():
        salt = sha256(b"locard-salt/1\0" + seed + name.encode()).digest()[:16]
        assert salt.hex() == told["salts"][name]
        preimage = b"locard-commitment/1\0" + salt + name.encode() + b"\0" + value.encode()
        assert sha256(preimage).hexdigest() == told["commitments"][name]
    commitments = json.dumps(told["commitments"], separators=(",", ":"), sort_keys=True)
    preimage = (
        f'{{"commitments":{commitments},"core":{told["core"]},"format":"locard-event/1"}}'
    ).encode()
    digest = sha256(preimage).digest()
    assert digest.hex() == told["digest"]
    leaf = sha256(b"\0" + digest + told["record"].encode()).digest()
    assert leaf.hex() == told["leaf"]
    leaves = [bytes.fromhex(one) for one in told["leaves"]]
    left = sha256(b"\x01" + leaves[0] + leaves[1]).digest()
    assert sha256(b"\x01" + left + leaves[2]).hexdigest() == told["root"]


def test_the_row_of_the_vectors_has_their_leaf():
    """As a bundle shows it: columns of the event, of the row, and JSON text as strings."""
    told = json.loads(PAGE.read_text())
    event = {name: value for name, value in told["event"].items() if name != "body"}
    row = {
        **event,
        **told["event"]["body"],
        **told["row"],
        "absent": '{"on_behalf_of":"not_captured"}',
    }
    row["observed_at"] = "2026-05-04T09:30:07.000000Z"
    read = standalone.parsed(json.dumps(row))
    assert standalone.row_leaf(read)[0].hex() == told["leaf"]


def test_the_signatures_of_the_vectors_fit():
    told = json.loads(PAGE.read_text())
    key = VerifierKey.parse(told["log_key"])
    assert key in Note.parse(told["checkpoint"].encode()).verified([key])
    statement = dict(told["statement"])
    signature = standalone.decoded(statement.pop("signature"))
    public = standalone.decoded(told["custody_key"].removeprefix("ed25519:"))
    assert standalone.is_signature(public, signature, standalone.written(statement).encode())
