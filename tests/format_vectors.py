"""Makes `docs/format-vectors.json`: `python tests/format_vectors.py > docs/format-vectors.json`."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from locard.evidence import SigningKey
from locard.evidence.commitments import commitment, salt_of
from locard.evidence.custody import Custodian
from locard.evidence.merkle import leaf_hash, root_of
from locard.evidence.notes import Checkpoint, NoteKey, note
from locard.evidence.rows import RowEvidence, leaf_entry
from locard.evidence.seals import Sealed
from locard.schema import canonical_bytes, event_object, validate_event

SEED, NEW_SALT = bytes(range(16)), bytes(range(16, 32))
LOG_SEED, CUSTODY_SEED = bytes([1]) * 32, bytes([2]) * 32
EVENT: dict[str, Any] = {
    "kind": "decision",
    "event_id": "01890000-0000-7000-8000-000000000001",
    "schema_version": "1.0",
    "occurred_at": "2026-05-04T09:30:07.200000Z",
    "observed_at": "2026-05-04T09:30:07Z",
    "lane": "recorder",
    "session_id": "s\u20ac/1",
    "principal": "payments-4f2a9c",
    "principal_verified": True,
    "ingested_at": "2026-05-04T09:30:08.000001Z",
    "parameters": {"b": 1.0, "a": ["\u00e9", 1e21]},
    "absent": {"on_behalf_of": "not_captured"},
    "body": {
        "decided_by": "policy",
        "verdict": "allow",
        "latency_ms": 1.5,
        "rationale": 'the mail of mia@example.com says "yes"',
    },
}
REDACTED = 'the mail of \u2039EMAIL_ADDRESS:k1:9f2c71d0a4b85e16\u203a says "yes"'
REDACTION = '{"engine":"example","policy":"example/1"}'


def vectors() -> dict[str, Any]:
    """Return all values, computed by the code that writes the lake."""
    parts = Sealed.of(event_object(validate_event(EVENT)))
    sources = parts.commitments(SEED)
    changed = {"rationale": commitment(NEW_SALT, "rationale", canonical_bytes(REDACTED)).hex()}
    evidence = canonical_bytes(
        {
            "fields": {
                "parameters": {"salt": salt_of(SEED, "parameters").hex()},
                "rationale": {"salt": NEW_SALT.hex(), "source": sources["rationale"]},
            }
        }
    ).decode()
    digest = parts.digest(sources)
    row = RowEvidence(digest, changed, evidence, "source", ())
    entry = leaf_entry(row, EVENT, ("0a1b2c", 3, 7), REDACTION)
    leaf = leaf_hash(entry)
    leaves = [leaf, leaf_hash(b"another"), leaf_hash(b"a third")]
    key = NoteKey("log.example/locard", Ed25519PrivateKey.from_private_bytes(LOG_SEED))
    checkpoint = Checkpoint(key.name, 1, root_of([leaf_hash(b"{}")]))
    custody = SigningKey(Ed25519PrivateKey.from_private_bytes(CUSTODY_SEED))
    (statement,) = Custodian(custody, "os:ana").statements(
        "erasure",
        datetime(2026, 5, 5, tzinfo=UTC),
        emptied={"0a1b2c/3": [(7, 8)]},
        dropped={},
        told={"ticket": "T1"},
    )
    return {
        "event": EVENT,
        "seed": SEED.hex(),
        "salts": {name: salt_of(SEED, name).hex() for name in sorted(sources)},
        "values": {name: value.decode() for name, value in sorted(parts.values.items())},
        "commitments": sources,
        "core": canonical_bytes(parts.core).decode(),
        "digest": digest.hex(),
        "row": {
            "rationale": REDACTED,
            "parameters": parts.values["parameters"].decode(),
            "evidence": evidence,
            "redaction": REDACTION,
            "log_topic_id": "0a1b2c",
            "log_partition": 3,
            "log_offset": 7,
        },
        "record": entry[32:].decode(),
        "leaf": leaf.hex(),
        "leaves": [one.hex() for one in leaves],
        "root": root_of(leaves).hex(),
        "log_key": str(key.verifier),
        "checkpoint": note(checkpoint.text, [key.line(checkpoint.text)]).decode(),
        "custody_key": custody.key_id,
        "statement": statement,
    }


if __name__ == "__main__":
    json.dump(vectors(), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
