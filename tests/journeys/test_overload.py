"""More applications at once than a process takes on: the newest are refused at once, the others are answered in time."""

import asyncio
import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import perf_counter

import httpx
import numpy as np
import pytest

from instant_credit.api.gate import LEAST, MOST
from instant_credit.underwriting.course import APPLICATION_SECONDS
from tests.budget import IS_PROVING
from tests.lending import House, invent_body

CLIENTS = 2 * MOST + 64
CALM_CLIENTS = LEAST
SECONDS = 60 if IS_PROVING else 2
PAUSE_SECONDS = 0.25
WATCH_SECONDS = 0.1
# The suite shares the processor with other tests; `make prove` runs alone.
REFUSAL_SECONDS_P99 = 0.05 if IS_PROVING else 1.0
GOODPUT_SHARE_MIN = 0.8 if IS_PROVING else 0.2
MEMORY_GROWTH_MAX = 1.1 if IS_PROVING else 1.5


@dataclass
class Crowd:
    """Clients that each apply again as soon as they are answered, and a moment after they were refused."""

    house: House
    clients: int = CLIENTS
    seconds: float = SECONDS
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    resident: list[int] = field(default_factory=list)

    async def run(self) -> None:
        until = perf_counter() + self.seconds
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch(until))
            for number in range(self.clients):
                group.create_task(self._apply(number, until))

    @property
    def goodput(self) -> float:
        """Applications a second that were answered."""
        return len(self.accepted) / self.seconds

    @property
    def growth(self) -> float:
        """How many times as large as in the first half the server's memory became in the second one."""
        half = len(self.resident) // 2
        return max(self.resident[half:]) / statistics.median(self.resident[half // 2 : half])

    async def _watch(self, until: float) -> None:
        """Pages of memory that the server holds."""
        table = Path(f"/proc/{self.house.server.process.pid}/statm")
        while perf_counter() < until:
            self.resident.append(int(table.read_text().split()[1]))
            await asyncio.sleep(WATCH_SECONDS)

    async def _apply(self, number: int, until: float) -> None:
        host, port = self.house.server.address.removeprefix("http://").split(":")
        body = json.dumps(invent_body(self.house.documents.product, Random(number))).encode()
        head = (
            f"POST {self.house.apply_url} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.house.keys['all']}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        ).encode()
        reader, writer = await asyncio.open_connection(host, int(port))
        while (sent := perf_counter()) < until:
            writer.write(head + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(answer.split(b"content-length: ")[1].split(b"\r\n")[0]))
            took = perf_counter() - sent
            if answer.startswith(b"http/1.1 201"):
                self.accepted.append(took)
            elif answer.startswith(b"http/1.1 503") and b"\r\nretry-after: 1\r\n" in answer:
                self.refused.append(took)
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                self.others.append(answer.decode())
        writer.close()


def read_metrics(house: House) -> dict[str, float]:
    text = httpx.get(f"{house.server.address}/metrics").text
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def count_decided(metrics: dict[str, float]) -> float:
    return sum(
        n for name, n in metrics.items() if name.startswith('instant_credit_applications_total{ending="decided"')
    )


@pytest.mark.prove
def test_a_crowd_is_answered_in_time_or_refused_at_once(house: House) -> None:
    calm = Crowd(house, CALM_CLIENTS, SECONDS / 2)
    asyncio.run(calm.run())
    assert not calm.refused
    before = read_metrics(house)
    crowd = Crowd(house)
    asyncio.run(crowd.run())
    after = read_metrics(house)
    assert not crowd.others
    assert crowd.refused
    assert max(crowd.accepted) < APPLICATION_SECONDS
    assert np.percentile(crowd.refused, 99) < REFUSAL_SECONDS_P99
    assert crowd.goodput > GOODPUT_SHARE_MIN * calm.goodput
    assert crowd.growth < MEMORY_GROWTH_MAX
    assert count_decided(after) - count_decided(before) == len(crowd.accepted)
    full = 'instant_credit_refusals_total{cause="full"}'
    assert after[full] - before[full] == len(crowd.refused)
    assert after["instant_credit_requests_in_flight"] == 1
    assert LEAST <= after["instant_credit_places"] <= MOST
