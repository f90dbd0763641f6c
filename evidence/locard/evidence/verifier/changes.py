"""What may lawfully be gone: the ranges of genuine custody statements in the log. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from locard.evidence.custody import is_genuine
from locard.evidence.verifier.findings import Report, Verdict

CHANGE_FORMAT: Final = "locard-change/1"
_VERDICTS: Final = {"erasure": Verdict.ERASED, "expiry": Verdict.EXPIRED}


@dataclass
class _Covered:
    """Ranges of offsets of one partition, and what each is covered by."""

    begins: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def holds(self, offsets: np.ndarray) -> np.ndarray:
        """Say for each offset whether a range holds it."""
        if not self.begins:
            return np.zeros(len(offsets), dtype=bool)
        order = np.argsort(self.begins)
        begins = np.array(self.begins)[order]
        ends = np.maximum.accumulate(np.array(self.ends)[order])
        at = np.searchsorted(begins, offsets, side="right") - 1
        held: np.ndarray = (at >= 0) & (offsets < ends[np.maximum(at, 0)])
        return held


class Changes:
    """The lawful changes that a log tells of.

    Args:
        entries: of the log, by index.
        key_ids: of those who may take something out.
    """

    def __init__(
        self, entries: Mapping[int, Mapping[str, Any]], key_ids: Sequence[str], report: Report
    ) -> None:
        self._covered: dict[tuple[str, str, Verdict], _Covered] = {}
        self.count = 0
        for index, entry in entries.items():
            if entry.get("format") != CHANGE_FORMAT:
                continue
            statement = entry.get("statement")
            if not isinstance(statement, dict) or not is_genuine(statement, key_ids):
                report.add(
                    Verdict.ALTERED,
                    "a statement of custody is not signed by anybody who may make one; what it "
                    "names counts as if nobody had",
                    entry=index,
                )
                continue
            self.count += 1
            self._add(statement)

    def emptied(
        self, topic_id: str, partition: int, verdict: Verdict, offsets: np.ndarray
    ) -> np.ndarray:
        """Say for each row whether its content may be gone for this reason."""
        return self._holds("emptied", topic_id, partition, verdict, offsets)

    def dropped(
        self, topic_id: str, partition: int, verdict: Verdict, offsets: np.ndarray
    ) -> np.ndarray:
        """Say for each row whether it may be gone as a whole for this reason."""
        return self._holds("dropped", topic_id, partition, verdict, offsets)

    def _holds(
        self, what: str, topic_id: str, partition: int, verdict: Verdict, offsets: np.ndarray
    ) -> np.ndarray:
        key = what, f"{topic_id}/{partition}", verdict
        return self._covered.get(key, _Covered()).holds(offsets)

    def _add(self, statement: Mapping[str, Any]) -> None:
        verdict = _VERDICTS.get(statement.get("action", ""))
        if verdict is None:
            return
        for what in ("emptied", "dropped"):
            for partition, pairs in statement.get(what, {}).items():
                covered = self._covered.setdefault((what, partition, verdict), _Covered())
                for begin, end in pairs:
                    covered.begins.append(int(begin))
                    covered.ends.append(int(end))
