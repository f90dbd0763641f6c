"""Presidio's findings with far less work: which recognizers can match is decided before any runs.

Presidio stays the authority. For the same recognizers, text and thresholds the findings are the
same (`tests/test_engine_parity.py`); whatever has no shortcut that is known to be exact runs as it
is.
"""

from __future__ import annotations

from locard.redaction.engine.fast import FastAnalyzer

__all__ = ["FastAnalyzer"]
