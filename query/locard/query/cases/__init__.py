"""Cases: what responders pin, tag, comment and suppose, with who and when."""

from __future__ import annotations

from locard.query.cases.records import KINDS, STATUSES, Case, Entry
from locard.query.cases.store import Cases

__all__ = ["KINDS", "STATUSES", "Case", "Cases", "Entry"]
