"""Reading lines of files as they are found: compressed, damaged, without end, or not there."""

from __future__ import annotations

import gzip
import hashlib
import os
import tracemalloc
from datetime import UTC, datetime

import pytest

from locard.ingest.importers import lines
from locard.ingest.importers.lines import (
    LONGEST_LINE,
    Line,
    Reject,
    UnreadableFile,
    modified_at,
    read_lines,
)

TEXT = b"one\n\n  two \r\nthree"
LINES = [(1, b"one"), (3, b"two"), (4, b"three")]


def read(path):
    """Return the lines as number and bytes, and the rejects as number and class."""
    return [
        (item.number, item.data) if isinstance(item, Line) else (item.line, item.error_class)
        for item in read_lines(path)
    ]


@pytest.mark.parametrize(
    "data",
    {
        "plain": TEXT,
        "with a byte order mark": b"\xef\xbb\xbf" + TEXT,
        "gzip": gzip.compress(TEXT),
        "gzip in two members": gzip.compress(TEXT[:7]) + gzip.compress(TEXT[7:]),
    }.values(),
)
def test_lines_are_read_whatever_they_are_packed_in(tmp_path, data):
    """Lines that are not blank come with their number and without their end, gzip or not."""
    path = tmp_path / "name-says-nothing"
    path.write_bytes(data)

    assert read(path) == LINES
    assert [item.digest for item in read_lines(path)] == [
        hashlib.sha256(data).hexdigest() for _, data in LINES
    ]


@pytest.mark.parametrize("data", [b"", b"\n\n \n", gzip.compress(b"")])
def test_nothing_is_no_error(tmp_path, data):
    """A file without anything in it gives no line and no reject."""
    path = tmp_path / "empty"
    path.write_bytes(data)

    assert read(path) == []


def random_lines(count):
    """Lines that do not compress, so that damage hits a known one."""
    return [hashlib.sha512(b"%d" % number).hexdigest().encode() for number in range(count)]


def test_what_comes_before_the_end_of_a_broken_off_gzip_is_read(tmp_path):
    """A truncated gzip file gives its whole lines, then one reject, wherever it breaks off."""
    expected = random_lines(200)
    packed = gzip.compress(b"\n".join(expected) + b"\n")
    path = tmp_path / "broken.gz"
    for length in (20, 1_000, len(packed) // 2, len(packed) - 8, len(packed) - 1):
        path.write_bytes(packed[:length])
        *whole, last = read_lines(path)

        assert [line.data for line in whole] == expected[: len(whole)]
        assert len(whole) == pytest.approx(200 * length / len(packed), abs=10)
        assert last == Reject(
            len(whole) + 1,
            "damaged_file",
            "the file ends before its end mark; the lines before were read: get a whole copy and "
            "import it again",
        )


def test_a_gzip_that_is_not_what_was_packed_says_so(tmp_path):
    """A wrong checksum is known at the end only, and casts doubt on every line."""
    path = tmp_path / "altered.gz"
    packed = bytearray(gzip.compress(b"one\ntwo\n"))
    packed[-8] ^= 1
    path.write_bytes(packed)
    *whole, last = read_lines(path)

    assert [line.data for line in whole] == [b"one", b"two"]
    assert last == Reject(
        3,
        "damaged_file",
        "the file's checksum does not match; the lines before were read, and any of them may have "
        "been altered: get a whole copy and import it again",
    )


@pytest.mark.parametrize(
    "end",
    [b"and no gzip after it", gzip.compress(b"two")[:10] + b"\xff" * 20],
    ids=["tail", "bits"],
)
def test_what_comes_before_other_damage_is_read(tmp_path, end):
    """Bytes that cannot be unpacked end the file with one reject."""
    path = tmp_path / "damaged.gz"
    path.write_bytes(gzip.compress(b"one\n") + end)
    first, last = read_lines(path)

    assert first.data == b"one"
    assert last.error_class == "damaged_file"


@pytest.mark.parametrize("packed", [False, True])
def test_a_line_that_is_too_long_is_passed_over(tmp_path, packed, monkeypatch):
    """Such a line is a reject that tells its length, and the next one is read."""
    monkeypatch.setattr(lines, "LONGEST_LINE", 10)
    text = b"123456789\n1234567890\n" + b"x" * 35 + b"\nlast"
    path = tmp_path / "long"
    path.write_bytes(gzip.compress(text) if packed else text)

    assert read(path) == [
        (1, b"123456789"),
        (2, "line_too_long"),
        (3, "line_too_long"),
        (4, b"last"),
    ]
    reasons = [item.reason for item in read_lines(path) if isinstance(item, Reject)]
    assert reasons == [
        "11 bytes are over the limit of 10; split it",
        "36 bytes are over the limit of 10; split it",
    ]


def test_a_long_line_at_the_end_of_the_file_is_passed_over(tmp_path, monkeypatch):
    """A line that is too long and never ends is one reject, whatever the file ends with."""
    monkeypatch.setattr(lines, "LONGEST_LINE", 10)
    path = tmp_path / "long"
    for length in (11, 12, 22, 33):
        path.write_bytes(b"x" * length)
        assert read(path) == [(1, "line_too_long")]
    path.write_bytes(gzip.compress(os.urandom(1_000).hex().encode())[:500])
    assert read(path) == [(1, "damaged_file")]


def test_memory_is_bounded_by_the_longest_line(tmp_path):
    """A line of any length is never held as a whole."""
    path = tmp_path / "huge"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(8):
            file.write(b"x" * LONGEST_LINE)
    tracemalloc.start()
    found = read(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found == [(1, "line_too_long")]
    assert most < 3 * LONGEST_LINE


def test_a_file_that_cannot_be_opened_is_told_by_name(tmp_path):
    """A file that is missing, or a directory, is an error of its own that names it."""
    for path, problem in (
        (tmp_path / "missing", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (tmp_path / "missing" / "deeper", "No such file or directory"),
    ):
        with pytest.raises(UnreadableFile) as caught:
            list(read_lines(path))
        assert str(caught.value) == (
            f"{path} cannot be read: {problem}; check the name and its permissions"
        )
    with pytest.raises(UnreadableFile):
        modified_at(tmp_path / "missing")


@pytest.mark.parametrize("seconds", [0, 1_700_000_000, -86_400, 2**34])
def test_a_file_has_the_time_of_its_last_change(tmp_path, seconds):
    """The time is in UTC and whole seconds, also before 1970 and far from now."""
    path = tmp_path / "file"
    path.touch()
    os.utime(path, (seconds, seconds))
    kept = int(path.stat().st_mtime)  # file systems differ in the years that they can hold

    assert modified_at(path).timestamp() == kept
    assert modified_at(path).tzinfo is UTC


def test_a_time_that_no_calendar_has_counts_as_1970(tmp_path, monkeypatch):
    """A file time beyond the year 9999 does no harm."""

    class Far(datetime):
        @classmethod
        def fromtimestamp(cls, timestamp, tz=None):
            return datetime.fromtimestamp(timestamp + 2**40, tz)

    monkeypatch.setattr(lines, "datetime", Far)

    assert modified_at(tmp_path) == datetime(1970, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_may_never_end_is_not_read(tmp_path, kind):
    """A pipe that nobody writes to, or a device, would hold an import for ever."""
    path = tmp_path / "runs.jsonl"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(UnreadableFile, match="no regular file"):
        list(read_lines(path))
