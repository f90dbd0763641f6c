"""The base install: what sits beside somebody's agent needs three packages and little time."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

ROOT = Path(__file__).parents[1]

PROGRAM = """
import sys
from pathlib import Path
from locard.ingest.recorder import Recorder, RecorderSettings

recorder = Recorder(RecorderSettings(endpoint="http://127.0.0.1:1", spool=Path(sys.argv[1])))
with recorder.session("s") as session:
    session.prompt("hello")
    session.model_output("yes")
assert recorder.flush(30)
recorder.close(30)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def _base_distributions() -> set[str]:
    """Return the distributions that the base install brings, with what those need."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    waiting = [re.split(r"[^\w.-]", requirement)[0].lower() for requirement in declared]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            needed = [r for r in requires(name) or () if "extra ==" not in r]
            waiting += [re.split(r"[^\w.-]", requirement)[0].lower() for requirement in needed]
    return found


def test_recording_imports_nothing_beyond_the_base_install(tmp_path):
    """A recorder records, signs and spools with the base install's packages alone."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    owners = packages_distributions()
    loaded = {
        owner.lower().replace("_", "-")
        for name in done.stdout.split()
        for owner in owners.get(name, ())
    }
    base = {name.replace("_", "-") for name in _base_distributions()}
    tolerated = {"locard", "setuptools", "cffi"}  # what an environment loads by itself
    assert loaded - base - tolerated == set()
