"""The corpora that benchmarks of redaction measure with; they are not part of the project."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

CORPORA: Final = Path(__file__).resolve().parents[2] / "shared" / "corpora"


def rows(path: Path) -> list[Any]:
    """Return the JSON objects of a file, one a line, compressed with gzip."""
    with gzip.open(path) as file:
        return [json.loads(line) for line in file]


def texts_of(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value, keys aside, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_of(item)
