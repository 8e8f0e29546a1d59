"""A marked person goes all the way through the house and is found again nowhere in the clear."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import httpx
import pytest

from tests.lending import House, invent_body

NAME = "Zyxwella Quorbitane"
NUMBER = "MARK-77-QX31415-92653"
ADDRESS = "4711 Vexillology Crescent, Plumtree"
# A part of each is as telling as the whole; the number also without its hyphens, as it is folded for hashing.
# Letters that no hexadecimal digest holds: digits alone occur in one by chance.
MARKS = ("zyxwella", "quorbitane", "qx31415", "mark77qx31415", "vexillology", "plumtree")


@pytest.fixture(scope="module")
def texts(house: House) -> dict[str, str]:
    """Everything that left the house while the marked person was about, by where it was seen."""
    body = invent_body(house.documents.product, Random(42))
    body["applicant"] = {"name": NAME, "identity_number": NUMBER, "address": ADDRESS}
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
    seen["replay"] = _replay(house)
    seen["log"] = house.server.log.read_text()
    assert len(seen["log"].splitlines()) >= 10
    return seen


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


def test_no_log_error_metric_url_or_replay_shows_a_mark(texts: dict[str, str]) -> None:
    assert {where: found for where, text in texts.items() if (found := marks_in(text))} == {}


def test_no_column_of_any_table_shows_a_mark(house: House, texts: dict[str, str]) -> None:
    dumped = asyncio.run(_dump(house.superuser_url))
    assert {"cases", "identities", "decisions", "idempotency_keys", "person_keys", "api_keys"} <= set(dumped)
    assert all(dumped[table] for table in ("cases", "identities", "decisions", "idempotency_keys", "person_keys"))
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
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 100
    found = []
    for path in files:
        raw = path.read_bytes().lower()
        if any(mark.encode() in raw for mark in MARKS):
            found.append(path.name)
    assert found == []


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
        body = invent_body(house.documents.product, Random(43))
        body["applicant"] = {"name": NAME, "identity_number": NUMBER, "address": ADDRESS}
        answer = client.post(house.apply_url, json=body).json()

    reading = Reading(actor=Actor(kind=ActorKind.JOB, id="tests"), purpose=ReadPurpose.AUDIT)

    async def read() -> bytes | None:
        async with open_record(house.settings) as record:
            return await read_identity(record, UUID(answer["application_id"]), reading)

    identity = asyncio.run(read())
    assert identity is not None
    assert json.loads(identity)["name"] == NAME
