"""The collector API: events come in over HTTP and are durable in the event log before the answer.

A 200 says of each event that it is in the log or why it never can be. Anything else says that none
of the request may be taken for stored: the sender keeps the events and sends them again, which
does no harm, since events are told apart by their id.
"""

from __future__ import annotations

from locard.ingest.collector.app import collector_app
from locard.ingest.collector.limits import DEFAULT_LIMITS, CollectorLimits, Rate

__all__ = ["DEFAULT_LIMITS", "CollectorLimits", "Rate", "collector_app"]
