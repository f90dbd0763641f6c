"""Retention: what is kept for how long, what is held all the same, and taking out what is over."""

from locard.ingest.retention.expiry import CONTENT_COLUMNS, EXPIRED, Expiry, expiry
from locard.ingest.retention.holds import Hold, Holds
from locard.ingest.retention.policy import (
    FLOOR_DAYS,
    Periods,
    RetentionPolicy,
    RetentionRule,
    read_retention,
)
from locard.ingest.retention.run import RETENTION_KEY, Expired, Retention

__all__ = [
    "CONTENT_COLUMNS",
    "EXPIRED",
    "FLOOR_DAYS",
    "RETENTION_KEY",
    "Expired",
    "Expiry",
    "Hold",
    "Holds",
    "Periods",
    "Retention",
    "RetentionPolicy",
    "RetentionRule",
    "expiry",
    "read_retention",
]
