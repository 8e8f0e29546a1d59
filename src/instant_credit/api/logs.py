"""How this process writes its log: one JSON object a line on stderr, from this package and from every library alike.

An exception is written as its type and the places it passed, never its message: messages of libraries quote the values they failed
on, and those may be personal data. A line that can't be written (a full disk, a closed pipe) is lost and counted, and fails nothing.
"""

import logging
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TextIO, cast

import msgspec
import structlog
from msgspec import Struct
from structlog.typing import EventDict, WrappedLogger

_ENCODER: Final = msgspec.json.Encoder(enc_hook=str)


class LossyStream:
    """A stream of lines that loses those which can't be written.

    Parameters
    ----------
    stream : where it is written.

    Attributes
    ----------
    lost : called for each line that is lost.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_lost = False
        self.lost: Callable[[], None] = lambda: None

    def write(self, text: str) -> int:
        """Write a line, or lose it."""
        self._is_lost = False
        try:
            return self._stream.write(text)
        except (OSError, ValueError):  # a closed stream is a ValueError
            self._lose()
            return 0

    def flush(self) -> None:
        """Send the line on its way, or lose it."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._lose()

    def _lose(self) -> None:
        if not self._is_lost:
            self._is_lost = True
            self.lost()


def safe_frames(error: BaseException) -> list[str]:
    """Where `error` was raised, as file:line:function; its message is left out, since it may quote what was sent."""
    return [f"{frame.filename}:{frame.lineno}:{frame.name}" for frame in traceback.extract_tb(error.__traceback__)]


def strip_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace `exc_info` by the exception's type and frames."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["frames"] = safe_frames(error)
    return event


def keep_first_line(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Keep the first line of a library's message; asyncio, for one, appends the representation of what failed."""
    event["event"] = str(event["event"]).split("\n", 1)[0]
    return event


def _dump(event: Any, **_: Any) -> str:
    return _ENCODER.encode(event).decode()


def write_lines(event: str) -> Callable[[Struct], None]:
    """What logs a Struct as a line of `event`, field by field: the line that structlog would write, at a third of the time.

    It goes to where the logs go when this is called.
    """
    write = structlog.get_config()["logger_factory"]().msg
    tail = f',"event":{_dump(event)},"level":"info","at":"'

    def log(fields: Struct) -> None:
        at = datetime.now(UTC).replace(tzinfo=None).isoformat()
        write(f'{_ENCODER.encode(fields)[:-1].decode()}{tail}{at}Z"}}')

    return log


def configure_logs(stream: TextIO) -> LossyStream:
    """Send every log line of the process to `stream`; called once, by the command that serves. Returns what says when a line is lost."""
    kept = LossyStream(stream)
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        strip_exception,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_dump)],
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", kept)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(kept)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared, keep_first_line],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(serializer=_dump),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    return kept
