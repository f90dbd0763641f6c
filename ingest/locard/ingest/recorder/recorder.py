"""The recorder of a process: one incarnation, which begins anew in a forked child."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeVar

from locard.evidence import SigningKey
from locard.ingest.eventlog import EventLogWriter
from locard.ingest.eventlog.collector import CollectorAddress, CollectorWriter
from locard.ingest.recorder.channel import Channel
from locard.ingest.recorder.context import here
from locard.ingest.recorder.draft_bytes import head_of, stub, write_draft
from locard.ingest.recorder.forwarder import OpenLog, Refused
from locard.ingest.recorder.harmless import Failures, harmless, is_of_the_agent
from locard.ingest.recorder.places import new_ring, ring_places
from locard.ingest.recorder.recording import Draft, Effect, Recorded, Recording, causes_of
from locard.ingest.recorder.ring_events import lifecycle_draft
from locard.ingest.recorder.session import Session, id_text
from locard.ingest.recorder.settings import RecorderSettings
from locard.ingest.recorder.tools import recorded_tool
from locard.schema import CannotContinue, Trust, new_event_id

log = logging.getLogger(__name__)

Function = TypeVar("Function", bound=Callable[..., Any])
_KAFKA_SECONDS: Final = 10.0  # before events go to the spool instead
_LONGEST_WAIT: Final = 86_400.0  # seconds
_SECONDS_TO_NEXT_TRY: Final = 30.0  # to begin, where it could not
_NOT_RECORDED: Final = "not_recorded"
_DROPPED: Final = "dropped while the recorder could not begin"


_SETTINGS_OF_NONE: Final = RecorderSettings(
    collector_id="none", spool=Path(os.devnull), is_on=False
)


class Recorder(Recording):
    """Records what an agent does. Safe for threads, `async` code and forking servers.

    Args:
        settings: where to send, and whose events they are.
        open_log: opens where events go; by default what the settings name.
    """

    def __init__(self, settings: RecorderSettings, *, open_log: OpenLog | None = None) -> None:
        self._failures = Failures()
        self._lock = threading.RLock()
        self._channel: Channel | None = None
        self._next_try = 0.0
        self._is_forked = False
        self._open_log = self._configured_log if open_log is None else open_log
        if not issubclass(type(settings), RecorderSettings):
            log.error("nothing is recorded: a Recorder is made of RecorderSettings")
            settings = _SETTINGS_OF_NONE
        self.settings = settings
        self._is_closed = not settings.is_on
        if settings.is_on:
            if settings.kafka:
                # Now and here: a child that is forked while another thread imports waits for ever.
                with suppress(Exception):
                    import_module("locard.ingest.eventlog.kafka")
            _recorders.add(self)
            self._start()

    @classmethod
    def from_env(cls) -> Recorder:
        """Return a recorder as the variables say that `docs/recording.md` lists."""
        try:
            settings = RecorderSettings.from_env()
        except Exception as error:  # noqa: BLE001 - such as a machine without a name
            log.error("nothing is recorded: the settings cannot be read (%s)", type(error).__name__)
            settings = _SETTINGS_OF_NONE
        return cls(settings)

    @property
    def failures(self) -> Failures:
        """What could not be recorded."""
        return self._failures

    @harmless(lambda self, *_, **__: Session(self, str(new_event_id()), {}))
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
        told_id = id_text(session_id)
        if told_id is None and session_id is not None:
            self._failures.count("a session without its id, which is no text")
        return Session(self, told_id or str(new_event_id()), given)

    @property
    def current_session(self) -> Session | None:
        """The session that this task or thread is in."""
        return here.get().session

    @harmless(lambda _, function=None, **__: function if function is not None else _as_it_is)
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

        decorate = partial(
            recorded_tool, self, name=name, server=server, effect=effect, trust=trust
        )
        return decorate if function is None else decorate(function)

    @harmless(lambda *_, **__: False)
    def flush(self, seconds: float = 5.0) -> bool:
        """Wait until what was recorded is durable, in the log or in the spool; say if it is."""
        channel = self._channel
        return channel.flush(_seconds(seconds, 5.0)) if channel else True

    @harmless(lambda *_, **__: None)
    def close(self, seconds: float | None = None) -> None:
        """Hand on what was recorded and make the last statement. Nothing is recorded after that."""
        with self._lock:
            channel, self._channel = self._channel, None
            self._is_closed = True
        if channel and not channel.close(_seconds(seconds, self.settings.seconds_to_close)):
            log.warning("not all events were handed on; the next process of the agent does it")

    @property
    @harmless(lambda _: None)
    def incarnation(self) -> str | None:
        """Which run of the collector this is; `None` before the first and after the last event."""
        return self._channel.incarnation if self._channel else None

    @property
    @harmless(lambda _: 0)
    def dropped(self) -> int:
        """How many events there was no room for: those of this incarnation are declared."""
        channel = self._channel
        return self._failures.counted(_DROPPED) + (channel.dropped if channel else 0)

    @property
    @harmless(lambda _: 0)
    def spooled_bytes(self) -> int:
        """How much waits in the spool for the log to come back."""
        return self._channel.spooled_bytes if self._channel else 0

    def put(
        self,
        kind: str,
        body: Mapping[str, Any],
        session: Mapping[str, Any],
        core: dict[str, Any],
    ) -> Draft:
        """Take an event; used by sessions.

        Args:
            session: core fields of the session, as plain JSON values.
        """
        event_id = str(new_event_id())
        head = head_of(event_id, kind)
        try:
            data = write_draft(head, session, core, body)
        except BaseException as error:
            if is_of_the_agent(error):
                raise
            self._failures.note("an event", error)
            data = stub(head, session, core, body, _NOT_RECORDED)
        channel = self._channel or self._start()
        if channel is None:
            if not self._is_closed:
                self._failures.count(_DROPPED)
            return Recorded(event_id), data, head.get("b")
        if channel.is_large(data):
            seq = channel.put_large(event_id, data, partial(stub, head, session, core, body))
        else:
            seq = channel.put(data)
        if self._failures.untold:
            channel.put(lifecycle_draft(_NOT_RECORDED, {"failures": self._failures.take()}))
        return Recorded(event_id, seq), data, head.get("b")

    def _draft(self, kind: str, body: Mapping[str, Any], core: dict[str, Any]) -> Draft:
        session = here.get().session
        if session is not None and session.is_of(self):
            return session._draft(kind, body, core)
        if "caused_by" in core:
            core["caused_by"] = causes_of(core["caused_by"])
        return self.put(kind, body, {}, core)

    def _start(self) -> Channel | None:
        """Begin an incarnation, unless this recorder is closed or could not a moment ago."""
        with self._lock:
            is_to_wait = time.monotonic() < self._next_try
            if self._channel is not None or self._is_closed or is_to_wait:
                return self._channel
            self._next_try = time.monotonic() + _SECONDS_TO_NEXT_TRY
            try:
                self._channel = self._new_channel()
            except BaseException as error:
                if is_of_the_agent(error):
                    raise
                self._failures.note("the recorder cannot begin, so events are dropped", error)
            return self._channel

    def _new_channel(self) -> Channel:
        places = ring_places(self.settings)
        ring = new_ring(self.settings, str(new_event_id()), places)
        try:
            channel = Channel(self.settings, ring, places, self._open_log)
        except BaseException:
            ring.remove()
            raise
        if self._is_forked and "multiprocessing.util" in sys.modules:
            # Its workers leave by `os._exit` and call this, not what `atexit` has.
            sys.modules["multiprocessing.util"].Finalize(self, self.close, exitpriority=0)
        return channel

    def _configured_log(self, key: SigningKey, on_refused: Refused) -> EventLogWriter:
        if self.settings.kafka:
            return _kafka_log(self.settings.kafka, self.settings.kafka_topic)
        address = CollectorAddress(self.settings.endpoint, self.settings.token)
        return CollectorWriter(address, key=key, on_refused=on_refused)

    def _begin_anew(self) -> None:
        """In a forked child: what the parent had is the parent's."""
        self._lock = threading.RLock()
        self._failures.begin_anew()
        self._next_try = 0.0
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


def _as_it_is(function: Any) -> Any:
    return function


def _seconds(given: Any, otherwise: float) -> float:
    """Return how long to wait; the longest is a day."""
    is_number = type(given) in (int, float) and given == given
    return min(max(given if is_number else otherwise, 0.0), _LONGEST_WAIT)


_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()
_of_the_parent: list[Channel] = []  # never closed here: its files and connections are the parent's


def _close_all() -> None:
    for recorder in list(_recorders):
        recorder.close()


def _after_fork() -> None:
    for recorder in list(_recorders):
        with suppress(Exception):  # one of them must not keep the others from it
            recorder._begin_anew()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_after_fork)
