"""What the doctor says of one thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "repaired", "warning", "wrong"]
"""`warning`: nothing is lost and something should be done; `wrong`: it cannot go on like this."""


@dataclass(frozen=True)
class Finding:
    """One answer.

    Args:
        what: was looked at, in a word or two.
        told: what was found.
        advice: what to do next; empty where nothing needs doing.
    """

    level: Level
    what: str
    told: str
    advice: str = ""


def ok(what: str, told: str) -> Finding:
    """Return that this is as it should be."""
    return Finding("ok", what, told)


def warning(what: str, told: str, advice: str) -> Finding:
    """Return that something should be done."""
    return Finding("warning", what, told, advice)


def wrong(what: str, told: str, advice: str) -> Finding:
    """Return that it cannot go on like this."""
    return Finding("wrong", what, told, advice)
