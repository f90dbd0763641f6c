"""What services write to standard error: for people or for a log pipeline, and never payload."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from locard.cli.log_lines import JsonFormatter, QuietFormatter
from locard.ingest.eventlog import OutgoingRecord
from locard.ingest.eventlog.embedded import EmbeddedWriter
from test_cli import locard


def failed(formatter: logging.Formatter, **extra) -> str:
    """Return the line of a failure whose exception quotes an event."""
    try:
        raise ValueError("CANARY")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 0, "failed %s", ("so",), sys.exc_info())
    record.__dict__.update(extra)
    return formatter.format(record)


@pytest.mark.parametrize("formatter", [QuietFormatter("%(message)s"), JsonFormatter()])
def test_an_exception_is_logged_without_its_text(formatter):
    """It is named by type and place: its text may quote an event."""
    told = failed(formatter)
    assert "CANARY" not in told
    assert "ValueError in failed" in told


def test_a_json_line_has_its_fields_and_is_one_line():
    """A log pipeline can filter by place and class without reading the message."""
    told = failed(JsonFormatter(), place="t/0/7", error_class="redaction_error", odd="a\nb")
    assert "\n" not in told
    line = json.loads(told)
    assert line["time"].endswith("+00:00")
    assert (line["level"], line["logger"], line["message"]) == ("error", "x", "failed so")
    assert (line["place"], line["error_class"], line["odd"]) == (
        "t/0/7",
        "redaction_error",
        "a\nb",
    )


def test_the_consumer_writes_json_where_that_is_configured(tmp_path):
    """Each line of standard error that tells of a record is one JSON object with its place."""
    (tmp_path / ".locard").mkdir(mode=0o700)
    writer = EmbeddedWriter(tmp_path / ".locard" / "log.sqlite")
    writer.append([OutgoingRecord(b"k", b"no event CANARY")])
    writer.close()
    done = locard("consume", "--once", cwd=tmp_path, LOCARD_LOG_FORMAT="json")
    (line,) = [json.loads(one) for one in done.stderr.splitlines() if one.startswith("{")]
    assert line["error_class"] == "json_syntax"
    assert line["place"].endswith("/0")
    assert "CANARY" not in done.stderr
