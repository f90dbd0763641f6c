"""Files that are still there after a power cut: write, fsync the file, fsync its directory."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

OWNER_ALONE: Final = 0o600
"""A file that nobody else may read."""


def fsync_path(path: Path) -> None:
    """Force a file's bytes, or a directory's entries, to the disk.

    Raises:
        OSError: the system could not.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_durably(path: Path, data: bytes, mode: int = OWNER_ALONE) -> None:
    """Write a whole file so that it is there whole or not at all, whoever else writes it.

    Doing it again with the same data changes nothing. The directory must exist.

    Args:
        mode: who may read the file.

    Raises:
        OSError: the system could not; the old file is there.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write_durably(temporary, data, mode)
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    fsync_path(path.parent)


def write_durably(path: Path, data: bytes, mode: int = OWNER_ALONE) -> None:
    """Write a file that must not exist yet; its name lasts once its directory is synced.

    Raises:
        OSError: the system could not.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def remove_durably(path: Path) -> None:
    """Remove a file, if it is there, so that it does not come back after a power cut.

    Raises:
        OSError: the system could not.
    """
    path.unlink(missing_ok=True)
    fsync_path(path.parent)


def make_directory_durably(path: Path, mode: int = 0o700) -> None:
    """Make a directory, with those above it, so that its name lasts.

    Raises:
        OSError: the system could not.
    """
    if path.is_dir():
        return
    make_directory_durably(path.parent, mode)
    path.mkdir(mode=mode, exist_ok=True)
    fsync_path(path.parent)
