"""Identities: which workflow, and which agent of it, a sender of events speaks for.

An identity has a token, of which only the SHA-256 is kept, and the ids of the keys that its
recorders sign with. They live in one SQLite file, which several processes may use.
"""

from __future__ import annotations

from locard.ingest.identities.record import ALL_WORKFLOWS, ROLES, Identity, Issued
from locard.ingest.identities.registry import IdentityRegistry

__all__ = ["ALL_WORKFLOWS", "ROLES", "Identity", "IdentityRegistry", "Issued"]
