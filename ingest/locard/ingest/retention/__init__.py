"""Retention: what is kept for how long, what is held all the same, and taking out what is over."""

from locard.ingest.retention.expiry import EXPIRED, Expiry, expiry, held_condition
from locard.ingest.retention.holds import Hold, Holds
from locard.ingest.retention.policy import (
    FLOOR_DAYS,
    Periods,
    RetentionPolicy,
    RetentionRule,
    read_retention,
)
from locard.ingest.retention.run import Expired, Retention

__all__ = [
    "EXPIRED",
    "FLOOR_DAYS",
    "Expired",
    "Expiry",
    "Hold",
    "Holds",
    "Periods",
    "Retention",
    "RetentionPolicy",
    "RetentionRule",
    "expiry",
    "held_condition",
    "read_retention",
]
