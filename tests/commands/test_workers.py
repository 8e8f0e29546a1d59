"""The supervisor's crew, with small programs in the place of workers."""

import asyncio
import json
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Iterator
from io import StringIO
from typing import Any

import pytest
import structlog

from instant_credit.commands import workers
from instant_credit.commands.inheriting import Inheritance, decode_inheritance, encode_inheritance
from instant_credit.commands.workers import Crew
from instant_credit.errors import Refused

pytestmark = pytest.mark.anyio

WORKS = "echo ready; exec sleep 1000"
FAILS = "exit 3"
DRAINS = "trap 'exit 7' QUIT; trap '' TERM; echo ready; while :; do sleep 0.05; done"
IGNORES = "trap '' TERM HUP; echo ready; while :; do sleep 0.05; done"


@pytest.fixture(autouse=True)
def log() -> Iterator[StringIO]:
    stream = StringIO()
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.PrintLoggerFactory(stream)
    )
    yield stream
    structlog.reset_defaults()


def read_events(log: StringIO) -> list[str]:
    return [json.loads(line)["event"] for line in log.getvalue().splitlines()]


class Launcher:
    """Starts one program after another; the last one again and again."""

    def __init__(self, *programs: str) -> None:
        self.programs = list(programs)
        self.started: list[Process] = []
        self.forgotten: list[int] = []

    async def launch(self) -> tuple[Process, Awaitable[bool]]:
        program = self.programs.pop(0) if len(self.programs) > 1 else self.programs[0]
        process = await asyncio.create_subprocess_exec("/bin/sh", "-c", program, stdout=PIPE)
        self.started.append(process)
        return process, self._read_ready(process)

    async def _read_ready(self, process: Process) -> bool:
        assert process.stdout is not None
        return bool(await process.stdout.readline())

    def crew(self) -> Crew:
        return Crew(self.launch, self.forgotten.append)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0.005)


async def test_workers_are_started_and_end_together(log: StringIO) -> None:
    launcher = Launcher(WORKS)
    crew = launcher.crew()
    await crew.open(3)
    assert crew.ready == tuple(process.pid for process in launcher.started)
    await crew.close()
    assert crew.ready == ()
    assert sorted(launcher.forgotten) == sorted(process.pid for process in launcher.started)
    assert read_events(log) == ["worker_started"] * 3 + ["worker_ended"] * 3


async def test_a_server_whose_first_worker_fails_does_not_start() -> None:
    crew = Launcher(WORKS, FAILS).crew()
    with pytest.raises(Refused, match="before it was ready"):
        await crew.open(2)
    await crew.close()


async def test_a_lost_worker_is_replaced_however_often_that_fails(
    log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "DELAY_SECONDS", 0.001)
    launcher = Launcher(WORKS, WORKS, FAILS, FAILS, WORKS)
    crew = launcher.crew()
    await crew.open(2)
    first, second = crew.ready
    launcher.started[0].kill()
    await until(lambda: len(launcher.started) == 5 and len(crew.ready) == 2)
    assert crew.ready == (second, launcher.started[-1].pid)
    assert first in launcher.forgotten
    await crew.close()
    assert read_events(log).count("worker_lost") == 1


async def test_replacing_waits_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    delays: list[float] = []
    wait_for = asyncio.wait_for

    async def note(waited: Any, delay: float) -> Any:
        delays.append(delay)
        return await wait_for(waited, 0)

    launcher = Launcher(WORKS, *[FAILS] * 8, WORKS)
    crew = launcher.crew()
    await crew.open(1)
    monkeypatch.setattr(asyncio, "wait_for", note)
    launcher.started[0].kill()
    await until(lambda: len(launcher.started) == 10 and len(crew.ready) == 1)
    monkeypatch.undo()
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    await crew.close()


async def test_handing_over_replaces_all_one_after_another(log: StringIO) -> None:
    launcher = Launcher(WORKS)
    crew = launcher.crew()
    await crew.open(2)
    before = set(crew.ready)
    crew.hand_over()
    await until(lambda: "handover_done" in read_events(log))
    assert len(crew.ready) == 2
    assert not before & set(crew.ready)
    assert read_events(log)[2:] == ["worker_started", "worker_ended"] * 2 + ["handover_done"]
    await crew.close()


async def test_handing_over_asked_for_meanwhile_is_done_once_more(log: StringIO) -> None:
    launcher = Launcher(WORKS)
    crew = launcher.crew()
    await crew.open(1)
    for _ in range(3):
        crew.hand_over()
    await until(lambda: "handover_done" in read_events(log))
    assert len(launcher.started) == 3
    await crew.close()


async def test_old_workers_stay_when_a_new_one_does_not_get_ready(log: StringIO) -> None:
    launcher = Launcher(WORKS, WORKS, FAILS)
    crew = launcher.crew()
    await crew.open(2)
    before = crew.ready
    crew.hand_over()
    await until(lambda: "handover_stopped" in read_events(log))
    assert crew.ready == before
    await crew.close()


async def test_a_worker_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "END_SECONDS", 0.05)
    launcher = Launcher(IGNORES)
    crew = launcher.crew()
    await crew.open(1)
    await crew.close()
    assert launcher.started[0].returncode == -signal.SIGKILL


async def test_the_end_comes_while_a_worker_starts() -> None:
    launcher = Launcher("exec sleep 1000")
    crew = launcher.crew()
    opening = asyncio.create_task(crew.open(2))
    await until(lambda: bool(launcher.started))
    crew.end()
    await crew.wait()
    await crew.close()
    await asyncio.wait_for(opening, 20)
    assert len(launcher.started) == 1


async def test_asked_again_to_end_workers_end_at_once(log: StringIO) -> None:
    launcher = Launcher(DRAINS)
    crew = launcher.crew()
    await crew.open(2)
    crew.end()
    closing = asyncio.create_task(crew.close())
    await asyncio.sleep(0)
    crew.end()
    await asyncio.wait_for(closing, 20)
    assert {process.returncode for process in launcher.started} == {7}


def test_an_inheritance_survives_the_command_line() -> None:
    given = Inheritance(sockets=(3, 4), ready=5, lifeline=6, metrics="a folder")
    assert decode_inheritance(encode_inheritance(given)) == given


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"sockets": [1]}', "x"])
def test_nobody_else_inherits(text: str) -> None:
    with pytest.raises(Refused, match="leave it out"):
        decode_inheritance(text)


def test_the_supervisor_does_without_the_engine() -> None:
    code = "import sys, instant_credit.commands.serve; sys.exit(bool({'numba', 'numpy', 'uvicorn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
