"""How far an answer can be relied on: what is missing, doubled, taken out, or not sealed.

This stands beside every answer. It is told from what lies in the lake, quickly; whether the record
was altered only `locard verify` can say, which recomputes all of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb

from locard.evidence.unsealed import Unsealed, unsealed
from locard.query.gaps_near import gaps_near
from locard.query.lake import reading
from locard.query.selection import Selection, select
from locard.schema import LakePlace, rfc3339

_COUNTS: Final = """
    SELECT collector_id, incarnation, absent, time_source = 'importer' AS is_made_up,
           count(*), min(seq), max(seq)
    FROM ({selected}) GROUP BY ALL
"""
"""All in one, since what an answer is about can take a scan of the lake to find."""
_DUPLICATES: Final = """
    SELECT count(*) FROM (
        SELECT event_id FROM lake_rows SEMI JOIN (
            SELECT event_id FROM lake_rows WHERE {condition} GROUP BY event_id HAVING count(*) > 1
        ) USING (event_id)
        WHERE {condition}
        GROUP BY event_id
        HAVING count(DISTINCT (session_id, workflow_id, principal, kind, arguments, result)) > 1
    )
"""


@dataclass(frozen=True)
class Standing:
    """What speaks against relying on an answer.

    Args:
        missing: numbers of collectors within the answer that never arrived.
        doubled: numbers that two different events have.
        dropped: numbers that a collector said it dropped.
        differing: event ids whose copies say different things.
        events: that the answer is about; `None` where they were not counted.
        absent: how many values are not there, by why (`erased`, `quarantined`, …).
        times_made_up: events whose time an importer made up.
        unsealed: what of the whole lake no checkpoint covers; `None` where it cannot be told.
        gaps: the ranges that `missing`, `doubled` and `dropped` count.
        is_part: whether it is about a part of the lake, in which nobody can tell what is missing:
            a collector's numbers go over all its workflows.
        is_counted: whether any of it was counted: of a whole lake that takes long, and only the
            question `whole` does it.
    """

    missing: int = 0
    doubled: int = 0
    dropped: int = 0
    differing: int = 0
    events: int | None = None
    absent: Mapping[str, int] = field(default_factory=dict)
    times_made_up: int = 0
    unsealed: Unsealed | None = None
    gaps: tuple[dict[str, Any], ...] = ()
    is_counted: bool = True
    is_part: bool = False

    @property
    def is_whole(self) -> bool | None:
        """Whether nothing of the answer is known to be missing or gone; `None`: nobody can tell."""
        if not self.is_counted or self.events == 0:
            return None
        gone = self.missing or self.doubled or self.dropped or self.differing
        if gone or any(count for why, count in self.absent.items() if why in _GONE):
            return False
        return None if self.is_part else True

    def sentence(self) -> str:
        """Return what this comes to, for people."""
        told = [
            f"{count:,} {what}"
            for count, what in (
                (self.missing, "missing"),
                (self.doubled, "doubled"),
                (self.dropped, "dropped by their collector"),
                (self.differing, "with copies that differ"),
                *((count, f"values {why}") for why, count in sorted(self.absent.items())),
                (self.times_made_up, "with a time that an importer made up"),
            )
            if count
        ]
        first = ", ".join(told) if told else "nothing is known to be missing, doubled or taken out"
        if self.is_part:
            first += ", but of a part of the lake nobody can tell what is missing"
        if self.events == 0:
            first = (
                "the lake has no event that this is about: check names, ids and times, and look "
                "for a raw value by its token (`locard pseudonym`)"
            )
        if not self.is_counted:
            first = "what is missing was not counted: ask `whole`"
        proof = "whether a checkpoint covers it was not asked"
        if self.unsealed is not None:
            proof = self.unsealed.sentence() or "a checkpoint covers all of it"
        return f"{first}; {proof}; `locard verify` proves the rest"

    def object(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        told: dict[str, Any] = {"is_whole": self.is_whole, "sentence": self.sentence()}
        told |= {k: v for k, v in asdict(self).items() if k != "unsealed"}
        told["absent"] = dict(self.absent)
        told["gaps"] = list(self.gaps)
        told["unsealed"] = None
        if self.unsealed is not None:
            since = self.unsealed.since
            told["unsealed"] = {
                **asdict(self.unsealed),
                "since": rfc3339(since) if since else None,
            }
        return told


_GONE: Final = frozenset({"erased", "expired", "quarantined"})


def standing(
    connection: duckdb.DuckDBPyConnection, selection: Selection | None, lake: LakePlace | None
) -> Standing:
    """Return how far an answer about these events can be relied on.

    Args:
        selection: what the answer is about; `None` for the whole lake.
        lake: where it lies, for what is not sealed; `None` leaves that out.

    Raises:
        CannotContinue: the lake cannot be read.
    """
    condition, values = selection.condition() if selection else ("true", [])
    with reading():
        selected, names = select(connection, selection)
        counted = connection.execute(_COUNTS.format(selected=selected), names).fetchall()
        (is_part,) = connection.execute(
            "SELECT getvariable('lake_scope') IS NOT NULL"
        ).fetchone() or (False,)
        gaps: list[dict[str, Any]] = []
        if not is_part:
            gaps = gaps_near(connection, _spans(counted), is_all=selection is None)
        (differing,) = connection.execute(
            _DUPLICATES.format(condition=condition), values
        ).fetchone() or (0,)
    count: Counter[str] = Counter()
    for gap in gaps:
        count[gap["what"]] += gap["count"]
    return Standing(
        missing=count["missing"],
        doubled=count["doubled"],
        dropped=count["dropped"],
        differing=differing,
        events=sum(row[4] for row in counted),
        absent=_absences(counted),
        times_made_up=sum(events for *_, is_made_up, events, _, _ in counted if is_made_up),
        unsealed=unsealed(lake) if isinstance(lake, Path) else None,
        gaps=tuple(gaps),
        is_part=bool(is_part),
    )


def seal_state(lake: LakePlace | None) -> Standing:
    """Return what can be told at once of an answer about a whole lake: what is not sealed."""
    told = unsealed(lake) if isinstance(lake, Path) else None
    return Standing(unsealed=told, is_counted=False)


def _spans(counted: Sequence[tuple[Any, ...]]) -> dict[tuple[str, str], tuple[int, int]]:
    """Return the first and the last number of each source that is among the counts."""
    spans: dict[tuple[str, str], tuple[int, int]] = {}
    for collector, incarnation, _, _, _, first, last in counted:
        if first is not None:
            begin, end = spans.get((collector, incarnation), (first, last))
            spans[collector, incarnation] = (min(begin, first), max(end, last))
    return spans


def _absences(counted: Sequence[tuple[Any, ...]]) -> dict[str, int]:
    count: Counter[str] = Counter()
    for _, _, text, _, events, _, _ in counted:
        try:
            told = json.loads(text) if text else {}
        except ValueError:  # the lake was damaged
            told = {}
        for why in told.values() if isinstance(told, dict) else ():
            count[str(why)] += events
    return dict(count)
