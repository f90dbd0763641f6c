"""What a redaction says about itself. Never the value, never where it stood in the original."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from locard.schema.content import Count, Record

Action = Literal["tokenise", "mask", "drop", "keep"]
"""What becomes of a finding. `tokenise`: a keyed token, the same for the same value; `mask`: a mark
that tells the type alone; `drop`: such a mark in place of the whole text that it stands in; `keep`:
nothing, it is counted only."""

TOKEN_PATTERN: Final = "‹([A-Z][A-Z0-9_]*):(k[0-9]+):([0-9a-f]{16})›"  # noqa: S105 - a form
"""How a pseudonym stands in text: entity type, key id and digest. A regular expression."""

MARK_PATTERN: Final = "‹([A-Z][A-Z0-9_]*):(masked|dropped)›"
"""How what was masked or dropped is marked: entity type and which of the two."""


class Finding(Record):
    """How often one type of personal data was found in one field, how surely, and what was done.

    Scores are Presidio's, from 0 to 1.
    """

    entity_type: str
    count: int = Field(ge=1)
    lowest_score: float
    highest_score: float
    action: Action = "tokenise"


class RedactionRecord(Record):
    """Who redacted an event, by which rules, and what was found in which content field.

    Args:
        policy: name of the rules that chose entity types, thresholds and actions.
        policy_digest: `sha256:` and the digest of these rules.
        engine: name and version of what looked for personal data.
        model: name and version of the model that looked for names, where there was one.
        key_id: names the key of the pseudonyms; `None` where there are none.
        duration_us: microseconds that it took.
        fields: for each content field in which something was found, its findings by type.
    """

    policy: str
    policy_digest: str | None = None
    engine: str
    model: str | None = None
    key_id: str | None = None
    duration_us: Count | None = None
    fields: dict[str, tuple[Finding, ...]] = Field(default_factory=dict)
