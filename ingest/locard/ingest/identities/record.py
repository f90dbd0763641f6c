"""What an identity is, and how its id and its tokens are written. Pure but for the randomness."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from locard.schema import CannotContinue

ROLES: Final = ("collector", "responder", "analyst", "auditor", "admin")
"""What an identity may do: send events, or ask questions; see `docs/api.md`."""

ALL_WORKFLOWS: Final = "*"
"""Instead of a workflow: a reader of all of them."""

_TOKEN_BYTES: Final = 32
_TOKEN: Final = re.compile(r"locard_[A-Za-z0-9_-]{43}")  # the prefix is for secret scanners
_LONGEST_NAME: Final = 200
_LONGEST_SLUG: Final = 40
_NOT_IN_A_SLUG: Final = re.compile(r"[^A-Za-z0-9._]+")


@dataclass(frozen=True, slots=True)
class Identity:
    """What one token stands for.

    Args:
        identity: its id, such as `payments/payer-4f2a9c`; events carry it as their `principal`.
        workflow_id: the one workflow that it may send events of, or the first it may read.
        agent_id: the one agent, or `None` for every agent of the workflow.
        name: what its owner calls it.
        used_at: when its token was last presented, to the minute.
        keys: ids of the signing keys that are registered with it.
        revoked_keys: ids of those that were, and must not be believed any more.
        more_workflows: of a reader, the others it may read.
    """

    identity: str
    workflow_id: str
    agent_id: str | None
    role: str
    name: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None
    keys: tuple[str, ...] = ()
    revoked_keys: tuple[str, ...] = ()
    more_workflows: tuple[str, ...] = ()

    @property
    def workflows(self) -> frozenset[str] | None:
        """What a reader may see of; `None` is all."""
        if self.workflow_id == ALL_WORKFLOWS:
            return None
        return frozenset({self.workflow_id, *self.more_workflows})

    @property
    def signs(self) -> bool:
        """Whether its recorders have to sign.

        A revoked key counts: whoever stole key and token must not be believed for leaving the
        signature out.
        """
        return bool(self.keys or self.revoked_keys)

    def state(self, now: datetime) -> Literal["valid", "expired", "revoked"]:
        """Say whether its tokens are good at this moment."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= now:
            return "expired"
        return "valid"


@dataclass(frozen=True, slots=True)
class Issued:
    """An identity with a token that was made for it, and is kept nowhere."""

    identity: Identity
    token: str = field(repr=False)


def new_token() -> str:
    """Return a token of 256 random bits."""
    return f"locard_{secrets.token_urlsafe(_TOKEN_BYTES)}"


def is_token(text: str) -> bool:
    """Say whether a text has the form of a token."""
    return _TOKEN.fullmatch(text) is not None


def token_digest(token: str) -> bytes:
    """Return what is kept of a token: nobody can guess 256 bits, so a plain hash will do."""
    return hashlib.sha256(token.encode()).digest()


def new_identity_id(workflow_id: str, agent_id: str | None) -> str:
    """Return a readable id; two calls give two ids."""
    names = [_slug(name) for name in (workflow_id, agent_id) if name]
    return f"{'/'.join(names)}-{secrets.token_hex(3)}"


def check_role(role: str) -> None:
    """Return if there is such a role.

    Raises:
        CannotContinue: there is none.
    """
    if role not in ROLES:
        raise CannotContinue(f"there is no such role; use {' or '.join(ROLES)}")


def check_name(what: str, name: str) -> None:
    """Return if this can be the name of a workflow, an agent or an identity.

    Raises:
        CannotContinue: it is empty, too long, or has characters that do not show.
    """
    if not name or name != name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise CannotContinue(
            f"the {what} is empty, longer than {_LONGEST_NAME} characters, or has blanks around it "
            "or characters that do not show; choose a plain name"
        )


def _slug(name: str) -> str:
    return _NOT_IN_A_SLUG.sub("-", name).strip("-")[:_LONGEST_SLUG] or "x"
