"""The server's sockets: bound once, shared by its workers.

Workers that inherit one socket share its queue. A connection that no worker has taken yet waits there for whichever is free, also while
workers come and go. An idle worker takes one and rests for a moment, in which the others wake up; a busy one leaves it to them first, the
longer the busier it is, and takes the more then. That spreads connections over the workers.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import structlog

from instant_credit.errors import Refused
from instant_credit.settings import HOST, PORT

BACKLOG: Final = 2048
REST_SECONDS: Final = 0.001
REST_SECONDS_MAX: Final = 0.01
PAUSE_SECONDS: Final = 1.0


def listen_on(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to every address of `host`; connections are refused until the server listens.

    Raises
    ------
    Refused : there is no such host, or the port is taken.
    """
    with contextlib.ExitStack() as stack:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            bound = []
            for family, kind, protocol, _, address in dict.fromkeys(found):
                opened = stack.enter_context(socket.socket(family, kind, protocol))
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                opened.bind(address)
                bound.append(opened)
        except (OSError, UnicodeError) as trouble:
            why = (isinstance(trouble, OSError) and trouble.strerror) or "no such host"
            raise Refused(
                f"cannot listen on {host} port {port}: {why}; choose others with --host and --port, or {HOST} and {PORT}"
            ) from None
        stack.pop_all()
    return bound


def addresses_of(sockets: Sequence[socket.socket]) -> Iterator[str]:
    """The address of each socket as a URL."""
    for opened in sockets:
        host, port = opened.getsockname()[:2]
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def tell_address(address: str) -> str:
    """The line that says where the server listens."""
    return f"Serving {address}  (document: {address}/openapi.json, ready: {address}/health/ready)"


class Doorway:
    """Takes the connections of one listening socket.

    Parameters
    ----------
    opened : bound; it is closed with the doorway.
    make_protocol : makes the protocol of a new connection.
    under_way : how many requests this process works on.
    """

    def __init__(
        self, opened: socket.socket, make_protocol: Callable[[], asyncio.Protocol], under_way: Callable[[], int]
    ) -> None:
        self._opened = opened
        self._make_protocol = make_protocol
        self._under_way = under_way
        self._loop = asyncio.get_running_loop()
        self._arriving: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        opened.setblocking(False)
        opened.listen(BACKLOG)
        self._resume()

    @property
    def arriving(self) -> int:
        """Connections that were taken and have no protocol yet."""
        return len(self._arriving)

    def close(self) -> None:
        """Take no more connections; those that nobody took are left to the other holders of the socket."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._opened.fileno())
        self._opened.close()

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._opened.fileno(), self._look)

    def _look(self) -> None:
        under_way = self._under_way()
        if under_way:
            self._wait(min(REST_SECONDS * under_way, REST_SECONDS_MAX), self._take_rest)
        else:
            self._take(1)
            self._wait(REST_SECONDS, self._resume)

    def _take_rest(self) -> None:
        self._resume()
        self._take(1 + self._under_way() // 2)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        if self._pause is not None:
            return
        self._loop.remove_reader(self._opened.fileno())
        self._pause = self._loop.call_later(seconds, then)

    def _take(self, most: int) -> None:
        for _ in range(most):
            try:
                connection, _ = self._opened.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as trouble:
                # Out of file descriptors or memory: connections wait until some are free again.
                structlog.get_logger("instant_credit.serve").error("connection_not_taken", error=trouble.strerror)
                self._wait(PAUSE_SECONDS, self._resume)
                return
            connection.setblocking(False)
            task = self._loop.create_task(self._greet(connection))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def _greet(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make_protocol, connection)
        except OSError:
            connection.close()
