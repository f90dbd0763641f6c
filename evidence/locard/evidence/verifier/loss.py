"""What collectors say that they sent, held against what is there; `docs/format.md`, section 7.

A stream is one incarnation of a collector, as one sender sent it. Each of its events has a number,
from 0 without a hole. Signed statements say up to where, and which numbers were given up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np

from locard.evidence.statements import is_signed
from locard.evidence.verifier.findings import Report, Verdict, as_ranges
from locard.schema import AccountingEvent

_DECLARED: Final = "events were given up, and their sender says so"
_UNEXPLAINED: Final = "events that a collector numbered never arrived, and nobody says why"
_NONE: Final = np.empty((0, 2), dtype=np.int64)

Stream: TypeAlias = tuple[str, str, str]
"""Collector, incarnation and sender."""


def check_loss(
    numbered: Mapping[Stream, Sequence[np.ndarray]],
    statements: Iterable[AccountingEvent],
    excused: Mapping[tuple[str, str], Sequence[tuple[int, int]]],
    report: Report,
) -> None:
    """Note which events are missing that were numbered.

    Args:
        numbered: the numbers that are there, by stream; of each two columns, the second a digest
            of the event's id.
        statements: that are there.
        excused: numbers that may have lawfully left the lake with their rows, as the first and the
            one after the last, by collector and incarnation.
    """
    declared: dict[Stream, list[tuple[int, int]]] = defaultdict(list)
    ends: dict[Stream, int] = defaultdict(int)
    unsigned: dict[Stream, int] = defaultdict(int)
    for event in statements:
        _take(event, declared, ends, unsigned)
    for stream in sorted({*numbered, *ends}):
        place = {"collector_id": stream[0], "incarnation": stream[1], "principal": stream[2]}
        pairs = np.unique(np.concatenate([*numbered.get(stream, ()), _NONE]), axis=0)
        there, copies = np.unique(pairs[:, 0], return_counts=True)
        if (copies > 1).any():
            report.add(
                Verdict.DUPLICATED,
                "different events carry one number",
                **place,
                seqs=as_ranges(there[copies > 1].tolist()),
            )
        end = max(ends[stream], int(there[-1]) + 1 if len(there) else 0)
        lawful = excused.get(stream[:2], ())
        for first, following, is_declared in _missing(there, end, declared[stream]):
            if is_declared:
                verdict, what = Verdict.DECLARED_LOSS, _DECLARED
            elif any(begin <= first and following <= until for begin, until in lawful):
                continue
            else:
                verdict, what = Verdict.UNEXPLAINED_LOSS, _UNEXPLAINED
            report.add(verdict, what, **place, first_seq=first, next_seq=following)
        if unsigned[stream]:
            report.facts.setdefault("unsigned_statements", []).append(
                {**place, "count": unsigned[stream]}
            )


def _take(
    event: AccountingEvent,
    declared: dict[Stream, list[tuple[int, int]]],
    ends: dict[Stream, int],
    unsigned: dict[Stream, int],
) -> None:
    stream = event.collector_id or "", event.incarnation or "", event.principal or ""
    is_ours = is_signed(event)
    unsigned[stream] += not is_ours
    body = event.body
    last = body.last_seq if (body.first_seq or 0) <= (body.last_seq or -1) else None
    ends[stream] = max(ends[stream], (event.seq or 0) + 1, (last or 0) + 1)
    if body.follows:
        before = stream[0], body.follows, stream[2]
        ends[before] = max(ends[before], 1)  # it was there, so it had its first number
    for drop in body.drops if is_ours else ():  # anybody can say that nothing else was sent
        of = stream[0], drop.incarnation or stream[1], stream[2]
        declared[of].append((drop.first_seq, drop.last_seq))


def _missing(
    there: np.ndarray, end: int, declared: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int, bool]]:
    """Yield the ranges of numbers below `end` that are not there, and whether that was said."""
    begins = np.concatenate([[0], there + 1])
    ends = np.concatenate([there, [end]])
    for begin, following in zip(begins.tolist(), ends.tolist(), strict=True):
        at = begin
        for first, last in sorted(declared):
            low, high = max(at, first), min(following, last + 1)
            if low >= high:
                continue
            if at < low:
                yield at, low, False
            yield low, high, True
            at = high
        if at < following:
            yield at, following, False
