"""Every format: interrupted imports go on, repeated lines add nothing, gzip is read as plain."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from functools import partial

import pytest

from exported import conversation
from importing import Interrupted, asks, call, events_in_log, send, tells, user
from locard.ingest.importers import files
from locard.schema import RetryableError, event_json
from making import event
from transcripts import answered, gives, returned, typed, uses

USAGE = {"input_tokens": 3, "output_tokens": 5}


def chat_runs():
    """Return runs of five events each."""
    for number in range(12):
        yield json.dumps(
            {"run_id": f"r{number}", "messages": [user(), asks(call("a")), tells("a")]}
        ).encode()


def transcript():
    """Return a session whose lines refer to each other, with answers over several lines."""
    parent = None
    for number in range(0, 48, 4):
        steps = [
            typed(f"u{number}", f"part {number}", parent),
            answered(f"u{number + 1}", parent=f"u{number}", of=f"m{number}", usage=USAGE),
            answered(
                f"u{number + 2}",
                uses(f"c{number}"),
                parent=f"u{number + 1}",
                of=f"m{number}",
                usage=USAGE,
            ),
            returned(f"u{number + 3}", gives(f"c{number}"), parent=f"u{number + 2}"),
        ]
        parent = f"u{number + 3}"
        yield from (json.dumps(one).encode() for one in steps)


def own_events():
    """Return events of three sessions."""
    for number in range(40):
        yield event_json(event("lifecycle", session_id=f"s{number % 3}"))


FORMATS = {
    "openai-messages": list(chat_runs()),
    "otlp-json": conversation(30),
    "claude-code": list(transcript()),
    "jsonl": list(own_events()),
}
each_format = pytest.mark.parametrize("format_name", FORMATS)


def write(path, lines):
    """Write lines to a file."""
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def log_of(home):
    """Return what the log holds, by event id, without when it was imported."""
    return {event.event_id: event for event in events_in_log(home / "log.sqlite")}


@each_format
@pytest.mark.parametrize("is_appended", [False, True], ids=["lost", "arrived"])
@pytest.mark.parametrize("number", range(3))
def test_an_interrupted_import_ends_as_a_whole_one(
    tmp_path, monkeypatch, format_name, number, is_appended
):
    """Started again, an import sends what is missing, and each event is as it would have been."""
    monkeypatch.setattr(files, "_EVENTS_PER_APPEND", 11)
    file = write(tmp_path / "a.jsonl", FORMATS[format_name])
    send(tmp_path / "whole", file, format_name)
    home = tmp_path / "home"

    with pytest.raises(RetryableError):
        send(
            home,
            file,
            format_name,
            interrupt=partial(Interrupted, number=number, is_appended=is_appended),
        )
    report = send(home, file, format_name)

    assert report.known_lines + report.lines == len(FORMATS[format_name])
    assert (report.known_lines > 0) == (number > 0)
    assert log_of(home) == log_of(tmp_path / "whole")


@each_format
def test_a_growing_file_is_imported_as_if_at_once(tmp_path, format_name):
    """A file that is imported while it grows ends as one that is imported when it is whole."""
    lines, home = FORMATS[format_name], tmp_path / "home"
    send(tmp_path / "whole", write(tmp_path / "a.jsonl", lines), format_name)
    (tmp_path / "a.jsonl").unlink()
    for length in (1, 2, 5, 6, len(lines)):
        file = write(tmp_path / "a.jsonl", lines[:length])
        report = send(home, file, format_name)
        assert report.known_lines + report.lines == length

    def told(path):
        events = log_of(path).values()
        return [event_json(event.model_copy(update=NO_TIME)) for event in events]

    assert told(home) == told(tmp_path / "whole")


NO_TIME = {"occurred_at": event("lifecycle").occurred_at}  # some formats have the file's alone


@each_format
def test_lines_that_come_again_add_nothing(tmp_path, format_name):
    """A line twice in a file, in another file or compressed is known from before."""
    lines, home = FORMATS[format_name], tmp_path / "home"
    first = send(home, write(tmp_path / "a.jsonl", [*lines, *lines]), format_name)
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(b"\n".join(lines)))
    second = send(home, packed, format_name)

    assert (first.lines, first.known_lines) == (len(lines), len(lines))
    assert (second.lines, second.known_lines) == (0, len(lines))
    found = Counter(event.event_id for event in events_in_log(home / "log.sqlite"))
    assert set(found.values()) == {1}
    assert sum(found.values()) == first.events


def test_a_line_that_was_imported_in_another_format_is_not_known(tmp_path):
    """A file that was imported as what it is not can be imported as what it is."""
    home = tmp_path / "home"
    run = json.dumps({"type": "run", "run_id": "r", "messages": [user()]}).encode()
    file = write(tmp_path / "a.jsonl", [run])

    assert send(home, file, "claude-code").lines == 1
    assert send(home, file, "openai-messages").lines == 1
    assert send(home, file, "claude-code").known_lines == 1


@each_format
def test_damage_costs_its_line_alone(tmp_path, format_name):
    """A line that is cut in the middle is a reject; the others are sent, and once mended it too."""
    lines, home = FORMATS[format_name], tmp_path / "home"
    broken = [*lines[:3], lines[3][:-7], *lines[4:]]
    report = send(home, write(tmp_path / "a.jsonl", broken), format_name)

    assert (report.lines, report.rejected) == (len(lines) - 1, 1)
    assert (report.rejects[0].line, report.rejects[0].error_class) == (4, "json_syntax")
    assert send(home, write(tmp_path / "a.jsonl", lines), format_name).lines == 1
