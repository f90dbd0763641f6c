"""What a commit of the lake says that belongs into the transparency log. Pure, but for reading."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import unquote

from locard.evidence.custody import CUSTODY_KEY
from locard.ingest.delta import LOG
from locard.ingest.lake import MANIFESTS_KEY
from locard.ingest.lake_store import LakeStore
from locard.ingest.upkeep.rewriting import UPKEEP_KEY
from locard.schema import EvidenceGap, RetryableError

CHANGE_FORMAT: Final = "locard-change/1"
REWRITE_FORMAT: Final = "locard-rewrite/1"


@dataclass(frozen=True)
class Commit:
    """One version of the lake.

    Args:
        manifests: of the segments that it adds, in their order.
        statements: of custody.
        added: paths of the files that it adds, relative to the lake.
        removed: likewise.
        is_rewrite: whether upkeep made it.
        committed_at: seconds since 1970, by the clock of who committed; 0 where it does not say.
    """

    version: int
    manifests: Sequence[Mapping[str, Any]]
    statements: Sequence[Mapping[str, Any]]
    added: Sequence[str]
    removed: Sequence[str]
    is_rewrite: bool
    committed_at: float

    @property
    def rewrite(self) -> dict[str, Any]:
        """What the log says of files that were written anew: that they were, and how many."""
        return {
            "format": REWRITE_FORMAT,
            "table_version": self.version,
            "added": _named(self.added),
            "removed": _named(self.removed),
        }


def read_commit(store: LakeStore, version: int) -> Commit:
    """Return what a version of the lake says.

    Raises:
        EvidenceGap: its entry is gone, so that its manifests are nowhere any more.
        RetryableError: it cannot be read now.
    """
    path = f"{LOG}/{version:020}.json"
    try:
        with store.files.open_input_stream(path) as file:
            lines = file.readall().splitlines()
        actions = [json.loads(line) for line in lines if line.strip()]
    except FileNotFoundError as error:
        raise EvidenceGap(
            f"entry {version} of the log of the lake at {store.place} is gone before it was "
            "sealed; put it back from a copy, then seal again"
        ) from error
    except (OSError, ValueError) as error:
        raise RetryableError(
            f"entry {version} of the log of the lake at {store.place} cannot be read: "
            f"{type(error).__name__}; see `locard doctor`, then seal again"
        ) from error
    told = {key: value for action in actions for key, value in action.get("commitInfo", {}).items()}
    return Commit(
        version,
        json.loads(told.get(MANIFESTS_KEY, "[]")),
        json.loads(told.get(CUSTODY_KEY, "[]")),
        [unquote(action["add"]["path"]) for action in actions if "add" in action],
        [unquote(action["remove"]["path"]) for action in actions if "remove" in action],
        UPKEEP_KEY in told,
        told.get("timestamp", 0) / 1000,
    )


def _named(paths: Sequence[str]) -> dict[str, Any]:
    joined = "\n".join(sorted(paths)).encode()
    return {"files": len(paths), "sha256": sha256(joined).hexdigest()}
