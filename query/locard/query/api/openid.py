"""Callers whom an OpenID Connect provider vouches for, by signed tokens (RFC 9068, OIDC Core 1.0).

The provider's keys are fetched from the address that it publishes (OIDC Discovery 1.0), when the
first token comes and again when a token names a key that is not known; that is the only network
call, and there is none where no provider is configured. A token is good if one of those keys signed
it, for this audience, and it has not expired. What its bearer may do is in two of its claims; a
token without a role may nothing, and one without workflows sees nothing.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

import jwt

from locard.query.api.callers import PERMISSIONS, Caller
from locard.schema import CannotContinue, RetryableError

ALL_WORKFLOWS: Final = "*"
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
                      "ES512", "EdDSA")  # fmt: skip
"""Only those of which the provider publishes one half: no secret is shared, and `none` is none."""
_REQUIRED: Final = ("exp", "iss", "aud", "sub")
_LEEWAY_SECONDS: Final = 30  # by which the clocks of the two may differ
_FETCH_SECONDS: Final = 10
_SECONDS_BETWEEN_FETCHES: Final = 30
_LARGEST_DISCOVERY: Final = 1024 * 1024
_LONGEST_SUBJECT: Final = 255  # OIDC Core 1.0, section 2; cut off, two could be one in the trail


@dataclass(frozen=True)
class Provider:
    """Who is believed, and what of a token says what.

    Args:
        issuer: the provider's address, exactly as its tokens have it in `iss`.
        audience: the name by which it knows this API; a token for another one is not good here.
        role_claim: the claim with the role, or with a list in which exactly one is a role.
        workflows_claim: the claim with the names of workflows, a list or one text; `*` is all.
    """

    issuer: str
    audience: str
    role_claim: str = "locard_role"
    workflows_claim: str = "locard_workflows"


class OpenIdConnect:
    """The authority of tokens that a provider signed.

    Args:
        clock: of seconds, which paces how often new keys are asked for.
    """

    def __init__(self, provider: Provider, clock: Callable[[], float] = time.monotonic) -> None:
        self._provider = provider
        self._clock = clock
        self._ask_again_at = clock()
        self._keys: jwt.PyJWKClient | None = None
        self._lock = Lock()

    def caller(self, token: str) -> Caller | None:
        """Return whom the provider says this is; `None` where the token is not good.

        Raises:
            RetryableError: the provider's keys cannot be fetched now.
            CannotContinue: what it publishes is not what OpenID Connect says it is.
        """
        if not self._is_of_the_issuer(token):
            return None
        try:
            key = self._signing_key(jwt.get_unverified_header(token).get("kid"))
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                audience=self._provider.audience,
                issuer=self._provider.issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": list(_REQUIRED)},
            )
        except jwt.PyJWKClientConnectionError as error:
            raise self._unreachable() from error
        except jwt.PyJWTError:  # a key that is not the provider's, too
            return None
        return self._caller(claims)

    def _is_of_the_issuer(self, token: str) -> bool:
        """Say whether a token claims to be the provider's: no other makes anybody fetch keys."""
        try:
            claims = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, RecursionError):
            return False
        return claims.get("iss") == self._provider.issuer

    def _caller(self, claims: Mapping[str, Any]) -> Caller | None:
        roles = [role for role in _texts(claims.get(self._provider.role_claim))
                 if role in PERMISSIONS and role != "collector"]  # fmt: skip
        if len(set(roles)) != 1:  # none, or several: which one is meant is not ours to guess
            return None
        if len(claims["sub"]) > _LONGEST_SUBJECT:
            return None
        workflows = _texts(claims.get(self._provider.workflows_claim))
        scope = None if ALL_WORKFLOWS in workflows else frozenset(workflows)
        return Caller(f"oidc:{claims['sub']}", roles[0], scope)

    def _signing_key(self, key_id: object) -> jwt.PyJWK | None:
        """Return the provider's key of this id, asking for new ones where it is not known.

        Not more often than now and then, since anybody can name a key that nobody knows.
        """
        if not isinstance(key_id, str):
            return None
        keys = self._known_keys()
        found = keys.match_kid(keys.get_signing_keys(), key_id)
        if found is None and self._may_ask_again():
            found = keys.match_kid(keys.get_signing_keys(refresh=True), key_id)
        return found

    def _may_ask_again(self) -> bool:
        with self._lock:
            now = self._clock()
            if now < self._ask_again_at:
                return False
            self._ask_again_at = now + _SECONDS_BETWEEN_FETCHES
            return True

    def _known_keys(self) -> jwt.PyJWKClient:
        with self._lock:
            if self._keys is None:
                self._keys = jwt.PyJWKClient(self._keys_address(), timeout=_FETCH_SECONDS)
            return self._keys

    def _keys_address(self) -> str:
        address = f"{self._provider.issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            with urllib.request.urlopen(address, timeout=_FETCH_SECONDS) as answer:  # noqa: S310 - configured
                found = json.loads(answer.read(_LARGEST_DISCOVERY))
        except OSError as error:
            raise self._unreachable() from error
        except ValueError as error:
            raise self._unusable("is not JSON") from error
        if not isinstance(found, dict) or found.get("issuer") != self._provider.issuer:
            raise self._unusable("is of another issuer; configure the one that it names")
        keys = found.get("jwks_uri")
        if not isinstance(keys, str) or not keys.startswith(("https://", "http://")):
            raise self._unusable("names no keys")
        return keys

    def _unreachable(self) -> RetryableError:
        return RetryableError(
            f"the keys of {self._provider.issuer} cannot be fetched; see that it can be reached"
        )

    def _unusable(self, why: str) -> CannotContinue:
        return CannotContinue(f"what {self._provider.issuer} publishes about itself {why}")


def _texts(claim: object) -> list[str]:
    """Return the texts of a claim that is one or a list of them."""
    if isinstance(claim, str):
        return [claim]
    if isinstance(claim, list):
        return [item for item in claim if isinstance(item, str)]
    return []
