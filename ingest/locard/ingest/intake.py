"""What one request to the collector holds: a body becomes records for the event log.

The body is cut into the bytes of its events before any of them is read, so that one that is no
JSON, or names a key twice, spoils none of its neighbours.
"""

from __future__ import annotations

import logging
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from locard.ingest.elements import check_json
from locard.ingest.eventlog import LARGEST_RECORD, OutgoingRecord, check_sizes
from locard.ingest.stamping import (
    ForeignClaim,
    Sender,
    foreign_claim,
    refuse_kinds_of_ours,
    stamped_record,
    without_claims,
)
from locard.schema import AccountingEvent, Event, RejectedRecord, parse_event

log = logging.getLogger(__name__)

Form = Literal["array", "lines"]
"""A JSON array of events, or one event on each line (NDJSON)."""

BODY_TOO_LARGE: Final = "body_too_large"
TOO_MANY_EVENTS: Final = "too_many_events"
INTERNAL_ERROR: Final = "internal_error"

_GZIP: Final = 31  # zlib's name for its largest window with a gzip header
_WHITESPACE: Final = b" \t\r\n"

# The next bracket, and for items of the outermost array also comma, that is not inside a string.
# Possessive, so that a body made to be slow is read once like any other.
_LINE: Final = re.compile(rb"[ \t\r\n]*+([^\n]++)")
_STRUCTURE: Final = re.compile(
    rb'[^"\[\]{},]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"\[\]{},]*+)*+([\[\]{},])', re.DOTALL
)
_BRACKET: Final = re.compile(
    rb'[^"\[\]{}]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"\[\]{}]*+)*+([\[\]{}])', re.DOTALL
)


@dataclass(frozen=True)
class IntakeLimits:
    """What one request may hold.

    Args:
        body_bytes: as sent, compressed or not.
        decompressed_bytes: of a compressed body.
        events: in one body.
    """

    body_bytes: int = 2 * LARGEST_RECORD
    decompressed_bytes: int = 2 * LARGEST_RECORD
    events: int = 10_000


DEFAULT_INTAKE_LIMITS: Final = IntakeLimits()


@dataclass(frozen=True, slots=True)
class RejectedEvent:
    """An event that cannot be accepted; `reason` holds no text of it.

    Args:
        index: its place in the body, from 0; blank lines do not count.
        error_class: why, in one word of a closed set.
    """

    index: int
    error_class: str
    reason: str


@dataclass(frozen=True, slots=True)
class Intake:
    """What was in a body: each of its events is in exactly one of the first two.

    Args:
        claims: of other workflows or agents than the sender's, by how many of the rejected events
            made each.
        when_durable: what to call when the records are.
    """

    records: list[OutgoingRecord] = field(default_factory=list, repr=False)
    rejected: list[RejectedEvent] = field(default_factory=list)
    claims: Counter[ForeignClaim] = field(default_factory=Counter, repr=False)
    when_durable: list[Callable[[], None]] = field(default_factory=list, repr=False)

    def refuse(self, index: int, error_class: str, reason: str) -> None:
        """Note an event that cannot be accepted."""
        self.rejected.append(RejectedEvent(index, error_class, reason))

    def refuse_claim(self, index: int, claim: ForeignClaim) -> None:
        """Note an event that names another workflow or agent than its sender may send of."""
        self.claims[claim] += 1
        self.refuse(index, claim.error_class, claim.reason)

    def take(self, index: int, event: Event, sender: Sender, data: bytes | None = None) -> bool:
        """Note an event, with its sender in it, as a record; or (false) why it cannot be one.

        Args:
            data: the event as JSON where that is known; see `stamped_json`.
        """
        if claim := foreign_claim(sender, event.workflow_id, event.agent_id):
            if not isinstance(event, AccountingEvent):
                self.refuse_claim(index, claim)
                return False
            # A recorder that is set up for another workflow still says what became of its events.
            event, data = without_claims(event), None
        record = stamped_record(event, sender, data)
        try:
            check_sizes([record])
        except RejectedRecord as error:
            self.refuse(index, error.error_class, str(error))
            return False
        self.records.append(record)
        return True


def take_in(body: bytes, form: Form, limits: IntakeLimits, sender: Sender) -> Intake:
    """Return the records of a body's acceptable events, in their order, and why others are not.

    Raises:
        RejectedRecord: the body as a whole cannot be taken apart or holds too much.
    """
    check_json(body)
    intake = Intake()
    for index, data in enumerate(_lines(body) if form == "lines" else _array_items(body)):
        if index >= limits.events:
            raise too_many_events(limits)
        try:
            event = parse_event(data)
            refuse_kinds_of_ours(event, "send what the agent did")
            intake.take(index, event, sender)
        except RejectedRecord as error:
            intake.refuse(index, error.error_class, str(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours must not cost the neighbours
            log.error("an event was not taken in: %s; report it", type(error).__name__)
            intake.refuse(index, INTERNAL_ERROR, "the collector failed over it; see its own log")
    return intake


def too_many_events(limits: IntakeLimits) -> RejectedRecord:
    """Return the refusal of a whole body that holds more than the limit."""
    return RejectedRecord(
        f"the body holds more than {limits.events:,} events; send fewer at once", TOO_MANY_EVENTS
    )


def decompress(body: bytes, limit: int) -> bytes:
    """Return what a gzip body holds, giving up as soon as that is over `limit` bytes.

    Raises:
        RejectedRecord: it is too large, damaged, cut off or followed by something else.
    """
    inflater = zlib.decompressobj(wbits=_GZIP)
    try:
        data = inflater.decompress(body, limit + 1)
    except zlib.error:
        raise RejectedRecord("the body is damaged gzip; send it again", "bad_gzip") from None
    if len(data) > limit:
        raise RejectedRecord(
            f"the body is over the limit of {limit:,} bytes when decompressed; send fewer events "
            "at once",
            BODY_TOO_LARGE,
        )
    if not inflater.eof or inflater.unused_data:
        raise RejectedRecord("the body is not one whole gzip member; send it again", "bad_gzip")
    return data


def _lines(body: bytes) -> Iterator[bytes]:
    """Yield the lines that are not blank, one at a time: blank ones may be many."""
    return (found[1] for found in _LINE.finditer(body.rstrip(_WHITESPACE)))


def _array_items(body: bytes) -> Iterator[bytes]:
    """Yield the bytes of each item of a JSON array; whether they are JSON is not looked at."""
    opening = _STRUCTURE.match(body)
    if opening is None or opening[0].strip(_WHITESPACE) != b"[":
        raise _not_an_array()
    start = position = opening.end()
    depth = 1
    while depth and (token := (_STRUCTURE if depth == 1 else _BRACKET).match(body, position)):
        position = token.end()
        mark = token[1]
        if mark in b"[{":
            depth += 1
        elif mark in b"]}":
            depth -= 1
        else:
            yield body[start : position - 1]
            start = position
    if depth or body[position - 1 :].strip(_WHITESPACE) != b"]":
        raise _not_an_array()
    last = body[start : position - 1]
    if last.strip(_WHITESPACE) or start != opening.end():
        yield last


def _not_an_array() -> RejectedRecord:
    return RejectedRecord(
        "the body is no JSON array; send `[event, …]`, or one event on each line as "
        "application/x-ndjson",
        "not_an_array",
    )
