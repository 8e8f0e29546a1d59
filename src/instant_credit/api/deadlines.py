"""How long a caller waits: the header `Request-Timeout-Ms`, counted from when the request was whole.

The edge begins it before any other work, so that it bounds the look-up of the key and every wait for the record behind any route.
"""

import math
from collections.abc import Iterable
from time import perf_counter_ns
from typing import Final

from litestar.types import Scope

from instant_credit.api.problems import MALFORMED, Failure
from instant_credit.errors import Late
from instant_credit.record.patience import seconds_left, wait_until
from instant_credit.underwriting.course import APPLICATION_SECONDS

TIMEOUT_HEADER: Final = b"request-timeout-ms"
TIMEOUT_MS_MAX: Final = int(APPLICATION_SECONDS * 1e3)
ARRIVED: Final = "arrived_ns"
"""Under this name the wire keeps in a request's state when it was whole."""

_NS_PER_MS: Final = 1_000_000


def begin_waiting(scope: Scope) -> None:
    """Have whatever waits for the record give up when the caller does, counted from the request's arrival; from now while its body still comes."""
    timeout_ns = find_timeout_ns(scope["headers"]) or TIMEOUT_MS_MAX * _NS_PER_MS
    arrived_ns: int = scope.get("state", {}).get(ARRIVED) or perf_counter_ns()
    wait_until(arrived_ns + timeout_ns)


def begin_again(scope: Scope) -> None:
    """The body is there: what was begun before it counts from its arrival."""
    if seconds_left() < math.inf:
        begin_waiting(scope)


def is_whole(scope: Scope) -> bool:
    """Whether the whole request has arrived."""
    return ARRIVED in scope.get("state", {})


def check_timeout(scope: Scope) -> None:
    """Raise `Failure` 400 unless the header is a whole number from 1 to `TIMEOUT_MS_MAX`, sent at most once."""
    values = [value for name, value in scope["headers"] if name == TIMEOUT_HEADER]
    if values and (len(values) > 1 or _parse(values[0]) is None):
        raise Failure(MALFORMED, f"Request-Timeout-Ms is a whole number from 1 to {TIMEOUT_MS_MAX}, sent once.")


def require_time() -> None:
    """Raise `Late` when the caller's time is over."""
    if seconds_left() <= 0:
        raise Late("the caller's time was over before the work began")


def find_timeout_ns(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """What the first such header says, None without one or when it makes no sense; then whoever admits the request says so."""
    return next((_parse(value) for name, value in headers if name == TIMEOUT_HEADER), None)


def _parse(value: bytes) -> int | None:
    if not (value.isdigit() and len(value) <= 9 and 1 <= int(value) <= TIMEOUT_MS_MAX):
        return None
    return int(value) * _NS_PER_MS
