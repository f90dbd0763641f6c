"""The registry: identities are made, changed and looked up here.

Each change stands in one transaction with the access event that tells of it, which waits in the
file until the event log has it. So a token can be revoked while the log is away, and no change
goes unrecorded.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from locard.evidence import is_signing_key_id
from locard.ingest.eventlog import EventLogWriter
from locard.ingest.identities.file import RegistryFile
from locard.ingest.identities.record import (
    ALL_WORKFLOWS,
    Identity,
    Issued,
    check_name,
    check_role,
    is_token,
    token_digest,
)
from locard.ingest.identities.rows import (
    all_identities,
    find_identity,
    insert_identity,
    issue_token,
    micros,
)
from locard.ingest.identities.trail import forget_changes, note_change, waiting_changes
from locard.schema import CannotContinue, rfc3339, utc_now

_NOTE_SECONDS: Final = 1.0  # a last use is not worth waiting longer for


class IdentityRegistry:
    """The identities in one file; safe for threads, and for several processes.

    Args:
        path: made with its directory, for its owner alone, if it does not exist.
        now: the clock.

    Raises:
        CannotContinue: the file cannot be made or read, is no registry, or of a newer format.
        RetryableError: another process holds it. All methods raise these two as well.
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = utc_now) -> None:
        self._file = RegistryFile(path)
        self._now = now
        self._lock = threading.Lock()  # of the connection that looks up
        with self._file.translated_errors():
            self._number = self._file.number()
            self._connection = self._file.connect()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def create(
        self,
        workflow_id: str,
        agent_id: str | None = None,
        *,
        role: str = "collector",
        name: str | None = None,
        lifetime: timedelta | None = None,
        more_workflows: Sequence[str] = (),
    ) -> Issued:
        """Make an identity with a token, which is shown here and never again.

        Args:
            lifetime: how long its tokens are good; without end by default.
            more_workflows: of a reader, the others it may read.

        Raises:
            CannotContinue: a name or the role cannot be one.
        """
        check_role(role)
        workflows = (workflow_id, *more_workflows)
        if role == "collector" and (more_workflows or workflow_id == ALL_WORKFLOWS):
            raise CannotContinue("a collector sends events of one workflow; name it")
        if more_workflows and ALL_WORKFLOWS in workflows:
            raise CannotContinue("`*` is all workflows; name it alone")
        named = [("workflow", one) for one in workflows]
        for what, given in (*named, ("agent", agent_id), ("name", name)):
            if given is not None:
                check_name(what, given)
        now = self._now()
        end = self._after(lifetime)
        with self._file.changing() as connection:
            identity_id = insert_identity(
                connection, workflow_id, agent_id, role, name, now, end, more_workflows
            )
            token = issue_token(connection, identity_id)
            identity = find_identity(connection, identity_id)
            note_change(
                connection,
                "identity_created",
                identity,
                role=role,
                expires_at=_told(identity),
                more_workflows=[*identity.more_workflows],
            )
        return Issued(identity, token)

    def rotate(self, identity_id: str, grace: timedelta = timedelta()) -> Issued:
        """Give an identity another token; those it had are good for `grace` more.

        Raises:
            CannotContinue: there is no such identity, or its tokens are not good any more.
        """
        end = micros(self._after(grace) or self._now())
        with self._file.changing() as connection:
            identity = self._valid(connection, identity_id)
            connection.execute(
                "UPDATE tokens SET ends_at = min(?, ifnull(ends_at, ?)) WHERE identity = ?",
                (end, end, identity_id),
            )
            # What ended before can never be presented with success again.
            connection.execute("DELETE FROM tokens WHERE ends_at <= ?", (micros(self._now()),))
            token = issue_token(connection, identity_id)
            seconds = grace.total_seconds()
            note_change(connection, "identity_rotated", identity, grace_seconds=seconds)
        return Issued(identity, token)

    def revoke(self, identity_id: str) -> Identity:
        """End an identity for good, at once; once more changes nothing."""
        with self._file.changing() as connection:
            if find_identity(connection, identity_id).revoked_at is None:
                connection.execute(
                    "UPDATE identities SET revoked_at = ? WHERE identity = ?",
                    (micros(self._now()), identity_id),
                )
                connection.execute("DELETE FROM tokens WHERE identity = ?", (identity_id,))
                note_change(connection, "identity_revoked", find_identity(connection, identity_id))
            return find_identity(connection, identity_id)

    def expire(self, identity_id: str, lifetime: timedelta | None) -> Identity:
        """Let an identity's tokens be good for so long from now, or (`None`) without end."""
        end = self._after(lifetime)
        with self._file.changing() as connection:
            if find_identity(connection, identity_id).revoked_at is not None:
                raise _revoked(identity_id)
            connection.execute(
                "UPDATE identities SET expires_at = ? WHERE identity = ?",
                (None if end is None else micros(end), identity_id),
            )
            identity = find_identity(connection, identity_id)
            note_change(connection, "identity_expiry_set", identity, expires_at=_told(identity))
        return identity

    def add_key(self, identity_id: str, key_id: str) -> Identity:
        """Register the key that a recorder of this identity signs with.

        Raises:
            CannotContinue: that is no id of a key, or of one that was revoked.
        """
        if not is_signing_key_id(key_id):
            raise CannotContinue(
                "that is no id of a signing key, which is `ed25519:` and 43 characters; "
                '`locard sql "FROM streams"` shows that of each recorder'
            )
        with self._file.changing() as connection:
            identity = self._valid(connection, identity_id)
            if key_id in identity.revoked_keys:
                raise CannotContinue(
                    f"the key {key_id} of {identity_id} was revoked; give the recorder a new one"
                )
            if key_id not in identity.keys:
                row = (identity_id, key_id)
                connection.execute("INSERT INTO keys VALUES (?, ?, NULL)", row)
                note_change(connection, "identity_key_added", identity, key_id=key_id)
            return find_identity(connection, identity_id)

    def revoke_key(self, identity_id: str, key_id: str) -> Identity:
        """Believe a key of this identity no more; once more changes nothing.

        Raises:
            CannotContinue: the identity has no such key.
        """
        with self._file.changing() as connection:
            identity = find_identity(connection, identity_id)
            if key_id in identity.keys:
                connection.execute(
                    "UPDATE keys SET revoked_at = ? WHERE identity = ? AND key_id = ?",
                    (micros(self._now()), identity_id, key_id),
                )
                note_change(connection, "identity_key_revoked", identity, key_id=key_id)
            elif key_id not in identity.revoked_keys:
                raise CannotContinue(
                    f"{identity_id} has no such key; `locard identity list` shows those it has"
                )
            return find_identity(connection, identity_id)

    def identities(self) -> list[Identity]:
        """Return all identities, in the order in which they were made."""
        with self._looking() as connection:
            return all_identities(connection)

    def identify(self, token: str) -> Identity | None:
        """Return whose token this is; `None` if it is nobody's or not good any more."""
        if not is_token(token):
            return None
        digest = token_digest(token)
        now = self._now()
        with self._looking() as connection:
            found = connection.execute(
                "SELECT digest, ends_at, identity FROM tokens WHERE digest = ?", (digest,)
            ).fetchone()
            # The time of the search may tell how far a digest agrees, which says nothing of a
            # token; whether it agrees is decided here.
            if found is None or not secrets.compare_digest(found[0], digest):
                return None
            if found[1] is not None and found[1] <= micros(now):
                return None
            identity = find_identity(connection, found[2])
        return identity if identity.state(now) == "valid" else None

    def note_use(self, identity_id: str) -> None:
        """Note that a token of this identity was presented now."""
        with self._file.changing(_NOTE_SECONDS) as connection:
            connection.execute(
                "UPDATE identities SET used_at = ? WHERE identity = ?",
                (micros(self._now()), identity_id),
            )

    def record_changes(self, log: EventLogWriter) -> int:
        """Hand the access events that wait to the event log, and return how many there were.

        Two processes that do so at once may both append one; it then counts once, by its id.

        Raises:
            LocardError: the log does not take them; they go on waiting.
        """
        count = 0
        while True:
            with self._looking() as connection:
                waiting = waiting_changes(connection)
            if not waiting:
                return count
            log.append(list(waiting.values()))
            with self._file.changing() as connection:
                forget_changes(connection, waiting)
            count += len(waiting)

    @contextmanager
    def _looking(self) -> Iterator[sqlite3.Connection]:
        """Hold the connection that looks up.

        Where the file was put back from a copy, say, what is looked at is the one that is there
        now: a token that was revoked in it must not go on being good.
        """
        with self._lock, self._file.translated_errors():
            if self._file.number() != self._number:
                self._connection.close()
                self._file = RegistryFile(self._file.path)
                self._number = self._file.number()
                self._connection = self._file.connect()
            yield self._connection

    def _after(self, lifetime: timedelta | None) -> datetime | None:
        """Return the moment that is so far from now.

        Raises:
            CannotContinue: it lies beyond the calendar.
        """
        try:
            return None if lifetime is None else self._now() + lifetime
        except OverflowError:
            raise CannotContinue("that is too far from now; choose a shorter time") from None

    def _valid(self, connection: sqlite3.Connection, identity_id: str) -> Identity:
        identity = find_identity(connection, identity_id)
        state = identity.state(self._now())
        if state == "revoked":
            raise _revoked(identity_id)
        if state == "expired":
            raise CannotContinue(
                f"{identity_id} has expired; prolong it with `locard identity expire` first"
            )
        return identity


def _revoked(identity_id: str) -> CannotContinue:
    return CannotContinue(f"{identity_id} is revoked, which is for good; create another identity")


def _told(identity: Identity) -> str | None:
    return None if identity.expires_at is None else rfc3339(identity.expires_at)
