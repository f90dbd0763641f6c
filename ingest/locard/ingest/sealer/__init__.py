"""The sealer: follows the lake's Delta log and puts what it says into the transparency log."""

from __future__ import annotations

from locard.ingest.sealer.anchoring import Anchors, AnchorSettings
from locard.ingest.sealer.log_store import log_files
from locard.ingest.sealer.metrics import SealerCounts, SealerMetrics
from locard.ingest.sealer.sealer import Sealed, Sealer

__all__ = [
    "AnchorSettings",
    "Anchors",
    "Sealed",
    "Sealer",
    "SealerCounts",
    "SealerMetrics",
    "log_files",
]
