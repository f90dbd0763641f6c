"""Known personal data of the corpora is nowhere in what Locard keeps or tells, but as tokens."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from deltalake import DeltaTable
from prometheus_client import CollectorRegistry, generate_latest

from corpora import AIRLINE, SHORT_TEXTS, needs_corpora, runs
from locard.cli.assembly import consumer
from locard.cli.settings import load_settings
from locard.ingest.observability import ConsumerMetrics
from locard.redaction import TOKEN

pytestmark = [pytest.mark.corpora, needs_corpora]
LABELS = AIRLINE.with_name("airline-dev-pii.jsonl.gz")
# What has a form, and on the airline's runs what a key or the words before it announce.
NEVER_LEFT = {
    ("airline", "DATE_TIME"),  # all of them are dates of birth
    ("airline", "EMAIL_ADDRESS"),
    ("airline", "LOCATION"),
    ("short", "CREDIT_CARD"),
    ("short", "EMAIL_ADDRESS"),
    ("short", "IBAN_CODE"),
    ("short", "IP_ADDRESS"),
    ("short", "PHONE_NUMBER"),
    ("short", "US_SSN"),
}
MOST_NAMES_LEFT = 0.03  # of those whose recall is below 1; `script/bench redaction-quality` has it
CANARY = "canary.person@example.org"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Everything that an import of the corpora left behind or printed, but for the raw log."""
    home = tmp_path_factory.mktemp("home")
    texts = home / "texts.jsonl"
    texts.write_text("".join(_run(number, row["text"]) for number, row in enumerate(_short())))
    broken = home / "broken.jsonl"
    broken.write_text(f'{{"schema_version":"1.0","kind":"prompt","note":"{CANARY}"}}\n{CANARY}\n')
    said = [
        _locard(home, "import", "--no-consume", "openai-messages", str(AIRLINE), str(texts)),
        _metrics(home),
        _locard(home, "import", "jsonl", str(broken)),
        _locard(home, "gaps"),
        _locard(home, "quarantine", "list"),
    ]
    table = DeltaTable(home / "lake").to_pyarrow_table()
    columns = {
        name: "\n".join(str(value) for value in table[name].to_pylist() if value is not None)
        for name in table.column_names
    }
    files = {
        str(path.relative_to(home)): path.read_bytes().decode("utf-8", "replace")
        for folder in ("quarantine", "lake/_delta_log")
        for path in (home / folder).rglob("*")
        if path.is_file()
    }
    return columns | files | {"what commands printed": "\n".join(said)}


def _short():
    return list(runs(SHORT_TEXTS))


def _run(number, text):
    told = {"run_id": f"text-{number}", "messages": [{"role": "user", "content": text}]}
    return json.dumps(told) + "\n"


def _locard(home: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "locard.cli", "--home", str(home), "--debug", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def _metrics(home: Path) -> str:
    """Work off the log, and return what the consumer's metrics say of it."""
    registry = CollectorRegistry()
    with consumer(load_settings(home)) as worker:
        worker.run_once()
        registry.register(ConsumerMetrics(worker.counts))
        told = generate_latest(registry).decode()
    assert 'locard_consumer_redactions_total{entity_type="PERSON"}' in told
    return told


def _known():
    """Yield every labelled value: corpus, entity type, value."""
    for row in runs(LABELS):
        for item in row["pii"]:
            yield "airline", item["entity_type"], item["value"]
    for row in _short():
        for span in row["spans"]:
            value = row["text"][span["start_position"] : span["end_position"]]
            yield "short", span["entity_type"], value


def test_no_known_value_is_in_any_column_file_or_message(kept):
    """Of what has a form: none, anywhere. Of people's names: as few as the model misses."""
    everything = "\n".join(kept.values())
    known: Counter[tuple[str, str]] = Counter()
    left: Counter[tuple[str, str]] = Counter()
    for corpus, entity_type, value in _known():
        known[corpus, entity_type] += 1
        left[corpus, entity_type] += len(value) > 4 and value in everything

    assert sum(known[kind] for kind in NEVER_LEFT) > 500
    assert {kind: left[kind] for kind in NEVER_LEFT if left[kind]} == {}
    people = [kind for kind in known if kind[1] == "PERSON"]
    assert sum(left[kind] for kind in people) <= MOST_NAMES_LEFT * sum(known[k] for k in people)
    assert TOKEN.search(kept["messages"])


def test_what_is_no_event_is_not_told_either(kept):
    """What was refused leaves its class and its place, and nothing that it says."""
    assert not [name for name, text in kept.items() if CANARY in text]
