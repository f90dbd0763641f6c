"""Who asks, and what each role may ask.

A caller has one role, and a scope: all workflows, or some. The scope holds for every answer, since
the lake is opened with nothing else in it (`locard.query.connect`); the role decides which
questions can be asked at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, Protocol, TypeAlias

Role: TypeAlias = Literal["collector", "responder", "analyst", "auditor", "admin"]


class Permission(StrEnum):
    """What a route asks of its caller."""

    READ = "read"
    """Sessions, timelines, the questions of the catalogue, the inventory."""
    INVESTIGATE = "investigate"
    """What made an action happen, and what a text reached."""
    QUERY = "query"
    """SQL of the caller's own."""
    CASES = "work on cases"
    """Cases: to open, read, add to and export them."""
    AUDIT = "audit"
    """How whole the record is, and who looked at it: no content of agents."""


_ALL: Final = frozenset(Permission)
PERMISSIONS: Final[Mapping[str, frozenset[Permission]]] = {
    "collector": frozenset(),
    "responder": frozenset(
        {Permission.READ, Permission.INVESTIGATE, Permission.QUERY, Permission.CASES}
    ),
    "analyst": frozenset({Permission.READ, Permission.QUERY}),
    "auditor": frozenset({Permission.AUDIT}),
    "admin": _ALL,
}
"""What each role may; a role that is not here may nothing."""

AUDITED: Final = frozenset({"whole", "approvals", "who-looked"})
"""The questions of the catalogue that an auditor may ask."""


@dataclass(frozen=True)
class Caller:
    """Somebody who presented a credential that is good.

    Args:
        name: by which the access trail knows them.
        workflows: what they may see of; `None` is all.
    """

    name: str
    role: str
    workflows: frozenset[str] | None = field(default=None)

    def may(self, permission: Permission) -> bool:
        """Return whether their role has this permission."""
        return permission in PERMISSIONS.get(self.role, frozenset())


class Authority(Protocol):
    """Tells whose credential this is."""

    def caller(self, token: str) -> Caller | None:
        """Return who presents it; `None` where it is nobody's, or not good any more."""


class OneToken:
    """The authority of an installation with one token, whose holder may see everything.

    Args:
        token: what callers have to present.

    Raises:
        ValueError: it is empty, which would let everybody in.
    """

    def __init__(self, token: str) -> None:
        if not token:
            raise ValueError("the API needs a token")
        self._token = token.encode()

    def caller(self, token: str) -> Caller | None:
        """Return its holder, in a time that does not depend on how much of it is right."""
        import secrets

        is_right = secrets.compare_digest(token.encode("latin-1", "replace"), self._token)
        return Caller("api-token", "admin") if is_right else None
