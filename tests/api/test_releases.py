"""Releases over HTTP, on a server of their own: whatever goes live here is live for nobody else."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind, Scope
from instant_credit.canonical import hash_content
from instant_credit.decision.gate_report import Gate, Verdict
from instant_credit.record.api_keys import create_key
from instant_credit.record.documents import put_document
from instant_credit.record.embedded import Cluster
from instant_credit.record.pool import open_record
from instant_credit.record.waivers import put_gate_report
from tests.api.test_openapi import Held
from tests.decision.gate_reports import make_report
from tests.lender import founded
from tests.lending import Documents, House, invent_body, vary, wait_until, with_other_model, write_training

RELEASE = "/v1/releases/{release_hash}"
TODAY = datetime.now(UTC).date()
BEFORE_RELEASES = "urn:instant-credit:problem:"


@pytest.fixture(scope="module")
def lender(documents: Documents, cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with founded(documents, cluster, tmp_path_factory.mktemp("releases")) as house:
        house.keys["test"] = asyncio.run(add_test_key(house))
        yield house


async def add_test_key(house: House) -> str:
    actor = Actor(kind=ActorKind.JOB, id="tests")
    async with open_record(house.settings) as record:
        return await create_key(
            record, client_id="tester", scopes=frozenset(Scope), expires_at=None, actor=actor, is_test=True
        )


def record_release(house: House, title: str) -> str:
    """Another release of the product, recorded and not proposed; its hash."""
    made = vary(house.documents, title)

    async def run() -> None:
        async with open_record(house.settings) as record:
            for kind, raw in made.parts:
                await put_document(record, kind, raw, Actor(kind=ActorKind.JOB, id="tests"))

    asyncio.run(run())
    return made.release_hash


def tell_terms(**changes: Any) -> dict[str, Any]:
    terms = {
        "owner": "risk-team",
        "tier": "high",
        "review_on": str(TODAY + timedelta(days=100)),
        "expires_on": str(TODAY + timedelta(days=200)),
        "allowed_use": "Unsecured loans to consumers.",
    }
    return {name: value for name, value in (terms | changes).items() if value is not None}


def test_a_release_goes_live_and_back_over_http(lender: House) -> None:
    held = Held(lender)
    release = record_release(lender, "First over HTTP")
    place = f"/v1/releases/{release}"
    with lender.client() as models, lender.client("validate") as validation:

        def move(client: httpx.Client, path: str, body: dict[str, Any] | None, status: int = 200) -> dict[str, Any]:
            """Make a move twice: the second time changes nothing."""
            answers = [client.post(f"{place}/{path}", json=body) for _ in range(2)]
            for answer in answers:
                held.check(f"{RELEASE}/{path}", "post", answer)
                assert answer.status_code == status, answer.text
            assert answers[0].content == answers[1].content
            told: dict[str, Any] = answers[0].json()
            return told

        assert move(models, "activate", {}, 409)["detail"].startswith("its approval is none")
        assert move(models, "propose", tell_terms())["approval"] == "waiting"
        assert move(models, "approve", {}, 409)["type"] == f"{BEFORE_RELEASES}release-conflict"
        assert move(validation, "approve", {"reason": "Looked at."})["approval"] == "approved"
        assert move(models, "stage", {"stage": "shadow"})["state"] == "shadow"
        assert move(models, "activate", None)["state"] == "champion"
        body = invent_body(lender.documents.product, Random(1))
        wait_until(lambda: models.post(lender.apply_url, json=body).json()["release"] == release)
        listed = validation.get("/v1/releases")
        held.check("/v1/releases", "get", listed)
        assert {one["release"]: one["state"] for one in listed.json()["releases"]}[release] == "champion"
        assert models.get("/health/ready").json()["releases"] == {lender.documents.product.name: release}
        other = record_release(lender, "Second over HTTP")
        with_other = f"/v1/releases/{other}"
        assert models.post(f"{with_other}/propose", json=tell_terms()).status_code == 200
        assert validation.post(f"{with_other}/approve").status_code == 200
        at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        planned = models.post(f"{with_other}/activate", json={"at": at}).json()
        assert datetime.fromisoformat(planned["planned_at"]) == datetime.fromisoformat(at)
        off = models.post(f"{with_other}/rollback", json={"reason": "Not yet."})
        assert (off.status_code, off.json()["planned_at"]) == (200, None)
        assert models.post(f"{with_other}/activate").json()["state"] == "champion"
        assert models.post(f"{with_other}/rollback", json={"reason": "Worse."}).json()["state"] == "retired"
        wait_until(lambda: models.post(lender.apply_url, json=body).json()["release"] == release)
        assert models.post(f"{with_other}/retire", json={"reason": "Worse."}).json()["approval"] == "withdrawn"
        read = models.get(place)
        held.check(RELEASE, "get", read)
        assert [event["kind"] for event in read.json()["events"]][:4] == ["proposed", "approved", "staged", "activated"]


def test_a_second_person_rejects(lender: House) -> None:
    place = f"/v1/releases/{record_release(lender, 'Rejected over HTTP')}"
    with lender.client() as models, lender.client("validate") as validation:
        models.post(f"{place}/propose", json=tell_terms())
        for _ in range(2):
            rejected = validation.post(f"{place}/reject", json={"reason": "It is no better."})
            assert (rejected.status_code, rejected.json()["approval"]) == (200, "rejected")
        assert models.post(f"{place}/activate").status_code == 409


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("propose", tell_terms(tier="huge"), "/tier"),
        ("propose", tell_terms(owner="Ada Example"), "/owner"),
        ("propose", tell_terms(owner=None), ""),
        ("propose", tell_terms(more=1), ""),
        ("propose", tell_terms(review_on="soon"), "/review_on"),
        ("propose", tell_terms(review_on=str(TODAY)), "/review_on"),
        ("propose", tell_terms(allowed_use="a\nb"), "/allowed_use"),
        ("propose", tell_terms(expires_on=str(date(9999, 1, 1))), "/expires_on"),
        ("stage", {"stage": "champion"}, "/stage"),
        ("stage", {}, ""),
        ("activate", {"at": "2030-01-01T00:00:00"}, "/at"),
        ("rollback", {}, ""),
        ("retire", {"reason": "a" * 401}, "/reason"),
        ("approve", {"reason": "\u0000"}, "/reason"),
    ],
)
def test_what_is_wrong_with_a_move_is_told_by_field_and_never_quoted(
    lender: House, path: str, body: dict[str, Any], pointer: str
) -> None:
    held = Held(lender)
    place = f"/v1/releases/{record_release(lender, 'Wrong over HTTP')}"
    with lender.client() as client:
        answer = client.post(f"{place}/{path}", json=body)
    held.check(f"{RELEASE}/{path}", "post", answer)
    assert (answer.status_code, answer.json()["type"]) == (422, f"{BEFORE_RELEASES}release-refused")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert "Ada Example" not in answer.text


def test_a_body_that_is_no_json_is_malformed(lender: House) -> None:
    place = f"/v1/releases/{lender.documents.release_hash}"
    with lender.client() as client:
        headers = {"Content-Type": "application/json"}
        assert client.post(f"{place}/stage", content=b"{", headers=headers).status_code == 400
        assert client.post(f"{place}/stage", content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415


def test_what_is_no_release_is_not_found_and_not_quoted(lender: House) -> None:
    with lender.client() as client:
        for name in ("0" * 64, "x", "A" * 64, "%2e%2e"):
            answers = [client.get(f"/v1/releases/{name}"), client.post(f"/v1/releases/{name}/activate")]
            for answer in answers:
                assert (answer.status_code, answer.json()["type"]) == (404, f"{BEFORE_RELEASES}not-found")
                assert name not in answer.text


def test_each_move_needs_its_scope(lender: House) -> None:
    place = f"/v1/releases/{lender.documents.release_hash}"
    moves = ("propose", "approve", "reject", "stage", "activate", "rollback", "retire")
    with lender.client("validate") as validation, lender.client("apply") as applicant:
        assert validation.get(place).status_code == 200
        assert [applicant.get(path).status_code for path in ("/v1/releases", place)] == [403, 403]
        assert [applicant.post(f"{place}/{move}").status_code for move in moves] == [403] * 7
        allowed = {move for move in moves if validation.post(f"{place}/{move}").status_code != 403}
        assert allowed == {"approve", "reject"}


def test_a_key_for_tests_reads_releases_and_moves_none(lender: House) -> None:
    place = f"/v1/releases/{lender.documents.release_hash}"
    with lender.client("test") as tester:
        assert tester.get(place).status_code == 200
        for move, body in (("propose", tell_terms()), ("activate", {}), ("approve", {}), ("retire", {"reason": "a"})):
            assert tester.post(f"{place}/{move}", json=body).status_code == 403


def test_what_is_due_is_a_metric(lender: House) -> None:
    """The lender's own release was put live without terms."""
    with lender.client() as client:
        text = client.get("/metrics").text
    name = lender.documents.product.name
    assert f'instant_credit_releases_due{{kind="terms",product="{name}"}}' in text


def test_a_release_that_a_gate_stops_is_refused_with_the_gate_and_what_to_do(lender: House) -> None:
    held, made = Held(lender), with_other_model(lender.documents)
    model_hash = hash_content(dict(made.parts)["model"])
    report = replace(make_report({Gate.LEAKAGE: Verdict.FAILED}), candidate_hash=model_hash)

    async def run() -> None:
        actor = Actor(kind=ActorKind.JOB, id="tests")
        async with open_record(lender.settings) as record:
            for kind, raw in (*made.parts, write_training(made)):
                await put_document(record, kind, raw, actor)
            await put_gate_report(record, report, actor)

    asyncio.run(run())
    place = f"/v1/releases/{made.release_hash}"
    with lender.client() as models, lender.client("validate") as validation:
        proposed = models.post(f"{place}/propose", json=tell_terms())
        assert proposed.status_code == 200, proposed.text
        assert proposed.json()["gates"]["stopped_by"] == ["leakage"]
        refused = validation.post(f"{place}/approve", json={})
        held.check(f"{RELEASE}/approve", "post", refused)
        assert refused.status_code == 409
        assert refused.json()["type"] == f"{BEFORE_RELEASES}release-conflict"
        assert "stopped by leakage" in refused.json()["detail"]
        assert "gate judge" in refused.json()["detail"]
        assert models.get(place).json()["approval"] == "waiting"


def test_a_shadow_decides_what_the_champion_answered(lender: House) -> None:
    release = record_release(lender, "A shadow over HTTP")
    place, name = f"/v1/releases/{release}", lender.documents.product.name
    counted = f'instant_credit_shadow_decisions_total{{ending="recorded",product="{name}"}}'
    with lender.client() as models, lender.client("validate") as validation, lender.client("test") as tester:
        models.post(f"{place}/propose", json=tell_terms())
        validation.post(f"{place}/approve")
        assert models.post(f"{place}/stage", json={"stage": "shadow"}).status_code == 200
        body = invent_body(lender.documents.product, Random(7))

        def is_shadowed() -> bool:
            assert models.post(lender.apply_url, json=body).json()["release"] != release
            return release in asyncio.run(list_shadows(lender)).values()

        wait_until(is_shadowed)
        tested = tester.post(lender.apply_url, json=body).json()["application_id"]
        assert models.post(f"{place}/retire", json={"reason": "Seen enough."}).json()["state"] == "retired"
        assert counted in models.get("/metrics").text
    assert tested not in asyncio.run(list_shadows(lender))


async def list_shadows(house: House) -> dict[str, str]:
    """The shadow that decided each application."""
    async with open_record(house.settings) as record, record.connection() as connection:
        rows = await connection.fetch("SELECT case_id::text, release_hash FROM shadow_decisions")
    return {row["case_id"]: row["release_hash"] for row in rows}
