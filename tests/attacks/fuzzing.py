"""Random single changes to a sealed lake: each is found, or changes nothing that anybody reads.

What changes nothing: bits of Parquet files that hold no value (wider statistics, the writer's name,
the padding of pages), of Delta's log that say nothing of files (times, wider statistics, operation
metrics), the order in which rows lie, and files that nobody reads any more (older narrow tiles).
That a change is of these is not taken for granted: rows and log entries are read again, with
filters as well, and have to be the same.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from attacks.installation import Installation, numbered, said
from locard.evidence.bundle import standalone
from locard.evidence.bundle.rows import json_lines
from locard.evidence.verifier import verify_lake
from locard.evidence.verifier.leaves import NO_LEAF, row_leaves
from locard.schema import LocardError

_VALUES = {
    "string": "x",
    "int32": 7,
    "int64": 7,
    "bool": True,
    "double": 1.5,
    "timestamp[us, tz=UTC]": datetime(2026, 5, 4, tzinfo=UTC),
    "list<element: string>": ["x"],
    "list<item: string>": ["x"],
}
_ROWS = """
    SELECT * FROM read_parquet($1, union_by_name=true, hive_partitioning=true)
    ORDER BY log_partition, log_offset
"""
_FILTERED = [
    f"SELECT count(*) FROM read_parquet($1, union_by_name=true) WHERE {condition}"  # noqa: S608
    for condition in (
        "session_id = 's1'",
        "occurred_at >= '2026-05-04T09:32:00Z'",
        "kind = 'tool_result'",
        "on_behalf_of IS NOT NULL",
    )
]
FOUND, UNREADABLE, IRRELEVANT = "found", "could not be checked", "changes nothing"
REFUSED = "readers refuse it"


@dataclass
class Outcome:
    """What became of many changes.

    Args:
        counts: by what was changed, and what was said of it.
        missed: changes that were neither found nor without effect, in words.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        self.counts += other.counts
        self.missed += other.missed


class Fuzz:
    """Changes a small lake, again and again, and puts it back each time.

    Args:
        home: a directory for it, which does not exist.
    """

    def __init__(self, home: Path, seed: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - to be the same each time
        self._one = Installation(home, [])
        self._one.publish(said(), said("s2"), numbered(0), numbered(1))
        self._one.publish(numbered(2), said("s3"), said("s4"), partition=1)
        self._one.seal()
        self._policy = self._one.policy
        self._kept = self._one.checkpoint()
        self._files = {
            path: path.read_bytes() for path in sorted(self._one.lake.rglob("*")) if path.is_file()
        }
        self._not_empty = [path for path, data in self._files.items() if data]
        self._changed: set[Path] = set()
        self._seen = self._reads()
        self._data = [path for path in self._files if path.suffix == ".parquet"]
        if not verify_lake(self._one.lake, self._policy, known=[self._kept]).is_whole:
            raise AssertionError("the lake is not whole before anything was changed")

    def run(self, count: int) -> Outcome:
        """Make so many changes."""
        outcome = Outcome()
        kinds: list[tuple[int, Callable[[], str]]] = [
            (60, self._flip_a_bit),
            (5, self._cut_a_file),
            (3, self._remove_a_file),
            (3, self._swap_two_files),
            (4, self._overwrite_bytes),
            (15, self._change_a_cell),
            (4, self._remove_a_row),
            (3, self._repeat_a_row),
            (3, self._shuffle_rows),
        ]
        weights, acts = zip(*kinds, strict=True)
        for number in range(count):
            act = self._rng.choices(acts, weights)[0]
            what = act()
            said_of_it = self._judge()
            outcome.counts[act.__name__.strip("_").replace("_", " "), said_of_it or "missed"] += 1
            if said_of_it is None:
                outcome.missed.append(f"{number}: {what}")
            self._put_back()
        return outcome

    def _judge(self) -> str | None:
        try:
            report = verify_lake(self._one.lake, self._policy, known=[self._kept])
        except LocardError:
            return UNREADABLE
        except Exception:  # noqa: BLE001 - whatever else it raises, it has not judged
            return None
        if report.findings:
            return FOUND
        reads = self._reads()
        return REFUSED if reads is None else IRRELEVANT if reads == self._seen else None

    def _reads(self) -> Any:
        """Return what there is to read: every column of every row, and the entries of the log."""
        try:
            files = DeltaTable(self._one.lake).file_uris()
            with duckdb.connect() as connection:
                paths = sorted(map(unquote, files))
                rows = [connection.execute(sql, [paths]).fetchall() for sql in (_ROWS, *_FILTERED)]
            return rows, list(self._one.sealer().log.reader.entries()), self._one.checkpoint()
        except (LocardError, DeltaError, duckdb.Error):
            return None

    def _put_back(self) -> None:
        for path in self._changed:
            path.write_bytes(self._files[path])
        self._changed.clear()

    def _any_file(self) -> Path:
        """Return a file that is about to be changed."""
        path = self._rng.choice(self._not_empty)
        self._changed.add(path)
        return path

    def _flip_a_bit(self) -> str:
        path = self._any_file()
        data = bytearray(self._files[path])
        at, bit = self._rng.randrange(len(data)), self._rng.randrange(8)
        data[at] ^= 1 << bit
        path.write_bytes(data)
        return f"bit {bit} of byte {at} of {path.relative_to(self._one.lake)}"

    def _overwrite_bytes(self) -> str:
        path = self._any_file()
        data = bytearray(self._files[path])
        at = self._rng.randrange(len(data))
        end = min(len(data), at + self._rng.randrange(1, 64))
        data[at:end] = self._rng.randbytes(end - at)
        path.write_bytes(data)
        return f"bytes {at} to {end} of {path.relative_to(self._one.lake)}"

    def _cut_a_file(self) -> str:
        path = self._any_file()
        size = self._rng.randrange(len(self._files[path]))
        path.write_bytes(self._files[path][:size])
        return f"{path.relative_to(self._one.lake)} cut to {size}"

    def _remove_a_file(self) -> str:
        path = self._any_file()
        path.unlink()
        return f"{path.relative_to(self._one.lake)} removed"

    def _swap_two_files(self) -> str:
        first, second = self._any_file(), self._any_file()
        first.write_bytes(self._files[second])
        second.write_bytes(self._files[first])
        return f"{first.relative_to(self._one.lake)} and {second.relative_to(self._one.lake)}"

    def _changed_rows(self, change: Callable[[list[dict[str, Any]]], str]) -> str:
        path = self._rng.choice(self._data)
        self._changed.add(path)
        table = pq.ParquetFile(path).read()
        rows = table.to_pylist()
        what = change(rows)
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
        return f"{path.name}: {what}"

    def _change_a_cell(self) -> str:
        table_schema = pq.read_schema(self._data[0])

        def change(rows: list[dict[str, Any]]) -> str:
            row = self._rng.choice(rows)
            name, value = changed_cell(row, table_schema, self._rng)
            row[name] = value
            return f"another {name}"

        return self._changed_rows(change)

    def _remove_a_row(self) -> str:
        return self._changed_rows(lambda rows: f"{rows.pop(self._rng.randrange(len(rows))) and 1}")

    def _repeat_a_row(self) -> str:
        def change(rows: list[dict[str, Any]]) -> str:
            rows.append(dict(self._rng.choice(rows)))
            return "a row twice"

        return self._changed_rows(change)

    def _shuffle_rows(self) -> str:
        def change(rows: list[dict[str, Any]]) -> str:
            self._rng.shuffle(rows)
            return "in another order"

        return self._changed_rows(change)


def fuzzed(told: tuple[int, int]) -> Outcome:
    """Return what became of changes, by the seed and their number; for a process of its own."""
    seed, count = told
    with tempfile.TemporaryDirectory() as directory:
        return Fuzz(Path(directory) / "home", seed).run(count)


def changed_cell(row: dict[str, Any], schema: pa.Schema, rng: random.Random) -> tuple[str, Any]:
    """Return the name of a column, and another value for it than the one in the row.

    Half of the time of a column that has one.
    """
    having = [name for name in sorted(row) if row[name] is not None]
    name = rng.choice(having if rng.random() < 0.5 else sorted(row))
    value = row[name]
    for other in _others(value, schema.field(name).type, rng):
        if other != value:
            return name, other
    return name, None


def _others(value: Any, kind: pa.DataType, rng: random.Random) -> Iterator[Any]:
    if value is None:
        yield _VALUES[str(kind)]
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + rng.choice([-1, 1, 1000])
    elif isinstance(value, float):
        yield value + 0.5
    elif isinstance(value, str):
        at = rng.randrange(len(value) + 1)
        yield rng.choice(
            [value[:at] + rng.choice('x"\\ é\u0000{') + value[at:], value[:-1], value[::-1], ""]
        )
    elif isinstance(value, list):
        yield rng.choice([[*value, "x"], value[:-1], []])
    elif value is not None:
        yield value.replace(microsecond=(value.microsecond + 1) % 1_000_000)


def differing_leaves(rows: pa.Table, count: int, seed: int) -> list[str]:
    """Change cells of rows at random, and return where the two implementations disagree.

    They agree where both come to the same leaf, or both to none.
    """
    rng = random.Random(seed)  # noqa: S311 - to be the same each time
    originals = rows.to_pylist()
    changed = []
    names = []
    for _ in range(count):
        row = dict(rng.choice(originals))
        name, value = changed_cell(row, rows.schema, rng)
        row[name] = value
        changed.append(row)
        names.append(name)
    table = pa.Table.from_pylist(changed, schema=rows.schema)
    ours, _ = row_leaves(table)
    missed = []
    for name, leaf, line in zip(names, ours, json_lines(table, ()).splitlines(), strict=True):
        try:
            theirs = standalone.row_leaf(standalone.parsed(line.decode()))[0]
        except (standalone.Broken, KeyError, TypeError, ValueError, AttributeError):
            theirs = NO_LEAF
        if theirs != leaf:
            missed.append(f"a cell of {name}")
    return missed
