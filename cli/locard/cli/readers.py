"""Who may ask the API: the token of the installation, identities whose role is to read, and those
whom an OpenID Connect provider vouches for, where one is configured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from locard.cli.settings import Settings
from locard.schema import CannotContinue

if TYPE_CHECKING:
    from locard.ingest.identities import IdentityRegistry
    from locard.query.api import Authority, Caller
    from locard.query.api.callers import OneToken


class Readers:
    """The authority of the API.

    Args:
        identities: those of `locard identity`; a collector's token is nobody's here.
        one: the token of the installation.
        provider: who vouches for others, if anybody.
    """

    def __init__(
        self, identities: IdentityRegistry, one: OneToken, provider: Authority | None = None
    ) -> None:
        self._identities = identities
        self._one = one
        self._provider = provider

    def caller(self, token: str) -> Caller | None:
        """Return whose token this is.

        Raises:
            LocardError: identities, or the provider's keys, cannot be looked up now.
        """
        from locard.query.api import Caller

        if (found := self._one.caller(token)) is not None:
            return found
        identity = self._identities.identify(token)
        if identity is None:
            return self._provider.caller(token) if self._provider else None
        if identity.role == "collector":
            return None
        return Caller(identity.identity, identity.role, identity.workflows)


@contextmanager
def readers(settings: Settings, token: str) -> Iterator[Readers]:
    """Give the authority of this installation.

    Args:
        token: of the installation, whose holder may see everything.
    """
    from locard.cli.identities import identity_registry
    from locard.query.api.callers import OneToken

    with identity_registry(settings) as identities:
        yield Readers(identities, OneToken(token), _provider(settings))


def _provider(settings: Settings) -> Authority | None:
    if settings.oidc_issuer is None:
        return None
    try:
        from locard.query.api.openid import OpenIdConnect, Provider
    except ImportError as error:
        raise CannotContinue(
            "a provider is configured, and what checks its tokens is not installed; "
            "install locard[oidc]"
        ) from error
    return OpenIdConnect(
        Provider(
            settings.oidc_issuer,
            settings.oidc_audience,
            settings.oidc_role_claim,
            settings.oidc_workflows_claim,
        )
    )
