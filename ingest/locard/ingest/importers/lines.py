"""Lines of a text file, plain or gzip, however damaged, in bounded memory."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from locard.schema import CannotContinue

LONGEST_LINE: Final = 32 * 1024 * 1024
"""The most bytes that a line may have, its end included."""

_PIECE: Final = 1024 * 1024
_GZIP_MAGIC: Final = b"\x1f\x8b"
_CHECK_FAILED: Final = ("CRC check", "Incorrect length")  # of what `gzip` says
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_GET_A_WHOLE_COPY: Final = "get a whole copy and import it again"


class UnreadableFile(CannotContinue):
    """Nothing of this file can be read; others are untouched."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end. `digest` is the SHA-256 of its bytes, in hex."""

    number: int
    data: bytes = field(repr=False)
    digest: str


@dataclass(frozen=True, slots=True)
class Reject:
    """Something that could not be imported: which line, what is wrong, what to do next.

    A damaged file is a reject of the line at which reading it ended.
    """

    line: int
    error_class: str
    reason: str


def read_lines(path: Path) -> Iterator[Line | Reject]:
    """Yield each line of the file that is not blank, and a reject for what cannot be read.

    What comes before damage is yielded; a gzip file that breaks off ends with a reject.

    Raises:
        UnreadableFile: the file cannot be opened.
    """
    number = 0
    with _opened(path) as file:
        while True:
            number += 1
            try:
                data, size = _next_line(file)
            except (EOFError, zlib.error, OSError) as error:
                yield Reject(number, "damaged_file", _damage(error))
                return
            if not size:
                return
            if size > LONGEST_LINE:
                yield Reject(
                    number,
                    "line_too_long",
                    f"{size:,} bytes are over the limit of {LONGEST_LINE:,}; split it",
                )
                continue
            line = (data.removeprefix(codecs.BOM_UTF8) if number == 1 else data).strip()
            if line:
                yield Line(number, line, hashlib.sha256(line).hexdigest())


def modified_at(path: Path) -> datetime:
    """Return when the file was last changed, in UTC, to the second.

    A time outside the years 1 to 9999, which a damaged clock can leave, counts as 1970.

    Raises:
        UnreadableFile: there is no such file, or it may not be looked at.
    """
    try:
        return datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
    except (ValueError, OverflowError):
        return _EPOCH
    except OSError as error:
        raise _unreadable(path, error) from error


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a pipe or a device may never end
            raise UnreadableFile(f"{path} is no regular file; save what it gives to one")
        file = path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error
    with file:
        try:
            is_gzip = file.peek(2)[:2] == _GZIP_MAGIC
        except OSError as error:  # a directory opens and cannot be read
            raise _unreadable(path, error) from error
        yield gzip.GzipFile(fileobj=file) if is_gzip else file  # type: ignore[misc]


def _next_line(file: IO[bytes]) -> tuple[bytes, int]:
    """Return the next line and its length, end included; only the length of one too long."""
    data = file.readline(LONGEST_LINE + 1)
    size = len(data)
    if size <= LONGEST_LINE:
        return data, size
    is_at_end = data.endswith(b"\n")
    del data
    while not is_at_end:
        piece = file.readline(_PIECE)
        size += len(piece)
        is_at_end = not piece or piece.endswith(b"\n")
    return b"", size


def _damage(error: Exception) -> str:
    if isinstance(error, EOFError):
        return f"the file ends before its end mark; the lines before were read: {_GET_A_WHOLE_COPY}"
    if isinstance(error, gzip.BadGzipFile) and str(error).startswith(_CHECK_FAILED):
        return (
            "the file's checksum does not match; the lines before were read, and any of them may "
            f"have been altered: {_GET_A_WHOLE_COPY}"
        )
    return f"the file is damaged from here on; the lines before were read: {_GET_A_WHOLE_COPY}"


def _unreadable(path: Path, error: OSError) -> UnreadableFile:
    return UnreadableFile(
        f"{path} cannot be read: {error.strerror}; check the name and its permissions"
    )
