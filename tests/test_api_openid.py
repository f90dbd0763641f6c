"""Callers whom an OpenID Connect provider vouches for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi.testclient import TestClient

from locard.query.api import Caller, query_app
from locard.query.api.openid import OpenIdConnect, Provider
from locard.schema import CannotContinue, RetryableError


class ProviderOnLoopback:
    """A provider with keys of its own, which publishes them as a real one does."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.published: dict[str, Any] = {}
        self.requests: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append(self.path)
                body = json.dumps(outer.answer(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}/realms/example"
        self.discovery: Any = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.add_key("first")

    def answer(self, path: str) -> Any:
        """Return what is published at this path."""
        return {"keys": list(self.published.values())} if path.endswith("/keys") else self.discovery

    def add_key(self, name: str) -> None:
        """Make a key, and publish its public half."""
        self.keys[name] = rsa.generate_private_key(65537, 2048)
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.keys[name].public_key(), as_dict=True)
        self.published[name] = {**public, "kid": name, "use": "sig", "alg": "RS256"}

    def token(self, key: str = "first", **claims: Any) -> str:
        """Sign a token; a claim that is `None` is left out."""
        told = {
            "iss": self.issuer, "aud": "locard", "sub": "ana", "exp": time.time() + 600,
            "locard_role": "responder", "locard_workflows": ["billing"], **claims,
        }  # fmt: skip
        told = {name: value for name, value in told.items() if value is not None}
        return jwt.encode(told, self.keys[key], algorithm="RS256", headers={"kid": key})


@pytest.fixture
def provider() -> Iterator[ProviderOnLoopback]:
    """A provider that answers."""
    found = ProviderOnLoopback()
    yield found
    found.server.shutdown()
    found.server.server_close()


def authority(provider: ProviderOnLoopback, **settings: str) -> OpenIdConnect:
    return OpenIdConnect(Provider(provider.issuer, "locard", **settings))


def test_a_token_says_who_asks_in_which_role_and_what_they_may_see(provider):
    """The name has a prefix, so that no provider can name a caller like one of the registry."""
    found = authority(provider).caller(provider.token())
    assert found == Caller("oidc:ana", "responder", frozenset({"billing"}))


def test_a_star_is_every_workflow_and_no_claim_is_none(provider):
    known = authority(provider)
    assert known.caller(provider.token(locard_workflows="*")).workflows is None
    assert known.caller(provider.token(locard_workflows=None)).workflows == frozenset()


def test_the_claims_can_have_other_names(provider):
    """Providers put roles of several applications into one list."""
    known = authority(provider, role_claim="groups", workflows_claim="teams")
    told = provider.token(groups=["staff", "auditor"], teams=["billing", "mail"])
    assert known.caller(told) == Caller("oidc:ana", "auditor", frozenset({"billing", "mail"}))


def _with_the_public_key_as_a_secret(provider: ProviderOnLoopback) -> str:
    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    header = part(json.dumps({"alg": "HS256", "kid": "first", "typ": "JWT"}).encode())
    claims = provider.token().split(".")[1]
    secret = json.dumps(provider.published["first"]).encode()
    mac = hmac.new(secret, f"{header}.{claims}".encode(), hashlib.sha256).digest()
    return f"{header}.{claims}.{part(mac)}"


def _signed_by_another_key(provider: ProviderOnLoopback) -> str:
    claims = jwt.decode(provider.token(), options={"verify_signature": False})
    return jwt.encode(claims, rsa.generate_private_key(65537, 2048), "RS256", {"kid": "first"})


def _of_another_kind_of_key(provider: ProviderOnLoopback) -> str:
    claims = jwt.decode(provider.token(), options={"verify_signature": False})
    return jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), "ES256", {"kid": "first"})


def _changed(provider: ProviderOnLoopback) -> str:
    header, _, signature = provider.token().split(".")
    return f"{header}.{provider.token(locard_role='admin').split('.')[1]}.{signature}"


def _unsigned(provider: ProviderOnLoopback) -> str:
    claims = jwt.decode(provider.token(), options={"verify_signature": False})
    return jwt.encode(claims, None, algorithm="none")


def _nested(provider: ProviderOnLoopback, part: int) -> str:
    parts = provider.token().split(".")
    parts[part] = base64.urlsafe_b64encode(b"[" * 40_000).rstrip(b"=").decode()
    return ".".join(parts)


@pytest.mark.parametrize(
    "forge",
    [
        _signed_by_another_key,
        _of_another_kind_of_key,
        _with_the_public_key_as_a_secret,
        _changed,
        _unsigned,
        lambda p: p.token(exp=time.time() - 3600),
        lambda p: p.token(exp=None),
        lambda p: p.token(nbf=time.time() + 3600),
        lambda p: p.token(aud="another-api"),
        lambda p: p.token(aud=None),
        lambda p: p.token(iss="https://elsewhere.example"),
        lambda p: p.token(iss=None),
        lambda p: p.token(sub=None),
        lambda p: p.token(sub="a" * 256),
        lambda p: p.token(locard_role=None),
        lambda p: p.token(locard_role="root"),
        lambda p: p.token(locard_role="collector"),
        lambda p: p.token(locard_role={"admin": True}),
        lambda p: p.token(locard_role=["responder", "admin"]),
        lambda p: "not.a.token",
        lambda p: "",
        lambda p: "\udcff" * 10,
        lambda p: "." * 100_000,
        lambda p: _nested(p, 0),
        lambda p: _nested(p, 1),
    ],
)
def test_a_token_that_is_not_wholly_right_is_nobodys(provider, forge):
    assert authority(provider).caller(forge(provider)) is None


def test_keys_may_be_rotated_and_are_otherwise_asked_for_once(provider):
    known = authority(provider)
    for _ in range(5):
        assert known.caller(provider.token())
    assert len(provider.requests) == 2
    provider.add_key("second")
    assert known.caller(provider.token("second"))
    assert len(provider.requests) == 3


def test_keys_that_nobody_knows_do_not_have_the_provider_asked_each_time(provider):
    """Anybody can name one. After half a minute it may have been rotated in."""
    now = [0.0]
    known = OpenIdConnect(Provider(provider.issuer, "locard"), clock=lambda: now[0])
    provider.keys["unknown"] = provider.keys["first"]
    for _ in range(10):
        assert known.caller(provider.token("unknown")) is None
    assert len(provider.requests) == 3
    provider.add_key("unknown")
    now[0] = 31.0
    assert known.caller(provider.token("unknown"))


def test_a_token_of_somebody_else_makes_nobody_ask_the_provider(provider):
    """Else whoever sends nonsense could have this machine send requests."""
    known = authority(provider)
    assert known.caller("locard-1234567890") is None
    assert known.caller(provider.token(iss="https://elsewhere.example")) is None
    assert provider.requests == []


def test_a_provider_that_is_away_is_not_a_wrong_token(provider):
    token = provider.token()
    known = authority(provider)
    provider.server.shutdown()
    provider.server.server_close()
    with pytest.raises(RetryableError, match="cannot be fetched"):
        known.caller(token)


@pytest.mark.parametrize(
    "discovery",
    [
        [],
        {"issuer": "https://elsewhere.example"},
        {"issuer": ..., "jwks_uri": "file:///etc/passwd"},
    ],
)
def test_a_provider_that_publishes_something_else_is_said_to(provider, discovery):
    if isinstance(discovery, dict) and discovery["issuer"] is ...:
        discovery = {**discovery, "issuer": provider.issuer}
    provider.discovery = discovery
    with pytest.raises(CannotContinue, match="publishes about itself"):
        authority(provider).caller(provider.token())


def test_the_api_takes_such_tokens_and_says_when_the_provider_is_away(provider, tmp_path):
    """Away is 503, which a client tries again; a wrong token is 401, which it does not."""
    client = TestClient(query_app(tmp_path / "lake", authority(provider)))

    def status(token: str) -> int:
        return client.get("/v1/questions", headers={"Authorization": f"Bearer {token}"}).status_code

    assert status(provider.token(locard_role="collector")) == 401
    assert status(provider.token()) == 200
    provider.server.shutdown()
    provider.server.server_close()
    assert status(provider.token()) == 200  # its keys are known
    away = TestClient(query_app(tmp_path / "lake", authority(provider)))
    given = {"Authorization": f"Bearer {provider.token()}"}
    assert away.get("/v1/questions", headers=given).status_code == 503
