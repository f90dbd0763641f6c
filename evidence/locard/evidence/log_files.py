"""Where a log's files are kept: what writing one durably, whole or not at all, needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from locard.evidence.durable import make_directory_durably, replace_durably

_FILE_MODE: Final = 0o644  # a log is for everybody who may read the lake
_DIRECTORY_MODE: Final = 0o755


class LogFiles(Protocol):
    """Files by paths that are relative to the log."""

    def read(self, path: str) -> bytes:
        """Return what a file holds.

        Raises:
            FileNotFoundError: it is not there.
            OSError: it cannot be read.
        """
        ...

    def write(self, path: str, data: bytes) -> None:
        """Have a file hold these bytes, durably; whoever reads meanwhile sees all or the old ones.

        Raises:
            OSError: it cannot be written. The old one is there.
        """
        ...

    def remove(self, path: str) -> None:
        """Remove a file if it is there and can be removed."""
        ...

    def listed(self, directory: str) -> Iterator[str]:
        """Yield the paths of all files below a directory."""
        ...


class DiskFiles:
    """A log in a directory of this machine, which need not exist."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __str__(self) -> str:
        return str(self.directory)

    def read(self, path: str) -> bytes:
        return (self.directory / path).read_bytes()

    def write(self, path: str, data: bytes) -> None:
        target = self.directory / path
        make_directory_durably(target.parent, _DIRECTORY_MODE)
        replace_durably(target, data, _FILE_MODE)

    def remove(self, path: str) -> None:
        with suppress(OSError):
            (self.directory / path).unlink(missing_ok=True)

    def listed(self, directory: str) -> Iterator[str]:
        for found in sorted((self.directory / directory).rglob("*")):
            if found.is_file() and not found.name.startswith("."):
                yield found.relative_to(self.directory).as_posix()
