"""Each system call of a publish and of a rewrite fails once; nothing is lost or doubled by it.

strace makes the calls fail. It counts them for each thread by itself, so in one run the first call
of several threads may fail.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import time
from datetime import timedelta
from pathlib import Path
from unittest import mock

import pytest

import faulty_syscalls
from locard.ingest.doctor import examine_files, examine_log
from locard.ingest.lake import LakeWriter
from locard.ingest.upkeep import upkeep
from test_upkeep import NEXT_DAY, numbers, publish

STRACE = shutil.which("strace")
pytestmark = pytest.mark.skipif(
    STRACE is None and "strace" not in os.environ.get("LOCARD_REQUIRE", ""),
    reason="strace makes system calls fail; install it",
)
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["faulty_writing", "faulty_syscalls"])
SECONDS_TO_END = 1.0
SECONDS_TO_ATTACH = 60.0
MOST_CALLS = 60  # of one kind in one thread
CALLS = {
    "openat": "EMFILE",
    "write": "ENOSPC",
    "fsync": "EIO",
    "rename,renameat,renameat2": "EIO",
    "link,linkat": "EIO",
}


def one_fault(work, path: Path, calls: str, fault: str, number: int) -> tuple[bool, int | None]:
    """Let one process work with a fault at its n-th such call; say whether it came to that.

    Args:
        fault: as strace has it, such as `error=EIO` or `signal=KILL`.

    Returns:
        Whether there was such a call, and the exit status of the process.
    """
    ours, theirs = _PROCESSES.Pipe()
    process = _PROCESSES.Process(target=work, args=(path, theirs))
    with mock.patch.dict(os.environ, PYTHONPATH=str(Path(__file__).parent)):
        process.start()
    told = path.parent / "strace"
    with subprocess.Popen(
        [str(STRACE), "-f", "-qq", "-o", str(told), "-e", f"trace={calls}",
         "-e", f"inject={calls}:{fault}:when={number}", "-p", str(ours.recv())],
        stderr=subprocess.PIPE,
    ) as strace:  # fmt: skip
        _wait_until_attached(strace, process.pid)
        ours.send("go")
        process.join(SECONDS_TO_END)
        if process.exitcode is None and "(INJECTED)" in told.read_text():
            process.kill()  # a thread of the runtime waits for another's signal, which failed
        process.join()
    return "(INJECTED)" in told.read_text() or (process.exitcode or 0) < 0, process.exitcode


def _wait_until_attached(strace: subprocess.Popen[bytes], pid: int | None) -> None:
    give_up = time.monotonic() + SECONDS_TO_ATTACH
    while time.monotonic() < give_up and strace.poll() is None:
        if "TracerPid:\t0" not in Path(f"/proc/{pid}/status").read_text():
            return
    strace.kill()
    raise AssertionError(f"strace did not attach: {strace.communicate()[1].decode()}")


@pytest.mark.parametrize("calls", CALLS)
@pytest.mark.parametrize("work", ["publishing", "optimizing"])
def test_each_system_call_may_fail_once(tmp_path, work, calls):
    """Afterwards the doctor finds nothing wrong, and every row is there once."""
    failed = 0
    for number in range(1, MOST_CALLS):
        path = tmp_path / str(number) / "lake"
        lake = LakeWriter(path)
        for first in (0, 5):
            publish(lake, first, 5)
        hit, status = one_fault(
            getattr(faulty_syscalls, work), path, calls, f"error={CALLS[calls]}", number
        )
        if not hit:
            assert status == 0
            break
        failed += 1
        _check(path, work)
    assert failed or calls.startswith(("rename", "link")), "no such call was made"


def _check(path: Path, work: str) -> None:
    for one in (*examine_log(path, repair=False), *examine_files(path, repair=False, deep=True)):
        assert one.level in ("ok", "warning"), one
    lake = LakeWriter(path)
    position = lake.next_offsets("topic", [0])[0]
    if work == "publishing" and position == 10:  # what a restarted consumer does
        publish(lake, 10, 5)
    upkeep(path, NEXT_DAY, timedelta(0))
    count = 15 if work == "publishing" else 10
    assert numbers(path) == [(number,) for number in range(count)]
    assert len(list(path.glob("ingest_date=*/*"))) == 1
