"""Edge. A clock that stands where it is put, so that years pass in minutes."""

import time
from datetime import UTC, date, datetime
from datetime import time as time_of_day

from instant_credit.errors import require


class SimulatedClock:
    """Midnight (UTC) of one day until it is moved on; durations are the machine's own, since deadlines are about the machine."""

    def __init__(self, day: date) -> None:
        self._now = _begin(day)

    def move_to(self, day: date) -> None:
        """Go on to the begin of a day, never back."""
        then = _begin(day)
        require(then >= self._now, "time goes forward")
        self._now = then

    def now(self) -> datetime:
        """The simulated instant, aware, in UTC."""
        return self._now

    def monotonic_ns(self) -> int:
        """Nanoseconds of the machine's performance counter."""
        return time.perf_counter_ns()


def _begin(day: date) -> datetime:
    return datetime.combine(day, time_of_day(), UTC)
