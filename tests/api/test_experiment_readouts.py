"""Readouts over HTTP, on a server of their own: an experiment runs there and for nobody else."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from instant_credit.access.actors import Actor, ActorKind, Scope
from instant_credit.canonical import hash_content
from instant_credit.record.api_keys import create_key
from instant_credit.record.embedded import Cluster
from instant_credit.record.pool import open_record
from tests.api.test_openapi import Held
from tests.lender import founded
from tests.lending import Documents, House
from tests.underwriting.test_experiment_readouts import start_experiment, write_days

EXPERIMENT = "/v1/experiments/{experiment}"


@pytest.fixture(scope="module")
def lender(documents: Documents, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with founded(documents, cluster, tmp_path_factory.mktemp("readouts")) as house:
        asyncio.run(prepare(house))
        yield house


async def prepare(house: House) -> None:
    """Experiment 1, which promotes its challenger; a key for tests and one that proposes releases and nothing else."""
    actor = Actor(kind=ActorKind.JOB, id="tests")
    async with open_record(house.settings) as record:
        own = await start_experiment(record, house.documents)
        await write_days(record, own, rates=(0.12, 0.03))
        for name, scopes, is_test in (
            ("test", frozenset(Scope), True),
            ("proposes", frozenset({Scope.RELEASES_PROPOSE}), False),
        ):
            house.keys[name] = await create_key(
                record, client_id=name, scopes=scopes, expires_at=None, actor=actor, is_test=is_test
            )


def tell_promotion(**changes: Any) -> dict[str, Any]:
    today = datetime.now(UTC).date()
    told = {
        "arm": "challenger",
        "owner": "risk-team",
        "tier": "high",
        "review_on": str(today + timedelta(days=100)),
        "expires_on": str(today + timedelta(days=200)),
        "allowed_use": "Unsecured loans to consumers.",
    }
    return told | changes


def test_an_experiment_is_read_and_promoted_over_http(lender: House) -> None:
    held = Held(lender)
    with lender.client() as client:
        readout = client.get("/v1/experiments/1/readout")
        held.check(f"{EXPERIMENT}/readout", "get", readout)
        assert readout.json()["verdict"]["arm"] == "challenger"
        memo = client.get("/v1/experiments/1/memo")
        held.check(f"{EXPERIMENT}/memo", "get", memo)
        assert memo.json()["readout_hash"] == hash_content(readout.content)
        assert client.get("/v1/experiments/1/memo").content == memo.content
        early = client.get("/v1/experiments/1/readout", params={"until": "2020-01-01"})
        held.check(f"{EXPERIMENT}/readout", "get", early)
        assert (early.json()["until"], early.json()["verdict"]["kind"]) == (None, "not_enough")

        wrong = client.post("/v1/experiments/1/promote", json=tell_promotion(arm="control"))
        held.check(f"{EXPERIMENT}/promote", "post", wrong)
        assert wrong.status_code == 409
        promoted = client.post("/v1/experiments/1/promote", json=tell_promotion())
        held.check(f"{EXPERIMENT}/promote", "post", promoted)
        assert promoted.json()["release"]["waiting"] is not None
        assert promoted.json()["experiment"]["verdict"] == "promote"
        again = client.post("/v1/experiments/1/promote", json=tell_promotion()).json()
        assert again["release"] == promoted.json()["release"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/experiments/2/readout", 404),
        ("/v1/experiments/none/memo", 404),
        ("/v1/experiments/0/memo", 404),
        ("/v1/experiments/1/readout?until=yesterday", 422),
        ("/v1/experiments/1/readout?until=2026-02-30", 422),
    ],
)
def test_what_is_not_there_is_refused(lender: House, path: str, status: int) -> None:
    with lender.client() as client:
        assert client.get(path).status_code == status


@pytest.mark.parametrize("key", ["test", "proposes"])
def test_a_promotion_takes_a_key_that_may_conclude_and_propose(lender: House, key: str) -> None:
    headers = {"Authorization": f"Bearer {lender.keys[key]}"}
    with httpx.Client(base_url=lender.server.address, headers=headers) as client:
        assert client.post("/v1/experiments/1/promote", json=tell_promotion()).status_code == 403


def test_a_promotion_with_a_wrong_field_says_which(lender: House) -> None:
    with lender.client() as client:
        answer = client.post("/v1/experiments/1/promote", json=tell_promotion(tier="grave"))
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/tier")
        answer = client.post("/v1/experiments/1/promote", content=b"{", headers={"content-type": "application/json"})
        assert answer.status_code == 400
