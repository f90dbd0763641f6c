"""A report in words, for somebody who does not know the system, and as JSON. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from locard.evidence.verifier.findings import MEANINGS, Finding, Report, Verdict
from locard.schema import rfc3339

REPORT_FORMAT: Final = "locard-verification/1"
_MOST_TOLD: Final = 20  # findings of one verdict
_MOST_RANGES: Final = 5


def report_object(report: Report) -> dict[str, Any]:
    """Return the report as a JSON object."""
    return {
        "format": REPORT_FORMAT,
        "whole": report.is_whole,
        "counts": dict(report.counts),
        "findings": [finding.object() for finding in report.findings],
        "segments": [
            {**one.place, "rows": one.rows, "verdict": one.verdict} for one in report.segments
        ],
        "facts": report.facts,
    }


def report_text(report: Report) -> str:
    """Return the report as lines of text."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield _summary(report)
    yield ""
    yield from _facts(report)
    if report.findings:
        yield ""
    for verdict, count in report.counts.items():
        yield f"{verdict}: {MEANINGS[verdict]}."
        mine = [finding for finding in report.findings if finding.verdict is verdict]
        for finding in mine[:_MOST_TOLD]:
            yield f"  - {finding.what} ({_place(finding)})"
        if count > _MOST_TOLD:
            yield f"  … and {count - _MOST_TOLD:,} more; --format json tells all"


def _summary(report: Report) -> str:
    if not report.is_whole:
        worst = next(iter(report.counts))
        return f"The record is NOT whole: {MEANINGS[worst]} ({worst})."
    if Verdict.UNSEALED in report.counts:
        return (
            "What was sealed is whole: nothing in it was altered, removed, added or reordered. "
            "Some events are not sealed yet."
        )
    return "The record is whole: nothing was altered, removed, added or reordered."


def _facts(report: Report) -> Iterator[str]:
    facts = report.facts
    segments = Counter(one.verdict for one in report.segments)
    told = ", ".join(f"{count:,} {verdict}" for verdict, count in segments.most_common())
    yield f"events read: {facts['rows']:,} in {facts['files']:,} files"
    yield f"segments: {len(report.segments):,}" + (f" ({told})" if told else "")
    if facts.get("since"):
        yield f"only segments from entry {facts['since']:,} of the log on were looked at"
    if checkpoint := facts.get("checkpoint"):
        yield (
            f"checkpoint: {checkpoint['origin']}, {checkpoint['size']:,} entries, "
            f"root {checkpoint['root']}"
        )
    for name, moment in facts.get("witnesses", {}).items():
        yield f"vouched for by {name} since {rfc3339(datetime.fromtimestamp(moment, UTC))}"
    for stamp in facts.get("timestamps", []):
        yield f"time stamped at {stamp['at']}, when it had {stamp['size']:,} entries"
    if not facts.get("witnesses") and not facts.get("timestamps"):
        yield (
            "nobody outside vouches for it: whoever holds the log's key could have written it all "
            "anew, and only a checkpoint that was kept elsewhere would tell"
        )
    yield f"statements of custody: {facts['custody_statements']:,}"
    if trusted := facts.get("trusted"):
        yield f"believed: {trusted}"


def _place(finding: Finding) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in finding.place.items())


def _value(value: Any) -> str:
    if isinstance(value, list):
        shown = ", ".join(_value(item) for item in value[:_MOST_RANGES])
        more = f" and {len(value) - _MOST_RANGES} more" if len(value) > _MOST_RANGES else ""
        is_range = len(value) == 2 and all(isinstance(item, int) for item in value)
        return f"{value[0]} to {value[1] - 1}" if is_range else shown + more
    return str(value)
