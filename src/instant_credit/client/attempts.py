"""One call from its first attempt to its answer, without any IO: what both clients do, and the only place that knows it.

    run_call ─► Send ─► (the client sends) ─► Reply or Lost ─► answer
                 ▲                                  │ trouble that passes, time left
                 └──── Pause ◄──────────────────────┘

`run_call` is a generator: it yields what to do next and is sent what came of it. It never pauses or sends beyond the deadline. A pause is what the
server asks for (Retry-After) and a share by chance of a bound that doubles, so that callers refused together do not come back together.
"""

from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import count
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from instant_credit.client.calls import Call, Reply
from instant_credit.client.failures import AnswerUnreadable, CallFailed, NoAnswer, name_problem
from instant_credit.errors import require
from instant_credit.record.clock import Clock, Entropy

T = TypeVar("T")

SERVER_SECONDS_MAX: Final = 5.0
"""A server takes no longer for an application; what is asked for beyond it is this."""
# How much sooner than the attempt's end the server is asked to give up, so that its refusal still arrives.
_RETURN_SHARE: Final = 0.1
_RETURN_SECONDS_MAX: Final = 0.25
_PASSING: Final = frozenset({408, 429, 502, 503, 504})
_CHANCE_BYTES: Final = 7


class Patience(Struct, frozen=True, kw_only=True):
    """How long a call is tried.

    Attributes
    ----------
    seconds : deadline of a call over all of its attempts and pauses.
    attempt_seconds : most that one attempt may take.
    attempts_max : most attempts.
    pause_seconds : bound of the first pause; it doubles with each.
    pause_seconds_max : where it stops doubling.
    """

    seconds: float = 15.0
    attempt_seconds: float = 6.0
    attempts_max: int = 10
    pause_seconds: float = 0.05
    pause_seconds_max: float = 2.0

    def __post_init__(self) -> None:
        for value in (
            self.seconds,
            self.attempt_seconds,
            self.attempts_max,
            self.pause_seconds,
            self.pause_seconds_max,
        ):
            require(value > 0, "patience is above 0 in everything")


class Send(Struct, frozen=True, kw_only=True):
    """Send the call's request with these headers beside its own; give up after `seconds`."""

    seconds: float
    headers: Mapping[str, str]


class Pause(Struct, frozen=True, kw_only=True):
    """Wait."""

    seconds: float


class Lost(Struct, frozen=True, kw_only=True):
    """No whole response came; `how` names the trouble. The server may have done what was asked."""

    how: str


Steps = Generator[Send | Pause, Reply | Lost | None, T]


def run_call(call: Call[T], patience: Patience, clock: Clock, entropy: Entropy) -> Steps[T]:
    """Yields `Send`, to be answered with `Reply` or `Lost`, and `Pause`; returns the call's answer.

    Raises
    ------
    ProblemAnswered : the server refused, and the reason does not pass or time is up.
    NoAnswer : no response came up to the deadline.
    AnswerUnreadable : success whose body is not the answer.
    """
    until_ns = clock.monotonic_ns() + int(patience.seconds * 1e9)
    left = patience.seconds
    for number in count(1):
        seconds = min(left, patience.attempt_seconds)
        came = yield Send(seconds=seconds, headers=_headers(call, seconds))
        if isinstance(came, Reply) and 200 <= came.status < 300:
            return _read(call, came, number)
        require(came is not None, "what was sent has an end")
        failure = _fail(call, came, number)
        pause = _bound(patience, number) * _chance(entropy)
        if isinstance(came, Reply):
            pause += _asked_pause(came, clock.now())
        passes = isinstance(came, Lost) or (isinstance(came, Reply) and came.status in _PASSING)
        left = (until_ns - clock.monotonic_ns()) / 1e9
        if not call.is_retried or not passes or number >= patience.attempts_max or pause >= left:
            raise failure
        yield Pause(seconds=pause)
        left = (until_ns - clock.monotonic_ns()) / 1e9
        if left <= 0:
            raise failure
    raise AssertionError("counting does not end")


def make_key(entropy: Entropy) -> str:
    """A fresh idempotency key: 32 hexadecimal digits."""
    return entropy(16).hex()


def _headers(call: Call[T], seconds: float) -> dict[str, str]:
    """The call's own headers; the server is told how long its answer is waited for."""
    spare = min(seconds * _RETURN_SHARE, _RETURN_SECONDS_MAX)
    milliseconds = int(min(seconds - spare, SERVER_SECONDS_MAX) * 1e3)
    headers = {"Request-Timeout-Ms": str(max(milliseconds, 1))}
    if call.body is not None:
        headers["Content-Type"] = "application/json"
    if call.idempotency_key is not None:
        headers["Idempotency-Key"] = call.idempotency_key
    return headers


def _read(call: Call[T], reply: Reply, attempts: int) -> T:
    # The trouble's own text may quote the answer: it is left behind, not chained.
    try:
        return call.read(reply)
    except msgspec.DecodeError:
        pass
    raise AnswerUnreadable(route=call.route, attempts=attempts, idempotency_key=call.idempotency_key)


def _fail(call: Call[T], came: Reply | Lost | None, attempts: int) -> CallFailed:
    if isinstance(came, Reply):
        return name_problem(came, route=call.route, attempts=attempts, idempotency_key=call.idempotency_key)
    how = "" if came is None else came.how
    return NoAnswer(how, route=call.route, attempts=attempts, idempotency_key=call.idempotency_key)


def _bound(patience: Patience, attempts: int) -> float:
    return min(patience.pause_seconds * 2.0 ** min(attempts - 1, 60), patience.pause_seconds_max)


def _chance(entropy: Entropy) -> float:
    """From 0 to below 1."""
    return int.from_bytes(entropy(_CHANCE_BYTES), "big") / float(1 << (8 * _CHANCE_BYTES))


def _asked_pause(reply: Reply, now: datetime) -> float:
    """Seconds that Retry-After asks for, as a number or as a date; 0 when it does not or makes no sense."""
    asked = reply.headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit() and len(asked) <= 9:
        return float(asked)
    try:
        at = parsedate_to_datetime(asked)
    except ValueError:
        return 0.0
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return max((at - now).total_seconds(), 0.0)
