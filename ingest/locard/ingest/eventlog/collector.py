"""The collector API as an event log to append to: for a recorder that is not beside the log.

Uses nothing but the standard library, since it runs inside somebody else's agent. A batch is one
`POST /v1/events`; `append` returns when the collector has answered that the log has the events.
What the collector refuses for good is told to `on_refused`, event by event, and never sent again.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - else the first request imports it, on the recorder's thread
import http.client
import json
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from locard.evidence import SigningKey
from locard.ingest.eventlog import OutgoingRecord, check_sizes
from locard.schema import RetryableError

_MOST_BYTES: Final = 4 * 1024 * 1024  # of one request, but for a single event that is larger
_MOST_EVENTS: Final = 2_000
_WORTH_COMPRESSING: Final = 16 * 1024
_GZIP: Final = 31  # zlib's name for its largest window with a gzip header
_TOO_LARGE: Final = 413
_CANNOT_BE_READ: Final = frozenset({400, _TOO_LARGE, 422})
_ANSWER_BYTES: Final = 4 * 1024 * 1024

Refused = Callable[[OutgoingRecord, str], None]


@dataclass(frozen=True)
class CollectorAddress:
    """Where a collector is and how to come in.

    Args:
        endpoint: such as `https://collector.example.com:4318`.
        token: what it wants to see; `None` sends none.
        seconds: that it may take to answer.
    """

    endpoint: str
    token: str | None = field(default=None, repr=False)
    seconds: float = 30.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("the endpoint is no address such as http://127.0.0.1:4318")


class CollectorWriter:
    """Appends by way of a collector API; see `EventLogWriter`.

    Args:
        key: signs each request, so that the collector knows who sent it; none is needed.
        on_refused: called with an event that can never be accepted, and why, in one word.
    """

    def __init__(
        self,
        address: CollectorAddress,
        *,
        key: SigningKey | None = None,
        on_refused: Refused = lambda _record, _reason: None,
    ) -> None:
        self._address = address
        self._key = key
        self._on_refused = on_refused
        self._connection: http.client.HTTPConnection | None = None
        self._turn = threading.Lock()
        parts = urlsplit(address.endpoint)
        self._path = parts.path.rstrip("/") + "/v1/events"
        self._host, self._port = parts.hostname or "", parts.port
        self._is_tls = parts.scheme == "https"

    @property
    def topic_id(self) -> str:
        """The collector's address: which log is behind it is not for senders to know."""
        return self._address.endpoint

    def append(self, records: Sequence[OutgoingRecord]) -> None:
        """Return when the collector has every record that it accepts."""
        check_sizes(records)
        with self._turn:
            for batch in _batches(records):
                self._append(batch)

    def close(self) -> None:
        """Close the connection."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _append(self, records: Sequence[OutgoingRecord]) -> None:
        status, answer = self._post(b"\n".join(record.value for record in records))
        if status == http.client.OK:
            for index, reason in _rejected(answer):
                if index < len(records):
                    self._on_refused(records[index], reason)
        elif status in _CANNOT_BE_READ:
            self._divide(records, status)
        else:
            raise self._turned_away(status)

    def _divide(self, records: Sequence[OutgoingRecord], status: int) -> None:
        """Send a body that was refused as a whole again in two, down to the event at fault."""
        if len(records) == 1:
            self._on_refused(records[0], "too_large" if status == _TOO_LARGE else "unreadable")
            return
        middle = len(records) // 2
        self._append(records[:middle])
        self._append(records[middle:])

    def _post(self, body: bytes) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/x-ndjson"}
        if len(body) >= _WORTH_COMPRESSING:
            squeezer = zlib.compressobj(1, wbits=_GZIP)
            body = squeezer.compress(body) + squeezer.flush()
            headers["Content-Encoding"] = "gzip"
        if self._address.token:
            headers["Authorization"] = f"Bearer {self._address.token}"
        if self._key:
            headers |= {"Locard-Key": self._key.key_id, "Locard-Signature": self._key.sign(body)}
        is_old = self._connection is not None
        try:
            return self._exchange(body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not is_old:
                raise self._unreachable(error) from error
        try:  # the other side had closed the connection since the last request
            return self._exchange(body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._unreachable(error) from error

    def _exchange(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = self._connect()
        self._connection.request("POST", self._path, body, headers)
        response = self._connection.getresponse()
        answer = response.read(_ANSWER_BYTES)
        if response.will_close or not response.isclosed():
            self.close()
        if response.status in (429, 503):
            after = response.headers["Retry-After"] or ""
            raise RetryableError(
                f"the collector at {self._address.endpoint} takes nothing now (status "
                f"{response.status}); see its own log",
                retry_after=float(after) if after.isdecimal() else None,
            )
        return response.status, answer

    def _connect(self) -> http.client.HTTPConnection:
        if not self._is_tls:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._address.seconds)
        return http.client.HTTPSConnection(
            self._host,
            self._port,
            timeout=self._address.seconds,
            context=ssl.create_default_context(),
        )

    def _unreachable(self, error: Exception) -> RetryableError:
        reason = getattr(error, "strerror", None) or type(error).__name__
        return RetryableError(
            f"the collector at {self._address.endpoint} did not answer ({reason}); see that it "
            "runs and is reachable"
        )

    def _turned_away(self, status: int) -> RetryableError:
        if status in (401, 403):
            return RetryableError(
                f"the collector at {self._address.endpoint} does not know the token; set "
                "LOCARD_TOKEN to one that `locard identity create` gave"
            )
        return RetryableError(
            f"the collector at {self._address.endpoint} answered with status {status}; see that "
            "the address is that of a Locard collector, and its log"
        )


def _batches(records: Sequence[OutgoingRecord]) -> Iterator[Sequence[OutgoingRecord]]:
    start = size = 0
    for end, record in enumerate(records):
        is_full = size + len(record.value) > _MOST_BYTES or end - start >= _MOST_EVENTS
        if is_full and end > start:
            yield records[start:end]
            start, size = end, 0
        size += len(record.value)
    if start < len(records):
        yield records[start:]


def _rejected(answer: bytes) -> Iterator[tuple[int, str]]:
    """Yield the index and the error class of each event that the answer refuses.

    Raises:
        RetryableError: it is no answer of a collector, so nothing is known to be stored.
    """
    try:
        said: Any = json.loads(answer)
        found = [(int(item["index"]), str(item["error_class"])) for item in said["rejected"]]
        int(said["accepted"])
    except (ValueError, TypeError, KeyError) as error:
        raise RetryableError(
            "what answered is no Locard collector; correct LOCARD_ENDPOINT"
        ) from error
    yield from found
