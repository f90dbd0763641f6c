"""What a case is made of: entries that are only ever added, and what they come to. Pure.

A case is a log of entries; nothing in it is changed or removed, so two responders who write at once
overwrite nothing, and who said what when can be told for good (timesketch #2834, #707). What stands
now — its status, pins, tags — is folded from the entries in their order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, get_args

from locard.schema import CannotContinue

Kind: TypeAlias = Literal[
    "opened", "status", "pinned", "unpinned", "starred", "unstarred", "tagged", "untagged",
    "comment", "hypothesis", "settled", "view", "run",
]  # fmt: skip
STATUSES: Final = ("open", "contained", "closed")
KINDS: Final[tuple[str, ...]] = get_args(Kind)
_LONGEST: Final = 100_000
_NEEDS_EVENT: Final = frozenset(
    {"pinned", "unpinned", "starred", "unstarred", "tagged", "untagged"}
)
_OPPOSITE: Final = {"pinned": "unpinned", "starred": "unstarred", "tagged": "untagged"}


@dataclass(frozen=True)
class Entry:
    """One thing that somebody did in a case.

    Args:
        number: in the order in which the case took them, from 1.
        at: when, in UTC.
        author: who.
        event_id: the event that it is about, if any.
        session_id: of that event.
        text: a comment, title, tag, status, hypothesis or verdict on one; hostile like any text.
        data: what a saved view selects, or what a run of a question gave.
    """

    number: int
    at: datetime
    author: str
    kind: str
    event_id: str | None = None
    session_id: str | None = None
    text: str | None = field(default=None, repr=False)
    data: dict[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Case:
    """What the entries of a case come to.

    Args:
        pins: events that were pinned, in the order of pinning, with their sessions.
        tags: of each event.
        comments, hypotheses, views, runs: the entries themselves, in their order.
        settled: for a hypothesis, by the number of its entry, what became of it.
        workflows: that it is about; `None` is all of them.
    """

    case_id: str
    title: str
    status: str
    opened_at: datetime
    opened_by: str
    entries: tuple[Entry, ...] = field(repr=False)
    pins: dict[str, str | None] = field(repr=False)
    stars: frozenset[str] = field(repr=False)
    tags: dict[str, tuple[str, ...]] = field(repr=False)
    workflows: frozenset[str] | None = None

    def of_kind(self, kind: str) -> tuple[Entry, ...]:
        """Return the entries of a kind, in their order."""
        return tuple(entry for entry in self.entries if entry.kind == kind)

    @property
    def authors(self) -> list[str]:
        """Everybody who wrote in it, by name."""
        return sorted({entry.author for entry in self.entries})

    @property
    def sessions(self) -> list[str]:
        """The sessions of everything that is pinned, by name."""
        return sorted({session for session in self.pins.values() if session is not None})

    def settled(self, hypothesis: int) -> str | None:
        """Return what became of a hypothesis, by the number of its entry; `None`: still open."""
        verdicts = [
            entry.text
            for entry in self.of_kind("settled")
            if (entry.data or {}).get("hypothesis") == hypothesis
        ]
        return verdicts[-1] if verdicts else None


def folded(case_id: str, entries: Iterable[Entry]) -> Case:
    """Return what the entries come to.

    Raises:
        CannotContinue: there are none, so there is no such case.
    """
    told = tuple(sorted(entries, key=lambda entry: entry.number))
    if not told:
        raise CannotContinue("there is no such case; `locard case list` shows those there are")
    title, status = told[0].text or case_id, "open"
    pins: dict[str, str | None] = {}
    stars: set[str] = set()
    tags: dict[str, dict[str, None]] = {}
    for entry in told:
        event, text = entry.event_id or "", entry.text or ""
        match entry.kind:
            case "status":
                status = text
            case "pinned":
                pins[event] = entry.session_id
            case "unpinned":
                pins.pop(event, None)
            case "starred":
                stars.add(event)
            case "unstarred":
                stars.discard(event)
            case "tagged":
                tags.setdefault(event, {})[text] = None
            case "untagged":
                tags.get(event, {}).pop(text, None)
    return Case(
        case_id, title, status, told[0].at, told[0].author, told, pins, frozenset(stars),
        {event: tuple(names) for event, names in tags.items() if names},
        _workflows(told[0]),
    )  # fmt: skip


def _workflows(opened: Entry) -> frozenset[str] | None:
    named = (opened.data or {}).get("workflows")
    return None if named is None else frozenset(named)


def check(kind: str, event_id: str | None, text: str | None) -> None:
    """Return if this can be an entry.

    Raises:
        CannotContinue: it lacks what its kind needs, or is too long.
    """
    if kind not in KINDS:
        raise CannotContinue(f"there is no entry of this kind; there are: {', '.join(KINDS)}")
    if kind in _NEEDS_EVENT and not event_id:
        raise CannotContinue("name the event that this is about")
    if kind == "status" and text not in STATUSES:
        raise CannotContinue(f"the status of a case is {', '.join(STATUSES)}")
    if (
        kind in ("comment", "hypothesis", "tagged", "untagged", "opened", "settled")
        and not (text or "").strip()
    ):
        raise CannotContinue("there is nothing in it; write what you have to say")
    if not _can_be_kept(text or ""):
        raise CannotContinue("it has a NUL, or half of a character; write it without")
    if len(text or "") > _LONGEST:
        raise CannotContinue(f"it has more than {_LONGEST:,} characters; write less, or several")


def _can_be_kept(text: str) -> bool:
    """Say whether every database keeps it as it is: PostgreSQL has no NUL, and UTF-8 no halves."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
