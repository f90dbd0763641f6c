"""Bad input through the command line: one clear line, the right exit status, the good is kept.

Each case has good runs beside what is bad, and a canary in what is bad. The canary must never be
printed: whoever reads the terminal or its log may not be allowed to read the runs.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exported import chat, said, traces
from importing import asks, call, events_in_log, tells, user
from locard.ingest.importers.claude_code import LAST_PROMPTS, UNKNOWN_TYPE
from locard.ingest.importers.jsonl import CLAIMS
from locard.ingest.importers.otlp_json import OTHER_SIGNAL
from locard.query import connect
from locard.schema import event_json
from making import event as an_event
from transcripts import (
    SESSION,
    answered,
    gives,
    returned,
    step,
    typed,
    uses,
    write_steps,
)

CANARY = "Kanarienvogel"
DONE, DONE_WITH_REJECTS, COULD_NOT = 0, 1, 2


def encoded(run_id: str, *messages: Any, **more: Any) -> bytes:
    """Return a line with a run."""
    return json.dumps({"run_id": run_id, "messages": messages, **more}).encode()


BEFORE = encoded("before", user(), asks(call("a")), tells("a"))
AFTER = encoded("after", user())
GOOD_EVENTS = 5 + 2
SAYS_CANARY = user(CANARY)


@dataclass
class Ran:
    """What a command printed and how it ended."""

    status: int
    stdout: str
    stderr: str


LIMITED = "import os, sys; {}; os.execv(sys.argv[1], sys.argv[1:])"
AS_ANYBODY = LIMITED.format("import ctypes; ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)")
"""Gives up root's right to write where permissions forbid it; for anybody else it does nothing."""


def no_file_over(size: int) -> str:
    """Return what forbids a process to let any file grow beyond a size."""
    limit = f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"
    return LIMITED.format(f"import resource; {limit}")


def locard(*arguments: str | Path, limited: str = "") -> Ran:
    """Run the command line as its user would; nothing that it prints has the canary in it."""
    limits = [sys.executable, "-c", limited] if limited else []
    done = subprocess.run(
        [*limits, sys.executable, "-m", "locard.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert CANARY not in done.stdout + done.stderr
    return Ran(done.returncode, done.stdout, done.stderr)


def imports(
    home: Path, *files: Path, limited: str = "", format_name: str = "openai-messages"
) -> Ran:
    """Import files into the log alone."""
    command = ("--home", home, "import", format_name, *files, "--no-consume")
    return locard(*command, limited=limited)


def sessions(home: Path) -> dict[str | None, int]:
    """Return how many events each session has in the log."""
    found: dict[str | None, int] = {}
    for event in events_in_log(home / "log.sqlite"):
        found[event.session_id] = found.get(event.session_id, 0) + 1
    return found


@pytest.fixture
def home(tmp_path):
    """Where the installation is."""
    return tmp_path / "home"


@pytest.fixture
def file(tmp_path):
    """The file that is imported."""
    return tmp_path / "runs.jsonl"


# --- lines that are refused ----------------------------------------------------------------------


def with_message(text: bytes) -> bytes:
    """Return a line whose one message holds this JSON text."""
    return b'{"run_id":"%s","messages":[{"role":"user","content":%s}]}' % (CANARY.encode(), text)


START = len(with_message(b"")) - len(b"}]}")  # of that text in the line

REFUSED = {
    "invalid UTF-8": (
        with_message(b'"\xff"'),
        (
            f"json_encoding: not acceptable JSON: text that is not Unicode, near byte {START + 1}: "
            "send UTF-8 without lone surrogates"
        ),
    ),
    "a lone surrogate": (
        with_message(rb'"\ud800"'),
        (
            f"json_encoding: not acceptable JSON: text that is not Unicode, near byte {START + 7}: "
            "send UTF-8 without lone surrogates"
        ),
    ),
    "a line of 50 MB": (
        with_message(b'"%s"' % (b"x" * (50_000_000 - START - 5))),
        "line_too_long: 50,000,001 bytes are over the limit of 33,554,432; split it",
    ),
    "10,000 levels": (
        with_message(b"[" * 10_000 + b"]" * 10_000),
        (
            "json_too_deep: not acceptable JSON: more than 200 levels, or than the stack has room "
            f"for, near byte {START + 198}: flatten it"
        ),
    ),
    "more levels than an event has room for": (
        with_message(b"[" * 196 + b"]" * 196),
        (
            "json_too_deep: not canonical JSON: more than 200 levels, or than the stack has room "
            "for, below the top level: flatten it"
        ),
    ),
    "duplicate keys": (
        b'{"run_id":"%s","run_id":"x","messages":[{"role":"user"}]}' % CANARY.encode(),
        (
            "json_duplicate_key: not acceptable JSON: an object with the same key twice, near byte "
            "35: keep one member for each key"
        ),
    ),
    "NaN": (
        with_message(b"NaN"),
        (
            f"json_not_finite: not acceptable JSON: NaN or an infinity, near byte {START}: "
            "use null or a string"
        ),
    ),
    "text that is no JSON": (
        CANARY.encode(),
        (
            "json_syntax: not acceptable JSON: text that is not JSON, near byte 0: "
            "send one complete RFC 8259 text and nothing after it"
        ),
    ),
    "a run with no messages": (
        encoded(CANARY),
        "empty_run: the run has no messages; leave it out or export it again",
    ),
    "no run": (
        json.dumps({CANARY: []}).encode(),
        "no_run: no object with a list `messages`; is this a file of runs?",
    ),
    "a message without a role": (
        encoded("bad", user(), {CANARY: CANARY}),
        "invalid_message: messages[1] is no object with a text `role`; export the run again",
    ),
}


@pytest.mark.parametrize(("bad", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_a_bad_line_is_told_and_its_neighbours_are_kept(home, file, bad, told):
    """A line that is refused is one line on stderr with its place; the runs around it are sent."""
    file.write_bytes(b"\n".join([BEFORE, bad, AFTER]))
    ran = imports(home, file)

    assert ran.stderr == f"  {file}:2: {told}\n"
    assert ran.stdout == f"{file}: 2 runs, {GOOD_EVENTS} events, 1 rejects\n"
    assert ran.status == DONE_WITH_REJECTS
    assert sessions(home) == {"before": 5, "after": 2}


TOO_LARGE = encoded("bad", user(), user("x" * 2**24), SAYS_CANARY)


def test_a_run_with_an_event_that_no_log_takes_is_refused_alone(home, file):
    """A run with an event over the limit is told with its size; the runs around it are sent."""
    file.write_bytes(b"\n".join([BEFORE, TOO_LARGE, AFTER]))
    ran = imports(home, file)

    assert re.fullmatch(
        rf"  {re.escape(str(file))}:2: event_too_large: an event of 16,777,[0-9]+ bytes is over "
        r"the limit of 16,777,216; split what it holds\n",
        ran.stderr,
    )
    assert ran.stdout == f"{file}: 2 runs, {GOOD_EVENTS} events, 1 rejects\n"
    assert ran.status == DONE_WITH_REJECTS
    assert sessions(home) == {"before": 5, "after": 2}


def test_a_truncated_gzip_gives_what_came_before_its_end(home, file):
    """What can be unpacked is kept; one line tells where the file broke off."""
    noise = [encoded(f"{CANARY} {os.urandom(50).hex()}", user()) for _ in range(50)]
    packed = gzip.compress(b"\n".join([BEFORE, AFTER, *noise]))
    file.write_bytes(packed[: len(packed) // 2])
    ran = imports(home, file)
    kept = sessions(home)

    assert 4 < len(kept) < 40
    assert ran.stderr == (
        f"  {file}:{len(kept) + 1}: damaged_file: the file ends before its end mark; the lines "
        "before were read: get a whole copy and import it again\n"
    )
    events = GOOD_EVENTS + 2 * (len(kept) - 2)
    assert ran.stdout == f"{file}: {len(kept)} runs, {events} events, 1 rejects\n"
    assert ran.status == DONE_WITH_REJECTS
    assert (kept["before"], kept["after"]) == (5, 2)

    file.write_bytes(packed)
    assert imports(home, file).status == DONE
    assert len(sessions(home)) == 52


# --- what is odd and can be kept -----------------------------------------------------------------

KEPT = {
    "a number beyond 2^53": (
        encoded("odd", SAYS_CANARY, metadata={CANARY: [2**53 + 1, 2**60 + 1]}),
        2,
        (
            "numbers that JSON rounds, kept as the text of their digits; compare them as text "
            "(2 in this file)"
        ),
    ),
    "a tool result with no call": (
        encoded("odd", SAYS_CANARY, tells(CANARY, CANARY)),
        3,
        (
            "results that answer no call, kept without one; see whether the run is whole "
            "(1 in this file)"
        ),
    ),
    "a call with no result": (
        encoded("odd", asks(call(CANARY, CANARY))),
        3,
        "calls without a result; see whether the run was cut short (1 in this file)",
    ),
    "an unknown role": (
        encoded("odd", {"role": CANARY, "content": CANARY}),
        2,
        (
            "messages of an unknown role, kept as prompts of unknown trust; see who wrote them "
            "(1 in this file)"
        ),
    ),
    "arguments that are no JSON": (
        encoded("odd", asks(call("a", "f", f'{{"{CANARY}": NaN}}')), tells("a")),
        4,
        (
            "calls whose arguments are no acceptable JSON, kept as text; read them as text "
            "(1 in this file)"
        ),
    ),
}


@pytest.mark.parametrize(("odd", "events", "told"), KEPT.values(), ids=KEPT.keys())
def test_what_is_odd_is_kept_and_told(home, file, odd, events, told):
    """A run that is odd is in the log whole; one line says what, where first and what to do."""
    file.write_bytes(b"\n".join([BEFORE, odd, AFTER]))
    ran = imports(home, file)

    assert ran.stderr == f"  {file}:2: note: {told}\n"
    assert ran.stdout == f"{file}: 3 runs, {GOOD_EVENTS + events} events, 0 rejects\n"
    assert ran.status == DONE
    assert sessions(home) == {"before": 5, "odd": events, "after": 2}


# --- formats whose lines are no runs --------------------------------------------------------------

IS_THIS = "is this a transcript of Claude Code?"
OURS_ALONE = "is written by Locard itself; import what the agent did"
BAD_ID = "bytes that are not all zero; the record is refused, since it could not be found again"
NO_SPAN_ID = f"spans or log records that were refused: bad_id: the span id is not 8 {BAD_ID}"
NO_TRACE_ID = f"could be taken; the first: the trace id is not 16 {BAD_ID}"
CLAIMING = an_event("lifecycle", session_id="a", principal=CANARY)
FORGED = an_event("access", {"action": CANARY}, session_id=CANARY)

OTHER_FORMATS = {
    "otlp-json": (
        [
            traces(chat(1, [said("user", CANARY)], "a"), {**chat(2, [], CANARY), "spanId": "beef"}),
            traces({**chat(2, [], CANARY), "traceId": CANARY}),
            b'{"resourceMetrics":[{"schemaUrl":"%b"}]}' % CANARY.encode(),
        ],
        "1 lines, 2 events, 1 rejects, 1 lines left out",
        [
            f"3: note: {OTHER_SIGNAL} (1 in this file)",
            f"1: note: {NO_SPAN_ID} (1 in this file)",
            f"2: bad_id: none of its 1 spans or log records {NO_TRACE_ID}",
        ],
        {"s1": 2},
    ),
    "claude-code": (
        [
            json.dumps(one).encode()
            for one in (
                typed("u1", CANARY),
                step(CANARY, "u2", "u1", value=CANARY),
                {CANARY: CANARY},
                step("last-prompt", lastPrompt=CANARY),
            )
        ],
        "2 lines, 3 events, 1 rejects, 1 lines left out",
        [
            f"2: note: {UNKNOWN_TYPE} (1 in this file)",
            f"4: note: {LAST_PROMPTS} (1 in this file)",
            f"3: no_transcript_line: no object with a text `type`; {IS_THIS}",
        ],
        {SESSION: 3},
    ),
    "jsonl": (
        [event_json(CLAIMING), event_json(FORGED), b'{"kind":"%b"}' % CANARY.encode()],
        "1 lines, 1 events, 2 rejects",
        [
            f"1: note: {CLAIMS} (1 in this file)",
            f"2: kind_not_accepted: an event of kind access {OURS_ALONE}",
            "3: invalid_event: not an event of schema 1.0: event: union_tag_invalid",
        ],
        {"a": 1},
    ),
}


@pytest.mark.parametrize("format_name", OTHER_FORMATS)
def test_each_format_tells_what_it_refused_kept_and_left_out(home, file, format_name):
    """The counts speak of lines; each notice and reject is one line with its place."""
    lines, counts, told, found = OTHER_FORMATS[format_name]
    file.write_bytes(b"\n".join(lines))
    ran = imports(home, file, format_name=format_name)

    assert ran.stdout == f"{file}: {counts}\n"
    assert ran.stderr.splitlines() == [f"  {file}:{one}" for one in told]
    assert ran.status == DONE_WITH_REJECTS
    assert sessions(home) == found

    again = imports(home, file, format_name=format_name)
    rejected, _, left_out = counts.partition(" events, ")[2].partition(", ")
    assert again.stdout == (
        f"{file}: 0 lines, 0 events, {rejected}{left_out and ', ' + left_out}, "
        f"{counts.split()[0]} lines known from before\n"
    )


def test_a_transcript_reaches_the_lake_redacted(home, file):
    """With consuming, what a session says is in the lake, and the personal data in it is not."""
    steps = (
        typed("u1", "write to dana.brandt@example.com"),
        answered("u2", uses("c1", "Write", content="dana.brandt@example.com"), parent="u1"),
        returned("u3", gives("c1", "sent to dana.brandt@example.com"), parent="u2"),
    )
    write_steps(file, *steps)
    ran = locard("--home", home, "import", "claude-code", file)

    assert ran.stdout.splitlines() == [
        f"{file}: 3 lines, 5 events, 0 rejects",
        f"lake {home / 'lake'}: 5 events added, 0 quarantined",
    ]
    with connect(home / "lake") as connection:
        rows = connection.execute("SELECT * FROM events").fetchall()
        found = connection.execute("SELECT count(DISTINCT token) FROM pseudonyms").fetchone()
    assert "dana.brandt" not in str(rows)
    assert found == (1,)


# --- files and homes -----------------------------------------------------------------------------


def test_a_file_that_cannot_be_read_stops_no_other(home, file, tmp_path):
    """Files before and after one that is missing are imported, and the status says that one was."""
    file.write_bytes(BEFORE)
    other = tmp_path / "other.jsonl"
    other.write_bytes(AFTER + b"\n{")
    missing = tmp_path / "missing.jsonl"
    ran = imports(home, file, missing, tmp_path, other)

    assert ran.stderr.splitlines() == [
        (
            f"locard: {missing} cannot be read: No such file or directory; check the name and its "
            "permissions"
        ),
        f"locard: {tmp_path} cannot be read: Is a directory; check the name and its permissions",
        (
            f"  {other}:2: json_syntax: not acceptable JSON: text that is not JSON, near byte 0: "
            "send one complete RFC 8259 text and nothing after it"
        ),
    ]
    assert ran.status == COULD_NOT
    assert sessions(home) == {"before": 5, "after": 2}


@contextlib.contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Take away the right to write in a directory while the block runs."""
    directory.chmod(0o500)
    try:
        touch = shutil.which("touch") or "touch"
        probe = [sys.executable, "-c", AS_ANYBODY, touch, directory / "probe"]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            pytest.skip("this machine lets its user write where permissions forbid it")
        yield
    finally:
        directory.chmod(0o700)


def test_a_read_only_home_is_told_and_what_it_has_is_kept(home, file, tmp_path):
    """An import into a home that cannot be written changes nothing, and works once it can be."""
    file.write_bytes(BEFORE)
    imports(home, file)
    other = tmp_path / "other.jsonl"
    other.write_bytes(AFTER + b"\n" + encoded(CANARY, SAYS_CANARY))

    with read_only(home):
        ran = imports(home, other, limited=AS_ANYBODY)

    assert ran.stderr == (
        f"locard: the event log {home / 'log.sqlite'} cannot be used: attempt to write a readonly "
        "database; check that its disk has room and its directory is writable\n"
    )
    assert (ran.status, ran.stdout) == (COULD_NOT, "")
    assert sessions(home) == {"before": 5}
    assert imports(home, other).status == DONE
    assert sessions(home) == {"before": 5, "after": 2, CANARY: 2}


def test_a_home_that_cannot_be_made_is_told(tmp_path, file):
    """A home in a read-only directory, or below a file, is one line that names it."""
    file.write_bytes(encoded(CANARY, SAYS_CANARY))
    place = tmp_path / "place"
    place.mkdir()
    with read_only(place):
        ran = imports(place / "home", file, limited=AS_ANYBODY)
    below_a_file = imports(file / "home", file)

    for told, home, problem in (
        (ran, place / "home", "[Errno 13] Permission denied"),
        (below_a_file, file / "home", "[Errno 20] Not a directory"),
    ):
        assert told.stderr == (
            f"locard: the event log {home / 'log.sqlite'} cannot be used: {problem}: '{home}'; "
            "move it away if it is damaged, or name another directory with --home\n"
        )
        assert (told.status, told.stdout) == (COULD_NOT, "")


def many_runs() -> bytes:
    """Return more than a small disk has room for."""
    return b"\n".join(encoded(f"{n}", user(f"{CANARY} {'x' * 500}")) for n in range(1_500))


def is_whole(home: Path) -> bool:
    """Say whether the log has every event of `many_runs` and what was there before."""
    found = sessions(home)
    return found.pop("before") == 5 and found.keys() == {str(n) for n in range(1_500)}


@pytest.mark.parametrize("room", [1, 200_000])
def test_a_home_without_room_is_told_and_what_it_has_is_kept(home, file, tmp_path, room):
    """Where no file may grow further, the import stops with one line and can be started again."""
    file.write_bytes(BEFORE)
    imports(home, file)
    other = tmp_path / "other.jsonl"
    other.write_bytes(many_runs())

    ran = imports(home, other, limited=no_file_over(room))

    assert ran.stderr == (
        f"locard: the event log {home / 'log.sqlite'} cannot be used: disk I/O error; "
        "check that its disk has room and its directory is writable\n"
    )
    assert (ran.status, ran.stdout) == (COULD_NOT, "")
    assert sessions(home)["before"] == 5
    assert imports(home, other).status == DONE
    assert is_whole(home)


ON_A_SMALL_DISK = """
mount -t tmpfs -o size=1200k tmpfs "$1" || exit 77
import() { "$2" -m locard.cli --home "$1/home" import openai-messages "$3" --no-consume; }
import "$1" "$2" "$3" && import "$1" "$2" "$4"
echo "status $?"
mount -o remount,size=100m "$1" && import "$1" "$2" "$4" >"$5/again" && cp -r "$1/home" "$5/home"
"""


def test_a_full_disk_is_told_and_what_it_has_is_kept(file, tmp_path):
    """On a real disk that runs full the import stops with one line and can be started again."""
    if not shutil.which("unshare"):
        pytest.skip("a small disk for a test needs `unshare`")
    file.write_bytes(BEFORE)
    other = tmp_path / "other.jsonl"
    other.write_bytes(many_runs())
    disk = tmp_path / "disk"
    disk.mkdir()
    paths = [disk, sys.executable, file, other, tmp_path]
    ran = subprocess.run(
        ["unshare", "-rm", "sh", "-c", ON_A_SMALL_DISK, "sh", *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode in (1, 77) and not ran.stdout:
        pytest.skip("this machine does not let a test mount a small disk")

    assert ran.stderr == (
        f"locard: the event log {disk / 'home' / 'log.sqlite'} cannot be used: database or disk is "
        "full; check that its disk has room and its directory is writable\n"
    )
    assert ran.stdout.splitlines() == [f"{file}: 1 runs, 5 events, 0 rejects", "status 2"]
    assert "known from before" in (tmp_path / "again").read_text()
    assert is_whole(tmp_path / "home")


# --- on into the lake ----------------------------------------------------------------------------


def test_what_was_good_beside_all_that_is_bad_reaches_the_lake(home, file):
    """With consuming, every bad line is told as without, and every other run is in the lake."""
    bad = [line for line, _ in REFUSED.values()]
    odd = [line.replace(b'"odd"', b'"odd %d"' % n) for n, (line, *_) in enumerate(KEPT.values())]
    file.write_bytes(gzip.compress(b"\n".join([BEFORE, *bad, *odd, AFTER, b""]))[:-4])
    ran = locard("--home", home, "import", "openai-messages", file)

    events = GOOD_EVENTS + sum(count for _, count, _ in KEPT.values())
    assert ran.stdout.splitlines() == [
        f"{file}: {2 + len(odd)} runs, {events} events, {len(bad) + 1} rejects",
        f"lake {home / 'lake'}: {events} events added, 0 quarantined",
    ]
    told = sorted(told for _, told in REFUSED.values())
    lines = ran.stderr.splitlines()
    assert sorted(line.split(": ", 1)[1] for line in lines if ": note: " not in line)[1:] == told
    assert sum(": note: " in line for line in lines) == len(odd)
    assert len(lines) == len(bad) + len(odd) + 1
    assert ran.status == DONE_WITH_REJECTS
    with connect(home / "lake") as connection:
        found = dict(
            connection.execute("SELECT session_id, count(*) FROM events GROUP BY ALL").fetchall()
        )
    assert found == sessions(home)
    assert len(found) == 2 + len(odd)
