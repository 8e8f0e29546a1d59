"""A marked person goes all the way through the house and is found again nowhere in the clear."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import httpx
import pytest

from tests.lending import House, anchor_record, invent_body, serving

NAME = "Zyxwella Quorbitane"
NUMBER = "MARK-77-QX31415-92653"
ADDRESS = "4711 Vexillology Crescent, Plumtree"
# A part of each is as telling as the whole; the number also without its hyphens, as it is folded for hashing.
# Letters that no hexadecimal digest holds: digits alone occur in one by chance.
MARKS = ("zyxwella", "quorbitane", "qx31415", "mark77qx31415", "vexillology", "plumtree")


APPLICANT = {"name": NAME, "identity_number": NUMBER, "address": ADDRESS}
HAS_TRACES = find_spec("opentelemetry.sdk") is not None


@pytest.fixture(scope="module")
def texts(house: House, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Everything that left the house while the marked person was about, by where it was seen."""
    body = marked(house, 42)
    seen: dict[str, str] = {}
    with house.client() as client:
        answers = [_apply(client, house, body) for _ in range(2)]
        assert {a.status_code for a in answers} == {201}
        recorded = client.get(answers[0].headers["location"])
        assert recorded.status_code == 200
        errors = list(_mistakes(client, house, body))
        for number, response in enumerate([*answers, recorded, *errors]):
            seen[f"response {number}"] = f"{response.headers!r} {response.text}"
        seen["metrics"] = client.get("/metrics").text
    seen |= _see_a_life(house, tmp_path_factory.mktemp("workers"))
    seen["replay"] = _replay(house)
    seen["log"] = house.server.log.read_text()
    assert len(seen["log"].splitlines()) >= 10
    return seen


def marked(house: House, seed: int) -> dict[str, Any]:
    return {**invent_body(house.documents.product, Random(seed)), "applicant": APPLICANT}


def _see_a_life(house: House, folder: Path) -> dict[str, str]:
    """What several workers that trace answer, log and trace while the marked person drafts, is quoted, decided, and goes on from there."""
    with collecting() as (address, traces):
        environ = {**house.environ, **({"OTEL_EXPORTER_OTLP_ENDPOINT": address} if HAS_TRACES else {})}
        with serving(environ, folder, "--workers", "2") as server:
            bearer = {"Authorization": f"Bearer {house.keys['all']}"}
            with httpx.Client(base_url=server.address, headers=bearer, timeout=30) as client:
                answers = [*_draft(client, house), *_quote(client, house), *_go_on(client, house)]
                answers += _mistakes(client, house, marked(house, 44))
                metrics = client.get("/metrics").text
    seen = {f"life {number}": f"{one.headers!r} {one.text}" for number, one in enumerate(answers)}
    told = "".join(raw.decode("utf-8", "replace") for raw in traces)
    assert not HAS_TRACES or all(part in told for part in ("/v1/drafts/{draft_id}", "decided"))
    log = server.log.read_text()
    assert "request_failed" not in log
    return {**seen, "traces": told, "log of workers": log, "metrics of workers": metrics}


@contextmanager
def collecting() -> Iterator[tuple[str, list[bytes]]]:
    """An OpenTelemetry collector that keeps what it is sent; its address, and that."""
    kept: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _draft(client: httpx.Client, house: House) -> Iterator[httpx.Response]:
    """A draft told bit by bit, and one that is withdrawn."""
    drafts = f"/v1/products/{house.documents.product.name}/drafts"
    opened = client.post(drafts, json={"facts": marked(house, 45)["facts"]})
    yield opened
    draft = opened.headers["location"]
    name_and_address = {"applicant": {"name": NAME, "address": ADDRESS}}
    for part, status in (
        (name_and_address, 200),
        ({"applicant": {"identity_number": [NUMBER]}}, 422),
        ({"applicant": {NAME: ADDRESS}, NUMBER: NAME}, 422),
        ({"facts": {NAME: 1, "purpose": ADDRESS}}, 422),
    ):
        changed = client.patch(draft, json=part)
        assert changed.status_code == status
        yield changed
    yield client.post(f"{draft}/submit")
    yield client.patch(draft, json={"applicant": {"identity_number": NUMBER}})
    decided = client.post(f"{draft}/submit")
    assert decided.status_code == 201
    yield decided
    yield client.get(draft)
    yield client.patch(draft, json=name_and_address)
    yield client.post(f"{draft}/withdraw")
    other = client.post(drafts, json={"applicant": APPLICANT}).headers["location"]
    withdrawn = client.post(f"{other}/withdraw")
    assert withdrawn.json()["state"] == "withdrawn"
    yield withdrawn
    yield client.get(f"/v1/drafts/{NUMBER}?name={NAME}")


def _quote(client: httpx.Client, house: House) -> Iterator[httpx.Response]:
    quotes = f"/v1/products/{house.documents.product.name}/quotes"
    facts = marked(house, 46)["facts"]
    quoted = client.post(quotes, json={"facts": facts})
    assert quoted.status_code == 201
    yield quoted
    yield client.get(quoted.headers["location"])
    for wrong in ({"facts": facts, "applicant": APPLICANT}, {"facts": {**facts, NAME: NUMBER, "purpose": ADDRESS}}):
        refused = client.post(quotes, json=wrong)
        assert refused.status_code == 422
        yield refused


def _go_on(client: httpx.Client, house: House) -> Iterator[httpx.Response]:
    """Of two offers one is accepted and the other one's application withdrawn; the receipt of a decision."""
    offered = 0
    for seed in count(1_000):
        answer = client.post(house.apply_url, json=marked(house, seed))
        told = answer.json()
        if told["offer"] is None:
            continue
        offered += 1
        application = f"/v1/applications/{told['application_id']}"
        offer = f"{application}/offers/{told['offer']['offer_id']}"
        ended = client.post(f"{offer}/accept" if offered == 1 else f"{application}/withdraw", json=APPLICANT)
        assert ended.status_code == 200
        yield from (answer, ended, client.get(application), client.get(f"{application}/offers"), client.get(offer))
        yield client.post(f"{application}/withdraw")
        if offered == 2:
            break
    anchor_record(house.environ)
    receipt = client.get(f"{answer.headers['location']}/receipt")
    assert receipt.status_code == 200
    yield receipt
    yield client.get(f"/v1/applications/{NUMBER}/offers/{NAME}")


def _apply(client: httpx.Client, house: House, body: dict[str, Any]) -> httpx.Response:
    return client.post(house.apply_url, json=body, headers={"Idempotency-Key": NUMBER})


def _mistakes(client: httpx.Client, house: House, body: dict[str, Any]) -> Iterator[httpx.Response]:
    """Requests that go wrong in every way while they hold the marks in every place."""
    facts, applicant = body["facts"], body["applicant"]
    wrong: list[Any] = [
        {**body, "facts": {**facts, "requested_amount_cents": NAME}},
        {**body, "facts": {**facts, "purpose": NUMBER, "earliest_credit_on": ADDRESS, "term_months": -1}},
        {**body, "facts": {**facts, NAME: 1, "Plumtree": NUMBER}},
        {**body, "applicant": {**applicant, "identity_number": [NUMBER], "name": {"first": NAME}}},
        {**body, "applicant": {**applicant, "maiden name " + NAME: NAME}},
        {**body, NUMBER: ADDRESS, "monitoring": {NAME: NAME}},
        [body],
        NAME,
    ]
    for one in wrong:
        yield client.post(house.apply_url, json=one)
    raw = json.dumps(body).encode()
    plain = {"Content-Type": "application/json"}
    yield client.post(house.apply_url, content=raw[:-1], headers=plain)
    yield client.post(house.apply_url, content=raw[:40] + b"\xff" + raw[40:], headers=plain)
    yield client.post(house.apply_url, content=raw, headers={"Content-Type": "text/plain"})
    yield client.post(house.apply_url, content=raw * 100, headers=plain)
    yield client.post(house.apply_url, content=raw, headers={**plain, "Authorization": f"Bearer {NUMBER}"})
    yield client.post(house.apply_url, content=raw, headers={**plain, "Idempotency-Key": NAME})
    other = {**body, "facts": {**facts, "term_months": 36 if facts["term_months"] == 60 else 60}}
    yield _apply(client, house, other)
    yield client.post(f"/v1/products/{NUMBER}/applications", json=body)
    yield client.get(f"/v1/decisions/{NUMBER}?name={NAME}")
    yield client.get(f"/{ADDRESS}")


def _replay(house: House) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "instant_credit.commands", "replay", "--book", "applications"],
        env={**os.environ, **house.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


def marks_in(text: str) -> list[str]:
    folded = text.casefold()
    return [mark for mark in MARKS if mark in folded]


@pytest.mark.long
def test_no_log_error_metric_url_or_replay_shows_a_mark(texts: dict[str, str]) -> None:
    assert {where: found for where, text in texts.items() if (found := marks_in(text))} == {}


def test_no_column_of_any_table_shows_a_mark(house: House, texts: dict[str, str]) -> None:
    dumped = asyncio.run(_dump(house.superuser_url))
    assert {"cases", "identities", "decisions", "idempotency_keys", "person_keys", "api_keys"} <= set(dumped)
    filled = {"cases", "identities", "decisions", "idempotency_keys", "person_keys"}
    filled |= {"draft_versions", "draft_events", "quotes", "application_events", "links"}
    assert all(dumped[table] for table in filled)
    found = {}
    for table, raws in dumped.items():
        for raw in raws:
            if hits := marks_in(raw.decode("utf-8", "replace")) + marks_in(raw.decode("utf-16-le", "replace")):
                found[table] = hits
    assert found == {}


async def _dump(url: str) -> dict[str, list[bytes]]:
    """Every value of every table of every schema of ours, bytes as they are and everything else as text."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        dumped: dict[str, list[bytes]] = {}
        for table in tables:
            rows = await connection.fetch(f'SELECT * FROM "{table["schemaname"]}"."{table["tablename"]}"')  # noqa: S608 names out of the catalogue
            dumped[table["tablename"]] = [
                value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")
                for row in rows
                for value in row.values()
            ]
        return dumped
    finally:
        await connection.close()


def test_no_file_of_the_database_shows_a_mark(house: House, texts: dict[str, str]) -> None:
    """Tables, indexes, write-ahead log and the database's own log, as they lie on disk."""
    folder = Path(asyncio.run(_checkpoint(house.superuser_url)))
    read, found = 0, []
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        try:
            raw = path.read_bytes().lower()
        except FileNotFoundError:
            continue  # Postgres drops caches and temporary files of other databases in the meantime
        read += 1
        if any(mark.encode() in raw for mark in MARKS):
            found.append(path.name)
    assert found == []
    assert read > 100


async def _checkpoint(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("CHECKPOINT")
        return str(await connection.fetchval("SHOW data_directory"))
    finally:
        await connection.close()


def test_the_identity_opens_with_the_key_ring_only(house: House, texts: dict[str, str]) -> None:
    """The marks are really in there: whoever holds the ring can read them."""
    from uuid import UUID

    from instant_credit.access.actors import Actor, ActorKind
    from instant_credit.access.purposes import Reading, ReadPurpose
    from instant_credit.record.pool import open_record
    from instant_credit.record.reads import read_identity

    with house.client() as client:
        answer = client.post(house.apply_url, json=marked(house, 43)).json()

    reading = Reading(actor=Actor(kind=ActorKind.JOB, id="tests"), purpose=ReadPurpose.AUDIT)

    async def read() -> bytes | None:
        async with open_record(house.settings) as record:
            return await read_identity(record, UUID(answer["application_id"]), reading)

    identity = asyncio.run(read())
    assert identity is not None
    assert json.loads(identity)["name"] == NAME
