"""Sealing and verifying: events a second, bytes of evidence an event, and what a long log costs.

    script/bench verify [--quick] [--events N]

Real agent runs are sealed at their source, redacted once and published under other seeds again and
again, so that no commitment repeats. The floor is SHA-256 over the JSON of the same events, on one
core: nothing that looks at each byte is faster.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.agent_traffic import agent_events
from bench.reporting import Report
from locard.evidence.bundle import standalone
from locard.evidence.bundle.rows import json_lines
from locard.evidence.keys import EvidenceKeys
from locard.evidence.log_files import DiskFiles
from locard.evidence.merkle import HASH_BYTES, inclusion_proof
from locard.evidence.notes import NoteKey
from locard.evidence.rows import row_evidence
from locard.evidence.seals import new_seal
from locard.evidence.transparency_log import TransparencyLog
from locard.evidence.verifier import own_policy, verify_lake
from locard.ingest.lake import LakeWriter
from locard.ingest.sealer import Sealer, log_files
from locard.ingest.segments import Position, Row, Segment
from locard.redaction import Keyring, RedactedEvent, presidio_pool
from locard.schema import Event, event_json, event_object

_TEMPLATES: Final = 11_036  # events of all runs of the corpora, once
_ROWS: Final = 2_000  # in a segment, as the consumer publishes at some thousand events a second
_NOW: Final = datetime(2026, 5, 4, 9, tzinfo=UTC)
_LOG_SIZES: Final = (1_000, 10_000, 100_000, 1_000_000)
_ENTRY: Final = b'{"format":"locard-segment/2","table_version":%d,"padding":"' + b"x" * 500 + b'"}'


def redacted_templates(count: int) -> list[tuple[dict[str, Any], RedactedEvent]]:
    """Return events as they came and as redaction left them."""
    events = list(islice(agent_events(), count))
    with tempfile.TemporaryDirectory() as directory:
        keyring = Keyring.open_or_create(Path(directory))
        found: list[Any] = []
        with presidio_pool(keyring.pseudonymizer(), workers=2) as pool:
            for start in range(0, len(events), 64):
                pool.submit(events[start : start + 64])
            while len(found) < len(events):
                found += pool.collect(1.0)
    pairs = zip(events, found, strict=True)
    return [(event_object(raw), done) for raw, done in pairs if isinstance(done, RedactedEvent)]


def publish(lake: Path, templates: Sequence[Any], count: int) -> int:
    """Publish so many events in segments, each sealed under a seed of its own; return the bytes."""
    writer = LakeWriter(lake)
    size = 0
    for first in range(0, count, _ROWS):
        segment = Segment("bench", 0, first, first)
        for offset in range(first, min(first + _ROWS, count)):
            raw, done = templates[offset % len(templates)]
            sealed = {**raw, "seal": new_seal(raw).model_dump()}
            evidence = row_evidence(sealed, event_object(done.event))
            one = RedactedEvent(_at(done.event), done.redaction, evidence)
            segment.rows.append(Row(Position("bench", 0, offset), one))
            segment.advance(segment.rows[-1].position)
            size += len(event_json(done.event))
        writer.publish([segment], _NOW)
    return size


def _at(event: Event) -> Event:
    return event.model_copy(update={"ingested_at": _NOW})


def measure(report: Report, directory: Path, templates: Sequence[Any], count: int) -> None:
    """Seal and verify a lake of so many events."""
    lake = directory / "lake"
    size = publish(lake, templates, count)
    keys = EvidenceKeys(directory / "keys")
    texts = [event_json(done.event) for _, done in templates]
    rounds = -(-count // len(texts))
    began = time.perf_counter()
    for _ in range(rounds):
        for text in texts:
            sha256(text).digest()
    floor = rounds * len(texts) / (time.perf_counter() - began)
    report.figure("SHA-256, one core", "rate", floor, "events/s")

    sealer = Sealer(lake, log_files(lake), keys.log_key())
    began = time.perf_counter()
    done = sealer.seal()
    seconds = time.perf_counter() - began
    if done.rows != count or done.mismatches:
        raise AssertionError("not every event was sealed")
    report.figure("sealing, one core", "rate", count / seconds, "events/s")
    report.figure("sealing, one core", "of the floor", count / seconds / floor, "x")

    rates = []
    for _ in range(3):
        began = time.perf_counter()
        found = verify_lake(lake, own_policy(keys), processes=2)
        rates.append(count / (time.perf_counter() - began))
        if found.findings or found.facts["rows"] != count:
            raise AssertionError("the lake does not verify")
    report.figure("verification, two cores", "rate", max(rates), "events/s", ">=200000")
    report.figure("verification, two cores", "of the floor", max(rates) / floor, "x")
    report.figure("verification, two cores", "rate", size * max(rates) / count / 1e6, "MB/s")
    _measure_proof(report, sealer, done.segments)
    _measure_standalone(report, lake)


def _measure_proof(report: Report, sealer: Sealer, segments: int) -> None:
    steps = len(inclusion_proof(0, sealer.log.size, sealer.log.reader.nodes))
    in_segment = (_ROWS - 1).bit_length()
    size = HASH_BYTES * (steps + in_segment)
    report.figure(f"one event of {segments} segments", "proof", size, "bytes")
    most = HASH_BYTES * (in_segment + (_LOG_SIZES[-1] - 1).bit_length())
    report.figure("one event of 1,000,000 segments", "proof", most, "bytes")


def _measure_standalone(report: Report, lake: Path) -> None:
    path = next(iter(lake.glob("ingest_date=*/*.parquet")))
    lines = json_lines(pq.ParquetFile(path).read(), ()).decode().splitlines()
    began = time.perf_counter()
    for line in lines:
        standalone.row_leaf(standalone.parsed(line))
    rate = len(lines) / (time.perf_counter() - began)
    report.figure("the verifier in bundles, one core", "rate", rate, "events/s")


def measure_bytes(report: Report, directory: Path, templates: Sequence[Any]) -> None:
    """Say what evidence takes on the disk, over events of which none is there twice."""
    lake = directory / "once"
    publish(lake, templates, len(templates))
    keys = EvidenceKeys(directory / "keys")
    Sealer(lake, log_files(lake), keys.log_key()).seal()
    column = sum(_evidence_bytes(path) for path in lake.glob("ingest_date=*/*.parquet"))
    log = sum(path.stat().st_size for path in (lake / "_transparency").rglob("*") if path.is_file())
    manifests = sum(path.stat().st_size for path in (lake / "_delta_log").glob("*.json"))
    count = len(templates)
    report.figure("evidence on the disk", "column", column / count, "bytes/event")
    report.figure("evidence on the disk", "log and leaf hashes", log / count, "bytes/event")
    report.figure("evidence on the disk", "Delta's own log", manifests / count, "bytes/event")
    whole = (column + log + manifests) / count
    report.figure("evidence on the disk", "all of it", whole, "bytes/event", "<=100")


def _evidence_bytes(path: Path) -> int:
    metadata = pq.ParquetFile(path).metadata
    return sum(
        metadata.row_group(group).column(at).total_compressed_size
        for group in range(metadata.num_row_groups)
        for at in range(metadata.num_columns)
        if metadata.row_group(group).column(at).path_in_schema == "evidence"
    )


def measure_growth(report: Report, directory: Path, sizes: Sequence[int]) -> None:
    """Say what one more checkpoint costs as the log grows."""
    key = NoteKey("log.example/bench", Ed25519PrivateKey.generate())
    log = TransparencyLog(DiskFiles(directory / "log"), key)
    costs = {}
    for size in sizes:
        while log.size < size:
            log.append([_ENTRY % n for n in range(log.size, min(size, log.size + 50_000))])
        took = []
        for _ in range(40):
            began = time.perf_counter()
            log.append([_ENTRY % n for n in range(log.size, log.size + 6)])
            took.append(time.perf_counter() - began)
        costs[size] = statistics.median(took)
        report.figure(f"a log of {size:,} segments", "six more", costs[size] * 1000, "ms")
    report.figure(
        "the longest log against the shortest",
        "six more",
        costs[sizes[-1]] / costs[sizes[0]],
        "x",
        "<=1.5",
    )
    began = time.perf_counter()
    TransparencyLog(DiskFiles(directory / "log"), key)
    report.figure("the longest log", "opening", (time.perf_counter() - began) * 1000, "ms")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="end within 50 seconds")
    parser.add_argument("--events", type=int, default=400_000)
    options = parser.parse_args()
    count = 60_000 if options.quick else options.events
    report = Report("verify")
    templates = redacted_templates(3_000 if options.quick else _TEMPLATES)
    with tempfile.TemporaryDirectory(prefix="locard-bench-") as name:
        directory = Path(name)
        measure_bytes(report, directory, templates)
        measure(report, directory, templates, count)
        measure_growth(report, directory, _LOG_SIZES[:2] if options.quick else _LOG_SIZES)


if __name__ == "__main__":
    main()
