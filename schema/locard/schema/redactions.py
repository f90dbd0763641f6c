"""What a redaction says about itself. Never the value, never where it stood in the original."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from locard.schema.content import Record

TOKEN_PATTERN: Final = "‹([A-Z][A-Z0-9_]*):(k[0-9]+):([0-9a-f]{16})›"  # noqa: S105 - a form
"""How a pseudonym stands in text: entity type, key id and digest. A regular expression."""


class Finding(Record):
    """How often one type of personal data was replaced in one field, and how surely.

    Scores are Presidio's, from 0 to 1.
    """

    entity_type: str
    count: int = Field(ge=1)
    lowest_score: float
    highest_score: float


class RedactionRecord(Record):
    """Who redacted an event, by which rules, and what was found in which content field.

    Args:
        policy: name and version of the rules that chose entity types and thresholds.
        engine: name and version of what looked for personal data.
        key_id: names the key of the pseudonyms; `None` where nothing was replaced.
        fields: for each content field in which something was found, its findings by type.
    """

    policy: str
    engine: str
    key_id: str | None = None
    fields: dict[str, tuple[Finding, ...]] = Field(default_factory=dict)
