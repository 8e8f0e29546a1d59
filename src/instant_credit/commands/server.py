"""One process that answers: uvicorn with our doorway, our wire, and an end in which no request fails.

drain: take no new connections ─► every answer asks for its connection to be closed ─► idle connections are closed after a while ─►
what is under way ends ─► the end

A connection that is in use gets an answer with `Connection: close` before the idle ones are closed, so its client knows.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Final, cast

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE

from instant_credit.api.gate import Gate
from instant_credit.api.wire import BoundedProtocol
from instant_credit.commands.listening import Doorway

GRACE_SECONDS: Final = 20
IDLE_SECONDS: Final = 0.5
"""How long an idle connection is kept by a server that ends and has nobody in its place."""

HANDOVER_SECONDS: Final = 5.0
"""The same where other workers go on: whoever sends at least this often never finds a closed connection."""

_LOOK_SECONDS: Final = 0.05
_CANCEL_SECONDS: Final = 1.0


class Server(uvicorn.Server):
    """Answers until it is told to end, and ends well, with status 0.

    Parameters
    ----------
    gate : lets requests in.
    is_listening : called once it listens.
    """

    def __init__(self, config: uvicorn.Config, gate: Gate, is_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._gate = gate
        self._is_listening = is_listening
        self._doorways: list[Doorway] = []
        self._idle_seconds = HANDOVER_SECONDS

    def end(self, idle_seconds: float = IDLE_SECONDS) -> None:
        """Begin to end; asked again, go on ending, and keep idle connections for the shorter time of the two."""
        self.should_exit = True
        self._idle_seconds = min(self._idle_seconds, idle_seconds)

    def end_at_once(self) -> None:
        """End without waiting for what is under way."""
        self.should_exit = self.force_exit = True

    def insist(self) -> None:
        """Begin to end; asked again, end at once."""
        if self.should_exit:
            self.end_at_once()
        else:
            self.end()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the loop's own handlers in place."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on `sockets`."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        self._doorways = [
            Doorway(opened, self._make_protocol, lambda: self._gate.under_way) for opened in sockets or ()
        ]
        self.started = True
        self._is_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, for at most `GRACE_SECONDS`."""
        self._gate.is_draining = True
        for doorway in self._doorways:
            doorway.close()
        for connection in self._connections():
            connection.drain()
        await self._wait_for_the_last()
        if self.server_state.tasks:
            structlog.get_logger("instant_credit.serve").error("requests_cut", requests=len(self.server_state.tasks))
            for task in self.server_state.tasks:
                task.cancel()
            await asyncio.wait(self.server_state.tasks, timeout=_CANCEL_SECONDS)
        if not self.force_exit:
            await self.lifespan.shutdown()

    async def _wait_for_the_last(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while self._is_busy() and not self.force_exit and loop.time() < began + GRACE_SECONDS:
            if loop.time() >= began + self._idle_seconds:
                for connection in self._connections():
                    connection.close_idle()
            await asyncio.sleep(_LOOK_SECONDS)

    def _is_busy(self) -> bool:
        state = self.server_state
        return bool(state.connections or state.tasks or any(doorway.arriving for doorway in self._doorways))

    def _connections(self) -> list[BoundedProtocol]:
        return cast("list[BoundedProtocol]", list(self.server_state.connections))

    def _make_protocol(self) -> BoundedProtocol:
        return BoundedProtocol(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=asyncio.get_running_loop(),
            gate=self._gate,
        )
