"""The verifier: what can be said of a lake, without any network and without whoever wrote it.

It follows `docs/format.md` and uses nothing of what writes rows or seals them.
"""

from __future__ import annotations

from locard.evidence.unsealed import LOG_DIRECTORY
from locard.evidence.verifier.findings import (
    MEANINGS,
    Finding,
    Report,
    SegmentVerdict,
    Verdict,
)
from locard.evidence.verifier.lake import verify_lake
from locard.evidence.verifier.telling import report_object, report_text
from locard.evidence.verifier.trust import TrustPolicy, own_policy, read_trust, trust_text

__all__ = [
    "LOG_DIRECTORY",
    "MEANINGS",
    "Finding",
    "Report",
    "SegmentVerdict",
    "TrustPolicy",
    "Verdict",
    "own_policy",
    "read_trust",
    "report_object",
    "report_text",
    "trust_text",
    "verify_lake",
]
