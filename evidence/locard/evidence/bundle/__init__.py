"""Evidence bundles: rows with their proof in one file, for somebody who has nothing else."""

from __future__ import annotations

from locard.evidence.bundle.selection import Selection
from locard.evidence.bundle.verifying import verify_bundle
from locard.evidence.bundle.writer import BUNDLE_FORMAT, Bundle, BundleOrder, make_bundle

__all__ = [
    "BUNDLE_FORMAT",
    "Bundle",
    "BundleOrder",
    "Selection",
    "make_bundle",
    "verify_bundle",
]
