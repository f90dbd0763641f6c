"""Who outside vouches for a log: witnesses that cosigned it, authorities that stamped the time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from locard.evidence.anchors.stamping import stamped_at
from locard.evidence.notes import Checkpoint, Note, NoteError, VerifierKey
from locard.evidence.transparency_log import CHECKPOINT
from locard.evidence.verifier.findings import Report, Verdict
from locard.evidence.verifier.trust import TrustPolicy
from locard.schema import rfc3339


def check_witnesses(note: Note, policy: TrustPolicy, report: Report) -> None:
    """See who outside vouches for the checkpoint, and since when."""
    vouching: dict[str, int] = {}
    for key in policy.witness_keys:
        try:
            vouching |= _named(note.verified([key]))
        except NoteError as error:
            report.add(Verdict.ALTERED, f"under the checkpoint {error}", file=CHECKPOINT)
    report.facts["witnesses"] = vouching
    if len(vouching) < policy.witnesses.quorum:
        report.add(
            Verdict.UNANCHORED,
            f"{len(vouching)} witnesses vouch for the checkpoint and the policy asks for "
            f"{policy.witnesses.quorum}",
            file=CHECKPOINT,
        )


def check_timestamps(
    stamps: Iterable[tuple[int, bytes]],
    policy: TrustPolicy,
    root_at: Callable[[int], bytes],
    report: Report,
) -> None:
    """See which time stamps there are on the log as it was at some sizes."""
    told: list[dict[str, Any]] = []
    origin = policy.log_keys[0].name
    wanted = policy.timestamps
    for size, response in stamps if wanted.certificates else ():
        moment = stamped_at(response, Checkpoint(origin, size, root_at(size)), wanted.certificates)
        if moment is None:
            report.add(Verdict.ALTERED, "a time stamp is not of this log at this size", size=size)
        else:
            told.append({"size": size, "at": rfc3339(moment)})
    report.facts["timestamps"] = told
    if wanted.required and not told:
        report.add(
            Verdict.UNANCHORED,
            "no time stamp is there and the policy asks for one",
            file="timestamps",
        )


def _named(signed: Mapping[VerifierKey, int | None]) -> dict[str, int]:
    return {key.name: moment for key, moment in signed.items() if moment is not None}
