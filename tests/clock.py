"""A clock that stands still until it is moved, and chance out of a seed."""

import hashlib
from datetime import UTC, datetime, timedelta


class FixedClock:
    def __init__(self, at: datetime = datetime(2024, 3, 1, 12, tzinfo=UTC)) -> None:
        self._at = at
        self._monotonic_ns = 0

    def now(self) -> datetime:
        return self._at

    def monotonic_ns(self) -> int:
        self._monotonic_ns += 1_000
        return self._monotonic_ns

    def advance(self, by: timedelta) -> None:
        self._at += by

    def advance_monotonic(self, by_ns: int) -> None:
        self._monotonic_ns += by_ns


class SeededEntropy:
    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._calls = 0

    def __call__(self, count: int) -> bytes:
        self._calls += 1
        return hashlib.shake_256(self._seed + self._calls.to_bytes(8, "big")).digest(count)
