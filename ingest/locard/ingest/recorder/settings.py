"""What a recorder has to know: from the environment, since it runs inside somebody else's agent."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from locard.ingest.recorder.ring import DEFAULT_RING_BYTES
from locard.ingest.spool import DEFAULT_SPOOL_BYTES

log = logging.getLogger(__name__)

DEFAULT_ENDPOINT: Final = "http://127.0.0.1:4318"
_LEAST_RING_BYTES: Final = 64 * 1024
_SWITCH: Final = {"1": True, "on": True, "yes": True, "true": True} | {
    "0": False,
    "off": False,
    "no": False,
    "false": False,
}


def default_spool_directory() -> Path:
    """Return `$XDG_STATE_HOME/locard`, as the XDG Base Directory Specification has it."""
    state = os.environ.get("XDG_STATE_HOME")
    if state and Path(state).is_absolute():
        return Path(state) / "locard"
    try:
        return Path.home() / ".local" / "state" / "locard"
    except RuntimeError:  # a user without a home
        return Path("/var/tmp") / f"locard-{os.getuid()}"  # noqa: S108 - its mode is checked


def default_collector_id() -> str:
    """Return a name for what records here: the machine and the program."""
    return f"{socket.gethostname()}/{Path(sys.argv[0] or 'python').name}"


@dataclass(frozen=True)
class RecorderSettings:
    """Where events go, whose they are, and what the recorder may use up.

    Args:
        endpoint: of the collector API.
        token: what `locard identity create` gave; `None` where the collector asks for none.
        kafka: `host:port`; events then go straight to Kafka. Needs `locard[kafka]`.
        kafka_topic: the topic there.
        workflow_id: the workflow that the agent works in.
        environment: such as `production`.
        agent_id: the agent's id.
        agent_name: its name.
        agent_version: its version.
        collector_id: who numbers the events; stays the same when the agent is started again.
        spool: a directory for what waits; each collector has its own below it.
        spool_bytes: that may wait there.
        ring_bytes: that may wait in memory.
        accounting_seconds: between two statements of what was sent.
        seconds_to_close: that the end of the process may wait for the last events to be handed on.
        is_on: whether anything is recorded.
    """

    endpoint: str = DEFAULT_ENDPOINT
    token: str | None = field(default=None, repr=False)
    kafka: str | None = None
    kafka_topic: str = "locard.events"
    workflow_id: str | None = None
    environment: str | None = None
    agent_id: str | None = None
    agent_name: str | None = None
    agent_version: str | None = None
    collector_id: str = field(default_factory=default_collector_id)
    spool: Path = field(default_factory=default_spool_directory)
    spool_bytes: int = DEFAULT_SPOOL_BYTES
    ring_bytes: int = DEFAULT_RING_BYTES
    accounting_seconds: float = 30.0
    seconds_to_close: float = 3.0
    is_on: bool = True

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            problem = check(getattr(self, name))
            if problem:
                raise ValueError(f"{VARIABLES[name]}: {problem}")

    @property
    def core(self) -> dict[str, str]:
        """The core fields that every event has."""
        names = ("workflow_id", "environment", "agent_id", "agent_name", "agent_version")
        return {name: getattr(self, name) for name in names if getattr(self, name)}

    @property
    def directory(self) -> Path:
        """Where this collector keeps what waits, and its key.

        Others send with other tokens, so each has a directory of its own. Where it sends to does
        not matter: what waits goes wherever this collector sends now.
        """
        who = (self.collector_id, self.workflow_id, self.agent_id)
        digest = hashlib.sha256(repr(who).encode()).hexdigest()
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", self.collector_id)[:60]
        return self.spool / f"{name}-{digest[:12]}"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> RecorderSettings:
        """Return what the variables say.

        A variable that makes no sense is told in one warning and its default is used: a slip in the
        configuration of the recorder must not keep an agent from starting.
        """
        given: dict[str, Any] = {}
        for name, variable in VARIABLES.items():
            text = environ.get(variable)
            if not text:
                continue
            try:
                value = _READ.get(name, str)(text)
                problem = _CHECKS[name](value) if name in _CHECKS else None
            except ValueError:
                problem = "it is no number"
            except KeyError:
                problem = "it is neither on nor off"
            if problem:
                log.warning("%s: %s; its default is used", variable, problem)
            else:
                given[name] = value
        token_file = environ.get("LOCARD_TOKEN_FILE")
        if token_file and "token" not in given:
            try:
                given["token"] = Path(token_file).read_text(encoding="utf-8").strip()
            except (OSError, ValueError) as error:
                log.warning("LOCARD_TOKEN_FILE cannot be read: %s", type(error).__name__)
        return cls(**given)


VARIABLES: Final = {
    "endpoint": "LOCARD_ENDPOINT",
    "token": "LOCARD_TOKEN",
    "kafka": "LOCARD_KAFKA",
    "kafka_topic": "LOCARD_KAFKA_TOPIC",
    "workflow_id": "LOCARD_WORKFLOW",
    "environment": "LOCARD_ENVIRONMENT",
    "agent_id": "LOCARD_AGENT_ID",
    "agent_name": "LOCARD_AGENT",
    "agent_version": "LOCARD_AGENT_VERSION",
    "collector_id": "LOCARD_COLLECTOR_ID",
    "spool": "LOCARD_SPOOL",
    "spool_bytes": "LOCARD_SPOOL_BYTES",
    "ring_bytes": "LOCARD_RING_BYTES",
    "accounting_seconds": "LOCARD_ACCOUNTING_SECONDS",
    "seconds_to_close": "LOCARD_CLOSE_SECONDS",
    "is_on": "LOCARD_RECORDER",
}
if VARIABLES.keys() != {setting.name for setting in fields(RecorderSettings)}:
    raise AssertionError("every setting has a variable")

_READ: Final[dict[str, Callable[[str], Any]]] = {
    "spool": lambda text: Path(text).expanduser(),
    "spool_bytes": int,
    "ring_bytes": int,
    "accounting_seconds": float,
    "seconds_to_close": float,
    "is_on": lambda text: _SWITCH[text.strip().lower()],
}


def _endpoint_problem(endpoint: str) -> str | None:
    try:
        parts = urlsplit(endpoint)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        is_address = False
    return None if is_address else "it is no address such as http://127.0.0.1:4318"


def _at_least(least: float) -> Callable[[float], str | None]:
    return lambda value: None if value >= least else f"it has to be at least {least:g}"


_CHECKS: Final[dict[str, Callable[[Any], str | None]]] = {
    "endpoint": _endpoint_problem,
    "spool_bytes": _at_least(0),
    "ring_bytes": _at_least(_LEAST_RING_BYTES),
    "accounting_seconds": _at_least(0.01),
    "seconds_to_close": _at_least(0),
}
