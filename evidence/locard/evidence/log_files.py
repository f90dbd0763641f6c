"""Where a log's files are kept: what writing one durably, whole or not at all, needs."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol


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
        _make(target.parent)
        new = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            new.rename(target)
        except OSError:
            with suppress(OSError):
                new.unlink(missing_ok=True)
            raise
        _sync(target.parent)

    def remove(self, path: str) -> None:
        with suppress(OSError):
            (self.directory / path).unlink(missing_ok=True)

    def listed(self, directory: str) -> Iterator[str]:
        for found in sorted((self.directory / directory).rglob("*")):
            if found.is_file() and not found.name.startswith("."):
                yield found.relative_to(self.directory).as_posix()


def _make(directory: Path) -> None:
    if directory.is_dir():
        return
    _make(directory.parent)
    with suppress(FileExistsError):
        directory.mkdir()
    _sync(directory.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
