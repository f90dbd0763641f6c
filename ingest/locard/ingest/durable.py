"""Files that are still there after a power cut: write, fsync the file, fsync its directory."""

from __future__ import annotations

import os
from pathlib import Path


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


def replace_durably(path: Path, data: bytes) -> None:
    """Write a whole file, readable by its owner alone, so that it is there whole or not at all.

    Doing it again with the same data changes nothing. The directory must exist.

    Raises:
        OSError: the system could not; a temporary file may be left.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    fsync_path(path.parent)


def remove_durably(path: Path) -> None:
    """Remove a file, if it is there, so that it does not come back after a power cut.

    Raises:
        OSError: the system could not.
    """
    path.unlink(missing_ok=True)
    fsync_path(path.parent)


def make_directory_durably(path: Path) -> None:
    """Make a directory for its owner alone, with those above it, so that its name lasts.

    Raises:
        OSError: the system could not.
    """
    if path.is_dir():
        return
    make_directory_durably(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    fsync_path(path.parent)
