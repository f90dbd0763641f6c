"""What proves one row of the lake: made by the consumer while it has the event before and after.

The leaf of a row in the tree of its segment covers the event's digest, and what the consumer adds:
where it stood in the log, who sent it, what redaction did and what it made of the content.

    leaf entry = digest of the event (32 bytes) || RFC 8785({"commitments": {…}, "format": …, …})

What the row keeps in its column `evidence` is what somebody needs to compute that anew, and no
more: the salts of values that the lake has, the commitments of those that it has not. The salt of
a value that redaction changed does not get there. `docs/format.md`, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from json.encoder import encode_basestring as _quoted  # the escapes of RFC 8785
from typing import Any, Final

from locard.evidence.commitments import commitment, from_hex, new_seed, salt_of
from locard.evidence.seals import Sealed, is_intact
from locard.schema import Seal, canonical_bytes

RECORD_FORMAT: Final = "locard-record/1"


@dataclass(frozen=True, slots=True)
class RowEvidence:
    """The evidence of a row, but for its place in the log.

    Args:
        digest: of the event.
        commitments: to the values that redaction made, by content field.
        stored: JSON for the column `evidence`.
        sealed_by: `source` if the event came with a seal that fits, else `consumer`.
        stamped: fields of the core that the seal does not cover.
    """

    digest: bytes
    commitments: Mapping[str, str]
    stored: str = field(repr=False)
    sealed_by: str
    stamped: tuple[str, ...]


def row_evidence(raw: Mapping[str, Any], redacted: Mapping[str, Any]) -> RowEvidence:
    """Return the evidence of a row.

    Args:
        raw: the JSON object of the event as it came, with its seal.
        redacted: the same as it is stored.
    """
    sealed_by = "source"
    stamped: tuple[str, ...] = ()
    seal = Seal.model_validate_json(canonical_bytes(raw["seal"])) if raw.get("seal") else None
    if seal:
        stamped = seal.stamped
        seed = from_hex(seal.seed)
        parts = Sealed.of(raw, stamped)
        sources = parts.commitments(seed)
    if not seal or not is_intact(seal, parts, sources):
        sealed_by, stamped = "consumer", ()
        seed = new_seed()
        parts = Sealed.of(raw)
        sources = parts.commitments(seed)
    after = Sealed.of(redacted).values
    new = new_seed()
    commitments: dict[str, str] = {}
    fields: dict[str, dict[str, str]] = {}
    for name, value in parts.values.items():
        kept = after.get(name)
        if kept == value:
            fields[name] = {"salt": salt_of(seed, name).hex()}
        elif kept is None:
            fields[name] = {"source": sources[name]}
        else:
            salt = salt_of(new, name)
            commitments[name] = commitment(salt, name, kept).hex()
            fields[name] = {"salt": salt.hex(), "source": sources[name]}
    stored: dict[str, Any] = {"fields": fields}
    if sealed_by != "source":
        stored["sealed_by"] = sealed_by
    if stamped:
        stored["stamped"] = list(stamped)
    return RowEvidence(
        parts.digest(sources), commitments, canonical_bytes(stored).decode(), sealed_by, stamped
    )


def leaf_entry(
    evidence: RowEvidence, core: Mapping[str, Any], place: tuple[str, int, int], redaction: str
) -> bytes:
    """Return the bytes whose RFC 6962 leaf hash stands for a row.

    Args:
        core: the event's own fields as JSON values, those that hops after the first one added.
        place: topic id, partition and offset in the log.
        redaction: the record of redaction, RFC 8785.
    """
    topic_id, partition, offset = place
    commitments = ",".join(f'"{n}":"{c}"' for n, c in sorted(evidence.commitments.items()))
    record = [f'{{"commitments":{{{commitments}}},"format":"{RECORD_FORMAT}"']
    if ingested := core.get("ingested_at"):
        record.append(f'"ingested_at":"{ingested}"')
    record.append(
        f'"log":{{"offset":{offset},"partition":{partition},"topic_id":{_quoted(topic_id)}}}'
    )
    if (principal := core.get("principal")) is not None:
        record.append(f'"principal":{_quoted(principal)}')
    if core.get("principal_verified"):
        record.append('"principal_verified":true')
    record.append(f'"redaction":{redaction},"sealed_by":"{evidence.sealed_by}"')
    if evidence.stamped:
        told = {name: core[name] for name in evidence.stamped if name in core}
        record.append(f'"stamped":{canonical_bytes(told).decode()}')
    return evidence.digest + (",".join(record) + "}").encode()
