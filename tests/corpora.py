"""The corpora of real agent runs, which lie beside the checkout where they are to be had."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CORPORA = Path(__file__).resolve().parents[2] / "shared" / "corpora"
AGENTDOJO = CORPORA / "agentdojo" / "runs-dev.jsonl.gz"
AIRLINE = CORPORA / "tau" / "airline-dev.jsonl.gz"
SHORT_TEXTS = CORPORA / "pii" / "presidio-synth-dev.jsonl.gz"

needs_corpora = pytest.mark.skipif(
    not (AGENTDOJO.exists() and AIRLINE.exists() and SHORT_TEXTS.exists()),
    reason="the corpora are not beside the checkout, in ../shared/corpora",
)


def runs(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the runs of a corpus as they are in the file."""
    with gzip.open(path) as file:
        for line in file:
            yield json.loads(line)
