"""Looking an installation over: what is damaged, what is at its limit, and what to do.

Nothing is changed unless that is asked for, and then only what costs nothing: see `lake_log`.
"""

from locard.ingest.doctor.event_logs import examine_embedded, examine_kafka
from locard.ingest.doctor.finding import Finding
from locard.ingest.doctor.installation import (
    examine_clock,
    examine_disk,
    examine_keys,
    examine_quarantine,
)
from locard.ingest.doctor.lake_files import examine_files
from locard.ingest.doctor.lake_log import examine_log
from locard.ingest.doctor.sealing import examine_sealing
from locard.ingest.lake_store import has_lake

__all__ = [
    "Finding",
    "examine_clock",
    "examine_disk",
    "examine_embedded",
    "examine_files",
    "examine_kafka",
    "examine_keys",
    "examine_log",
    "examine_quarantine",
    "examine_sealing",
    "has_lake",
]
