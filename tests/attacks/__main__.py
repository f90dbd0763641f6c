"""`script/fuzz`: many random changes on all cores. `--table` prints the tables of cases instead."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from attacks import accidents, on_log, on_rows
from attacks.cases import ACCIDENTS, ATTACKS
from attacks.fuzzing import Outcome, differing_leaves, fuzzed
from attacks.installation import made

_AT_ONCE = 1_000
_TABLES = (accidents, on_log, on_rows)


def _differing(seed: int, count: int) -> list[str]:
    with tempfile.TemporaryDirectory() as directory:
        one = made(Path(directory) / "home")
        rows = pa.concat_tables(pq.ParquetFile(path).read() for path in one.files())
        return [
            missed
            for part in range(0, count, 10_000)
            for missed in differing_leaves(rows, min(10_000, count - part), seed + part)
        ]


def _print_tables() -> int:
    with tempfile.TemporaryDirectory() as directory:
        original = made(Path(directory) / "original")
        failed = 0
        for number, case in enumerate([*ATTACKS, *ACCIDENTS]):
            one = original.copy(Path(directory) / str(number))
            policy = case.act(one)
            is_attack = case in ATTACKS
            kept = [one.kept[at] for at in case.kept] if is_attack else one.kept
            report = one.verify(*kept, policy=policy)
            found = ", ".join(map(str, report.counts)) or "OK"
            is_right = report.is_whole != is_attack
            failed += not is_right
            kind = "attack" if is_attack else "accident"
            verdict = "whole" if report.is_whole else "refused"
            print(f"{kind:8}  {case.name.replace('_', ' '):62}  {verdict:7}  {found}")
    print(f"{len(ATTACKS)} attacks, {len(ACCIDENTS)} accidents, {failed} judged wrong")
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    if options.table:
        return _print_tables()
    parts = [
        (options.seed * 1_000_000 + begin, min(_AT_ONCE, options.count - begin))
        for begin in range(0, options.count, _AT_ONCE)
    ]
    outcome = Outcome()
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for done in pool.imap_unordered(fuzzed, parts):
            outcome.add(done)
            for missed in done.missed:
                print(f"MISSED: {missed}", flush=True)
            print(f"\r{outcome.counts.total():,} changes", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for (what, said), count in sorted(outcome.counts.items()):
        print(f"{what:16}  {said:22}  {count:>9,}")
    cells = options.count // 5
    differing = _differing(options.seed, cells)
    print(f"cells changed for both implementations: {cells:,}, differing {len(differing)}")
    for missed in (*outcome.missed, *differing):
        print(f"MISSED (seed {options.seed}): {missed}")
    return 1 if outcome.missed or differing else 0


if __name__ == "__main__":
    sys.exit(main())
