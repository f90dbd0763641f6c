"""Real agent traffic: the runs of the public corpora as events, over and over, each copy its own.

An agent repeats itself within a run and between runs, and so do the corpora. `fresh` takes that
away: every text then ends in a number of its own, which is the least that memory can help.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import Any, Final

from bench.corpora import CORPORA, rows
from bench.workload import events as made_up_events
from locard.ingest.importers.conversion import Surroundings
from locard.ingest.importers.lines import Line
from locard.ingest.importers.openai_messages import run_events
from locard.schema import Event

_FILES: Final = (
    CORPORA / "agentdojo" / "runs-dev.jsonl.gz",
    CORPORA / "tau" / "airline-dev.jsonl.gz",
)
_MOMENT: Final = datetime(2026, 5, 4, tzinfo=UTC)
_SHORT: Final = 20  # characters; a name or an id, which another one would not be


def has_corpora() -> bool:
    """Say whether the corpora are there; without them the traffic is made up."""
    return all(path.exists() for path in _FILES)


def agent_events(*, fresh: bool = False) -> Iterator[Event]:
    """Yield events without end: all runs, then all runs again under other names."""
    if not has_corpora():
        for seed in count():
            yield from made_up_events(10_000, seed=seed)
    for copy in count():
        for number, run in enumerate(_runs()):
            name = f"{run['run_id']}/{copy}"
            told = _with_own_texts(run, f" ({copy}-{number})") if fresh else run
            yield from _events_of({**told, "run_id": name})


@cache
def _runs() -> list[dict[str, Any]]:
    return [run for path in _FILES for run in rows(path)]


def _events_of(run: dict[str, Any]) -> Iterator[Event]:
    data = json.dumps(run).encode()
    line = Line(1, data, hashlib.sha256(data).hexdigest())
    yield from run_events(line, Surroundings(_MOMENT, _MOMENT)).events


def _with_own_texts(value: Any, ending: str) -> Any:
    if isinstance(value, str):
        is_text = len(value) >= _SHORT and value.lstrip()[:1] not in ("{", "[")
        return value + ending if is_text else value
    if isinstance(value, dict):
        return {key: _with_own_texts(item, ending) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_own_texts(item, ending) for item in value]
    return value
