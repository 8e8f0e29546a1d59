"""How long the one who asks still waits. The edge tells it once a request; whatever waits for the record gives up by then.

It follows the request through every call and every task that it starts. What works for several callers at once must not inherit the patience of
the one that happened to start it: it is started with `asyncio.create_task(..., context=Context())`.
"""

import math
from contextvars import ContextVar
from time import perf_counter_ns
from typing import Final

_NS: Final = 1e9
_UNTIL_NS: Final[ContextVar[float]] = ContextVar("until_ns", default=math.inf)


def wait_until(until_ns: float) -> None:
    """From here on nothing waits beyond this instant of `time.perf_counter_ns`."""
    _UNTIL_NS.set(until_ns)


def wait_forever() -> None:
    """Nobody says any more how long to wait."""
    _UNTIL_NS.set(math.inf)


def seconds_left() -> float:
    """Seconds until whoever asks waits no more, never below 0; infinite where nobody said."""
    return max(_UNTIL_NS.get() - perf_counter_ns(), 0.0) / _NS
