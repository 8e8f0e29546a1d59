"""Running a command's coroutine so that Ctrl-C ends it."""

import asyncio
import signal
import threading
from collections.abc import Coroutine
from types import FrameType
from typing import Any, Final, TypeVar

import click

T = TypeVar("T")

NOTICED_WITHIN: Final = 0.2
"""Seconds in which a loop that waits has noticed Ctrl-C; one that computes is interrupted after them."""


def run_stoppable(work: Coroutine[Any, Any, T], *, left: str) -> T:
    """Run `work`; on Ctrl-C it ends where it stands, its clean-up is run, and `left` says what remains of it.

    `asyncio.run` by itself only cancels the task, which a long computation would notice at its end.
    """
    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    try:
        return _run(work) if is_ours else asyncio.run(work)
    except KeyboardInterrupt:
        click.echo(f"Stopped: {left}", err=True)
        raise


def _run(work: Coroutine[Any, Any, T]) -> T:
    stopping = False
    is_noticed = False

    def notice(task: "asyncio.Task[T]") -> None:
        nonlocal is_noticed
        if not is_noticed:
            is_noticed = True
            task.cancel()

    def interrupt(_: int, __: FrameType | None) -> None:
        nonlocal stopping
        if stopping:
            raise KeyboardInterrupt
        stopping = True
        loop.call_soon_threadsafe(notice, task)
        signal.setitimer(signal.ITIMER_REAL, NOTICED_WITHIN)

    def insist(_: int, __: FrameType | None) -> None:
        nonlocal is_noticed
        if not is_noticed:
            is_noticed = True
            raise KeyboardInterrupt

    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        task = loop.create_task(work)
        former = signal.signal(signal.SIGALRM, insist)
        signal.signal(signal.SIGINT, interrupt)
        try:
            return loop.run_until_complete(task)
        except asyncio.CancelledError:
            if stopping:
                raise KeyboardInterrupt from None
            raise
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.signal(signal.SIGALRM, former)
