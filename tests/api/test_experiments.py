"""Experiments over HTTP, on a server of their own: planned by one client, started by another, read by whoever may."""

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from instant_credit.access.actors import Actor, ActorKind, Scope
from instant_credit.record.api_keys import create_key
from instant_credit.record.embedded import Cluster
from instant_credit.record.pool import open_record
from tests.api.test_openapi import Held
from tests.api.test_releases import tell_terms
from tests.experiment.plans import plan
from tests.lender import founded
from tests.lending import Documents, House

ONE = "/v1/experiments/{experiment}"
KIND = "urn:instant-credit:problem:"


@pytest.fixture(scope="module")
def lender(documents: Documents, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with founded(documents, cluster, tmp_path_factory.mktemp("experiments")) as house:
        asyncio.run(add_keys(house))
        place = f"/v1/releases/{house.documents.release_hash}"
        with house.client() as models, house.client("validate") as validation:
            assert models.post(f"{place}/propose", json=tell_terms()).status_code == 200
            assert validation.post(f"{place}/approve").status_code == 200
        yield house


async def add_keys(house: House) -> None:
    actor = Actor(kind=ActorKind.JOB, id="tests")
    async with open_record(house.settings) as record:
        for name, scopes, is_test in (
            ("starter", {Scope.EXPERIMENTS_START}, False),
            ("test", frozenset(Scope), True),
        ):
            house.keys[name] = await create_key(
                record, client_id=name, scopes=frozenset(scopes), expires_at=None, actor=actor, is_test=is_test
            )


def tell_plan(house: House, name: str, **changes: Any) -> dict[str, Any]:
    laid = {"policy": house.documents.release_hash}
    arms = [{"name": "control", "share_ppm": 500_000}, {"name": "new", "share_ppm": 500_000, "overlay": laid}]
    told: dict[str, Any] = msgspec.to_builtins(plan(name=name, arms=arms))
    return told | changes


def test_an_experiment_is_planned_started_ramped_and_stopped_over_http(lender: House) -> None:
    held = Held(lender)
    with lender.client() as planner, lender.client("starter") as starter:
        answers = [planner.post("/v1/experiments", json=tell_plan(lender, "first")) for _ in range(2)]
        for planned in answers:
            held.check("/v1/experiments", "post", planned)
            assert planned.status_code == 201, planned.text
        assert answers[0].content == answers[1].content
        place = planned.headers["location"]
        shares = {"reach_ppm": 200_000, "coverage_ppm": 50_000}
        own = planner.post(f"{place}/start", json=shares)
        held.check(f"{ONE}/start", "post", own)
        assert (own.status_code, own.json()["type"]) == (409, f"{KIND}experiment-conflict")
        assert "a second person" in own.json()["detail"]
        for path, body, state in (
            ("start", shares, "running"),
            ("ramp", {"coverage_ppm": 60_000}, "running"),
            ("stop", {"reason": "Enough is known."}, "stopped"),
        ):
            for _ in range(2):
                moved = starter.post(f"{place}/{path}", json=body)
                held.check(f"{ONE}/{path}", "post", moved)
                assert (moved.status_code, moved.json()["state"]) == (200, state), moved.text
        read = planner.get(place)
        held.check(ONE, "get", read)
        assert [event["kind"] for event in read.json()["events"]] == ["started", "ramped", "stopped"]
        listed = planner.get("/v1/experiments", params={"product": "personal_loan", "state": "stopped"})
        held.check("/v1/experiments", "get", listed)
        assert [one["name"] for one in listed.json()["experiments"]] == ["first"]
        assert planner.get("/v1/experiments?state=planned").json()["experiments"] == []
        assert [planner.get(f"/v1/experiments?{query}").status_code for query in ("state=x", "product=%21")] == [
            400
        ] * 2


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [({"primary": "other"}, ""), ({"arms": 3}, "/arms"), ({"more": 1}, ""), ({"layer": "none"}, "/layer")],
)
def test_what_is_wrong_with_a_plan_is_told_by_field(lender: House, changes: dict[str, Any], pointer: str) -> None:
    with lender.client() as planner:
        refused = planner.post("/v1/experiments", json=tell_plan(lender, "wrong", **changes))
    Held(lender).check("/v1/experiments", "post", refused)
    assert (refused.status_code, refused.json()["type"]) == (422, f"{KIND}experiment-refused")
    assert refused.json()["errors"][0]["pointer"] == pointer


def test_each_move_needs_its_scope_and_no_key_for_tests(lender: House) -> None:
    with lender.client("starter") as starter, lender.client("test") as tester, lender.client("apply") as applicant:
        assert starter.post("/v1/experiments", json={}).status_code == 403
        assert applicant.get("/v1/experiments").status_code == 403
        assert tester.get("/v1/experiments").status_code == 200
        assert tester.post("/v1/experiments", json=tell_plan(lender, "tested")).status_code == 403
        for name in ("0", "x", "999999", "1" * 9):
            missing = starter.post(f"/v1/experiments/{name}/stop", json={"reason": "Enough."})
            assert (missing.status_code, missing.json()["type"]) == (404, f"{KIND}not-found")
