"""Several workers behind one address: handed over, lost and ended under load, and no request fails."""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import httpx
import pytest

from instant_credit.record.embedded import destroy_cluster
from instant_credit.settings import read_settings
from tests.budget import IS_PROVING
from tests.lending import (
    Documents,
    House,
    Served,
    furnish,
    invent_body,
    serving,
    start_server,
    verify_record,
    wait_until,
)

WORKERS = 2
RATE = 200
CONNECTIONS = 16
ROUNDS = 5 if IS_PROVING else 1


@pytest.fixture(scope="module")
def crew(documents: Documents, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A lender with a supervisor, two workers, and the embedded database that they share."""
    folder = tmp_path_factory.mktemp("crew")
    environ = {"INSTANT_CREDIT_HOME": str(folder / "home"), "DATABASE_URL": "", "DATABASE_OWNER_URL": ""}
    keys = asyncio.run(furnish(read_settings(environ), documents))
    with serving(environ, folder, "--workers", str(WORKERS)) as server:
        yield House(folder, environ, documents, keys, server, "")
    destroy_cluster(folder / "home")


@dataclass
class Load:
    """Applications at a fixed rate over connections that are kept for as long as the server keeps them."""

    house: House
    answered: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    opened: int = 0
    is_over: bool = False

    async def run(self, until: Callable[[], bool]) -> None:
        """Send until it is so, then answer for what is under way."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        senders = [asyncio.create_task(self._send(queue)) for _ in range(CONNECTIONS)]
        loop = asyncio.get_running_loop()
        due = loop.time()
        bodies = [json.dumps(invent_body(self.house.documents.product, Random(n))).encode() for n in range(64)]
        number = 0
        while not until():
            queue.put_nowait(bodies[number % len(bodies)])
            number += 1
            due += 1 / RATE
            await asyncio.sleep(max(0.0, due - loop.time()))
        for _ in senders:
            queue.put_nowait(None)
        await asyncio.gather(*senders)
        assert len(self.answered) + len(self.failed) == number

    async def _send(self, queue: "asyncio.Queue[bytes | None]") -> None:
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        host, port = self.house.server.address.removeprefix("http://").split(":")
        while (body := await queue.get()) is not None:
            head = (
                f"POST {self.house.apply_url} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.house.keys['all']}\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            )
            try:
                if streams is None or streams[0].at_eof():
                    streams = await asyncio.open_connection(host, int(port))
                    self.opened += 1
                reader, writer = streams
                writer.write(head.encode() + body)
                answer = await reader.readuntil(b"\r\n\r\n")
                length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                status = int(answer[9:12])
                if status == 201:
                    self.answered.append(status)
                else:
                    self.failed.append(answer.decode())
                if b"connection: close" in answer.lower():
                    writer.close()
                    streams = None
            except (OSError, asyncio.IncompleteReadError) as trouble:
                self.failed.append(repr(trouble))
                streams = None
        if streams is not None:
            streams[1].close()


def count(server: Served, event: str) -> int:
    return server.log.read_text().count(f'"event":"{event}"')


def processes(server: Served) -> set[int]:
    """Workers that answer."""
    lines = server.log_lines()
    ended = {line["process"] for line in lines if line["event"] in ("worker_ended", "worker_lost")}
    return {line["process"] for line in lines if line["event"] == "worker_started"} - ended


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.prove
def test_no_request_fails_while_workers_are_handed_over(crew: House) -> None:
    load = Load(crew)
    before, done_before = processes(crew.server), count(crew.server, "handover_done")
    rounds = 0

    def is_done() -> bool:
        nonlocal rounds
        if count(crew.server, "handover_done") - done_before < rounds:
            return False
        if rounds < ROUNDS:
            crew.server.process.send_signal(signal.SIGHUP)
            rounds += 1
            return False
        return True

    asyncio.run(load.run(is_done))
    assert not load.failed
    assert len(load.answered) > RATE
    after = processes(crew.server)
    assert len(after) == WORKERS
    assert not before & after
    verify_record(crew.environ)


def test_a_worker_that_is_killed_is_replaced_and_others_answer_meanwhile(crew: House) -> None:
    before = processes(crew.server)
    os.kill(min(before), signal.SIGKILL)
    wait_until(lambda: len(processes(crew.server) - before) == 1)
    for _ in range(10):
        assert httpx.get(f"{crew.server.address}/health/ready").status_code == 200
    assert len(processes(crew.server)) == WORKERS


def test_every_worker_shows_what_all_of_them_counted(crew: House) -> None:
    def read() -> set[float]:
        """What is shown, asked so often that both workers are probably among those asked."""
        texts = [httpx.get(f"{crew.server.address}/metrics").text for _ in range(12)]
        assert all(f"instant_credit_workers {WORKERS}.0" in text for text in texts)
        counted = 'instant_credit_applications_total{ending="decided"'
        return {
            sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(counted)) for text in texts
        }

    (before,) = read()
    for seed in range(12):
        with crew.client() as client:
            body = invent_body(crew.documents.product, Random(seed))
            assert client.post(crew.apply_url, json=body).status_code == 201
    assert read() == {before + 12}


def test_workers_end_with_their_supervisor(crew: House, tmp_path: Path) -> None:
    # Its log is its own: nobody logs the end of a worker that has lost its supervisor.
    server = start_server(crew.environ, tmp_path, "--workers", "1")
    (worker,) = processes(server)
    server.process.kill()
    server.stop()
    wait_until(lambda: not is_alive(worker))
