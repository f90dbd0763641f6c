"""The files that a lake consists of, by its own log; and single rows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from pyarrow.fs import FileSystem

from locard.evidence.unsealed import LOG_DIRECTORY
from locard.evidence.verifier.findings import Report, Verdict
from locard.evidence.verifier.footer_check import delta_contradiction
from locard.evidence.verifier.lake_rows import SortedRows
from locard.evidence.verifier.leaves import leaf_at
from locard.evidence.verifier.parquet_footer import BadFooter, read_footer
from locard.schema import CannotContinue, check_lake_format

_MOST_SWAPPED: Final = 32  # rows of a segment that are tried in each other's places


def live_files(lake: Path, report: Report) -> list[str]:
    """Return the paths of the files that the lake consists of, relative to it."""
    if not lake.is_dir():
        raise CannotContinue(f"there is no lake at {lake}; name its directory")
    try:
        table = DeltaTable(lake)
        check_lake_format(table.metadata().configuration, str(lake))
        if table.protocol().min_reader_version > 1:
            report.add(
                Verdict.ALTERED,
                "the lake's log asks for features by which other engines may see other rows",
                file="_delta_log",
            )
        actions = pa.table(table.get_add_actions(flatten=True))
        found = sorted(map(unquote, actions["path"].to_pylist()))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # what a log that was made to do harm raises may be no Exception
        if isinstance(error, CannotContinue) or not (lake / LOG_DIRECTORY).is_dir():
            raise CannotContinue(
                f"there is no lake at {lake} that can be read: {_first_line(error)}"
            ) from error
        report.add(Verdict.MISSING, "the lake's own log cannot be read", file="_delta_log")
        return []
    inside = [path for path in found if _is_inside(path)]
    if len(inside) < len(found):
        report.add(
            Verdict.ALTERED, "the lake's log names files that are not in it", file="_delta_log"
        )
    _check_statistics(lake, actions, set(inside), report)
    return inside


def _check_statistics(lake: Path, actions: pa.Table, inside: set[str], report: Report) -> None:
    """Note where other engines would pass over files that have what they look for."""
    for told in actions.to_pylist():
        path = unquote(told["path"])
        if path not in inside:
            continue
        try:
            with pa.OSFile(str(lake / path)) as file:
                why = delta_contradiction(told, read_footer(file))
        except (OSError, BadFooter, ValueError, TypeError):
            continue  # what is wrong with the file is told where its rows are read
        if why:
            report.add(Verdict.ALTERED, why, file=path)


def live_paths(lake: Path) -> list[str]:
    """Return the paths of the files that the lake in a directory consists of, relative to it.

    Raises:
        CannotContinue: there is no lake, or it cannot be read.
    """
    report = Report()
    paths = live_files(lake, report)
    for finding in report.findings:
        raise CannotContinue(f"the lake at {lake} cannot be used: {finding.what}")
    return paths


def _is_inside(path: str) -> bool:
    """Say whether a path leads to a file of the lake itself."""
    return "://" not in path and not path.startswith("/") and ".." not in path.split("/")


def _first_line(error: BaseException) -> str:
    """Return the first line of what an error says."""
    return str(error).strip().split("\n", 1)[0]


class Swaps:
    """Finds out whether rows have changed places with each other."""

    def __init__(self, files: FileSystem, paths: Sequence[str]) -> None:
        self._files = files
        self._paths = paths

    def are_swapped(self, rows: SortedRows, sealed: Mapping[int, bytes]) -> bool:
        """Say whether each row is what was sealed at the place of another of them.

        Args:
            sealed: the leaves at these rows' offsets.
        """
        offsets = rows.offsets.tolist()
        if not 1 < len(offsets) <= _MOST_SWAPPED:
            return False
        tables = [
            self._row(self._paths[number], offset)
            for number, offset in zip(rows.files.tolist(), offsets, strict=True)
        ]
        places = set(offsets)
        for table in tables:
            if table is None or table.num_rows != 1:
                return False
            at = next((o for o in places if leaf_at(table, o) == sealed[o]), None)
            if at is None:
                return False
            places.remove(at)
        return True

    def _row(self, path: str, offset: int) -> pa.Table | None:
        try:
            with self._files.open_input_file(path) as file:
                return pq.read_table(
                    file, filters=pc.field("log_offset") == offset, partitioning=None
                )
        except (OSError, pa.ArrowException):
            return None
