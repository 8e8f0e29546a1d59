"""A lender under load whose server, database and network fail for real, and what must hold afterwards.

    clients ─► server (a process) ─► proxy (cuts, hangs, slows) ─► Postgres (a process of its own home)

Clients send every application until it is answered, always under its own key.
"""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import msgspec

from instant_credit.client.attempts import Patience
from instant_credit.client.awaiting import AsyncClient
from instant_credit.client.calls import Applied
from instant_credit.client.failures import NoAnswer, ServerUnavailable, TooManyRequests
from instant_credit.record.embedded import (
    APP,
    DATABASE,
    OWNER,
    SUPERUSER,
    Cluster,
    destroy_cluster,
    revive_cluster,
    use_cluster,
)
from instant_credit.record.installation import prepare_installation
from instant_credit.record.pool import open_record
from instant_credit.settings import Settings, read_settings
from instant_credit.underwriting.replay import replay
from tests.lending import Documents, Served, furnish, invent_body, start_server
from tests.record.anchored import audit
from tests.record.cutting import Loss, Proxy, proxy_to

CALLERS = 8
BACK_SECONDS_MAX = 2.0
_HASTY = Patience(seconds=2.0, attempt_seconds=1.0)
# Asks again at once, whatever the server asks for: it finds the moment at which the service is back.
_PROBE = Patience(seconds=1.0, attempt_seconds=0.5, attempts_max=1)


class Chaos:
    """One lender, the load on it, and the faults it has seen."""

    def __init__(self, folder: Path, documents: Documents, *, cluster: Cluster, proxy: Proxy, seed: int) -> None:
        self.home = folder / "database"
        self.folder = folder
        self.documents = documents
        self.cluster = cluster
        self.proxy = proxy
        self.chance = Random(seed)
        self.answers: dict[str, tuple[bytes, Applied]] = {}
        self.back_seconds: dict[str, list[float]] = {}
        self.stalled: list[socket.socket] = []
        self._under_way: set[str] = set()
        self._clients = contextlib.AsyncExitStack()
        self._is_over = asyncio.Event()
        self._numbers = iter(range(10**9))

    @property
    def environ(self) -> dict[str, str]:
        return {
            "INSTANT_CREDIT_HOME": str(self.folder / "home"),
            "INSTANT_CREDIT_KEY_RING": str(self.folder / "ring.json"),
            "INSTANT_CREDIT_DATABASE_CONNECTIONS": "3",
            "INSTANT_CREDIT_ANCHOR_SECONDS": "1",
            "DATABASE_URL": self.proxy.url,
            "DATABASE_OWNER_URL": self.cluster.url(OWNER, DATABASE),
        }

    @property
    def settings(self) -> Settings:
        """Of whoever goes past the proxy."""
        return read_settings(self.environ | {"DATABASE_URL": self.cluster.url(APP, DATABASE)})

    async def start(self) -> None:
        """Furnish the record and start the server."""
        self.key = (await furnish(self.settings, self.documents))["all"]
        await self._start_server()

    async def end(self) -> None:
        """Close the clients and stop the server."""
        await self._clients.aclose()
        await asyncio.to_thread(self.server.stop)

    async def _start_server(self) -> None:
        self.server: Served = await asyncio.to_thread(start_server, self.environ, self.folder)
        self.hasty, self.probe = (
            AsyncClient(self.server.address, self.key, patience=patience) for patience in (_HASTY, _PROBE)
        )
        for client in (self.hasty, self.probe):
            self._clients.push_async_callback(client.close)

    async def apply(self, number: int, *, is_probe: bool = False) -> Applied:
        """Send application `number` until it is answered, whatever server is there; every answer to a key is the same."""
        body = msgspec.json.encode(invent_body(self.documents.product, Random(number)))
        key = f"order-{number}"
        self._under_way.add(key)
        while True:
            client = self.probe if is_probe else self.hasty
            try:
                applied = await client.apply(self.documents.product.name, body, idempotency_key=key)
            except (NoAnswer, ServerUnavailable, TooManyRequests):
                await asyncio.sleep(0.01)
                continue
            first = self.answers.setdefault(key, (body, applied))
            assert first[1].raw == applied.raw, "two answers to one key"
            self._under_way.discard(key)
            return applied

    async def call(self) -> None:
        """One caller: one application after another until the end."""
        while not self._is_over.is_set():
            await self.apply(next(self._numbers))

    async def under_load(self, faults: list[str]) -> None:
        """Have every fault happen while callers call, then let everything under way end."""
        callers = [asyncio.create_task(self.call()) for _ in range(CALLERS)]
        try:
            for name in faults:
                enough = len(self.answers) + CALLERS // 2
                while len(self.answers) < enough:
                    await asyncio.sleep(0.01)
                    for caller in callers:
                        if caller.done():
                            caller.result()
                await getattr(self, name)()
        finally:
            self._is_over.set()
            await asyncio.gather(*callers)
            for connection in self.stalled:
                connection.close()

    async def _come_back(self, name: str) -> None:
        """Take down how long it takes until an application is answered, from the moment the database can answer."""
        started = time.monotonic()
        await self.apply(next(self._numbers), is_probe=True)
        self.back_seconds.setdefault(name, []).append(time.monotonic() - started)

    async def kill_server(self) -> None:
        self.server.process.kill()
        await asyncio.to_thread(self.server.stop)
        await self._start_server()
        await self._come_back("kill_server")

    async def pause_server(self) -> None:
        self.server.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(self.chance.uniform(0.05, 1.0))
        self.server.process.send_signal(signal.SIGCONT)
        await self._come_back("pause_server")

    async def kill_database(self) -> None:
        note = prepare_installation(self.home).data / "postmaster.pid"
        os.kill(int(note.read_text().split("\n", 1)[0]), signal.SIGKILL)
        await asyncio.sleep(self.chance.uniform(0, 0.5))
        while not await asyncio.to_thread(revive_cluster, self.home):
            await asyncio.sleep(0.01)
        await self._when_database_answers()
        await self._come_back("kill_database")

    async def _when_database_answers(self) -> None:
        while True:
            try:
                connection = await asyncpg.connect(self.cluster.url(SUPERUSER, DATABASE))
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.01)
                continue
            await connection.close()
            return

    async def end_connections(self) -> None:
        await self._run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", APP)
        await self._come_back("end_connections")

    async def cut_requests(self) -> None:
        await self._cut(Loss.REQUEST)

    async def cut_answers(self) -> None:
        await self._cut(Loss.ANSWER)

    async def _cut(self, loss: Loss) -> None:
        cuts = self.chance.randint(1, 6)
        made = self.proxy.cuts_made
        self.proxy.arm(loss, self.chance.randrange(3), cuts=cuts)
        async with asyncio.timeout(30):
            while self.proxy.cuts_made < made + cuts:
                await asyncio.sleep(0.01)
        await self._come_back(f"cut_{loss.value}s")

    async def slow_database(self) -> None:
        self.proxy.delay_seconds = self.chance.uniform(0.05, 0.4)
        await asyncio.sleep(0.5)
        self.proxy.delay_seconds = 0.0
        await self._come_back("slow_database")

    async def exhaust_pool(self) -> None:
        """Every connection waits for a table that somebody else holds."""
        connection = await asyncpg.connect(self.cluster.url(SUPERUSER, DATABASE))
        try:
            async with connection.transaction():
                await connection.execute("LOCK TABLE instant_credit.idempotency_keys IN ACCESS EXCLUSIVE MODE")
                await asyncio.sleep(self.chance.uniform(0.2, 1.5))
        finally:
            await connection.close()
        await self._come_back("exhaust_pool")

    async def slow_clients(self) -> None:
        """Half heads, half bodies, and answers that nobody reads."""
        parts = urlsplit(self.server.address)
        head = f"POST /v1/products/{self.documents.product.name}/applications HTTP/1.1\r\nhost: x\r\n"
        full = f"{head}authorization: Bearer {self.key}\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n{{"
        unread = f"GET /openapi.json HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.key}\r\n\r\n" * 20
        for said in (head, full, unread) * 5:
            connection = socket.create_connection((parts.hostname, parts.port), timeout=5)
            connection.sendall(said.encode())
            self.stalled.append(connection)
        await self._come_back("slow_clients")

    async def _run(self, statement: str, *arguments: Any) -> list[Any]:
        connection = await asyncpg.connect(self.cluster.url(SUPERUSER, DATABASE))
        try:
            return list(await connection.fetch(statement, *arguments))
        finally:
            await connection.close()

    async def check(self) -> None:
        """What was answered is recorded, once, whole and byte-equal, and nothing else is.

        Every Decision is the one that its release's rules give, and the chain holds from its first link to an anchor of the last one.
        """
        assert not self._under_way
        counts = await self._run(
            "SELECT (SELECT count(*) FROM instant_credit.decisions) AS decisions,"
            " (SELECT count(*) FROM instant_credit.cases) AS cases,"
            " (SELECT count(*) FROM instant_credit.identities) AS identities,"
            " (SELECT count(*) FROM instant_credit.idempotency_keys) AS keys,"
            " (SELECT count(*) FROM instant_credit.decisions JOIN instant_credit.cases USING (bucket, case_id)"
            "   JOIN instant_credit.identities USING (bucket, case_id)"
            "   JOIN instant_credit.idempotency_keys USING (bucket, decision_id)) AS whole"
        )
        assert set(counts[0].values()) == {len(self.answers)}, (dict(counts[0]), len(self.answers))
        async with AsyncClient(self.server.address, self.key) as client:
            for key, (body, applied) in self.answers.items():
                again = await client.apply(self.documents.product.name, body, idempotency_key=key)
                assert again.is_repeated
                assert again.raw == applied.raw
                recorded = await client.read_decision(applied.answer.decision_id)
                told, decision = applied.answer, recorded.decision
                assert (recorded.application_id, recorded.release) == (told.application_id, told.release)
                assert (decision.outcome, decision.pd_ppm, decision.points) == (told.outcome, told.pd_ppm, told.points)
                assert decision.reasons == told.reasons
        assert await asyncio.to_thread(self.server.stop) == 0
        await self._check_record()

    async def _check_record(self) -> None:
        """Decide everything again, and audit every row; the server has ended and anchored all that it wrote."""
        settings = self.settings
        async with open_record(settings) as record:
            again = await replay(record)
            report = await audit(record, settings)
        assert (again.equal, again.different, again.erased, again.undecided) == (len(self.answers), 0, 0, 0)
        assert report.found == 0, report.findings
        assert report.newer_links == 0
        assert report.anchors >= 2
        assert report.rows >= 4 * len(self.answers)


FAULTS = (
    "cut_requests",
    "kill_database",
    "slow_clients",
    "cut_answers",
    "exhaust_pool",
    "pause_server",
    "end_connections",
    "slow_database",
    "kill_server",
)


@asynccontextmanager
async def chaos(folder: Path, documents: Documents, seed: int) -> AsyncIterator[Chaos]:
    """A lender on a Postgres of its own, which is deleted at the end."""
    home = folder / "database"
    with contextlib.ExitStack() as stack:
        stack.callback(destroy_cluster, home)
        cluster = await asyncio.to_thread(stack.enter_context, use_cluster(home))
        async with proxy_to(cluster.url(APP, DATABASE)) as proxy:
            lender = Chaos(folder, documents, cluster=cluster, proxy=proxy, seed=seed)
            await lender.start()
            try:
                yield lender
            finally:
                await lender.end()
