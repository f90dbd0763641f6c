"""Identifiers and times."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from locard.schema import derived_event_id, ids, new_event_id, rfc3339


def test_new_ids_are_version_7_and_carry_the_present_time():
    """A new id is a UUIDv7 whose first 48 bits are the milliseconds of now."""
    before = time.time_ns() // 1_000_000
    made = new_event_id()
    after = time.time_ns() // 1_000_000

    assert made.version == 7
    assert before <= made.int >> 80 <= after + 1


def test_new_ids_grow_in_the_order_in_which_they_are_made():
    """Ids of one process are strictly increasing."""
    made = [new_event_id() for _ in range(20_000)]

    assert made == sorted(set(made))


def test_new_ids_grow_even_when_the_clock_steps_back(monkeypatch):
    """A clock that is set back by an hour does not make later ids smaller."""
    first = new_event_id()
    past = time.time_ns() - 3_600 * 10**9
    monkeypatch.setattr(ids.time, "time_ns", lambda: past)

    assert new_event_id() > first


def test_threads_never_make_the_same_id():
    """Ids made by several threads at once are all different."""
    made: list[UUID] = []
    threads = [
        threading.Thread(target=lambda: made.extend([new_event_id() for _ in range(2_000)]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(made)) == 8_000


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_derived_ids_are_equal_only_for_equal_parts(first, second):
    """The same parts give the same id, other parts another, also where their texts join alike."""
    same = derived_event_id(*first) == derived_event_id(*second)

    assert same == (first == second)


def test_derived_ids_are_version_8():
    """A derived id says that it is a UUIDv8, and stays what it is for ever."""
    made = derived_event_id("openai-messages", "a", b"1")

    assert made.version == 8
    assert str(made) == str(derived_event_id(b"openai-messages", b"a", "1"))


def test_times_are_written_in_utc_with_microseconds():
    """Any zone becomes UTC, and whole seconds keep their six digits."""
    paris = timezone(timedelta(hours=2))

    assert rfc3339(datetime(2026, 5, 4, 9, 32, tzinfo=paris)) == "2026-05-04T07:32:00.000000Z"
    assert rfc3339(datetime(1, 1, 2, tzinfo=UTC)) == "0001-01-02T00:00:00.000000Z"


def test_a_forked_child_shares_no_chance_with_its_parent():
    """Parent and child draw other random bits, whatever the parent had drawn ahead."""
    program = """
import os
from locard.schema import new_event_id
new_event_id()
child = os.fork()
bits = [new_event_id().int & (2**62 - 1) for _ in range(600)]
os.write(1, ("\\n".join(map(str, bits)) + "\\n").encode())
if child:
    os.waitpid(child, 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    drawn = done.stdout.split()
    assert len(drawn) == len(set(drawn)) == 1_200
