"""The ring: nothing that it took is lost or changed, also when its process is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locard.ingest.recorder.orphans import core_of
from locard.ingest.recorder.ring import DamagedRing, Entry, NotARing, Ring

CAPACITY = 1024


def ring(directory: Path | None = None, capacity: int = CAPACITY) -> Ring:
    """Return a new ring."""
    return Ring.create(directory, "machine/agent", "incarnation-1", capacity, b"{}")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.binary(max_size=400)),
        st.tuples(st.just("read"), st.integers(1, 900)),
        st.tuples(st.just("settle"), st.none()),
    ),
    max_size=60,
)


@given(STEPS)
def test_entries_come_back_in_order_and_whole(steps):
    """Appended, read and settled in whatever order, each entry that was taken comes back once."""
    made = ring()
    taken: list[Entry] = []
    came: list[Entry] = []
    for number, (what, value) in enumerate(steps):
        if what == "append":
            seq, is_taken = made.append(value)
            if is_taken:
                taken.append(Entry(seq, value))
        elif what == "read":
            came += made.read(value)
        else:
            made.settle()
        assert made.used <= made.capacity, number
    came += made.read(1 << 30)
    assert came == taken
    assert made.next_seq == sum(what == "append" for what, _ in steps)


def test_what_finds_no_room_has_a_number_and_no_entry():
    """A full ring gives numbers away and takes nothing, and takes more once there is room."""
    made = ring()
    results = [made.append(b"x" * 200) for _ in range(8)]
    assert [seq for seq, _ in results] == list(range(8))
    assert [is_taken for _, is_taken in results] == [True] * 4 + [False] * 4
    assert [entry.seq for entry in made.read(1 << 20)] == [0, 1, 2, 3]
    assert made.append(b"x" * 200) == (8, False)  # read is not settled yet
    made.settle()
    assert made.append(b"x" * 200) == (9, True)
    assert [entry.seq for entry in made.read(1 << 20)] == [9]


def test_numbers_are_unique_over_threads():
    """Threads that append at the same time get each number once, and every entry is theirs."""
    made = ring(capacity=1 << 20)
    results: list[list[int]] = [[] for _ in range(4)]

    def work(number: int) -> None:
        for _ in range(500):
            results[number].append(made.append(b"%d" % number)[0])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seq for seqs in results for seq in seqs) == list(range(2_000))
    owner = {seq: number for number, seqs in enumerate(results) for seq in seqs}
    assert all(entry.data == b"%d" % owner[entry.seq] for entry in made.read(1 << 20))


KILLED = """
import sys, os, signal
from pathlib import Path
from locard.ingest.recorder.ring import Ring
ring = Ring.create(Path(sys.argv[1]), "machine/agent", "incarnation-1", 4096, b'{"a": "b"}')
for number in range(5):
    ring.append(b"entry %d" % number)
ring.read(20)
ring.settle()
ring.note_seen(3, [(1, 2)])
ring.note_stated(2, "d" * 64)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_another_process_finds_what_a_killed_one_left(tmp_path):
    """After SIGKILL everything that was not settled is there, with what was noted."""
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert done.returncode == -signal.SIGKILL
    (path,) = tmp_path.glob("*.ring")
    found = Ring.take_over(path)
    assert (found.collector_id, found.incarnation) == ("machine/agent", "incarnation-1")
    assert found.core == b'{"a": "b"}'
    assert [entry.data for entry in found.read(1 << 20)] == [b"entry 3", b"entry 4"]
    assert found.next_seq == 5
    assert found.seen() == (3, [(1, 2)])
    assert found.stated() == (2, "d" * 64)
    found.remove()
    assert not path.exists()


def test_the_ring_of_a_living_process_is_left_alone(tmp_path):
    """A ring can be taken over once, and only when nobody has it."""
    made = ring(tmp_path)
    assert made.path
    with pytest.raises(NotARing):
        Ring.take_over(made.path)
    made.let_go()
    taken = Ring.take_over(made.path)
    with pytest.raises(NotARing):
        Ring.take_over(made.path)
    taken.let_go()


@given(st.lists(st.tuples(st.integers(0, 4096 + CAPACITY - 1), st.binary(min_size=1, max_size=64))))
def test_whatever_stands_in_a_ring_can_be_read_or_is_told_as_damage(damage):
    """Bytes changed anywhere give entries with numbers that the ring gave, or `DamagedRing`."""
    with TemporaryDirectory() as directory:
        made = ring(Path(directory))
        for number in range(20):
            made.append(b"entry %d" % number)
        made.note_seen(3, [(1, 2)])
        made.note_stated(2, "digest")
        made.let_go()
        assert made.path
        data = bytearray(made.path.read_bytes())
        for place, changed in damage:
            data[place : place + len(changed)] = changed
        made.path.write_bytes(data[: 4096 + CAPACITY])
        try:
            found = Ring.take_over(made.path)
        except DamagedRing:
            return
        entries = found.read(1 << 20)
        assert all(0 <= entry.seq < found.next_seq for entry in entries)
        seen, ranges = found.seen()
        assert seen <= found.next_seq
        assert all(0 <= first <= last < found.next_seq for first, last in ranges)
        stated = found.stated()
        assert stated is None or 0 <= stated[0] < found.next_seq
        core_of(found)
        found.let_go()


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"x" * 10_000, bytes(8192)])
def test_what_is_no_ring_is_left_alone(tmp_path, content):
    """A file of another kind is neither read as a ring nor removed."""
    path = tmp_path / "a.ring"
    path.write_bytes(content)
    with pytest.raises(NotARing):
        Ring.take_over(path)
    assert path.read_bytes() == content


def test_a_damaged_entry_is_not_taken_for_an_event(tmp_path):
    """A page that changed under a crash ends the reading; what came before is good."""
    made = ring(tmp_path)
    for number in range(3):
        made.append(b"entry %d" % number)
    made.let_go()
    assert made.path
    data = bytearray(made.path.read_bytes())
    data[data.index(b"entry 1")] ^= 1
    made.path.write_bytes(data)
    found = Ring.take_over(made.path)
    assert [entry.data for entry in found.read(1 << 20)] == [b"entry 0"]
    assert found.next_seq == 3


def test_more_dropped_ranges_than_fit_are_kept_as_one():
    """However many ranges were dropped, none of them is forgotten."""
    made = ring()
    ranges = [(10 * n, 10 * n + 1) for n in range(1_000)]
    for _ in range(20_000):
        made.append(b"")
    made.note_seen(20_000, ranges)
    _, kept = made.seen()
    assert len(kept) < len(ranges)
    assert kept[:5] == ranges[:5]
    assert kept[-1][1] == ranges[-1][1]
    covered = {n for first, last in kept for n in range(first, last + 1)}
    assert covered >= {n for first, last in ranges for n in range(first, last + 1)}


def test_recording_in_the_midst_of_recording_does_not_hang():
    """A signal handler that appends while its thread appends is let in, and its entry follows."""
    made = ring()
    taken = []

    class Late(bytes):
        """Bytes whose length is asked for while the ring is at work."""

        def __len__(self) -> int:
            if not taken:
                taken.append(made.append(b"from the handler"))
            return super().__len__()

    assert made.append(Late(b"first")) == (0, True)
    assert taken == [(None, True)]
    assert [entry.data for entry in made.read(1 << 20)] == [b"first", b"from the handler"]


def test_a_disk_without_room_is_told_at_once(tmp_path, monkeypatch):
    """Room is taken before the file is mapped; without it there is no ring and no file."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space"):
        ring(tmp_path)
    assert list(tmp_path.iterdir()) == []
