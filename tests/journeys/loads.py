"""Applications at a fixed rate, and a server's log read on while they run."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.lending import Documents, Served, invent_body

RATE = 200
CONNECTIONS = 16


@dataclass
class Load:
    """Applications at a fixed rate, over connections that are kept for as long as the server keeps them."""

    address: str
    path: str
    key: str
    bodies: tuple[bytes, ...]
    rate: float = RATE
    answered: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    releases: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    async def run(self, until: Callable[[], bool]) -> None:
        """Send until it is so, then answer for what is under way."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        senders = [asyncio.create_task(self._send(queue)) for _ in range(CONNECTIONS)]
        loop = asyncio.get_running_loop()
        began = due = loop.time()
        number = 0
        while not until():
            queue.put_nowait(self.bodies[number % len(self.bodies)])
            number += 1
            due += 1 / self.rate
            await asyncio.sleep(max(0.0, due - loop.time()))
        for _ in senders:
            queue.put_nowait(None)
        await asyncio.gather(*senders)
        self.seconds = loop.time() - began
        assert len(self.answered) + len(self.failed) == number

    async def _send(self, queue: "asyncio.Queue[bytes | None]") -> None:
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        host, port = self.address.removeprefix("http://").split(":")
        try:
            while (body := await queue.get()) is not None:
                try:
                    if streams is None or streams[0].at_eof():
                        if streams is not None:
                            streams[1].close()
                        streams = await asyncio.open_connection(host, int(port))
                    if b"connection: close" in (await self._apply(*streams, body)).lower():
                        streams[1].close()
                        streams = None
                except (OSError, asyncio.IncompleteReadError) as trouble:
                    self.failed.append(repr(trouble))
                    if streams is not None:
                        streams[1].close()
                    streams = None
        finally:
            if streams is not None:
                streams[1].close()

    async def _apply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> bytes:
        """Send one application and take its answer; the answer's head."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.key}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        told = await reader.readexactly(int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        status = int(answer[9:12])
        if status == 201:
            self.answered.append(status)
            self.releases[json.loads(told)["release"]] += 1
        else:
            self.failed.append(answer.decode())
        return answer


def make_load(address: str, documents: Documents, key: str, persons: int = 64, rate: float = RATE) -> Load:
    """A load of one application of each person, and then from the start, so many a second."""
    product = documents.product
    bodies = tuple(json.dumps(invent_body(product, Random(number))).encode() for number in range(persons))
    return Load(address, f"/v1/products/{product.name}/applications", key, bodies, rate)


@dataclass
class Tail:
    """How often each event stands in a log; only what is new is read, since a load makes it long."""

    log: Path
    _offset: int = 0
    _counts: Counter[str] = field(default_factory=Counter)

    def count(self, event: str) -> int:
        with self.log.open("rb") as stream:
            stream.seek(self._offset)
            new = stream.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        self._counts.update(re.findall(r'"event":"(\w+)"', whole.decode()))
        return self._counts[event]


def processes(server: Served) -> set[int]:
    """Workers that answer."""
    lines = server.log_lines()
    ended = {line["process"] for line in lines if line["event"] in ("worker_ended", "worker_lost")}
    return {line["process"] for line in lines if line["event"] == "worker_started"} - ended
