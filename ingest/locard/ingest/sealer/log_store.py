"""The files of the transparency log, beside the lake's own: a copy of the lake takes them along."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from pyarrow.fs import FileSelector

from locard.evidence.log_files import DiskFiles, LogFiles
from locard.ingest.lake_store import LakeStore, lake_store
from locard.schema import BucketPlace, LakePlace

DIRECTORY: Final = "_transparency"  # Delta passes over what begins with an underscore


def log_files(place: LakePlace) -> LogFiles:
    """Return the files of the transparency log of the lake at a place."""
    if isinstance(place, BucketPlace):
        return _BucketFiles(lake_store(place))
    return DiskFiles(place / DIRECTORY)


class _BucketFiles:
    """A log in an object store, where a file is whole and lasts once its PUT is answered."""

    def __init__(self, store: LakeStore) -> None:
        self._store = store

    def __str__(self) -> str:
        return f"{self._store.place}/{DIRECTORY}"

    def read(self, path: str) -> bytes:
        with self._store.files.open_input_stream(f"{DIRECTORY}/{path}") as file:
            found: bytes = file.readall()
        return found

    def write(self, path: str, data: bytes) -> None:
        with self._store.files.open_output_stream(f"{DIRECTORY}/{path}") as file:
            file.write(data)

    def remove(self, path: str) -> None:
        with suppress(OSError):
            self._store.files.delete_file(f"{DIRECTORY}/{path}")

    def listed(self, directory: str) -> Iterator[str]:
        selector = FileSelector(f"{DIRECTORY}/{directory}", recursive=True, allow_not_found=True)
        for info in sorted(self._store.files.get_file_info(selector), key=lambda one: one.path):
            if info.is_file:
                yield posixpath.relpath(info.path, DIRECTORY)
