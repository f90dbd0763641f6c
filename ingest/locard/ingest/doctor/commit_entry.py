"""Whether an entry of the Delta log is whole. Pure.

A power cut can leave the newest entry empty, full of zeros or cut short, as delta-rs does not sync
it; the publisher does, and says nothing is done before. Cut at the end of a line it is still JSON,
so it is also held against what it says of itself: the manifests of segments, or of a rewrite.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from locard.ingest.lake import MANIFESTS_KEY
from locard.ingest.segments import application_id
from locard.ingest.upkeep.rewriting import UPKEEP_KEY

Fault = Literal["void", "torn", "partial"]
"""`void`: says nothing; `torn`: no JSON; `partial`: not all of what it says it does."""


def fault_of(data: bytes) -> Fault | None:
    """Return what is wrong with the bytes of an entry, or `None`."""
    try:
        actions = [json.loads(line) for line in data.splitlines() if line.strip()]
    except ValueError:
        return "torn"
    if not all(isinstance(action, dict) for action in actions):
        return "torn"
    if not actions:
        return "void"
    try:
        return None if _is_whole(actions) else "partial"
    except (KeyError, TypeError, ValueError, AttributeError):
        return "partial"


def _is_whole(actions: Sequence[Mapping[str, Any]]) -> bool:
    told = {key: value for action in actions for key, value in action.get("commitInfo", {}).items()}
    added = [action["add"] for action in actions if "add" in action]
    if MANIFESTS_KEY in told:
        manifests = json.loads(told[MANIFESTS_KEY])
        positions = {one["txn"]["appId"]: one["txn"]["version"] for one in actions if "txn" in one}
        rows = sum(json.loads(add["stats"])["numRecords"] for add in added)
        ends = {
            application_id(manifest["topic_id"], manifest["partition"]): manifest["next_offset"]
            for manifest in manifests
        }
        is_there = all(positions.get(name) == end for name, end in ends.items())
        return is_there and rows == sum(manifest["rows"] for manifest in manifests)
    if UPKEEP_KEY in told:
        rewrite = json.loads(told[UPKEEP_KEY])
        removed = sum("remove" in action for action in actions)
        return (len(added), removed) == (rewrite["became"], rewrite["files"])
    return True
