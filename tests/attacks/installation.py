"""A small lake with everything that can happen to one, sealed; attacks begin with a copy of it.

Partition 0 has four segments of three rows. In the second, offset 4 was undecodable and has no row,
and 5 is in quarantine with a row of its core. Partition 1 has two segments. The content of session
`erased` is erased, that of session `old` is past its retention. A collector has numbered its events
and signed what it says of them; numbers 3 and 4 it gave up.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from locard.evidence import SigningKey, signed
from locard.evidence.custody import Custodian
from locard.evidence.keys import EvidenceKeys
from locard.evidence.rows import row_evidence
from locard.evidence.verifier import Report, TrustPolicy, own_policy, verify_lake
from locard.ingest.erasure import Erasure, Subject
from locard.ingest.eventlog import outgoing
from locard.ingest.lake import LakeWriter
from locard.ingest.retention import Holds, Retention, RetentionPolicy
from locard.ingest.sealer import Sealer, log_files
from locard.ingest.segments import Position, Row, Segment
from locard.redaction import RedactedEvent, without_content
from locard.schema import Event, event_json, event_object, parse_event, validate_event
from making import RECORD, event

TOPIC = "0a1b2c"
OLD = datetime(2026, 1, 5, 9, tzinfo=UTC)
NOW = datetime(2026, 5, 4, 9, 40, tzinfo=UTC)
SECRET = "the plan for the merger"


@dataclass
class Installation:
    """A home with a lake, its keys, and checkpoints that were kept at some moments."""

    home: Path
    kept: list[bytes]

    @property
    def lake(self) -> Path:
        return self.home / "lake"

    @property
    def keys(self) -> EvidenceKeys:
        return EvidenceKeys(self.home / "keys")

    @property
    def policy(self) -> TrustPolicy:
        return own_policy(self.keys)

    @property
    def custodian(self) -> Custodian:
        return Custodian(self.keys.custody_key(), "tester")

    @property
    def holds(self) -> Holds:
        return Holds(self.home / "holds.json")

    def sealer(self) -> Sealer:
        return Sealer(
            self.lake, log_files(self.lake), self.keys.log_key(), self.keys.log_verifiers()
        )

    def seal(self) -> None:
        self.sealer().seal()

    def checkpoint(self) -> bytes:
        return (self.lake / "_transparency/checkpoint").read_bytes()

    def verify(self, *known: bytes, policy: TrustPolicy | None = None) -> Report:
        return verify_lake(self.lake, policy or self.policy, known=known)

    def copy(self, to: Path) -> Installation:
        shutil.copytree(self.home, to)
        return replace(self, home=to, kept=list(self.kept))

    def files(self) -> list[Path]:
        return [Path(path) for path in sorted(DeltaTable(self.lake).file_uris())]

    def file_with(self, offset: int, partition: int = 0) -> Path:
        """Return the file of the lake that has the row at this offset."""
        for path in self.files():
            rows = pq.ParquetFile(path).read(["log_partition", "log_offset"]).to_pylist()
            if {"log_partition": partition, "log_offset": offset} in rows:
                return path
        raise LookupError(offset)

    def change_rows(
        self, change: Callable[[list[dict[str, Any]]], Any], offset: int = 0, partition: int = 0
    ) -> None:
        """Write the file that has a row anew, with its rows changed."""
        path = self.file_with(offset, partition)
        table = pq.ParquetFile(path).read()
        rows = table.to_pylist()
        change(rows)
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)

    def change_row(self, offset: int, partition: int = 0, **columns: Any) -> None:
        """Write one row anew, with other values in some columns."""

        def change(rows: list[dict[str, Any]]) -> None:
            for row in rows:
                if (row["log_partition"], row["log_offset"]) == (partition, offset):
                    row.update(
                        (name, value(row[name]) if callable(value) else value)
                        for name, value in columns.items()
                    )

        self.change_rows(change, offset, partition)

    def publish(
        self, *events: Event, partition: int = 0, topic: str = TOPIC, now: datetime = NOW
    ) -> Segment:
        """Publish events as the consumer does, and return their segment."""
        writer = LakeWriter(self.lake)
        first = writer.next_offsets(topic, [partition]).get(partition, 0)
        segment = Segment(topic, partition, first, first)
        for offset, one in enumerate(events, first):
            segment.rows.append(row(one, Position(topic, partition, offset), now))
            segment.advance(segment.rows[-1].position)
        writer.publish([segment], now)
        return segment


def row(plain: Event, position: Position, now: datetime = NOW, *, is_core: bool = False) -> Row:
    """Return the row of an event as it comes out of the log and of redaction.

    A text `merger` is taken for personal data.
    """
    record = outgoing(plain, event_json(plain))
    came = parse_event(record.value).model_copy(update={"ingested_at": now})
    raw = event_object(came)
    if is_core:
        core = without_content(came)
        made = RedactedEvent(
            core.event, core.redaction, row_evidence(raw, event_object(core.event))
        )
    else:
        changed = validate_event(
            parse_json_text(event_json(came).decode().replace("merger", "‹SECRET:masked›"))
        )
        made = RedactedEvent(changed, RECORD, row_evidence(raw, event_object(changed)))
    return Row(position, made)


def parse_json_text(text: str) -> Any:
    """Return the value of JSON text."""
    import json

    return json.loads(text)


def said(session: str = "s1", **core: Any) -> Event:
    """Return a tool's result, with content and with personal data in it."""
    body = {"outcome": "ok", "tool_name": "read", "result": {"amount": 1, "text": SECRET}}
    return event("tool_result", body, session_id=session, on_behalf_of="Mia é", **core)


def numbered(seq: int, kind: str = "tool_call", incarnation: str = "run-1", **core: Any) -> Event:
    """Return an event that a collector has numbered."""
    return event(
        kind,
        core.pop("body", None),
        collector_id="c1",
        incarnation=incarnation,
        seq=seq,
        principal="agent-1",
        principal_verified=True,
        **core,
    )


def statement(seq: int, key: SigningKey, drops: list[dict[str, Any]], **core: Any) -> Event:
    """Return a signed statement of a collector."""
    body = {
        "statement": "interval",
        "first_seq": 0,
        "last_seq": seq - 1,
        "count": seq,
        "declared_drops": len(drops),
        "drops": drops,
    }
    made = numbered(seq, "accounting", body=body, **core)
    return signed(made, key)  # type: ignore[arg-type]


def made(home: Path) -> Installation:
    """Make the installation that the module's text describes."""
    one = Installation(home, [])
    key = SigningKey.generate()
    one.publish(said("old"), said("old"), event(), now=OLD)
    one.seal()
    one.kept.append(one.checkpoint())
    writer = LakeWriter(one.lake)
    second = Segment(TOPIC, 0, 3, 6, quarantined={4: "json_syntax", 5: "redaction_error"})
    second.rows += [
        row(said("s1"), Position(TOPIC, 0, 3)),
        row(said("s2"), Position(TOPIC, 0, 5), is_core=True),
    ]
    writer.publish([second], NOW)
    one.publish(said("erased"), said("s1"), event("lifecycle", session_id="s1"))
    one.publish(said("s1"), said("s2"), said("s2"))
    one.publish(*(numbered(n) for n in range(3)), partition=1)
    drops = [{"first_seq": 3, "last_seq": 4, "reason": "queue_full"}]
    one.publish(numbered(5), statement(6, key, drops), partition=1)
    one.seal()
    one.kept.append(one.checkpoint())
    rules = RetentionPolicy.model_validate({"default": {"payload_days": 100, "because": "a test"}})
    Retention(one.lake, rules, one.holds, one.custodian, one.home).run(OLD + timedelta(days=101))
    erasure = Erasure(one.lake, one.holds, one.custodian)
    erasure.run(Subject(sessions=["erased"]), {"ticket": "T1"}, NOW)
    one.seal()
    one.kept.append(one.checkpoint())
    return one
