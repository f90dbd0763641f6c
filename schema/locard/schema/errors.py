"""What can go wrong, named by what the caller has to do about it.

    LocardError
    ├── RetryableError      the same call may succeed later (broker away, disk busy)
    ├── RejectedRecord      this one record is bad; every other one is untouched
    ├── StateUnknown        a write may or may not have happened: stop and read the store again
    ├── Fenced              somebody else owns this now: stop, do not retry
    ├── EvidenceGap         records are gone; never skipped silently
    └── CannotContinue      nothing will help but a change from outside (full disk, newer format)

Messages say what, where, and what to do next. They never carry text of an event: an error is
read by people, and stored in places, that may not see personal data.
"""

from __future__ import annotations


class LocardError(Exception):
    """Every error that Locard raises on purpose."""


class RetryableError(LocardError):
    """The same call may succeed later; nothing was lost.

    Args:
        message: what is wrong and what to do.
        retry_after: seconds after which it may, where the other side said so.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RejectedRecord(LocardError):
    """One record that cannot be accepted; `error_class` says why in one closed-set word.

    Args:
        message: what is wrong, without any text of the record.
        error_class: a short stable name for counting, such as `bad_json`.
    """

    def __init__(self, message: str, error_class: str) -> None:
        super().__init__(message)
        self.error_class = error_class


class StateUnknown(LocardError):
    """A write may have happened: stop and read the store again before doing anything else."""


class Fenced(LocardError):
    """Another owner has continued from the position this process held: stop, do not retry."""


class EvidenceGap(LocardError):
    """Records that should be there are gone; the gap must be recorded, never skipped."""


class CannotContinue(LocardError):
    """No retry helps: something outside has to change first, and the message says what."""
