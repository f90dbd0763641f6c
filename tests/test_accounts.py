"""The account of an incarnation: each number is covered once, each drop is declared once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locard.ingest.recorder.accounts import Account, Drop
from making import event

OWN, OTHER = "own", "other"
steps = st.lists(
    st.tuples(
        st.sampled_from(["see", "see", "skip", "lose", "refuse", "foreign", "state", "restart"]),
        st.integers(0, 3),
    ),
    max_size=60,
)


@dataclass
class Model:
    """What became of each number, in the simplest form."""

    lost: set[int] = field(default_factory=set)
    handed_on: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    foreign: list[tuple[int, int]] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    next: int = 0

    def state(self, account: Account, statement: Any) -> None:
        """Let the account make a statement, which has a number as every event has."""
        account.see(self.next)
        self.handed_on.add(self.next)
        self.bodies.append(account.state(statement, self.next, follows=None))
        self.numbers.append(self.next)
        self.next += 1


def numbers_of(body: dict[str, Any], incarnation: str) -> list[int]:
    """Return the numbers of an incarnation that a statement declares as dropped."""
    return [
        number
        for drop in body.get("drops", [])
        if drop.get("incarnation", OWN) == incarnation
        for number in range(drop["first_seq"], drop["last_seq"] + 1)
    ]


def play(account: Account, model: Model, steps: list[tuple[str, int]]) -> Account:
    """Do the steps to an account and to its model."""
    for step, size in steps:
        match step:
            case "see":
                account.see(model.next)
                model.handed_on.add(model.next)
                model.next += 1
            case "skip":
                model.lost |= set(range(model.next, model.next + size))
                model.next += size
                account.see(model.next)
                model.handed_on.add(model.next)
                model.next += 1
            case "lose":
                model.lost |= set(range(model.next, model.next + size))
                model.next += size
                account.lose(model.next, "crash")
                account.lose(model.next - 1, "crash")
            case "refuse":
                for number in sorted(model.handed_on - model.refused - set(model.numbers))[:size]:
                    account.refuse(Drop(OWN, number, number, "unfit"))
                    model.refused.add(number)
            case "foreign":
                account.refuse(Drop(OTHER, model.next, model.next + size, "lost"))
                model.foreign.append((model.next, model.next + size))
            case "state":
                model.state(account, "interval")
            case "restart":
                covered = model.numbers[-1] if model.numbers else 0
                account = Account(
                    OWN,
                    covered=covered,
                    seen=account.seen,
                    previous="digest",
                    drops=[Drop(OWN, first, last, "again") for first, last in account.undeclared]
                    + [drop for drop in account._drops if drop.incarnation != OWN],
                )
    return account


@given(steps)
@settings(max_examples=500)
def test_each_number_is_covered_once_and_each_drop_declared_once(steps):
    """Whatever is seen, lost, refused and stated, the statements add up."""
    model = Model()
    account = Account(OWN)
    model.state(account, "open")
    account = play(account, model, steps)
    model.state(account, "close")

    ranges = [(b["first_seq"], b["last_seq"]) for b in model.bodies if "first_seq" in b]
    covered = [number for first, last in ranges for number in range(first, last + 1)]
    assert covered == list(range(model.numbers[-1]))
    declared = [number for body in model.bodies for number in numbers_of(body, OWN)]
    assert sorted(declared) == sorted(model.lost | model.refused)
    foreign = [number for body in model.bodies for number in numbers_of(body, OTHER)]
    expected = [n for first, last in model.foreign for n in range(first, last + 1)]
    assert sorted(foreign) == sorted(expected)
    for number, body in zip(model.numbers, model.bodies, strict=True):
        own = numbers_of(body, OWN)
        assert all(dropped < number for dropped in own)
        assert body["declared_drops"] == len(own) + len(numbers_of(body, OTHER))
        if "first_seq" in body:
            inside = [n for n in own if body["first_seq"] <= n <= body["last_seq"]]
            length = body["last_seq"] - body["first_seq"] + 1
            assert body["count"] + len(inside) == length
        event("accounting", body)
    assert account.undeclared == []


def flapping(ranges: int) -> tuple[Account, int]:
    """Return an account in which every second number was dropped, and the number after."""
    account = Account(OWN)
    for number in range(1, ranges * 2, 2):
        account.see(number)
    return account, ranges * 2


def test_ranges_that_do_not_fit_wait_for_the_next_statement():
    """A statement declares 1,000 ranges; the next one has the rest, and nothing is lost."""
    account, seq = flapping(2_500)
    bodies = []
    for _ in range(3):
        account.see(seq)
        bodies.append(account.state("interval", seq))
        seq += 1

    assert [len(body["drops"]) for body in bodies] == [1_000, 1_000, 500]
    declared = [number for body in bodies for number in numbers_of(body, OWN)]
    assert declared == list(range(0, 5_000, 2))
    assert [body["count"] for body in bodies] == [4_000, 1, 1]


def test_the_last_statement_declares_more_ranges():
    """After a `close` none may come: it has room for more, and says what did not fit."""
    account, seq = flapping(8_001)
    account.see(seq)
    body = account.state("close", seq)

    assert len(body["drops"]) == 8_000
    assert account.undeclared == [(16_000, 16_000)]


def test_neighbours_are_declared_as_one_range():
    """Numbers refused one by one are one range, as long as the reason and the run are the same."""
    account = Account(OWN)
    for number in range(10):
        account.see(number)
        account.refuse(Drop(OWN, number, number, "unfit" if number < 6 else "too_large"))
    account.refuse(Drop(OTHER, 10, 10, "too_large"))
    account.see(10)

    assert account.state("interval", 10)["drops"] == [
        {"first_seq": 0, "last_seq": 5, "reason": "unfit"},
        {"first_seq": 6, "last_seq": 9, "reason": "too_large"},
        {"incarnation": OTHER, "first_seq": 10, "last_seq": 10, "reason": "too_large"},
    ]


def test_a_drop_beyond_the_statement_waits():
    """What lies beyond a statement's own number is declared by the next, which covers it."""
    account = Account(OWN)
    account.see(0)
    account.lose(6, "crash")
    first, second = account.state("interval", 3), account.state("interval", 7)

    assert (first["first_seq"], first["last_seq"], first["count"]) == (0, 2, 1)
    assert numbers_of(first, OWN) == [1, 2]
    assert (second["first_seq"], second["last_seq"], second["count"]) == (3, 6, 1)
    assert numbers_of(second, OWN) == [3, 4, 5]


@pytest.mark.parametrize(("previous", "follows"), [(None, None), ("digest", "run 1")])
def test_a_statement_names_what_came_before(previous, follows):
    """The digest of the statement before, and the run that ended badly, stand in it."""
    account = Account(OWN, previous=previous)
    account.see(0)
    body = account.state("open", 0, follows=follows)

    named = {"previous": previous, "follows": follows} if previous else {}
    assert body == {"statement": "open", "declared_drops": 0, **named}
