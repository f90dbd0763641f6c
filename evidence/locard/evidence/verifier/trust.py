"""The trust policy: whom a verifier believes, and what it asks for. A TOML file, kept apart.

[log]
keys = ["example.com/locard+1f0e3dad+AYp…"]     # verifier keys of the log (C2SP signed-note)
[custody]
keys = ["ed25519:…"]                            # who may take something out of the record
[witnesses]
keys = ["witness.example+d8f2…+BC…"]            # cosigners (C2SP tlog-cosignature)
quorum = 1                                      # so many of them must have signed
[timestamps]
certificates = ["tsa-root.pem"]                 # roots of time stamping authorities (RFC 3161)
required = true
[refuse]
verdicts = ["UNSEALED", "DECLARED_LOSS"]        # beside those that are always refused
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from locard.evidence.keys import EvidenceKeys
from locard.evidence.notes import NoteError, VerifierKey
from locard.evidence.signing import is_signing_key_id
from locard.evidence.verifier.findings import Verdict
from locard.schema import read_policy_file


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class _Log(_Table):
    keys: Annotated[tuple[str, ...], Field(min_length=1)]

    @field_validator("keys")
    @classmethod
    def _are_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        return _checked(keys)


class _Custody(_Table):
    keys: tuple[str, ...] = ()

    @field_validator("keys")
    @classmethod
    def _are_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        if not all(map(is_signing_key_id, keys)):
            raise ValueError("a custody key reads `ed25519:` and 43 characters")
        return keys


class _Witnesses(_Table):
    keys: tuple[str, ...] = ()
    quorum: Annotated[int, Field(ge=0)] = 0

    @field_validator("keys")
    @classmethod
    def _are_keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        return _checked(keys)


class _Timestamps(_Table):
    certificates: tuple[Path, ...] = ()
    required: bool = False


class _Refuse(_Table):
    verdicts: tuple[Literal["UNSEALED", "DECLARED_LOSS"], ...] = ()


class TrustPolicy(_Table):
    """Whom a verifier believes; see the module."""

    log: _Log
    custody: _Custody = _Custody()
    witnesses: _Witnesses = _Witnesses()
    timestamps: _Timestamps = _Timestamps()
    refuse: _Refuse = _Refuse()

    @property
    def log_keys(self) -> list[VerifierKey]:
        """The keys of the log."""
        return [VerifierKey.parse(key) for key in self.log.keys]

    @property
    def witness_keys(self) -> list[VerifierKey]:
        """The keys of the witnesses."""
        return [VerifierKey.parse(key) for key in self.witnesses.keys]

    @property
    def refused(self) -> frozenset[Verdict]:
        """Verdicts that are let pass by default and here are not."""
        return frozenset(map(Verdict, self.refuse.verdicts))


def read_trust(path: Path) -> TrustPolicy:
    """Return the trust policy in a file.

    Raises:
        CannotContinue: it cannot be read or is none.
    """
    return read_policy_file(
        path, "trust policy", TrustPolicy.model_validate, "nothing can be verified without it"
    )


def _checked(keys: tuple[str, ...]) -> tuple[str, ...]:
    for key in keys:
        try:
            VerifierKey.parse(key)
        except NoteError as error:
            raise ValueError(str(error)) from None
    return keys


def own_policy(keys: EvidenceKeys) -> TrustPolicy:
    """Return a policy that believes the keys of an installation, and asks for nothing more."""
    return TrustPolicy.model_validate(
        {
            "log": {"keys": [str(key) for key in keys.log_verifiers()]},
            "custody": {"keys": [keys.custody_key().key_id]},
        }
    )


def trust_text(policy: TrustPolicy) -> str:
    """Return a policy as the file that it can be read from."""
    told = [f"[log]\nkeys = {_array(policy.log.keys)}"]
    told.append(f"[custody]\nkeys = {_array(policy.custody.keys)}")
    told.append(
        f"[witnesses]\nkeys = {_array(policy.witnesses.keys)}\nquorum = {policy.witnesses.quorum}"
    )
    return "\n\n".join(told) + "\n"


def _array(texts: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"
