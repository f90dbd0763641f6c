"""What a recorder has to know: from the environment, since it runs inside somebody else's agent."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from locard.ingest.recorder.ring import DEFAULT_RING_BYTES
from locard.ingest.spool import DEFAULT_SPOOL_BYTES

log = logging.getLogger(__name__)

DEFAULT_ENDPOINT: Final = "http://127.0.0.1:4318"
CORE_NAMES: Final = ("workflow_id", "environment", "agent_id", "agent_name", "agent_version")
_LEAST_RING_BYTES: Final = 64 * 1024
_MOST_RING_BYTES: Final = 1024**3
_MOST_SPOOL_BYTES: Final = 1024**5
_MOST_SECONDS: Final = 86_400.0
_LONGEST_NAME: Final = 200  # bytes of UTF-8: it has to fit into a ring
_LONGEST_TEXT: Final = 4_096
_SWITCH: Final = {"1": True, "on": True, "yes": True, "true": True} | {
    "0": False,
    "off": False,
    "no": False,
    "false": False,
}


def default_spool_directory() -> Path:
    """Return `$XDG_STATE_HOME/locard`, as the XDG Base Directory Specification has it."""
    state = os.environ.get("XDG_STATE_HOME")
    if state and Path(state).is_absolute() and _path_problem(state) is None:
        return Path(state) / "locard"
    with suppress(RuntimeError):  # a user without a home
        found = Path.home() / ".local" / "state" / "locard"
        if _path_problem(found) is None:
            return found
    return Path("/var/tmp") / f"locard-{os.getuid()}"  # noqa: S108 - its mode is checked


def default_collector_id() -> str:
    """Return a name for what records here: the machine and the program."""
    program = getattr(sys, "argv", None) or ["python"]
    name = f"{socket.gethostname()}/{Path(str(program[0]) or 'python').name}"
    shortened = name.encode("utf-8", "replace")[:_LONGEST_NAME].decode("utf-8", "ignore")
    return re.sub(r"[\x00-\x1f\x7f]", "?", shortened)


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

    Raises:
        ValueError: a value makes no sense; `from_env` uses its default instead.
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
        return {name: getattr(self, name) for name in CORE_NAMES if getattr(self, name)}

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
                problem = _CHECKS[name](value)
            except (ValueError, RuntimeError, KeyError) as error:
                problem = _PROBLEMS.get(type(error), "it is no value")
            if problem:
                log.warning("%s: %s; its default is used", variable, problem)
            else:
                given[name] = value
        token_file = environ.get("LOCARD_TOKEN_FILE")
        if token_file and "token" not in given:
            try:
                given["token"] = _token_in(Path(token_file))
            except (OSError, ValueError) as error:
                log.warning("LOCARD_TOKEN_FILE cannot be read: %s", type(error).__name__)
        return cls(**given)


def _token_in(path: Path) -> str:
    """Return the token in a file; what is none may not keep the agent waiting.

    Raises:
        OSError: it cannot be read.
        ValueError: there is no token in it.
    """
    if not path.is_file():
        raise FileNotFoundError
    with path.open("rb") as file:
        token = file.read(_LONGEST_TEXT + 1).decode().strip()
    if _token_problem(token):
        raise ValueError
    return token


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
_PROBLEMS: Final[dict[type[Exception], str]] = {
    ValueError: "it is no number",
    KeyError: "it is neither on nor off",
    RuntimeError: "it names the home of a user who has none",
}


def _endpoint_problem(endpoint: Any) -> str | None:
    try:
        if _no_longer_than(_LONGEST_TEXT)(endpoint):
            raise ValueError
        parts = urlsplit(endpoint)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except (ValueError, TypeError):
        is_address = False
    return None if is_address else "it is no address such as http://127.0.0.1:4318"


def _between(least: float, most: float, kind: type = float) -> Callable[[Any], str | None]:
    kinds = (int, float) if kind is float else (int,)

    def problem(value: Any) -> str | None:
        if type(value) in kinds and least <= value <= most:
            return None
        return f"it has to be a number from {least:g} to {most:g}"

    return problem


def _no_longer_than(most: int) -> Callable[[Any], str | None]:
    def problem(value: Any) -> str | None:
        if value is None:
            return None
        try:
            is_text = isinstance(value, str) and 0 < len(value.encode()) <= most
        except UnicodeEncodeError:
            is_text = False
        if is_text and not re.search(r"[\x00-\x1f\x7f]", value):
            return None
        return f"it has to be a text of at most {most} bytes of UTF-8 without control characters"

    return problem


def _token_problem(token: Any) -> str | None:
    if token is None or (type(token) is str and re.fullmatch(r"[!-~]{1,4096}", token)):
        return None
    return "it has to be of printable ASCII without spaces"


def _path_problem(path: Any) -> str | None:
    try:
        is_path = 0 < len(str(path).encode()) <= _LONGEST_TEXT and "\0" not in str(path)
    except UnicodeEncodeError:
        is_path = False
    return None if is_path and isinstance(path, str | Path) else "it is no path in UTF-8"


def _switch_problem(value: Any) -> str | None:
    return None if type(value) is bool else "it is neither on nor off"


_CHECKS: Final[dict[str, Callable[[Any], str | None]]] = {
    "endpoint": _endpoint_problem,
    "token": _token_problem,
    "spool": _path_problem,
    "spool_bytes": _between(0, _MOST_SPOOL_BYTES, int),
    "ring_bytes": _between(_LEAST_RING_BYTES, _MOST_RING_BYTES, int),
    "accounting_seconds": _between(0.01, _MOST_SECONDS),
    "seconds_to_close": _between(0, _MOST_SECONDS),
    "is_on": _switch_problem,
    **dict.fromkeys(("kafka", "kafka_topic"), _no_longer_than(_LONGEST_TEXT)),
    **dict.fromkeys((*CORE_NAMES, "collector_id"), _no_longer_than(_LONGEST_NAME)),
}
if VARIABLES.keys() != _CHECKS.keys():
    raise AssertionError("every setting is checked")
