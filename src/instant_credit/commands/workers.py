"""The supervisor: it binds once, starts workers that share its sockets, and puts another one in the place of one that ends.

    start:   one worker ─► it is ready ─► the next ...
    SIGHUP:  a new worker ─► it is ready ─► an old one is told to drain ─► it has ended ─► the next
    SIGTERM: no new connections ─► every worker drains ─► the end
    SIGTERM again: SIGQUIT to every worker ─► the end

One worker is started at a time, so that no two compile the same kernels. It's a new program, not a copy of this one: after an
upgrade SIGHUP brings the new version. Workers hold one end of a pipe that ends with the supervisor, however that ends. Each has a session
of its own, so that what a terminal sends to all of a group (Ctrl-C) reaches the supervisor alone.
"""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Final

import click
import structlog
from prometheus_client.multiprocess import mark_process_dead

from instant_credit.commands.inheriting import Inheritance, encode_inheritance
from instant_credit.commands.listening import addresses_of, tell_address
from instant_credit.errors import Refused
from instant_credit.record.pool import open_urls
from instant_credit.settings import Settings, worker_environ

WORKERS_MAX: Final = 64
STEADY_SECONDS: Final = 30.0
DELAY_SECONDS: Final = 0.5
DELAY_SECONDS_MAX: Final = 30.0
END_SECONDS: Final = 40.0
"""A worker drains for 20 s and closes its connections to the record within 5; one that is still there after this long is killed."""


class Worker:
    """One process that answers.

    Attributes
    ----------
    is_kept : whether it got ready and was not told to end: its end is then a loss.
    """

    def __init__(self, process: Process, ended: Callable[["Worker", int], Awaitable[None]]) -> None:
        self._process = process
        self._ended = ended
        self.id = process.pid
        self.ready_at = 0.0
        self.is_kept = False
        self.watching = asyncio.create_task(self._watch())

    def tell(self, number: int) -> None:
        """Send it a signal; one that has ended hears nothing."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def leave(self, number: int) -> None:
        """Tell it to end and wait until it has; after `END_SECONDS` it's killed."""
        self.is_kept = False
        self.tell(number)
        done, _ = await asyncio.wait({self.watching}, timeout=END_SECONDS)
        if not done:
            self.tell(signal.SIGKILL)
            await self.watching

    async def _watch(self) -> None:
        await self._ended(self, await self._process.wait())


class Crew:
    """Keeps workers.

    Parameters
    ----------
    launch : starts a process; gives it, and whether it got ready, once that is known.
    forget : called with the id of every process that has ended.
    """

    def __init__(
        self, launch: Callable[[], Awaitable[tuple[Process, Awaitable[bool]]]], forget: Callable[[int], None]
    ) -> None:
        self._launch = launch
        self._forget = forget
        self._log = structlog.get_logger("instant_credit.workers")
        self._all: set[Worker] = set()
        self._ready: list[Worker] = []
        self._turn = asyncio.Lock()
        self._replacing: set[asyncio.Task[None]] = set()
        self._quick_ends = 0
        self._ending = asyncio.Event()
        self._handing_over: asyncio.Task[None] | None = None
        self._is_asked_again = False

    @property
    def ready(self) -> tuple[int, ...]:
        """Process ids of the workers that answer, the oldest first."""
        return tuple(worker.id for worker in self._ready)

    async def open(self, count: int) -> None:
        """Start the first workers.

        Raises
        ------
        Refused : one of them did not get ready; what it says of that stands on stderr.
        """
        for _ in range(count):
            if not await self._start() and not self._ending.is_set():
                raise Refused("a worker ended before it was ready, and says why above")

    async def wait(self) -> None:
        """Return when somebody asked for the end."""
        await self._ending.wait()

    def hand_over(self) -> None:
        """Replace every worker by a new one, one after another; asked meanwhile, do it once more afterwards."""
        if self._handing_over is not None and not self._handing_over.done():
            self._is_asked_again = True
        elif not self._ending.is_set():
            self._is_asked_again = False
            self._handing_over = asyncio.create_task(self._hand_over())

    def end(self) -> None:
        """Begin to end; asked again, workers end at once."""
        if self._ending.is_set():
            for worker in self._all:
                worker.tell(signal.SIGQUIT)
        self._ending.set()

    async def close(self) -> None:
        """Have every worker drain and end."""
        self._ending.set()
        while self._all:
            await asyncio.wait([asyncio.ensure_future(worker.leave(signal.SIGTERM)) for worker in self._all])
        for task in {*self._replacing, *({self._handing_over} if self._handing_over else ())}:
            await asyncio.wait({task})

    async def _start(self) -> Worker | None:
        """A worker that is ready, None when it did not get that far."""
        async with self._turn:
            if self._ending.is_set():
                return None
            process, is_ready = await self._launch()
            worker = Worker(process, self._note_end)
            self._all.add(worker)
            if not await is_ready or worker.watching.done():
                await asyncio.wait({worker.watching})
                return None
            worker.is_kept, worker.ready_at = True, monotonic()
            self._ready.append(worker)
            self._log.info("worker_started", process=worker.id)
            return worker

    async def _note_end(self, worker: Worker, status: int) -> None:
        self._all.discard(worker)
        self._forget(worker.id)
        if worker in self._ready:
            self._ready.remove(worker)
        if not worker.is_kept or self._ending.is_set():
            self._log.info("worker_ended", process=worker.id, status=status)
            return
        self._log.error("worker_lost", process=worker.id, status=status)
        is_quick = monotonic() - worker.ready_at < STEADY_SECONDS
        self._quick_ends = self._quick_ends + 1 if is_quick else 0
        task = asyncio.create_task(self._replace())
        self._replacing.add(task)
        task.add_done_callback(self._replacing.discard)

    async def _replace(self) -> None:
        """Start another one, the later the more have ended quickly one after another."""
        while not self._ending.is_set():
            delay = min(DELAY_SECONDS_MAX, DELAY_SECONDS * 2 ** (self._quick_ends - 1)) if self._quick_ends else 0.0
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), delay)
            if await self._start() is not None:
                return
            self._quick_ends += 1

    async def _hand_over(self) -> None:
        is_wanted = True
        while is_wanted:
            for old in list(self._ready):
                if old not in self._ready:
                    continue
                if await self._start() is None:
                    if not self._ending.is_set():
                        self._log.error("handover_stopped", process=old.id)
                    return
                await old.leave(signal.SIGHUP)
            is_wanted, self._is_asked_again = self._is_asked_again, False
        self._log.info("handover_done", processes=list(self.ready))


def supervise(settings: Settings, sockets: Sequence[socket.socket], count: int) -> None:
    """Serve on `sockets` with `count` workers until SIGTERM or Ctrl-C.

    Raises
    ------
    Refused : a worker did not get ready.
    """
    with asyncio.Runner() as runner:
        runner.run(_supervise(settings, sockets, count))


async def _supervise(settings: Settings, sockets: Sequence[socket.socket], count: int) -> None:
    with ExitStack() as stack:
        for opened in sockets:
            stack.callback(opened.close)
        folder = stack.enter_context(TemporaryDirectory(prefix="instant-credit-metrics-"))
        lifeline, held = os.pipe()
        stack.callback(os.close, lifeline)
        stack.callback(os.close, held)
        crew = Crew(partial(_launch, sockets, lifeline, folder), partial(_forget, folder))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, crew.end)
        loop.add_signal_handler(signal.SIGHUP, crew.hand_over)
        # The embedded Postgres has the supervisor as its user, so it stays while workers come and go.
        async with open_urls(settings):
            try:
                await crew.open(count)
                for address in addresses_of(sockets):
                    click.echo(tell_address(address))
                sys.stdout.flush()
                await crew.wait()
            finally:
                for opened in sockets:
                    opened.close()
                await crew.close()


async def _launch(sockets: Sequence[socket.socket], lifeline: int, folder: str) -> tuple[Process, Awaitable[bool]]:
    """Start a worker; its end of the pipe `ready` is written to when it listens, and closed when it ends."""
    numbers = tuple(opened.fileno() for opened in sockets)
    ready, told = os.pipe()
    inheritance = Inheritance(sockets=numbers, ready=told, lifeline=lifeline, metrics=folder)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "instant_credit.commands", "serve", "--inherited", encode_inheritance(inheritance)),
            pass_fds=(*numbers, told, lifeline),
            env=worker_environ(folder),
            start_new_session=True,
        )
    except BaseException:
        os.close(ready)
        raise
    finally:
        os.close(told)
    return process, _read_ready(ready)


def _forget(folder: str, process: int) -> None:
    """Take a process that has ended out of the gauges; what it counted stays in the sums."""
    mark_process_dead(process, folder)  # type: ignore[no-untyped-call] # prometheus_client leaves it without types


async def _read_ready(ready: int) -> bool:
    loop = asyncio.get_running_loop()
    is_told: asyncio.Future[bool] = loop.create_future()

    def read() -> None:
        loop.remove_reader(ready)
        is_told.set_result(bool(os.read(ready, 1)))

    loop.add_reader(ready, read)
    try:
        return await is_told
    finally:
        loop.remove_reader(ready)
        os.close(ready)
