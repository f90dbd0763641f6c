"""What the evidence of a row becomes when its content goes: salts go, commitments stay. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from locard.evidence.commitments import commitment, from_hex
from locard.schema import canonical_bytes, parse_json


def emptied_evidence(evidence: str, values: Mapping[str, bytes]) -> str:
    """Return the column `evidence` of a row whose content goes.

    Args:
        evidence: as it was.
        values: the RFC 8785 bytes of each content field that the row has.
    """
    told: Any = parse_json(evidence.encode())
    fields = told["fields"]
    for name, value in values.items():
        entry = fields.get(name, {})
        if "salt" not in entry:
            continue  # it could not be proved before, and cannot be afterwards
        found = commitment(from_hex(entry["salt"]), name, value).hex()
        source = entry.get("source")
        fields[name] = (
            {"source": found} if source is None else {"redacted": found, "source": source}
        )
    return canonical_bytes(told).decode()
