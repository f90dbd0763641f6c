"""Provenance: which text made an action happen. See `docs/provenance.md`."""

from __future__ import annotations

from locard.query.provenance.assessment import Assessment, Judged, Session
from locard.query.provenance.explanation import EXPLANATION_VERSION, explain, origin_told
from locard.query.provenance.incidents import find_incidents
from locard.query.provenance.origins import TAKEN_OVER, Origin, Reason, Traced
from locard.query.provenance.passages import Passage
from locard.query.provenance.reach import REACH_COLUMNS, Reached, reach
from locard.query.provenance.reading import read_session, read_sessions

__all__ = [
    "EXPLANATION_VERSION",
    "REACH_COLUMNS",
    "TAKEN_OVER",
    "Assessment",
    "Judged",
    "Origin",
    "Passage",
    "Reached",
    "Reason",
    "Session",
    "Traced",
    "explain",
    "find_incidents",
    "origin_told",
    "reach",
    "read_session",
    "read_sessions",
]
