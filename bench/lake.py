"""A large lake before and after upkeep: files, bytes an event, and one session's timeline.

    script/bench lake [--quick] [--events N]

The lake is made of real agent runs, over and over under other names: ten days of small files as the
consumer writes them, in which the rows of some hundred sessions lie among each other. The floor is
the same timeline out of the one file that has the session. Without `--quick` it takes half an hour
and some gigabytes.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.transaction import AddAction

from bench.agent_traffic import agent_events
from bench.reporting import Report
from locard.ingest.delta import NO_HOOKS, PARTITION_COLUMN
from locard.ingest.lake import LakeWriter
from locard.ingest.segments import LAKE_COLUMNS
from locard.ingest.upkeep import lake_stats, live_files, open_lake, optimize
from locard.query import connect, timeline
from locard.schema import event_json, rfc3339
from locard.schema.arrow import event_table

_START: Final = datetime(2026, 5, 4, tzinfo=UTC)
_TEMPLATES: Final = 11_036  # events of all runs of the corpora, once
_ROWS_IN_FILE: Final = 20_000  # as the consumer publishes under load
_DAY_MICROSECONDS: Final = 86_400 * 1_000_000


class Templates:
    """All runs of the corpora once, as a table whose rows can be dealt out again and again."""

    def __init__(self) -> None:
        events = list(islice(agent_events(), _TEMPLATES))
        self.bytes_of_json = sum(len(event_json(event)) + 1 for event in events) / len(events)
        self.table = event_table(events)
        names = self.table["session_id"].to_pylist()
        self.sessions = sorted(set(names))
        number_of = {name: number for number, name in enumerate(self.sessions)}
        self.session = np.array([number_of[name] for name in names])
        self.step = np.zeros(len(names), dtype=np.int64)
        seen: dict[str, int] = {}
        for row, name in enumerate(names):
            self.step[row] = seen[name] = seen.get(name, -1) + 1

    def day(self, day: int, copies: int) -> Iterator[pa.Table]:
        """Yield the files of a day: sessions begin at any time of it and go on for minutes."""
        random_numbers = np.random.default_rng(day)
        size = len(self.step)
        begins = random_numbers.integers(0, _DAY_MICROSECONDS, (copies, len(self.sessions)))
        copy = np.repeat(np.arange(copies), size)
        row = np.tile(np.arange(size), copies)
        moment = begins[copy, self.session[row]] + self.step[row] * 3_000_000
        order = np.argsort(moment, kind="stable")
        midnight = int((_START + timedelta(days=day)).timestamp()) * 1_000_000
        for first in range(0, len(order), _ROWS_IN_FILE):
            chosen = order[first : first + _ROWS_IN_FILE]
            name = pa.array(copy[chosen] + day * copies).cast(pa.string())
            table = self._rows(row[chosen], name, midnight + moment[chosen], first)
            numbers = pa.array(day * len(order) + np.arange(first, first + len(chosen)))
            run = f"of {copies} copies"  # of one collector, that goes on over all the days
            yield _numbered(table, "collector", run, numbers)

    def _rows(self, rows: Any, copy: pa.Array, micros: Any, first: int) -> pa.Table:
        table = self.table.take(pa.array(rows))
        times = pa.array(micros).cast(pa.timestamp("us", tz="UTC"))
        begin = pc.utf8_slice_codeunits(table["event_id"], 0, 24)
        session = pc.binary_join_element_wise(table["session_id"], copy, "/")
        person = pc.binary_join_element_wise("‹PERSON:k1:", pc.utf8_lpad(copy, 16, "0"), "›", "")
        changed = {
            "trace_id": session,
            "on_behalf_of": person,
            "event_id": pc.binary_join_element_wise(begin, pc.utf8_lpad(copy, 12, "0"), ""),
            "session_id": session,
            "occurred_at": times,
            "observed_at": times,
            "ingested_at": times,
        }
        table = _with(table, changed)
        count = table.num_rows
        stored = [
            pa.array(["bench"] * count),
            pa.array([0] * count, pa.int32()),
            pa.array(range(first, first + count), pa.int64()),
            pa.array(["{}"] * count),
            pa.nulls(count, pa.string()),
        ]
        return pa.Table.from_arrays([*table.columns, *stored], schema=LAKE_COLUMNS)


def _numbered(table: pa.Table, collector: str, run: str, numbers: pa.Array) -> pa.Table:
    """Return the rows as a collector numbered them."""
    count = len(numbers)
    names = {"collector_id": pa.repeat(collector, count), "incarnation": pa.repeat(run, count)}
    return _with(table, {**names, "seq": numbers})


def _with(table: pa.Table, columns: Mapping[str, pa.Array]) -> pa.Table:
    """Return the table with these in place of its columns of the same names."""
    for column, values in columns.items():
        place = table.column_names.index(column)
        table = table.set_column(place, table.schema.field(place), values)
    return table


def make_lake(path: Path, templates: Templates, events: int, days: int) -> int:
    """Make a lake of about so many events, all of whose days are over; return their number."""
    LakeWriter(path)
    copies = max(1, round(events / days / len(templates.step)))
    return sum(add_day(path, templates, day, copies) for day in range(days))


def add_day(path: Path, templates: Templates, day: int, copies: int) -> int:
    """Add one day to a lake, in one commit; return the number of its events."""
    actions: list[AddAction] = []
    total = 0
    for number, table in enumerate(templates.day(day, copies)):
        actions.append(_write(path, day, number, table))
        total += table.num_rows
    lake = DeltaTable(path)
    lake.create_write_transaction(
        list(actions),
        "append",
        lake.schema(),
        [PARTITION_COLUMN],
        post_commithook_properties=NO_HOOKS,
    )
    return total


def _write(path: Path, day: int, number: int, table: pa.Table) -> AddAction:
    date = f"{_START + timedelta(days=day):%Y-%m-%d}"
    relative = f"{PARTITION_COLUMN}={date}/events-{number:06}.parquet"
    (path / relative).parent.mkdir(exist_ok=True)
    pq.write_table(table, path / relative, compression="zstd", write_page_checksum=True)
    span = pc.min_max(table["occurred_at"]).as_py()
    statistics_of_file = {
        "numRecords": table.num_rows,
        "minValues": {"occurred_at": rfc3339(span["min"])},
        "maxValues": {"occurred_at": rfc3339(span["max"])},
        "nullCount": {"occurred_at": 0},
    }
    return AddAction(
        relative,
        (path / relative).stat().st_size,
        {PARTITION_COLUMN: date},
        0,
        data_change=True,
        stats=json.dumps(statistics_of_file),
    )


def measure(report: Report, case: str, path: Path, sessions: Sequence[str], raw: float) -> float:
    """Print what the lake is like, and return the median of one session's timeline in seconds."""
    stats = lake_stats(open_lake(path), path)
    report.figure(case, "files", stats.files, "files")
    report.figure(case, "bytes an event", stats.bytes / stats.rows, "bytes")
    report.figure(case, "raw JSON over the lake", raw * stats.rows / stats.bytes, "x")
    opening, asking = [], []
    for session in sessions:
        started = time.perf_counter()
        with connect(path) as lake:
            opened = time.perf_counter()
            if not timeline(lake, session):
                raise AssertionError("the session is not there")
            asking.append(time.perf_counter() - opened)
            opening.append(opened - started)
    report.figure(case, "opening the lake, median", statistics.median(opening) * 1e3, "ms")
    report.figure(case, "one session's timeline, median", statistics.median(asking) * 1e3, "ms")
    report.figure(case, "one session's timeline, slowest", max(asking) * 1e3, "ms")
    return statistics.median(asking)


def floor(path: Path, scratch: Path, sessions: Sequence[str]) -> float:
    """Return the median of the timeline out of a lake of the one file that has the session."""
    times = []
    table = open_lake(path)
    files = live_files(table)
    for number, session in enumerate(sessions):
        (name,) = duckdb.execute(
            "SELECT any_value(filename) FROM read_parquet($1, filename=true) WHERE session_id = $2",
            [[str(path / file.path) for file in files], session],
        ).fetchone() or ("",)
        (file,) = [one for one in files if name.endswith(one.path)]
        small = scratch / f"floor-{number}"
        LakeWriter(small)
        (small / file.path).parent.mkdir()
        (small / file.path).hardlink_to(path / file.path)
        alone = DeltaTable(small)
        alone.create_write_transaction(
            [AddAction(file.path, file.size, {PARTITION_COLUMN: f"{file.day}"}, 0, True, "{}")],
            "append",
            alone.schema(),
            [PARTITION_COLUMN],
            post_commithook_properties=NO_HOOKS,
        )
        with connect(small) as lake:
            started = time.perf_counter()
            timeline(lake, session)
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within 50 seconds")
    parser.add_argument("--events", type=int, metavar="N", help="how many; 20 million by default")
    chosen = parser.parse_args()
    events = chosen.events or (110_000 if chosen.quick else 20_000_000)
    days = 2 if chosen.quick else 10
    report = Report("lake")
    scratch = Path(tempfile.mkdtemp(prefix="locard-bench-"))
    try:
        path = scratch / "lake"
        templates = Templates()
        started = time.perf_counter()
        total = make_lake(path, templates, events, days)
        case = f"{total / 1e6:.2f} M events"
        report.figure(case, "making it", time.perf_counter() - started, "s")
        copies = round(total / len(templates.step))
        chance = random.Random(7)  # noqa: S311 - which sessions are asked for
        sessions = [
            f"{chance.choice(templates.sessions)}/{chance.randrange(copies)}" for _ in range(12)
        ]
        raw = templates.bytes_of_json
        before = measure(report, f"{case}, as published", path, sessions[:4], raw)
        started = time.perf_counter()
        optimize(path, _START + timedelta(days=days + 1))
        seconds = time.perf_counter() - started
        report.figure(case, "optimising it", total / seconds, "events/s")
        after = measure(report, f"{case}, after upkeep", path, sessions, raw)
        report.figure(case, "timeline, before upkeep over after", before / after, "x")
        least = floor(path, scratch, sessions[:6])
        report.figure(case, "timeline over that of one file", after / least, "x", "<=3")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
