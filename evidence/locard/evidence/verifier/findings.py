"""What verification says: graded verdicts, each with its place and its meaning. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class Verdict(StrEnum):
    """What can be said of a part of the record."""

    OK = "OK"
    ERASED = "ERASED"
    EXPIRED = "EXPIRED"
    DECLARED_LOSS = "DECLARED_LOSS"
    UNSEALED = "UNSEALED"
    UNANCHORED = "UNANCHORED"
    UNEXPLAINED_LOSS = "UNEXPLAINED_LOSS"
    DUPLICATED = "DUPLICATED"
    REORDERED = "REORDERED"
    MISSING = "MISSING"
    ALTERED = "ALTERED"
    FORKED = "FORKED"


MEANINGS: Final[Mapping[Verdict, str]] = {
    Verdict.OK: "every row is there and is what was sealed",
    Verdict.ERASED: "content was erased, and a signed statement says by whom and on what basis",
    Verdict.EXPIRED: "content or rows are past their retention, and a signed statement says so",
    Verdict.DECLARED_LOSS: "events were lost, and whoever lost them has said so",
    Verdict.UNSEALED: "rows that no checkpoint covers yet: nothing can be said of them",
    Verdict.UNANCHORED: "nobody outside has vouched for the log as the policy wants it",
    Verdict.UNEXPLAINED_LOSS: "events are missing that a collector has numbered",
    Verdict.DUPLICATED: "a row or a range of the log is there more than once",
    Verdict.REORDERED: "rows have changed places",
    Verdict.MISSING: "something that was sealed is not there any more",
    Verdict.ALTERED: "something is not what was sealed",
    Verdict.FORKED: "the log is not the one that was seen before",
}
"""What each verdict means, in a sentence for somebody who does not know the system."""

LAWFUL: Final = frozenset({Verdict.OK, Verdict.ERASED, Verdict.EXPIRED})
"""What is as it should be."""

_BY_POLICY: Final = frozenset({Verdict.DECLARED_LOSS, Verdict.UNSEALED})
_SEVERITY: Final = {verdict: number for number, verdict in enumerate(Verdict)}


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Args:
        place: where, in words of the format: files, partitions, offsets, entries, streams.
        what: a sentence; without any text of the record.
    """

    verdict: Verdict
    place: Mapping[str, Any]
    what: str

    def object(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {"verdict": self.verdict, "place": dict(self.place), "what": self.what}


@dataclass
class SegmentVerdict:
    """What is said of one segment.

    Args:
        index: of its entry in the log.
        rows: that were sealed in it.
    """

    index: int
    topic_id: str
    partition: int
    first_offset: int
    next_offset: int
    rows: int
    verdicts: set[Verdict] = field(default_factory=set)

    @property
    def verdict(self) -> Verdict:
        """The gravest of its verdicts."""
        return max(self.verdicts or {Verdict.OK}, key=_SEVERITY.__getitem__)

    @property
    def place(self) -> dict[str, Any]:
        """Where it is."""
        return {
            "entry": self.index,
            "topic_id": self.topic_id,
            "partition": self.partition,
            "first_offset": self.first_offset,
            "next_offset": self.next_offset,
        }


@dataclass
class Report:
    """The outcome of one verification.

    Args:
        segments: what is said of each; with `since`, of those after it.
        findings: everything that is not `OK`, and where.
        facts: what else is worth saying, such as the checkpoint's size and who vouches for it.
        refused: verdicts that the policy does not let pass, beside those that none does.
    """

    segments: list[SegmentVerdict] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    refused: frozenset[Verdict] = frozenset()

    def add(self, verdict: Verdict, what: str, **place: Any) -> None:
        """Note something; see `Finding`."""
        self.findings.append(Finding(verdict, place, what))

    @property
    def is_whole(self) -> bool:
        """Whether nothing was found that the policy does not let pass."""
        tolerated = LAWFUL | (_BY_POLICY - self.refused)
        return all(finding.verdict in tolerated for finding in self.findings)

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many findings there are of each verdict, the gravest first."""
        found = Counter(finding.verdict for finding in self.findings)
        return {v: found[v] for v in sorted(found, key=_SEVERITY.__getitem__, reverse=True)}

    def verdicts(self) -> set[Verdict]:
        """Return all verdicts that were found."""
        return {finding.verdict for finding in self.findings}


def as_ranges(numbers: Iterable[int]) -> list[list[int]]:
    """Return ascending numbers as ranges, each as its first and the one after its last."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number:
            ranges[-1][1] = number + 1
        else:
            ranges.append([number, number + 1])
    return ranges
