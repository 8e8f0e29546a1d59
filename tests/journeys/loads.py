"""Applications at a fixed rate, and a server's log read on while they run."""

import asyncio
import http.client
import json
import re
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.lending import Documents, House, Served, invent_body, wait_until

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


class Halfway:
    """An application on a connection of its own, whose body is sent when a test says so: until then it is under way."""

    def __init__(self, house: House, address: str, seed: int) -> None:
        self._house = house
        self._body = json.dumps(invent_body(house.documents.product, Random(seed))).encode()
        host, port = address.removeprefix("http://").split(":")
        self._connection = socket.create_connection((host, int(port)), timeout=30)

    def begin(self) -> None:
        """Send its head and return when the server asks for the body."""
        head = (
            f"POST {self._house.apply_url} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self._house.keys['all']}\r\n"
            f"content-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {len(self._body)}\r\n\r\n"
        )
        self._connection.sendall(head.encode())
        # The server asks for the body once the request is at the handler.
        assert b"100 Continue" in self._connection.recv(200)

    def end(self) -> int:
        """Send the body; the answer's status."""
        with self._connection:
            self._connection.sendall(self._body)
            return self._read()

    def give_up(self) -> None:
        """Send no body."""
        self._connection.close()

    def ask_for_life(self) -> int:
        """Use the connection once before, so that some worker has it; the answer's status."""
        self._connection.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        return self._read()

    def _read(self) -> int:
        response = http.client.HTTPResponse(self._connection)
        response.begin()
        response.read()
        return response.status


def wait_until_refused(address: str) -> None:
    """Return when nobody listens any more, which is the first thing at a server's end."""
    host, port = address.removeprefix("http://").split(":")

    def is_refused() -> bool:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
        except ConnectionError:
            return True
        return False

    wait_until(is_refused)


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
