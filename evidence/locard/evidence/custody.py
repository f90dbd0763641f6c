"""Custody statements: who lawfully took what out of the record, signed. Pure.

A statement stands in the commit that makes the change, and from there in the transparency log.
What it names by ranges of offsets may be gone, and nothing else. `docs/format.md`, section 6.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from locard.evidence.signing import SigningKey, is_signature
from locard.schema import JsonValue, canonical_bytes, rfc3339

CUSTODY_FORMAT: Final = "locard-custody/1"
CUSTODY_KEY: Final = "locard.custody"
"""The key in a commit's metadata under which its statements stand, as a JSON array."""

Action = Literal["erasure", "expiry"]
Ranges = Mapping[str, Sequence[tuple[int, int]]]
"""Offsets, as the first and the one after the last, by `<topic-id>/<partition>`."""

_MOST_RANGES: Final = 1_000  # in one statement, which is one entry of the log


@dataclass(frozen=True)
class Custodian:
    """Whoever takes something out of the record, with the key that says so.

    Args:
        by: the operator.
    """

    key: SigningKey
    by: str

    def statements(
        self,
        action: Action,
        now: datetime,
        *,
        emptied: Ranges,
        dropped: Ranges,
        told: Mapping[str, JsonValue],
    ) -> list[dict[str, Any]]:
        """Return the signed statements of one change: as many as its ranges need.

        Args:
            emptied: the rows whose content goes.
            dropped: the rows that go as a whole.
            told: what else there is to tell, such as `legal_basis` and `ticket`; no personal data.
        """
        parts = list(_parts([("emptied", emptied), ("dropped", dropped)]))
        return [
            self._signed(
                {
                    **told,
                    "format": CUSTODY_FORMAT,
                    "action": action,
                    "by": self.by,
                    "at": rfc3339(now),
                    "part": number,
                    "parts": len(parts),
                    **part,
                }
            )
            for number, part in enumerate(parts)
        ]

    def _signed(self, statement: dict[str, Any]) -> dict[str, Any]:
        statement["key_id"] = self.key.key_id
        return {**statement, "signature": self.key.sign(canonical_bytes(statement))}


def is_genuine(statement: Mapping[str, Any], key_ids: Sequence[str]) -> bool:
    """Say whether a statement is signed by one of these keys; never raises."""
    try:
        unsigned = {name: value for name, value in statement.items() if name != "signature"}
        key_id, signature = unsigned["key_id"], statement["signature"]
        return (
            unsigned["format"] == CUSTODY_FORMAT
            and key_id in key_ids
            and is_signature(key_id, signature, canonical_bytes(unsigned))
        )
    except (KeyError, TypeError, ValueError):
        return False


def _parts(
    named: Sequence[tuple[str, Ranges]],
) -> Iterator[dict[str, dict[str, list[list[int]]]]]:
    """Deal ranges out so that no part has more than a statement holds; there is at least one."""
    part: dict[str, dict[str, list[list[int]]]] = {}
    room = _MOST_RANGES
    for what, ranges in named:
        for partition, pairs in ranges.items():
            for begin, end in pairs:
                if not room:
                    yield part
                    part, room = {}, _MOST_RANGES
                part.setdefault(what, {}).setdefault(partition, []).append([begin, end])
                room -= 1
    yield part
