"""The events of a ring, in order, and its account: the same for a living and for a dead process."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from pydantic_core import to_json

from locard.evidence import SigningKey, signed, statement_digest
from locard.ingest.conversations import Conversations
from locard.ingest.recorder.accounts import Account, Drop, Statement
from locard.ingest.recorder.drafts import Drafts, clocks, read_draft
from locard.ingest.recorder.ring import Entry, Ring
from locard.schema import AccountingEvent, Event, derived_event_id, new_event_id

log = logging.getLogger(__name__)

_STATEMENT: Final = "statement"
_LOST: Final = "lost_in_a_crash"


def statement_draft(statement: Statement, event_id: UUID | None = None) -> bytes:
    """Return the draft of a statement, which is made when its turn comes.

    Args:
        event_id: default: a new one.
    """
    return _draft(_STATEMENT, {"statement": statement}, event_id)


def crash_draft(ring: Ring) -> bytes:
    """Return the draft of the last statement of a process that ended badly.

    Its id is that of its place, so that it is one event whoever makes it: of a ring that was copied
    or brought back, two processes may.
    """
    event_id = derived_event_id("recorder", ring.incarnation, str(ring.next_seq), "crash")
    return statement_draft("crash", event_id)


def lifecycle_draft(change: str, attributes: Mapping[str, Any]) -> bytes:
    """Return the draft of what the recorder itself has to tell."""
    return _draft("lifecycle", {"change": change, "attributes": attributes})


def _draft(kind: str, body: Mapping[str, Any], event_id: UUID | None = None) -> bytes:
    return to_json({"k": kind, "i": str(event_id or new_event_id()), **clocks(), "b": body})


class RingEvents:
    """Makes one event of each entry of a ring.

    Args:
        core: core fields that all events have.
        key: signs the statements.
        large: drafts too large for the ring, by event id; taken out as they are settled.
    """

    def __init__(
        self,
        ring: Ring,
        core: Mapping[str, Any],
        key: SigningKey,
        large: dict[str, bytes] | None = None,
    ) -> None:
        seen, ranges = ring.seen()
        covered, digest = ring.stated() or (0, None)
        drops = [Drop(ring.incarnation, first, last, "queue_full") for first, last in ranges]
        self.account = Account(
            ring.incarnation, covered=covered, seen=seen, previous=digest, drops=drops
        )
        self.follows: str | None = None
        self._ring = ring
        self._key = key
        self._drafts = Drafts(ring.collector_id, ring.incarnation, core, Conversations())
        self._large = {} if large is None else large
        self._taken: list[str] = []
        self._stated: tuple[int, str] | None = None

    def event(self, entry: Entry) -> Event | None:
        """Return the event of an entry; `None` where none can be made, which is accounted for."""
        self.account.see(entry.seq)
        try:
            return self._event(entry)
        except Exception as error:  # noqa: BLE001 - one draft must not stop all that come after it
            log.warning("event %d is unfit to be sent: %s", entry.seq, type(error).__name__)
            self.account.refuse(Drop(self._ring.incarnation, entry.seq, entry.seq, "unfit"))
            return None

    def settle(self) -> None:
        """Note that everything so far is durable somewhere else, and give up its room."""
        self._drafts.commit()
        if self._stated:
            self._ring.note_stated(*self._stated)
        self._ring.note_seen(self.account.seen, self.account.undeclared)
        self._ring.settle()
        for event_id in self._taken:
            self._large.pop(event_id, None)
        self._taken = []

    def _event(self, entry: Entry) -> Event:
        draft = read_draft(entry.data)
        if draft["k"] == _STATEMENT:
            return self._statement(entry.seq, draft)
        if "left_out" in draft:
            return self._drafts.without_content(entry.seq, draft, draft["left_out"])
        if "large" in draft:
            data = self._large.get(draft["i"])
            if data is None:
                return self._drafts.without_content(entry.seq, draft, _LOST)
            self._taken.append(draft["i"])
            draft = read_draft(data)
        step = self._drafts.clock_step(draft)
        if step is not None:
            self._ring.append(lifecycle_draft("clock_step", {"seconds": round(step, 3)}))
        return self._drafts.event(entry.seq, draft)

    def _statement(self, seq: int, draft: dict[str, Any]) -> Event:
        kind: Statement = draft["b"]["statement"]
        follows = self.follows if kind == "open" else None
        body = self.account.state(kind, seq, follows=follows)
        event = self._drafts.event(seq, {**draft, "k": "accounting", "b": body})
        if not isinstance(event, AccountingEvent):
            raise TypeError("a statement is an event of accounting")
        event = signed(event, self._key)
        self.account.previous = statement_digest(event)
        self._stated = (seq, self.account.previous)
        return event
