"""Who may ask the API: the token of the installation, and identities whose role is to read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from locard.cli.settings import Settings

if TYPE_CHECKING:
    from locard.ingest.identities import IdentityRegistry
    from locard.query.api import Caller
    from locard.query.api.callers import OneToken


class Readers:
    """The authority of the API.

    Args:
        identities: those of `locard identity`; a collector's token is nobody's here.
        one: the token of the installation.
    """

    def __init__(self, identities: IdentityRegistry, one: OneToken) -> None:
        self._identities = identities
        self._one = one

    def caller(self, token: str) -> Caller | None:
        """Return whose token this is.

        Raises:
            LocardError: identities cannot be looked up now.
        """
        from locard.ingest.identities import ALL_WORKFLOWS
        from locard.query.api import Caller

        if (found := self._one.caller(token)) is not None:
            return found
        identity = self._identities.identify(token)
        if identity is None or identity.role == "collector":
            return None
        is_all = identity.workflow_id == ALL_WORKFLOWS
        workflows = None if is_all else frozenset({identity.workflow_id})
        return Caller(identity.identity, identity.role, workflows)


@contextmanager
def readers(settings: Settings, token: str) -> Iterator[Readers]:
    """Give the authority of this installation.

    Args:
        token: of the installation, whose holder may see everything.
    """
    from locard.cli.identities import identity_registry
    from locard.query.api.callers import OneToken

    with identity_registry(settings) as identities:
        yield Readers(identities, OneToken(token))
