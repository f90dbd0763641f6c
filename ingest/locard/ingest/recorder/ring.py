"""The ring: where a recorder puts an event while the agent waits, in memory that outlives it.

A ring is a file of fixed size that is mapped into memory. Appending is a copy into that memory, no
system call; and when the process is killed or leaves by `os._exit`, the pages are still there, so
that the next process of the agent finds what had not been sent. It does not outlive the machine:
for that there is the spool.

    header   one page: who wrote it, the next number, where the entries begin and end
    entries  length, checksum, number, bytes; the number of each is larger than the one before

Numbers are given here. An event that finds no room has a number and no entry, so what was dropped
is what the numbers leave out, also after a crash.

The file is allocated before it is mapped: writing to a page that the disk has no room for would
kill the process. It is locked as long as its process lives; who gets the lock may take over.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import re
import struct
import threading
import time
import zlib
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_MAGIC: Final = b"LOCRING1"
_HEADER_BYTES: Final = 4096
_WHO: Final = struct.Struct("<8sQ64s256s")  # magic, capacity, incarnation, collector id
_CORE_AT: Final = 3072
_CORE: Final = struct.Struct("<1024s")
_STATE: Final = struct.Struct("<QQQ")  # end and begin of the entries, the next number
_STATE_AT: Final = 512  # a place of its own: each of the three is one aligned word
_WORD: Final = struct.Struct("<Q")
_BEGIN_AT: Final = _STATE_AT + 8
_NEXT_AT: Final = _STATE_AT + 16
_ENTRY: Final = struct.Struct("<IIQ")  # length, CRC-32, number
_SEEN_AT: Final = 568
_STATED_AT: Final = 576
_STATED: Final = struct.Struct("<Q64s")  # the statement that was made last: number and digest
_DROPPED_AT: Final = 1024
_RANGE: Final = struct.Struct("<QQ")
_MOST_RANGES: Final = (_CORE_AT - _DROPPED_AT - _WORD.size) // _RANGE.size
_MOST_NUMBERS: Final = 2**53  # the largest that JSON keeps, and more than anybody records
_INCARNATION: Final = re.compile(rb"[0-9A-Za-z-]{1,64}")
_SECONDS_TO_MAKE: Final = 60.0  # in which a file that has no size yet may be another's new ring
_TO_THE_START: Final = 0xFFFFFFFF  # in the place of a length: the next entry is at the beginning
DEFAULT_RING_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """What was appended, and its number."""

    seq: int
    data: bytes


class NotARing(Exception):
    """The file is none, or its process is alive."""


class DamagedRing(NotARing):
    """Its process is gone, and what the file says of itself cannot be true."""


class Ring:
    """A ring that this process appends to and reads from.

    Appending may happen on any thread; reading and settling on one.
    """

    def __init__(self, memory: mmap.mmap, file: int | None, path: Path | None) -> None:
        self._memory = memory
        self._file = file
        self.path = path
        self._capacity: int
        self._end: int
        self._begin: int
        self._next: int
        _, self._capacity, incarnation, collector_id = _WHO.unpack_from(memory)
        self.incarnation: str = incarnation.rstrip(b"\0").decode()
        self.collector_id = collector_id.rstrip(b"\0").decode(errors="replace")
        self.core = _CORE.unpack_from(memory, _CORE_AT)[0].rstrip(b"\0")
        self._end, self._begin, self._next = _STATE.unpack_from(memory, _STATE_AT)
        self._read = self._begin
        self._lock = threading.RLock()
        self._is_busy = False  # in the midst of a copy, in the thread that has the lock
        self._late: deque[bytes] = deque()
        self.dropped = 0

    @classmethod
    def create(
        cls,
        directory: Path | None,
        collector_id: str,
        incarnation: str,
        capacity: int,
        core: bytes = b"",
    ) -> Self:
        """Return a new ring, in a file of this directory or, with `None`, in private memory.

        Args:
            capacity: bytes of all entries together, a multiple of 8.
            core: what whoever takes it over has to know, at most 1024 bytes; left out if longer.

        Raises:
            OSError: the file cannot be made as large as it has to be.
        """
        size = _HEADER_BYTES + capacity
        if directory is None:
            memory, file, path = mmap.mmap(-1, size), None, None
        else:
            path = directory / f"{incarnation}.ring"
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _allocate(file, size)
                memory = mmap.mmap(file, size)
            except OSError:
                os.close(file)
                path.unlink()
                raise
        name = collector_id.encode()[:256]
        _WHO.pack_into(memory, 0, _MAGIC, capacity, incarnation.encode(), name)
        _CORE.pack_into(memory, _CORE_AT, core if len(core) <= _CORE.size else b"")
        return cls(memory, file, path)

    @classmethod
    def take_over(cls, path: Path) -> Self:
        """Return the ring of a process that is no more.

        Raises:
            DamagedRing: it is to be put out of the way; no other process has it.
            NotARing: it is to be left alone.
        """
        try:
            file = os.open(path, os.O_RDWR)
        except OSError as error:
            raise NotARing from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = os.fstat(file)
            if path.stat().st_ino != found.st_ino:
                raise NotARing  # somebody else took it over, and has removed it
            if found.st_size <= _HEADER_BYTES:
                is_being_made = time.time() - found.st_mtime < _SECONDS_TO_MAKE
                raise NotARing if is_being_made else DamagedRing
            memory = mmap.mmap(file, found.st_size)
            if not _is_sound(memory):
                memory.close()
                raise DamagedRing
            return cls(memory, file, path)
        except NotARing:
            os.close(file)
            raise
        except OSError as error:
            os.close(file)
            raise NotARing from error

    @property
    def next_seq(self) -> int:
        """The number that the next event gets."""
        return self._next

    @property
    def used(self) -> int:
        """How many bytes are taken up."""
        return self._end - self._begin

    @property
    def capacity(self) -> int:
        """How many bytes there are."""
        return self._capacity

    def append(self, data: bytes) -> tuple[int | None, bool]:
        """Take what is to be recorded; never waits for anything but another thread's copy.

        Returns:
            its number, and whether there was room for it. A signal handler or a finalizer that
            records in the midst of its own thread's copy gets no number: its entry follows.
        """
        with self._lock:
            if self._is_busy:
                self._late.append(data)
                return None, True
            self._is_busy = True
            try:
                appended = self._append(data)
            finally:
                self._is_busy = False
            while self._late:
                self.append(self._late.popleft())
        return appended

    def _append(self, data: bytes) -> tuple[int, bool]:
        length = len(data)
        needed = (_ENTRY.size + length + 7) & ~7
        seq = self._next
        self._next = seq + 1
        _WORD.pack_into(self._memory, _NEXT_AT, seq + 1)
        place = self._end % self._capacity
        to_the_edge = self._capacity - place
        skipped = to_the_edge if needed > to_the_edge else 0
        if self._end + skipped + needed - self._begin > self._capacity:
            self.dropped += 1
            return seq, False
        if skipped:
            if skipped >= _ENTRY.size:
                _ENTRY.pack_into(self._memory, _HEADER_BYTES + place, _TO_THE_START, 0, 0)
            place = 0
        start = _HEADER_BYTES + place
        _ENTRY.pack_into(self._memory, start, length, zlib.crc32(data), seq)
        self._memory[start + _ENTRY.size : start + _ENTRY.size + length] = data
        self._end += skipped + needed
        _WORD.pack_into(self._memory, _STATE_AT, self._end)
        return seq, True

    def read(self, most_bytes: int) -> list[Entry]:
        """Return the next entries that were not read before, at least one if there is any."""
        entries: list[Entry] = []
        size = 0
        while self._read < self._end and size < most_bytes:
            place = self._read % self._capacity
            to_the_edge = self._capacity - place
            if to_the_edge < _ENTRY.size:
                self._read += to_the_edge
                continue
            start = _HEADER_BYTES + place
            length, checksum, seq = _ENTRY.unpack_from(self._memory, start)
            if length == _TO_THE_START:
                self._read += to_the_edge
                continue
            data = self._memory[start + _ENTRY.size : start + _ENTRY.size + length]
            self._read += (_ENTRY.size + length + 7) & ~7
            if length > to_the_edge or zlib.crc32(data) != checksum or seq >= self._next:
                self._read = self._end  # a page was damaged; where the next entry begins is lost
                break
            entries.append(Entry(seq, data))
            size += length
        return entries

    def rewind(self) -> None:
        """Begin to read again at the first entry that was not settled."""
        self._read = self._begin

    def settle(self) -> None:
        """Give up the room of all that was read: it is somewhere else now, durably."""
        self._begin = self._read
        _WORD.pack_into(self._memory, _BEGIN_AT, self._begin)

    def note_seen(self, seen: int, ranges: list[tuple[int, int]]) -> None:
        """Keep what has become of the numbers, in case of a crash.

        Args:
            seen: everything below is somewhere else, or dropped.
            ranges: what was dropped and is not declared yet. Beyond some 120 of them the last one
                kept covers the rest, events that were sent included.
        """
        _WORD.pack_into(self._memory, _SEEN_AT, seen)
        if len(ranges) > _MOST_RANGES:
            rest = ranges[_MOST_RANGES - 1 :]
            ranges = [*ranges[: _MOST_RANGES - 1], (rest[0][0], rest[-1][1])]
        for number, (first, last) in enumerate(ranges):
            place = _DROPPED_AT + _WORD.size + number * _RANGE.size
            _RANGE.pack_into(self._memory, place, first, last)
        _WORD.pack_into(self._memory, _DROPPED_AT, len(ranges))

    def seen(self) -> tuple[int, list[tuple[int, int]]]:
        """Return what `note_seen` kept last."""
        (seen,) = _WORD.unpack_from(self._memory, _SEEN_AT)
        (count,) = _WORD.unpack_from(self._memory, _DROPPED_AT)
        places = (
            _DROPPED_AT + _WORD.size + n * _RANGE.size for n in range(min(count, _MOST_RANGES))
        )
        ranges = [_RANGE.unpack_from(self._memory, place) for place in places]
        # In the ring of a crashed process anything can stand, and no more than it has numbers.
        kept = [(first, last) for first, last in ranges if first <= last < self._next]
        return min(seen, self._next), kept

    def note_stated(self, seq: int, digest: str) -> None:
        """Keep the number and the digest of the statement that is durable now."""
        _STATED.pack_into(self._memory, _STATED_AT, seq + 1, digest.encode())

    def stated(self) -> tuple[int, str] | None:
        """Return what `note_stated` kept last."""
        following, digest = _STATED.unpack_from(self._memory, _STATED_AT)
        if not 0 < following <= self._next or not digest.isascii():
            return None
        return following - 1, digest.rstrip(b"\0").decode()

    def remove(self) -> None:
        """Remove the file: nothing is left in it that anybody could miss."""
        if self.path:
            self.path.unlink(missing_ok=True)
        self.let_go()

    def let_go(self) -> None:
        """Close the file here, and leave it to the process that has it open or takes it over."""
        self._memory.close()
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _is_sound(memory: mmap.mmap) -> bool:
    """Say whether a header can be that of a ring of this size."""
    magic, capacity, incarnation, _ = _WHO.unpack_from(memory)
    end, begin, following = _STATE.unpack_from(memory, _STATE_AT)
    return (
        magic == _MAGIC
        and capacity == len(memory) - _HEADER_BYTES
        and capacity % 8 == begin % 8 == 0
        and 0 <= end - begin <= capacity
        and following < _MOST_NUMBERS
        and _INCARNATION.fullmatch(incarnation.rstrip(b"\0")) is not None
    )


def _allocate(file: int, size: int) -> None:
    """Take room for the whole file: a page of it that has none would kill who writes to it."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
        return
    for start in range(0, size, _HEADER_BYTES):  # not on macOS
        os.pwrite(file, bytes(min(_HEADER_BYTES, size - start)), start)
