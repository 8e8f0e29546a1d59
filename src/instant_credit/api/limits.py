"""How much of this process a client may take, and how it is told: RateLimit headers, and 429 with Retry-After."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final, cast

from litestar.types import Message, Scope

from instant_credit.access.keys import Grant
from instant_credit.access.limits import NS_PER_SECOND, Allowance, Bucket, Taken, seconds_ceil
from instant_credit.errors import Throttled

CLIENTS_MAX: Final = 10_000
_STATE: Final = "instant_credit.rate_limit"


class ClientLimits:
    """A bucket for each client and mode; without an allowance there is no limit.

    Parameters
    ----------
    monotonic_ns : what tells the time.
    """

    def __init__(self, allowance: Allowance | None, monotonic_ns: Callable[[], int]) -> None:
        self._allowance = allowance
        self._monotonic_ns = monotonic_ns
        self._buckets: OrderedDict[tuple[str, bool], Bucket] = OrderedDict()
        if allowance is not None:
            window = seconds_ceil(allowance.burst * NS_PER_SECOND // allowance.rate)
            self._policy = f'"client";q={allowance.burst};w={window}'.encode()

    def admit(self, grant: Grant, scope: Scope) -> None:
        """Take a token of the client's bucket, and leave in `scope` what its answer says about it.

        Raises
        ------
        Throttled : there is none.
        """
        if self._allowance is None:
            return
        taken = self._find((grant.client_id, grant.is_test)).take(self._monotonic_ns())
        # ASGI lets a server add names of its own.
        cast("dict[str, Any]", scope)[_STATE] = self._headers(taken)
        if not taken.is_admitted:
            raise Throttled(seconds_ceil(taken.wait_ns))

    def _find(self, name: tuple[str, bool]) -> Bucket:
        bucket = self._buckets.get(name)
        if bucket is None:
            assert self._allowance is not None
            bucket = self._buckets[name] = Bucket(self._allowance, self._monotonic_ns())
            if len(self._buckets) > CLIENTS_MAX:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(name)
        return bucket

    def _headers(self, taken: Taken) -> tuple[tuple[bytes, bytes], ...]:
        """What is left, and in how many seconds the whole burst is there again (draft-ietf-httpapi-ratelimit-headers)."""
        assert self._allowance is not None
        lacking = self._allowance.burst - taken.remaining
        left = b'"client";r=%d;t=%d' % (taken.remaining, -(-lacking // self._allowance.rate))
        return ((b"ratelimit-policy", self._policy), (b"ratelimit", left))


async def tell_limit(message: Message, scope: Scope) -> None:
    """Litestar's hook before each message: the head of an answer says what is left to its client."""
    if message["type"] == "http.response.start":
        told: Any = scope.get(_STATE)
        if told is not None:
            message["headers"] = [*message["headers"], *told]
