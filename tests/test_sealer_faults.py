"""The sealer fails, or is killed, at each of its system calls: it leaves a log that verifies.

After Tessera's fault tests (transparency-dev/tessera, integration/fault/posix).
"""

from __future__ import annotations

import pytest

import faulty_syscalls
from attacks.installation import Installation, said
from locard.evidence.verifier import Verdict
from test_syscall_faults import MOST_CALLS, one_fault, pytestmark

assert pytestmark

FAULTS = {
    "openat": "error=EMFILE",
    "write": "error=ENOSPC",
    "fsync": "error=EIO",
    "rename,renameat,renameat2": "error=EIO",
    "mkdir,mkdirat": "error=ENOSPC",
    "unlink,unlinkat": "error=EIO",
    "close": "error=EIO",
}
KILLED = "signal=KILL"


def installation(home) -> Installation:
    """Return a lake of which one segment is sealed and two are not."""
    one = Installation(home, [])
    one.publish(said(), said())
    one.seal()
    one.kept.append(one.checkpoint())
    one.publish(said())
    one.publish(said(), said())
    return one


@pytest.mark.parametrize("fault", ["fails", "is killed"])
@pytest.mark.parametrize("calls", FAULTS)
def test_a_sealer_that_stops_at_any_call_leaves_a_log_that_verifies(tmp_path, calls, fault):
    """At once, with what was sealed before; and whole, when the next sealer has gone on."""
    stopped = 0
    for number in range(1, MOST_CALLS):
        one = installation(tmp_path / str(number))
        how = FAULTS[calls] if fault == "fails" else KILLED
        hit, status = one_fault(faulty_syscalls.sealing, one.lake, calls, how, number)
        if not hit:
            assert status == 0
            break
        stopped += 1
        report = one.verify(*one.kept)
        assert report.is_whole, report.findings
        assert report.verdicts() <= {Verdict.UNSEALED}
        one.seal()
        report = one.verify(*one.kept)
        assert not report.findings
        assert len(report.segments) == 3
    assert stopped or calls.startswith(("mkdir", "unlink")), "no such call was made"
