"""What goes to standard error while a service runs: lines for people, or JSON for a log pipeline.

No line holds payload: an exception is named by its type and place, since its text may quote what
was sent or read.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Literal

LogFormat = Literal["text", "json"]

_TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_OF_EACH_RECORD: Final = frozenset(
    {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName", "color_message"}
)


class QuietFormatter(logging.Formatter):
    """Names an exception by its type and place."""

    def formatException(  # noqa: N802 - the interface's name
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None]
        | tuple[None, None, None],
    ) -> str:
        """Return one line."""
        kind, _, traceback = ei
        while traceback and traceback.tb_next:
            traceback = traceback.tb_next
        code = traceback.tb_frame.f_code if traceback else None
        place = f" in {code.co_qualname}, {code.co_filename}" if code else ""
        return f"{kind.__name__ if kind else 'nothing'}{place}"


class JsonFormatter(QuietFormatter):
    """Writes a record as one JSON object on one line; what `extra` gave it are further members."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line: `time` in RFC 3339 and UTC, `level`, `logger`, `message`, and more."""
        told: dict[str, Any] = {
            name: value
            for name, value in record.__dict__.items()
            if name not in _OF_EACH_RECORD and isinstance(value, str | int | float | bool)
        }
        told |= {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0]:
            told["exception"] = self.formatException(record.exc_info)
        return json.dumps(told)


def formatter(log_format: LogFormat) -> logging.Formatter:
    """Return what writes lines of this format."""
    return JsonFormatter() if log_format == "json" else QuietFormatter(_TEXT)


def configure(log_format: LogFormat, *, debug: bool) -> None:
    """Have this process log to standard error, warnings and worse.

    Args:
        debug: everything instead, with tracebacks, which may quote payload.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_TEXT) if debug else formatter(log_format))
    logging.basicConfig(level=logging.DEBUG if debug else logging.WARNING, handlers=[handler])
    if not debug:  # their warnings are about retries, and name hosts at every one
        logging.getLogger("kafka").setLevel(logging.CRITICAL)
        # It tells at each start which recognizers of other languages it leaves out.
        logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)


def of_the_server(log_format: LogFormat) -> dict[str, Any]:
    """Return the configuration of uvicorn's own messages."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": lambda: formatter(log_format)}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "loggers": {"uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False}},
    }
