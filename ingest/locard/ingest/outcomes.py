"""What becomes of each record: a row of the next batch, or a place in quarantine."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from itertools import chain

from locard.evidence.rows import row_evidence
from locard.ingest.batch import Batch
from locard.ingest.counts import ConsumerCounts
from locard.ingest.decode import Decoded, Refused
from locard.ingest.eventlog import RawRecord
from locard.ingest.quarantine import Quarantine
from locard.redaction import FailedRedaction, RedactedEvent, RedactionResult, without_content
from locard.schema import Event, event_object, utc_now

log = logging.getLogger(__name__)


class Outcomes:
    """Sorts records by what became of them, and counts."""

    def __init__(self, quarantine: Quarantine, counts: ConsumerCounts) -> None:
        self._quarantine = quarantine
        self._counts = counts

    def settle(self, item: Decoded, result: RedactionResult, batch: Batch) -> None:
        """Add a redacted event to the batch, or put it away where redaction failed.

        Raises:
            CannotContinue: quarantine takes no more.
        """
        match result:
            case RedactedEvent():
                batch.add(item.record, result, time.monotonic())
                for finding in chain.from_iterable(result.redaction.fields.values()):
                    if finding.action != "keep":
                        self._counts.redactions[finding.entity_type] += finding.count
            case FailedRedaction():
                _tell("record %s: %s", item.record, result.error_class, result.error_class)
                self._put_away(item.record, result.error_class, item.event, batch)

    def refuse(self, refused: Refused, batch: Batch) -> None:
        """Put a record away that holds no acceptable event.

        Raises:
            CannotContinue: quarantine takes no more.
        """
        _tell("refused record %s: %s", refused.record, refused.reason, refused.error_class)
        self._put_away(refused.record, refused.error_class, None, batch)

    def _put_away(
        self, record: RawRecord, error_class: str, event: Event | None, batch: Batch
    ) -> None:
        """Quarantine first, durably; only then may the position move past the record."""
        self._quarantine.put(record, error_class, event, utc_now())
        core = _core(event) if event is not None else None
        batch.add_quarantined(record, error_class, core, time.monotonic())
        self._counts.quarantined[error_class] += 1


def _core(event: Event) -> RedactedEvent:
    """Return what the lake may know of an event that is in quarantine, with its evidence."""
    core = without_content(event)
    evidence = row_evidence(event_object(event), event_object(core.event))
    return replace(core, attested=evidence)


def _tell(message: str, record: RawRecord, why: str, error_class: str) -> None:
    told = {"place": record.place, "error_class": error_class}
    log.warning(message, record.place, why, extra=told)
