"""Holds: what must not expire or be erased, whatever the policy says, until somebody releases it.

They are few, so they are one JSON file, replaced as a whole. Whoever is about to take something out
of the lake keeps the file as it is meanwhile: a hold that `add` has returned is never overtaken.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from locard.evidence.durable import make_directory_durably, replace_durably
from locard.ingest.file_lock import locked
from locard.schema import CannotContinue

_Reason = Annotated[str, Field(min_length=1, max_length=2000)]


class Hold(BaseModel):
    """What is held, since when, by whom and why.

    Args:
        sessions: whose events are held.
        workflows: likewise.
        is_everything: whether all events are.
        released_at: when it ended; `None` while it is in force.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    hold_id: str
    placed_at: AwareDatetime
    placed_by: str
    reason: _Reason
    case_id: str | None = None
    sessions: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    is_everything: bool = False
    released_at: AwareDatetime | None = None
    released_by: str | None = None
    release_reason: _Reason | None = None

    @property
    def is_in_force(self) -> bool:
        """Whether it still counts."""
        return self.released_at is None


_file: Final = TypeAdapter(tuple[Hold, ...])


class Holds:
    """The holds of an installation, in a file; released ones stay in it.

    Args:
        path: of the file; it need not exist.
        seconds: how long to wait for others that use it.
    """

    def __init__(self, path: Path, seconds: float = 60.0) -> None:
        self.path = path
        self._seconds = seconds

    def all(self) -> Sequence[Hold]:
        """Return all holds, the oldest first.

        Raises:
            CannotContinue: the file cannot be read or is damaged; nothing may expire then.
        """
        try:
            return _file.validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise self._broken(error.strerror or "unreadable") from error
        except ValidationError as error:
            raise self._broken("it is not what this program wrote") from error

    @contextmanager
    def in_force(self) -> Iterator[Sequence[Hold]]:
        """Give the holds that count now; none is added while the block runs.

        Raises:
            RetryableError: somebody was changing them all the time.
            CannotContinue: see `all`.
        """
        with self._locked(is_shared=True):
            yield [hold for hold in self.all() if hold.is_in_force]

    def add(
        self,
        placed_by: str,
        reason: str,
        now: datetime,
        *,
        sessions: Sequence[str] = (),
        workflows: Sequence[str] = (),
        is_everything: bool = False,
        case_id: str | None = None,
    ) -> Hold:
        """Place a hold; it is in force, durably, on return.

        Raises:
            CannotContinue: it would hold nothing or gives no reason; or see `all`.
            RetryableError: something was expiring all the time; nothing was held.
        """
        if not (sessions or workflows or is_everything):
            raise CannotContinue("a hold names sessions, workflows or everything")
        hold = Hold(
            hold_id=f"hold-{secrets.token_hex(4)}",
            placed_at=now,
            placed_by=placed_by,
            reason=_given(reason),
            case_id=case_id,
            sessions=tuple(sessions),
            workflows=tuple(workflows),
            is_everything=is_everything,
        )
        with self._locked(is_shared=False):
            self._write([*self.all(), hold])
        return hold

    def find(self, hold_id: str) -> Hold:
        """Return a hold that is in force.

        Raises:
            CannotContinue: there is none of this id.
        """
        for hold in self.all():
            if hold.hold_id == hold_id and hold.is_in_force:
                return hold
        raise CannotContinue(
            f"no hold {hold_id} is in force; `locard hold list` tells those that are"
        )

    def release(self, hold_id: str, released_by: str, reason: str, now: datetime) -> Hold:
        """End a hold; it stays in the file, with who ended it and why.

        Raises:
            CannotContinue: there is none of this id in force, or no reason is given.
        """
        with self._locked(is_shared=False):
            found = self.find(hold_id)
            ended = found.model_copy(
                update={
                    "released_at": now,
                    "released_by": released_by,
                    "release_reason": _given(reason),
                }
            )
            self._write([ended if hold.hold_id == hold_id else hold for hold in self.all()])
        return ended

    def _write(self, holds: Sequence[Hold]) -> None:
        try:
            replace_durably(self.path, json.dumps(_told(holds), indent=1).encode())
        except OSError as error:
            raise CannotContinue(
                f"{self.path} cannot be written: {error.strerror}; make room or correct its "
                "permissions. Nothing was changed"
            ) from error

    @contextmanager
    def _locked(self, *, is_shared: bool) -> Iterator[None]:
        busy = (
            f"{self.path} has been in use for {self._seconds:.0f} s, by a run of retention or "
            "somebody who places a hold; nothing was changed, try again"
        )
        lock = self.path.with_suffix(".lock")
        try:
            make_directory_durably(lock.parent)
            lock.touch(mode=0o600)
        except OSError as error:
            raise self._broken(error.strerror or "no lock") from error
        with locked(lock, is_shared=is_shared, seconds=self._seconds, busy=busy):
            yield

    def _broken(self, why: str) -> CannotContinue:
        return CannotContinue(
            f"the holds in {self.path} cannot be read: {why}; nothing expires until they can. Put "
            "the file back from a copy; custody events `hold_placed` tell what it must say"
        )


def _given(reason: str) -> str:
    if not reason.strip():
        raise CannotContinue("a hold is placed and released for a reason; give it")
    return reason


def _told(holds: Sequence[Hold]) -> list[object]:
    return [hold.model_dump(mode="json", exclude_defaults=True) for hold in holds]
