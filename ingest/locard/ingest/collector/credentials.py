"""Whose request it is: the token says which identity, the signature that nobody else sent it."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from fastapi import HTTPException
from fastapi.concurrency import run_in_threadpool

from locard.evidence import is_signature, is_signing_key_id
from locard.ingest.collector.bodies import UNREAD_BODY
from locard.ingest.identities import Identity, IdentityRegistry
from locard.ingest.stamping import SHARED_PRINCIPAL, Sender
from locard.schema import LocardError

log = logging.getLogger(__name__)

Doubt = Literal["shared_token", "missing_signature", "unregistered_key", "wrong_signature"]
"""Why it is not certain who sent a request."""

_SECONDS_BETWEEN: Final = 60.0  # two notes of a last use, two log lines of one kind


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request presented, and was let in with.

    Args:
        identity: `None` for the installation's one token.
        key_id: and `signature`, as the request has them: nothing of it is checked yet.
    """

    identity: Identity | None
    key_id: str | None
    signature: str | None

    @property
    def principal(self) -> str:
        """What events of this sender are stamped with."""
        return self.identity.identity if self.identity else SHARED_PRINCIPAL

    def doubt(self, body: bytes) -> Doubt | None:
        """Return why this may be another's body, `None` if the sender is who the token says."""
        if self.identity is None:
            return "shared_token"
        if not self.key_id and not self.signature and not self.identity.signs:
            return None
        if not self.key_id or not self.signature:
            return "missing_signature"
        if self.key_id not in self.identity.keys:
            return "unregistered_key"
        return None if is_signature(self.key_id, self.signature, body) else "wrong_signature"

    def sender(self, doubt: Doubt | None) -> Sender:
        """Return what to stamp events with."""
        if self.identity is None:
            return Sender(SHARED_PRINCIPAL)
        identity = self.identity
        return Sender(
            identity.identity,
            identity.workflow_id,
            identity.agent_id,
            is_verified=doubt is None,
            key_ids=identity.keys,
        )


class Gate:
    """Lets in who has a good token.

    Args:
        token: the installation's one; `None` where it is not accepted.
        identities: the registry; `None` where there is none.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        token: str | None,
        identities: IdentityRegistry | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._token = token.encode() if token else None
        self._identities = identities
        self._clock = clock
        self._done: dict[str, float] = {}

    async def credential(self, headers: Mapping[str, str]) -> Credential:
        """Return what a request presents.

        Raises:
            HTTPException: 401, its token is missing or not good; 503, that cannot be found out.
        """
        scheme, _, given = headers.get("authorization", "").partition(" ")
        token = given.strip()
        signed = (headers.get("locard-key"), headers.get("locard-signature"))
        if scheme.lower() == "bearer":
            if self._is_shared(token):
                return Credential(None, *signed)
            if identity := await run_in_threadpool(self._identify, token):
                self._note_use(identity.identity)
                return Credential(identity, *signed)
        raise HTTPException(
            401,
            "the token is missing, wrong, expired or revoked; send `Authorization: Bearer …`",
            {"WWW-Authenticate": "Bearer"} | UNREAD_BODY,
        )

    def check(self) -> None:
        """Return if tokens can be looked up.

        Raises:
            LocardError: the registry cannot be read.
        """
        if self._identities:
            self._identities.identities()

    def tell(self, credential: Credential, doubt: Doubt) -> None:
        """Write a doubt to the log, now and then; that of the shared token is no news."""
        key_id = credential.key_id or ""
        if doubt == "shared_token" or not self._is_due(f"{doubt} {credential.principal}"):
            return
        # What is no key id may be anything, and not for a log.
        named = key_id if is_signing_key_id(key_id) else "of no known form" if key_id else "missing"
        log.warning(
            "events of %s are kept as unverified: %s, the key is %s; see `locard identity list` "
            "and `locard identity key add`",
            credential.principal,
            doubt,
            named,
        )

    def _is_shared(self, token: str) -> bool:
        given = token.encode("latin-1")
        return self._token is not None and secrets.compare_digest(given, self._token)

    def _identify(self, token: str) -> Identity | None:
        try:
            found = self._identities.identify(token) if self._identities else None
            return found if found is not None and found.role == "collector" else None
        except LocardError as error:
            if self._is_due("look up"):
                log.warning("tokens cannot be looked up: %s", error)
            # Whoever asks has not shown a token yet, and is not told where anything is.
            raise HTTPException(
                503, "tokens cannot be checked now; send again", {"Retry-After": "5"} | UNREAD_BODY
            ) from None

    def _note_use(self, identity_id: str) -> None:
        """Note the last use now and then, on a thread that nobody waits for."""
        if self._is_due(f"use {identity_id}"):
            asyncio.get_running_loop().run_in_executor(None, self._write_use, identity_id)

    def _is_due(self, what: str) -> bool:
        """Say, once in a while, that something is worth doing again."""
        now = self._clock()
        if now - self._done.get(what, -math.inf) < _SECONDS_BETWEEN:
            return False
        self._done[what] = now
        return True

    def _write_use(self, identity_id: str) -> None:
        if self._identities is None:
            return
        try:
            self._identities.note_use(identity_id)
        except LocardError as error:
            log.warning("the last use of %s could not be noted: %s", identity_id, error)
