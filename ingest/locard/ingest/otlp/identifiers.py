"""Identifiers and enumerations of OTLP: what is right, and how they are written here."""

from __future__ import annotations

from typing import Final

from locard.schema import RejectedRecord

TRACE_ID_DIGITS: Final = 32
SPAN_ID_DIGITS: Final = 16
_HEX: Final = frozenset("0123456789abcdef")

SPAN_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUS_CODES: Final = ("unset", "ok", "error")


def required_id(given: str, digits: int, what: str) -> str:
    """Return an identifier in lower case.

    Args:
        given: hexadecimal.
        what: its name, for the message.

    Raises:
        RejectedRecord: it is of another length, no hexadecimal or all zero.
    """
    found = optional_id(given, digits, what)
    if found is None:
        raise _bad_id(what, digits)
    return found


def optional_id(given: str, digits: int, what: str) -> str | None:
    """Return an identifier in lower case, `None` where there is none: empty or all zero.

    Raises:
        RejectedRecord: it is of another length or no hexadecimal.
    """
    if not given:
        return None
    lowered = given.lower()
    if len(lowered) != digits or not _HEX.issuperset(lowered):
        raise _bad_id(what, digits)
    return lowered if lowered.strip("0") else None


def name_of(number: int, names: tuple[str, ...]) -> str:
    """Return the name of an enumeration's value, or its number as text."""
    return names[number] if 0 <= number < len(names) else str(number)


def wrong_signal(expected: str) -> RejectedRecord:
    """Return the error for a record that is not of the kind that the path is for."""
    return RejectedRecord(
        f"this is no {expected}; send spans to /v1/traces and log records to /v1/logs",
        "wrong_signal",
    )


def not_a_request(expected: str) -> RejectedRecord:
    """Return the error for a body that is no request of OTLP."""
    return RejectedRecord(
        f"the body is no {expected} of OTLP; look at the path, the form and the content type",
        "not_a_request",
    )


def _bad_id(what: str, digits: int) -> RejectedRecord:
    return RejectedRecord(
        f"the {what} is not {digits // 2} bytes that are not all zero; the record is refused, "
        "since it could not be found again",
        "bad_id",
    )
