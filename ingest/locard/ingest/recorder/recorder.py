"""The recorder of a process: one incarnation, which begins anew in a forked child."""

from __future__ import annotations

import atexit
import json
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any, Final, TypeVar

from pydantic_core import to_json

from locard.evidence import SigningKey
from locard.ingest.eventlog import EventLogWriter
from locard.ingest.eventlog.collector import CollectorAddress, CollectorWriter
from locard.ingest.recorder.channel import Channel
from locard.ingest.recorder.drafts import clocks
from locard.ingest.recorder.forwarder import OpenLog, Refused
from locard.ingest.recorder.places import new_ring, ring_places
from locard.ingest.recorder.recording import Effect, Recorded, Recording
from locard.ingest.recorder.session import Session, here
from locard.ingest.recorder.settings import RecorderSettings
from locard.ingest.recorder.tools import recorded_tool
from locard.schema import CannotContinue, Trust, new_event_id

log = logging.getLogger(__name__)

Function = TypeVar("Function", bound=Callable[..., Any])
_KAFKA_SECONDS: Final = 10.0  # before events go to the spool instead
_NOT_WRITABLE: Final = "not_json"


class Recorder(Recording):
    """Records what an agent does. Safe for threads, `async` code and forking servers.

    Args:
        settings: where to send, and whose events they are.
        open_log: opens where events go; by default what the settings name.
    """

    def __init__(self, settings: RecorderSettings, *, open_log: OpenLog | None = None) -> None:
        self.settings = settings
        self._open_log = open_log or self._configured_log
        self._lock = threading.RLock()
        self._channel: Channel | None = None
        self._is_closed = not settings.is_on
        self._has_failed = False
        self._is_forked = False
        if settings.is_on:
            if settings.kafka:
                # Now and here: a child that is forked while another thread imports waits for ever.
                with suppress(ModuleNotFoundError):
                    import_module("locard.ingest.eventlog.kafka")
            _recorders.add(self)
            self._start()

    @classmethod
    def from_env(cls) -> Recorder:
        """Return a recorder as the variables say that `docs/recording.md` lists."""
        return cls(RecorderSettings.from_env())

    def session(
        self, session_id: str | None = None, *, user: str | None = None, **core: Any
    ) -> Session:
        """Return a session.

        Args:
            session_id: unique among all sessions; made up if none is given. A session may be gone
                on with later, and in another process.
            user: the person served.
            core: core fields that all its events have, such as `agent_name` or `provider`.
        """
        told = {"on_behalf_of": user, **core}
        given = {name: value for name, value in told.items() if value is not None}
        return Session(self, session_id or str(new_event_id()), given)

    @property
    def current_session(self) -> Session | None:
        """The session that this task or thread is in."""
        return here.get().session

    def record(self, kind: str, body: Mapping[str, Any], /, **core: Any) -> Recorded:
        """Record an event of the current session, or of none; see `Recording.record`."""
        return self._draft(kind, body, core)[0]

    def tool(
        self,
        function: Function | None = None,
        *,
        name: str | None = None,
        server: str | None = None,
        effect: Effect | None = None,
        trust: Trust = "tool",
    ) -> Any:
        """Decorate a function, plain or `async`, so that each call of it is recorded as a tool's.

        Args:
            name: of the tool, where it is not the function's.
            effect: what it does to the world.
            trust: of what it returns: `external` where strangers may have written it.
        """

        def decorate(wrapped: Function) -> Function:
            return recorded_tool(
                self, wrapped, name=name, server=server, effect=effect, trust=trust
            )

        return decorate(function) if function else decorate

    def flush(self, seconds: float = 5.0) -> bool:
        """Wait until what was recorded is durable, in the log or in the spool; say if it is."""
        return self._channel.flush(seconds) if self._channel else True

    def close(self, seconds: float | None = None) -> None:
        """Hand on what was recorded and make the last statement. Nothing is recorded after that."""
        with self._lock:
            channel, self._channel = self._channel, None
            self._is_closed = True
        if channel:
            wait = self.settings.seconds_to_close if seconds is None else seconds
            if not channel.close(wait):
                log.warning("not all events were handed on; the next process of the agent does it")

    @property
    def incarnation(self) -> str | None:
        """Which run of the collector this is; `None` before the first and after the last event."""
        return self._channel.incarnation if self._channel else None

    @property
    def dropped(self) -> int:
        """How many events this incarnation had no room for. They are declared."""
        return self._channel.dropped if self._channel else 0

    @property
    def spooled_bytes(self) -> int:
        """How much waits in the spool for the log to come back."""
        return self._channel.spooled_bytes if self._channel else 0

    def put(
        self,
        kind: str,
        body: Mapping[str, Any],
        session: Mapping[str, Any],
        core: Mapping[str, Any],
    ) -> tuple[Recorded, bytes]:
        """Take an event; used by sessions. An exception of the agent's own objects ends here."""
        try:
            event_id = str(new_event_id())
            head: dict[str, Any] = {"k": kind, "i": event_id, **clocks()}
            if session:
                head["s"] = session
            if core:
                head["c"] = core
            head["b"] = body
            try:
                draft = to_json(
                    head, inf_nan_mode="strings", bytes_mode="base64", serialize_unknown=True
                )
            except Exception:  # noqa: BLE001 - any object of the agent's may raise anything
                draft = _written_slowly(head)
            channel = self._channel or self._start()
            if channel is None:
                return Recorded(event_id), draft
            if channel.is_large(draft):
                seq = channel.put_large(event_id, draft, partial(_stub, head))
            else:
                seq = channel.put(draft)
            return Recorded(event_id, seq), draft
        except Exception as error:  # noqa: BLE001 - the agent must go on, whatever happened here
            self._note_failure(error)
            return Recorded(""), b""

    def _draft(
        self, kind: str, body: Mapping[str, Any], core: Mapping[str, Any]
    ) -> tuple[Recorded, bytes]:
        session = here.get().session
        if session and session.is_of(self):
            return session._draft(kind, body, core)
        return self.put(kind, body, {}, core)

    def _start(self) -> Channel | None:
        """Begin an incarnation, unless this recorder is closed."""
        with self._lock:
            if self._channel is None and not self._is_closed:
                places = ring_places(self.settings)
                ring = new_ring(self.settings, str(new_event_id()), places)
                self._channel = Channel(self.settings, ring, places, self._open_log)
                if self._is_forked and "multiprocessing.util" in sys.modules:
                    # Its workers leave by `os._exit` and call this, not what `atexit` has.
                    sys.modules["multiprocessing.util"].Finalize(self, self.close, exitpriority=0)
            return self._channel

    def _configured_log(self, key: SigningKey, on_refused: Refused) -> EventLogWriter:
        if self.settings.kafka:
            return _kafka_log(self.settings.kafka, self.settings.kafka_topic)
        address = CollectorAddress(self.settings.endpoint, self.settings.token)
        return CollectorWriter(address, key=key, on_refused=on_refused)

    def _note_failure(self, error: Exception) -> None:
        if not self._has_failed:
            self._has_failed = True
            log.error("an event could not be recorded: %s", type(error).__name__)

    def _begin_anew(self) -> None:
        """In a forked child: what the parent had is the parent's."""
        self._lock = threading.RLock()
        self._is_forked = True
        channel, self._channel = self._channel, None
        if channel:
            _of_the_parent.append(channel)
            channel.leave_to_parent()


def _kafka_log(bootstrap: str, topic: str) -> EventLogWriter:
    try:
        from locard.ingest.eventlog.kafka import KafkaWriter
        from locard.ingest.eventlog.kafka_cluster import KafkaSettings
    except ModuleNotFoundError as error:
        raise CannotContinue(
            "LOCARD_KAFKA is set and kafka-python is missing; `pip install 'locard[kafka]'`"
        ) from error
    return KafkaWriter(KafkaSettings(bootstrap, topic), seconds_to_send=_KAFKA_SECONDS)


def _written_slowly(head: Mapping[str, Any]) -> bytes:
    """Write a draft that the fast way cannot: lone surrogates, cycles, objects that raise."""
    try:
        return json.dumps(head, default=_described, ensure_ascii=True).encode()
    except Exception:  # noqa: BLE001 - a cycle, or an object that cannot even be described
        return _stub(head, _NOT_WRITABLE)


def _described(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    return dump() if callable(dump) else str(value)


def _stub(head: Mapping[str, Any], reason: str | None) -> bytes:
    """Return a draft without what is large or cannot be written.

    Args:
        reason: why it is left out; `None` where the whole draft is held elsewhere.
    """
    kept = {key: head[key] for key in ("k", "i", "t", "m")}
    core = {**head.get("s", {}), **head.get("c", {})}
    kept["c"] = {name: value for name, value in core.items() if type(value) is str}
    body = head["b"]
    kept["b"] = {
        name: value
        for name, value in (body.items() if isinstance(body, dict) else ())
        if type(value) is str and len(value) < 200
    }
    kept |= {"large": True} if reason is None else {"left_out": reason}
    return json.dumps(kept, ensure_ascii=True).encode()


_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()
_of_the_parent: list[Channel] = []  # never closed here: its files and connections are the parent's


def _close_all() -> None:
    for recorder in list(_recorders):
        recorder.close()


def _after_fork() -> None:
    for recorder in list(_recorders):
        recorder._begin_anew()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_after_fork)
