"""One sealed segment, held against the rows that are there. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from locard.evidence.merkle import root_of
from locard.evidence.verifier.changes import Changes
from locard.evidence.verifier.findings import Report, SegmentVerdict, Verdict, as_ranges
from locard.evidence.verifier.lake_rows import SortedRows
from locard.evidence.verifier.leaves import State

Swapped = Callable[[SortedRows, Mapping[int, bytes]], bool]
"""Says whether rows are what was sealed at their offsets, in another order."""

_REASONS = ((State.ERASED, Verdict.ERASED), (State.EXPIRED, Verdict.EXPIRED))


class SegmentCheck:
    """Checks segments of a lake.

    Args:
        leaves_of: returns the leaves that were kept of a segment, by the index of its entry.
        swapped: finds out whether rows have only changed places.
        paths: of the files that rows are in, for their places.
        chosen: the rows that have to be there, by topic id, partition and offset; all by default.
    """

    def __init__(
        self,
        changes: Changes,
        leaves_of: Callable[[int], list[bytes] | None],
        swapped: Swapped,
        paths: Sequence[str],
        report: Report,
        chosen: Collection[tuple[str, int, int]] | None = None,
    ) -> None:
        self._chosen = chosen
        self._changes = changes
        self._leaves_of = leaves_of
        self._swapped = swapped
        self._paths = paths
        self._report = report

    def check(
        self, one: SegmentVerdict, entry: Mapping[str, Any], rows: SortedRows
    ) -> SegmentVerdict:
        """Say what can be said of a segment.

        Args:
            rows: all that lie between its offsets.
        """
        if entry.get("expired"):
            self._note(
                one,
                Verdict.DECLARED_LOSS,
                "records left the event log before anybody read them",
                [entry["expired"]["first_offset"], entry["expired"]["next_offset"]],
            )
        if "found" in entry:
            self._note(
                one,
                Verdict.ALTERED,
                "the rows were not those that were published when they were sealed",
            )
        expected = _expected(entry)
        rows = self._without_doubles(one, rows)
        self._tell_strangers(one, rows, expected)
        rows = _only(rows, np.isin(rows.offsets, expected))
        gone = np.setdiff1d(expected, rows.offsets)
        if self._chosen is not None:
            gone = self._of_chosen(one, rows, gone)
        lawful = self._lawfully_gone(one, gone)
        self._tell_missing(one, gone[~lawful])
        self._compare(one, entry, expected, rows)
        self._check_states(one, rows)
        return one

    def _of_chosen(self, one: SegmentVerdict, rows: SortedRows, gone: np.ndarray) -> np.ndarray:
        """Note rows that were not chosen, and return those of the others that are gone."""
        chosen = self._chosen or ()
        place = one.topic_id, one.partition
        strange = [at for at in rows.offsets.tolist() if (*place, at) not in chosen]
        if strange:
            self._note(
                one, Verdict.ALTERED, "rows are there that were not chosen", *as_ranges(strange)
            )
        return np.array([at for at in gone.tolist() if (*place, at) in chosen], dtype=np.int64)

    def _without_doubles(self, one: SegmentVerdict, rows: SortedRows) -> SortedRows:
        is_double = np.concatenate([[False], rows.offsets[1:] == rows.offsets[:-1]])
        if not is_double.any():
            return rows
        self._note(
            one,
            Verdict.DUPLICATED,
            "rows are there more than once",
            *as_ranges(np.unique(rows.offsets[is_double]).tolist()),
            files=self._files(_only(rows, is_double)),
        )
        kept = self._leaves_of(one.index)
        if kept is None:
            return _only(rows, ~is_double)
        # Of the copies the one counts that was sealed, so that a false one does not hide it.
        known = set(kept)
        is_known = np.array([leaf.tobytes() in known for leaf in rows.leaves])
        order = np.lexsort([~is_known, rows.offsets])
        first = _taken(rows, order)
        return _only(first, np.concatenate([[True], first.offsets[1:] != first.offsets[:-1]]))

    def _tell_strangers(self, one: SegmentVerdict, rows: SortedRows, expected: np.ndarray) -> None:
        strange = ~np.isin(rows.offsets, expected)
        if strange.any():
            self._note(
                one,
                Verdict.ALTERED,
                "rows are there that were never sealed, among those that were",
                *as_ranges(rows.offsets[strange].tolist()),
                files=self._files(_only(rows, strange)),
            )

    def _lawfully_gone(self, one: SegmentVerdict, gone: np.ndarray) -> np.ndarray:
        lawful = np.zeros(len(gone), dtype=bool)
        for verdict in (Verdict.EXPIRED, Verdict.ERASED):
            covered = self._changes.dropped(one.topic_id, one.partition, verdict, gone)
            if covered.any():
                lawful |= covered
                self._note(
                    one,
                    verdict,
                    "rows went as a whole",
                    *as_ranges(gone[covered].tolist()),
                )
        return lawful

    def _tell_missing(self, one: SegmentVerdict, missing: np.ndarray) -> None:
        if len(missing):
            self._note(
                one,
                Verdict.MISSING,
                "rows that were sealed are not there, and nobody says why",
                *as_ranges(missing.tolist()),
            )

    def _compare(
        self,
        one: SegmentVerdict,
        entry: Mapping[str, Any],
        expected: np.ndarray,
        rows: SortedRows,
    ) -> None:
        """Hold the leaves of the rows against the root in the log."""
        sealed = entry.get("found", entry)
        found = [leaf.tobytes() for leaf in rows.leaves]
        is_full = len(found) == len(expected)
        kept = self._leaves_of(one.index)
        if is_full and _root_is(sealed, found):
            if kept != found:
                self._note(one, Verdict.ALTERED, "the leaf hashes are damaged, the rows are whole")
            return
        if kept is None or len(kept) != len(expected) or not _root_is(sealed, kept):
            self._tell_without_leaves(one, rows, is_full=is_full)
            return
        by_offset = dict(zip(expected.tolist(), kept, strict=True))
        pairs = zip(rows.offsets.tolist(), found, strict=True)
        wrong = np.array([by_offset[at] != leaf for at, leaf in pairs], dtype=bool)
        if not wrong.any():
            return
        changed = _only(rows, wrong)
        offsets = changed.offsets.tolist()
        is_order = self._swapped(changed, by_offset)
        self._note(
            one,
            Verdict.REORDERED if is_order else Verdict.ALTERED,
            "rows have changed places" if is_order else "rows are not those that were sealed",
            *as_ranges(offsets),
            files=self._files(changed),
        )

    def _tell_without_leaves(self, one: SegmentVerdict, rows: SortedRows, *, is_full: bool) -> None:
        what = "rows are not those that were sealed; which, only the leaf hashes could tell"
        if not is_full:
            what = (
                "rows are gone, and their leaf hashes with them, so that the others cannot be "
                "held against what was sealed"
            )
        self._note(one, Verdict.ALTERED, what, files=self._files(rows))

    def _check_states(self, one: SegmentVerdict, rows: SortedRows) -> None:
        """See whether content that is gone may be, and whether rows say of it what is so."""
        odd = (rows.states & int(State.UNSAID | State.INCONSISTENT)) != 0
        for state, verdict in _REASONS:
            said = (rows.states & int(state)) != 0
            if not said.any():
                continue
            covered = self._changes.emptied(one.topic_id, one.partition, verdict, rows.offsets)
            odd |= said & ~covered
            lawful = said & covered
            if lawful.any():
                self._note(
                    one,
                    verdict,
                    "content is gone",
                    *as_ranges(rows.offsets[lawful].tolist()),
                )
        if odd.any():
            self._note(
                one,
                Verdict.ALTERED,
                "content is gone, or said to be gone, and no statement of custody covers that",
                *as_ranges(rows.offsets[odd].tolist()),
                files=self._files(_only(rows, odd)),
            )

    def _files(self, rows: SortedRows) -> list[str]:
        return [self._paths[number] for number in np.unique(rows.files).tolist()]

    def _note(
        self, one: SegmentVerdict, verdict: Verdict, what: str, *offsets: list[int], **place: Any
    ) -> None:
        one.verdicts.add(verdict)
        where = {**one.place, **place}
        if offsets:
            where["offsets"] = list(offsets)
        self._report.add(verdict, what, **where)


def _expected(entry: Mapping[str, Any]) -> np.ndarray:
    """Return the offsets that have a row, as the manifest says."""
    begin = entry["first_offset"]
    parts = []
    for first, following in entry["without_row"]:
        parts.append(np.arange(begin, first))
        begin = following
    parts.append(np.arange(begin, entry["next_offset"]))
    return np.concatenate(parts)


def _root_is(sealed: Mapping[str, Any], leaves: Sequence[bytes]) -> bool:
    return len(leaves) == sealed["rows"] and root_of(leaves) == bytes.fromhex(sealed["root"])


def _only(rows: SortedRows, mask: np.ndarray) -> SortedRows:
    return _taken(rows, np.flatnonzero(mask))


def _taken(rows: SortedRows, which: np.ndarray) -> SortedRows:
    return SortedRows(
        rows.offsets[which], rows.leaves[which], rows.states[which], rows.files[which]
    )
