"""An event loop whose time passes only while everything waits: hours run in milliseconds, twice in the same order."""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualClock:
    """The package's `Clock`, moved by the loop alone."""

    def __init__(self, at: datetime = datetime(2024, 3, 1, 12, tzinfo=UTC)) -> None:
        self._at = at
        self.ns = 0

    def now(self) -> datetime:
        return self._at + timedelta(microseconds=self.ns // 1000)

    def monotonic_ns(self) -> int:
        return self.ns


class _Waiting(selectors.BaseSelector):
    """Waits for nothing outside: a wait is a step of the clock, and a wait without end means that nobody can go on."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._keys[fileobj] = selectors.SelectorKey(
            fileobj, fileobj if isinstance(fileobj, int) else fileobj.fileno(), events, data
        )
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("everything waits, and nothing will happen any more")
        if timeout > 0:
            self._clock.ns += int(timeout * 1e9) + 1
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(_Waiting(clock))
        self._virtual_clock = clock
        self.troubles: list[str] = []
        self.set_exception_handler(lambda _, context: self.troubles.append(str(context)))

    def time(self) -> float:
        return self._virtual_clock.ns / 1e9


def run_virtually(work: Coroutine[Any, Any, T], clock: VirtualClock) -> T:
    """Run `work` to its end in virtual time; fails when a task failed unheard."""
    loop = VirtualLoop(clock)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(work)
    assert not loop.troubles, loop.troubles
    return result
