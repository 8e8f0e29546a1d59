"""A proxy in front of Postgres that cuts connections, or keeps them open and silent, where a test wants it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs, urlsplit


class Loss(StrEnum):
    """What gets lost at the cut."""

    REQUEST = "request"
    ANSWER = "answer"


@dataclass
class Proxy:
    """Counts requests (chunks from the client) once armed; cuts at number `cut_at`, up to `cuts_left` times. One that hangs does not
    cut: it swallows everything from there on. Every
    request is kept back for `delay_seconds`.
    """

    url: str
    loss: Loss = Loss.REQUEST
    cut_at: int = 0
    cuts_left: int = 0
    seen: int = 0
    cuts_made: int = 0
    hangs: bool = False
    delay_seconds: float = 0.0

    def arm(self, loss: Loss, cut_at: int, cuts: int, *, hangs: bool = False) -> None:
        self.loss, self.cut_at, self.cuts_left, self.seen, self.hangs = loss, cut_at, cuts, 0, hangs

    def is_due(self) -> bool:
        due = self.cuts_left > 0 and self.seen == self.cut_at
        self.seen += 1
        if due:
            self.cuts_left -= 1
            self.cuts_made += 1
            self.seen = 0
        return due


@asynccontextmanager
async def proxy_to(url: str) -> AsyncIterator[Proxy]:
    """A proxy to the unix socket of `url`; yields it with the URL that goes through it."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    socket = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
    proxy = Proxy(url="")
    tasks: set[asyncio.Task[None]] = set()

    async def serve(client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        try:
            server_in, server_out = await asyncio.open_unix_connection(socket)
        except OSError:
            return
        answer_is_lost = asyncio.Event()
        is_deaf = asyncio.Event()

        async def forward_requests() -> None:
            while chunk := await client_in.read(1 << 20):
                if proxy.delay_seconds:
                    await asyncio.sleep(proxy.delay_seconds)
                if not is_deaf.is_set() and proxy.is_due():
                    if proxy.loss is Loss.REQUEST:
                        if not proxy.hangs:
                            break
                        is_deaf.set()
                    answer_is_lost.set()
                if is_deaf.is_set():
                    continue
                server_out.write(chunk)
                await server_out.drain()

        async def forward_answers() -> None:
            while chunk := await server_in.read(1 << 20):
                if answer_is_lost.is_set():
                    if not proxy.hangs:
                        break
                    continue
                client_out.write(chunk)
                await client_out.drain()

        ways = [asyncio.create_task(forward_requests()), asyncio.create_task(forward_answers())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            server_out.transport.abort()
            await asyncio.gather(*ways, return_exceptions=True)

    def start(client_in: asyncio.StreamReader, client_out: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(client_in, client_out))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(lambda _: client_out.transport.abort())

    server = await asyncio.start_server(start, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxy.url = f"postgresql://{parts.username}:{parts.password}@127.0.0.1:{port}{parts.path}?sslmode=disable"
    try:
        yield proxy
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the transports close when the loop gets to it
