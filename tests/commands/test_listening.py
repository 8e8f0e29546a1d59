"""The doorway: connections are taken from a shared queue, and what is not taken is left to others."""

import asyncio
import errno
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from io import StringIO
from typing import Any

import pytest
import structlog

from instant_credit.commands import listening
from instant_credit.commands.listening import Doorway, addresses_of, listen_on, tell_address

pytestmark = pytest.mark.anyio


class Greeter(asyncio.Protocol):
    def __init__(self, word: bytes) -> None:
        self.word = word

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self.word)
        transport.close()


@asynccontextmanager
async def doors(*under_way: Callable[[], int]) -> AsyncIterator[tuple[int, list[Doorway]]]:
    """Doorways that share one socket and each say who they are."""
    (opened,) = listen_on("127.0.0.1", 0)
    port = opened.getsockname()[1]
    made = [Doorway(opened.dup(), partial(Greeter, b"%d" % n), busy) for n, busy in enumerate(under_way)]
    opened.close()
    try:
        yield port, made
    finally:
        for doorway in made:
            doorway.close()


async def ask(port: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return int(await reader.read())
    finally:
        writer.close()


async def test_every_connection_is_taken() -> None:
    async with doors(lambda: 0, lambda: 100) as (port, _):
        assert len(await asyncio.gather(*(ask(port) for _ in range(40)))) == 40


async def test_an_idle_one_takes_more_connections_than_a_busy_one() -> None:
    async with doors(lambda: 100, lambda: 0) as (port, _):
        assert sum([await ask(port) for _ in range(60)]) > 30


async def test_busy_ones_take_what_nobody_else_takes() -> None:
    async with doors(lambda: 100, lambda: 100) as (port, _):
        assert len(await asyncio.gather(*(ask(port) for _ in range(200)))) == 200


async def test_what_a_closed_doorway_did_not_take_is_taken_by_others() -> None:
    (opened,) = listen_on("127.0.0.1", 0)
    port = opened.getsockname()[1]
    first, second = (Doorway(opened.dup(), partial(Greeter, b"%d" % n), lambda: 0) for n in range(2))
    opened.close()
    first.close()
    assert [await ask(port) for _ in range(5)] == [1] * 5
    second.close()
    with pytest.raises(ConnectionRefusedError):
        await ask(port)


async def test_without_file_descriptors_connections_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = StringIO()
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.PrintLoggerFactory(stream)
    )
    monkeypatch.setattr(listening, "PAUSE_SECONDS", 0.01)
    failures = [OSError(errno.EMFILE, "Too many open files"), ConnectionAbortedError(), BlockingIOError()]
    async with doors(lambda: 0) as (port, (doorway,)):
        opened = doorway._opened

        class Scarce:
            fileno, close = opened.fileno, opened.close

            def accept(self) -> Any:
                if failures:
                    raise failures.pop(0)
                return opened.accept()

        doorway._opened = Scarce()  # type: ignore[assignment] # a socket whose accept fails at first
        assert await ask(port) == 0
    structlog.reset_defaults()
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"event": "connection_not_taken", "error": "Too many open files"}
    ]


def test_addresses_are_urls() -> None:
    with socket.socket(socket.AF_INET6) as opened:
        opened.bind(("::1", 0))
        (address,) = addresses_of([opened])
    assert address.startswith("http://[::1]:")
    assert f"{address}/health/ready" in tell_address(address)
