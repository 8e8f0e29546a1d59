"""Several workers behind one address: handed over, lost and ended under load, and no request fails."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from random import Random

import httpx
import pytest

from instant_credit.record.embedded import destroy_cluster
from instant_credit.settings import read_settings
from tests.budget import IS_PROVING
from tests.journeys.loads import RATE, Halfway, Tail, make_load, processes, wait_until_refused
from tests.lending import Documents, House, furnish, invent_body, serving, start_server, verify_record, wait_until

WORKERS = 2
UNDER_WAY = 12
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


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.prove
def test_no_request_fails_while_workers_are_handed_over(crew: House) -> None:
    load, tail = make_load(crew.server.address, crew.documents, crew.keys["all"]), Tail(crew.server.log)
    before, done_before = processes(crew.server), tail.count("handover_done")
    rounds = 0

    def is_done() -> bool:
        nonlocal rounds
        if tail.count("handover_done") - done_before < rounds:
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_every_process_of_the_service_cuts_no_request(crew: House, tmp_path: Path, number: int) -> None:
    server = start_server(crew.environ, tmp_path, "--workers", str(WORKERS), leads_group=True)
    workers = processes(server)
    applications = [Halfway(crew, server.address, seed) for seed in range(UNDER_WAY)]
    for application in applications:
        application.begin()
    # A terminal signals the group, a service manager every process that it finds; a worker hears it from its supervisor too.
    os.killpg(server.process.pid, number)
    for worker in workers:
        os.kill(worker, number)
    wait_until_refused(server.address)
    assert [application.end() for application in applications] == [201] * UNDER_WAY
    assert server.process.wait(40) == server.stop() == 0
    ended = [line for line in server.log_lines() if line["event"] == "worker_ended"]
    assert {line["process"]: line["status"] for line in ended} == dict.fromkeys(workers, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.long
def test_the_end_comes_while_a_worker_drains_and_cuts_no_request(crew: House, tmp_path: Path, number: int) -> None:
    """The supervisor's end is told to its workers, or noticed by them."""
    server = start_server(crew.environ, tmp_path, "--workers", str(WORKERS))
    applications = [Halfway(crew, server.address, seed) for seed in range(UNDER_WAY)]
    assert {application.ask_for_life() for application in applications} == {200}
    server.process.send_signal(signal.SIGHUP)
    tail = Tail(server.log)
    wait_until(lambda: tail.count("worker_started") > WORKERS)
    # From here on one of the first workers drains, and still answers on the connections that it has.
    for application in applications:
        application.begin()
    workers = processes(server)
    server.process.send_signal(number)
    wait_until_refused(server.address)
    assert [application.end() for application in applications] == [201] * UNDER_WAY
    assert server.stop() == (0 if number == signal.SIGTERM else -number)
    wait_until(lambda: not any(is_alive(worker) for worker in workers))


def test_workers_end_with_their_supervisor(crew: House, tmp_path: Path) -> None:
    # Its log is its own: nobody logs the end of a worker that has lost its supervisor.
    server = start_server(crew.environ, tmp_path, "--workers", "1")
    (worker,) = processes(server)
    server.process.kill()
    server.stop()
    wait_until(lambda: not is_alive(worker))
