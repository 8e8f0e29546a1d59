"""How long a caller waits: the header `Request-Timeout-Ms`, counted from when the request was whole."""

from collections.abc import Iterable
from time import perf_counter_ns
from typing import Final

from litestar.types import HTTPScope

from instant_credit.api.bodies import header_values
from instant_credit.api.problems import MALFORMED, Failure
from instant_credit.errors import Overloaded
from instant_credit.underwriting.course import APPLICATION_SECONDS

TIMEOUT_HEADER: Final = b"request-timeout-ms"
TIMEOUT_MS_MAX: Final = int(APPLICATION_SECONDS * 1e3)
ARRIVED: Final = "arrived_ns"
"""Under this name the wire keeps in a request's state when it was whole."""

_NS_PER_MS: Final = 1_000_000


def seconds_left(scope: HTTPScope) -> float:
    """Seconds in which the caller must have its answer.

    Raises
    ------
    Failure : 400 unless the header is a whole number from 1 to `TIMEOUT_MS_MAX`, sent at most once.
    Overloaded : the time is over.
    """
    values = header_values(scope, TIMEOUT_HEADER)
    timeout_ns = TIMEOUT_MS_MAX * _NS_PER_MS
    if values:
        told_ns = _parse(values[0])
        if len(values) > 1 or told_ns is None:
            raise Failure(MALFORMED, f"Request-Timeout-Ms is a whole number from 1 to {TIMEOUT_MS_MAX}, sent once.")
        timeout_ns = told_ns
    now_ns = perf_counter_ns()
    arrived_ns: int = scope.get("state", {}).get(ARRIVED, now_ns)
    left_ns = timeout_ns - (now_ns - arrived_ns)
    if left_ns <= 0:
        raise Overloaded("the caller's time was over before the work began")
    return left_ns / 1e9


def find_timeout_ns(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """What the first such header says, None without one or when it makes no sense; then the route says so."""
    return next((_parse(value) for name, value in headers if name == TIMEOUT_HEADER), None)


def _parse(value: bytes) -> int | None:
    if not (value.isdigit() and len(value) <= 9 and 1 <= int(value) <= TIMEOUT_MS_MAX):
        return None
    return int(value) * _NS_PER_MS
