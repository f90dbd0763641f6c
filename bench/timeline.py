"""How long questions take over a large lake: through the library, over HTTP, and by plain DuckDB.

    script/bench timeline [--quick] [--events N]

The lake is that of `script/bench lake`: real agent runs over and over under other names, after
upkeep has sorted it. Beside each question about one session stand what a user would do instead,
plain DuckDB over the unsorted files, and the floor, the one file that holds the answer. Cold means
a connection that was just opened; the files themselves are in the page cache. Without `--quick` it
takes the better part of an hour.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import httpx
import uvicorn
from fastapi import FastAPI

from bench.lake import _START, Templates, add_day, floor, make_lake
from bench.reporting import Report
from locard.ingest.upkeep import live_files, open_lake, optimize
from locard.query import Selection, connect, timeline
from locard.query.api import Limits, query_app
from locard.query.provenance import explain

_TOKEN: Final = "a-token-of-the-benchmark"  # noqa: S105 - of a server on loopback for minutes
_READERS: Final = 200
_QUICK_DAYS: Final = 2
_AGGREGATE: Final = "SELECT kind, count(*) FROM events GROUP BY kind"
_SEARCH: Final = "SELECT count(*) FROM mentions('true-informations')"
Ask = Callable[[duckdb.DuckDBPyConnection], object]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within 50 seconds")
    parser.add_argument("--events", type=int, metavar="N", help="how many; 20 million by default")
    chosen = parser.parse_args()
    events = chosen.events or (110_000 if chosen.quick else 20_000_000)
    scratch = Path(tempfile.mkdtemp(prefix="locard-bench-"))
    try:
        run(Report("timeline"), scratch, events, days=_QUICK_DAYS if chosen.quick else 10)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def run(report: Report, scratch: Path, events: int, days: int) -> None:
    """Make the lake, ask it, and print how long that took."""
    templates = Templates()
    path = scratch / "lake"
    total = make_lake(path, templates, events, days)
    case = f"{total / 1e6:.2f} M events"
    copies = max(1, round(total / len(templates.step)))
    chance = random.Random(7)  # noqa: S311 - which sessions are asked for
    sessions = [
        f"{chance.choice(templates.sessions)}/{chance.randrange(copies)}" for _ in range(30)
    ]
    plain = _by_hand(path, sessions[:5])
    optimize(path, _START + timedelta(days=days + 1))
    calls = _calls(path, sessions)
    warm = _questions(report, case, path, sessions, calls)
    least = floor(path, scratch, sessions[:6])
    report.figure(case, "plain DuckDB over the unsorted files, one session", plain * 1e3, "ms")
    report.figure(case, "the one file that holds it, one session", least * 1e3, "ms")
    report.figure(case, "one session: plain DuckDB over ours", plain / warm, "x")
    report.figure(case, "one session: ours over the floor", warm / least, "x", "<=3")
    _over_http(report, case, path, sessions, calls)
    if days > _QUICK_DAYS:  # that many readers alone take minutes on two cores
        _many_readers(report, case, path, sessions, templates)


def _by_hand(path: Path, sessions: Sequence[str]) -> float:
    files = [str(path / file.path) for file in live_files(open_lake(path))]
    times = []
    for session in sessions:
        with duckdb.connect() as connection:
            began = time.perf_counter()
            connection.execute(
                "SELECT * FROM read_parquet($1) WHERE session_id = $2 ORDER BY occurred_at",
                [files, session],
            ).fetchall()
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def _calls(path: Path, sessions: Sequence[str]) -> list[tuple[str, str]]:
    """Return a tool call of each of some sessions, with the session."""
    with connect(path) as lake:
        return [
            row
            for session in sessions[:10]
            for row in lake.execute(
                "SELECT event_id, session_id FROM events WHERE session_id = $1"
                " AND kind = 'tool_call' LIMIT 1",
                [session],
            ).fetchall()
        ]


def _questions(
    report: Report,
    case: str,
    path: Path,
    sessions: Sequence[str],
    calls: Sequence[tuple[str, str]],
) -> float:
    """Print each question cold and warm; return the median of a session's timeline, warm."""
    asked: dict[str, list[Ask]] = {
        "one session": [_of(Selection(session_id=name)) for name in sessions],
        "one trace": [_of(Selection(trace_id=name)) for name in sessions[:6]],
        "one person over all time": [
            _of(Selection(person=f"‹PERSON:k1:{number:016}›")) for number in range(4)
        ],
        "explain": [_explaining(event, session) for event, session in calls],
        "an aggregate over everything": [_sql(_AGGREGATE)] * 2,
        "free-text search": [_sql(_SEARCH)] * 2,
    }
    medians = {}
    for name, questions in asked.items():
        for how, opened in (("cold", None), ("warm", connect(path))):
            times = [_timed(path, question, opened) for question in questions]
            aim = "<=50" if (name, how) == ("one session", "warm") else None
            median = statistics.median(times)
            medians[name, how] = median
            report.figure(case, f"{name}, {how}, median", median * 1e3, "ms", aim)
            report.figure(case, f"{name}, {how}, p99", _p99(times) * 1e3, "ms")
            if opened is not None:
                opened.close()
    return medians["one session", "warm"]


def _timed(path: Path, question: Ask, opened: duckdb.DuckDBPyConnection | None) -> float:
    began = time.perf_counter()
    lake: AbstractContextManager[Any] = connect(path) if opened is None else nullcontext(opened)
    with lake as connection:
        question(connection)
        return time.perf_counter() - began


def _of(selection: Selection) -> Ask:
    return lambda lake: timeline(lake, selection)


def _explaining(event: str, session: str) -> Ask:
    return lambda lake: explain(lake, event, session)


def _sql(statement: str) -> Ask:
    return lambda lake: lake.execute(statement).fetchall()


def _p99(times: Sequence[float]) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * 0.99))]


class _Served:
    """The API on a loopback port, in a thread."""

    def __init__(self, app: FastAPI) -> None:
        config = uvicorn.Config(app, port=0, log_level="error", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    def __enter__(self) -> str:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()


def _over_http(
    report: Report,
    case: str,
    path: Path,
    sessions: Sequence[str],
    calls: Sequence[tuple[str, str]],
) -> None:
    person = {"person": "‹PERSON:k1:0000000000000003›"}
    asked: dict[str, list[tuple[str, str, dict[str, Any]]]] = {
        "one session": [("GET", f"/v1/sessions/{name}/timeline", {}) for name in sessions],
        "one trace": [("GET", "/v1/timeline", {"params": {"trace": n}}) for n in sessions[:6]],
        "one person, a page": [("GET", "/v1/timeline", {"params": person})] * 3,
        "explain": [("GET", f"/v1/events/{event}/explanation", {}) for event, _ in calls],
        "an aggregate over everything": [("POST", "/v1/sql", {"json": {"statement": _AGGREGATE}})],
        "free-text search": [("POST", "/v1/sql", {"json": {"statement": _SEARCH}})],
    }
    with _Served(query_app(path, _TOKEN)) as address, _client(address) as client:
        client.get("/readyz").raise_for_status()  # a process is there
        for name, requests in asked.items():
            times = []
            for method, url, more in requests:
                began = time.perf_counter()
                client.request(method, url, **more).raise_for_status()
                times.append(time.perf_counter() - began)
            median = statistics.median(times) * 1e3
            report.figure(case, f"{name} over HTTP, median", median, "ms")
            report.figure(case, f"{name} over HTTP, p99", _p99(times) * 1e3, "ms")


def _many_readers(
    report: Report, case: str, path: Path, sessions: Sequence[str], templates: Templates
) -> None:
    """Print latencies and errors of many readers at once, with a commit each second meanwhile."""
    done = threading.Event()
    errors: list[Exception] = []
    times: list[float] = []

    def read(number: int) -> None:
        session = sessions[number % len(sessions)]
        began = time.perf_counter()
        try:
            answer = client.get(f"/v1/sessions/{session}/timeline")
            answer.raise_for_status()
        except httpx.HTTPError as error:
            errors.append(error)
        times.append(time.perf_counter() - began)

    def write() -> None:
        day = 100  # none that is there already
        while not done.is_set():
            add_day(path, templates, day, 1)
            day += 1
            done.wait(1)

    writer = threading.Thread(target=write)
    with _Served(query_app(path, _TOKEN, limits=Limits(seconds=300))) as address:
        with _client(address) as client, ThreadPoolExecutor(_READERS) as pool:
            writer.start()
            began = time.perf_counter()
            list(pool.map(read, range(2 * _READERS)))
            took = time.perf_counter() - began
            done.set()
        writer.join()
    report.figure(case, f"{_READERS} readers while writing, median", statistics.median(times), "s")
    report.figure(case, f"{_READERS} readers while writing, p99", _p99(times), "s")
    report.figure(case, f"{_READERS} readers while writing", len(times) / took, "answers/s")
    report.figure(case, f"{_READERS} readers while writing, errors", len(errors), "errors", "<=0")


def _client(address: str) -> httpx.Client:
    return httpx.Client(
        base_url=address,
        headers={"Authorization": f"Bearer {_TOKEN}"},
        timeout=600,
        trust_env=False,
        limits=httpx.Limits(max_connections=None),
    )


if __name__ == "__main__":
    main()
