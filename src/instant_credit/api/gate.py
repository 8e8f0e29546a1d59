"""The gate: how many requests one process takes on at once, and which ones it turns away at the door.

One event loop does all of a process's work, so requests that are taken on together wait for one another: with n of them, each costing
s, the last one is answered after n times s. The gate measures s while it is busy, and takes on what can be answered within
`TARGET_NS`, at least `LEAST` and at most `MOST`. The newest request is the one turned away, so those taken on are answered in time.

Those taken on are begun a few at a time. In between the loop looks who else has come, so that a refusal does not wait for all of them.

A request counts from when it is whole. Those whose body still comes are counted apart, so that slow senders take no places.
"""

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from instant_credit.underwriting.course import APPLICATION_SECONDS

MOST: Final = 256
LEAST: Final = 32
READING_MAX: Final = 1_000
AT_ONCE: Final = 8
TARGET_NS: Final = int(APPLICATION_SECONDS * 1e9 / 2)
WINDOW_NS: Final = 100_000_000


class Cause(StrEnum):
    """Why a request is turned away: there is no place, or it can't be answered within the time that its sender gives it."""

    FULL = "full"
    LATE = "late"


class Gate:
    """One process's gate. It has no clock: who ends a request says what time it is.

    Parameters
    ----------
    turned_away : called with the cause of every refusal.
    resized : called with the places, at first and whenever they change.

    Attributes
    ----------
    is_draining : whether this process is about to end; it still answers, and asks for connections to be closed.
    places : most requests that may be under way.
    """

    def __init__(
        self,
        *,
        turned_away: Callable[[Cause], None] = lambda _: None,
        resized: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.is_draining = False
        self.places = MOST
        self._turned_away = turned_away
        self._resized = resized
        self._taken_on = 0
        self._reading = 0
        self._service_ns = 0.0
        self._since_ns: int | None = None
        self._ended = 0
        self._at_once = 0
        self._waiting: deque[Callable[[], None]] = deque()
        self._call_soon: Callable[[Callable[[], None]], object] | None = None
        resized(MOST)

    @property
    def under_way(self) -> int:
        """Whole requests that are not answered yet."""
        return self._taken_on - self._reading

    @property
    def expected_ns(self) -> float:
        """How long those under way take together, as far as was measured."""
        return self.under_way * self._service_ns

    def find_refusal(self, within_ns: Callable[[], int | None]) -> Cause | None:
        """Why the next request is turned away, None when it is taken on.

        Parameters
        ----------
        within_ns : gives the nanoseconds that its sender waits at most, None when nothing was said; asked only where it matters.
        """
        cause = None
        if self.under_way >= self.places or self._reading >= READING_MAX:
            cause = Cause.FULL
        elif (expected_ns := self.expected_ns) > 0 and (limit_ns := within_ns()) is not None and limit_ns < expected_ns:
            cause = Cause.LATE
        if cause is not None:
            self._turned_away(cause)
        return cause

    def begin(self, start: Callable[[], None], call_soon: Callable[[Callable[[], None]], object]) -> None:
        """A request is taken on.

        Parameters
        ----------
        start : starts its work; called now, or after others.
        call_soon : has the loop call something after it has looked at its connections once.
        """
        self._taken_on += 1
        if self._at_once == 0:
            self._call_soon = call_soon
            call_soon(self._take_turn)
        if self._at_once < AT_ONCE and not self._waiting:
            self._at_once += 1
            start()
        else:
            self._waiting.append(start)

    def _take_turn(self) -> None:
        self._at_once = 0
        if self._waiting:
            assert self._call_soon is not None
            self._call_soon(self._take_turn)
        while self._waiting and self._at_once < AT_ONCE:
            self._at_once += 1
            self._waiting.popleft()()

    def begin_reading(self) -> None:
        """A request that was taken on waits for its body."""
        self._reading += 1

    def end_reading(self) -> None:
        """Its body has come, or it does not wait for it any more."""
        self._reading -= 1

    def end(self, now_ns: int) -> None:
        """A request that was taken on has ended. Costs are measured while at least half of the places are taken."""
        is_busy = 2 * self.under_way >= self.places
        self._taken_on -= 1
        if not is_busy:
            self._since_ns = None
            return
        if self._since_ns is None:
            self._since_ns, self._ended = now_ns, 0
            return
        self._ended += 1
        spent_ns = now_ns - self._since_ns
        if spent_ns >= WINDOW_NS:
            measured_ns = spent_ns / self._ended
            self._service_ns = (self._service_ns + measured_ns) / 2 if self._service_ns else measured_ns
            self._since_ns, self._ended = now_ns, 0
            self._resize(max(LEAST, min(MOST, int(TARGET_NS / self._service_ns))))

    def _resize(self, places: int) -> None:
        if places != self.places:
            self.places = places
            self._resized(places)
