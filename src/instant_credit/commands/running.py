"""Running a command's coroutine so that Ctrl-C ends it."""

import asyncio
import signal
import threading
from collections.abc import Coroutine
from types import FrameType
from typing import Any, NoReturn, TypeVar

import click

T = TypeVar("T")


def run_stoppable(work: Coroutine[Any, Any, T], *, left: str) -> T:
    """Run `work`; on Ctrl-C it ends where it stands, its clean-up is run, and `left` says what remains of it.

    `asyncio.run` by itself only cancels the task, which a long computation would notice at its end.
    """
    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if is_ours:
        signal.signal(signal.SIGINT, _interrupt)
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        click.echo(f"Stopped: {left}", err=True)
        raise
    finally:
        if is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(_: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
