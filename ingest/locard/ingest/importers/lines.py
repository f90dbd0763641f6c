"""Lines of a text file, plain or gzip, however damaged, in bounded memory."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from locard.schema import CannotContinue

LONGEST_LINE: Final = 32 * 1024 * 1024
_GZIP_MAGIC: Final = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end. `digest` is the SHA-256 of its bytes, in hex."""

    number: int
    data: bytes = field(repr=False)
    digest: str


@dataclass(frozen=True, slots=True)
class Reject:
    """Something that could not be imported: which line, what is wrong, what to do next.

    A `line` of 0 stands for the file as a whole.
    """

    line: int
    error_class: str
    reason: str


def read_lines(path: Path) -> Iterator[Line | Reject]:
    """Yield each line of the file that is not blank, and a reject for what cannot be read.

    What comes before damage is yielded; a gzip file that breaks off ends with a reject.

    Raises:
        CannotContinue: the file cannot be opened.
    """
    number = 0
    with _opened(path) as file:
        while True:
            number += 1
            try:
                data = file.readline(LONGEST_LINE + 1)
            except (EOFError, zlib.error, OSError) as error:
                yield Reject(number, "damaged_file", _damage(error))
                return
            if not data:
                return
            if len(data) > LONGEST_LINE and not data.endswith(b"\n"):
                size, whole = _pass_over(file)
                size += len(data)
                yield Reject(
                    number,
                    "line_too_long",
                    f"{size:,} bytes are over the limit of {LONGEST_LINE:,}; split the run",
                )
                if not whole:
                    yield Reject(number, "damaged_file", _damage(EOFError()))
                    return
                continue
            line = data.strip()
            if line:
                yield Line(number, line, hashlib.sha256(line).hexdigest())


def modified_at(path: Path) -> datetime:
    """Return when the file was last changed, in UTC, to the second."""
    try:
        return datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
    except OSError as error:
        raise CannotContinue(_unreadable(path, error)) from error


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise CannotContinue(_unreadable(path, error)) from error
    with file:
        try:
            is_gzip = file.peek(2)[:2] == _GZIP_MAGIC
        except OSError as error:  # a directory opens and cannot be read
            raise CannotContinue(_unreadable(path, error)) from error
        yield gzip.GzipFile(fileobj=file) if is_gzip else file  # type: ignore[misc]


def _pass_over(file: IO[bytes]) -> tuple[int, bool]:
    """Read to the end of a line without keeping it; return its length and whether it ended."""
    size = 0
    while True:
        try:
            data = file.readline(LONGEST_LINE)
        except (EOFError, zlib.error, OSError):
            return size, False
        size += len(data)
        if not data or data.endswith(b"\n"):
            return size, True


def _damage(error: Exception) -> str:
    what = "ends before its end mark" if isinstance(error, EOFError) else "is damaged from here on"
    return f"the file {what}; the lines before were read: get a whole copy and import it again"


def _unreadable(path: Path, error: OSError) -> str:
    return f"{path} cannot be read: {error.strerror}; check the name and its permissions"
