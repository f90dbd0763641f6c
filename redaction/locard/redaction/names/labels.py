"""The labels of the model: outside, or the beginning or inside of an entity."""

from __future__ import annotations

from typing import Final

KINDS: Final = (
    "PER",
    "LOC",
    "ADDR",
    "ORG",
    "NRP",
    "TITLE",
    "AGE",
    "DATE",
    "DOB",
    "ZIP",
    "PHONE",
    "CARD",
)
# Label 0 is outside; 1 + 2k begins an entity of kind k, 2 + 2k goes on with it.
LABELS: Final = 1 + 2 * len(KINDS)


def begin(kind: str) -> int:
    """Return the label that begins an entity of this kind."""
    return 1 + 2 * KINDS.index(kind)
