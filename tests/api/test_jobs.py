"""Jobs over HTTP against a running server."""

import asyncio
from uuid import uuid4

from tests.api.test_openapi import Held
from tests.api.test_releases import add_test_key
from tests.lending import House

PATH = "/v1/jobs"
ONE = "/v1/jobs/{job_id}"


def test_a_job_is_asked_for_read_cancelled_and_tried_again(house: House) -> None:
    held = Held(house)
    with house.client() as client:
        for job in client.get(PATH).json()["jobs"]:
            if "cancel" in job["links"]:
                client.post(job["links"]["cancel"]["href"])
        made = client.post(PATH, json={"kind": "audit"})
        held.check(PATH, "post", made)
        assert made.status_code == 201
        told = made.json()
        assert (told["state"], told["kind"], told["error"], told["result"]) == ("queued", "audit", None, None)
        assert set(told["links"]) == {"self", "cancel"}
        twice = client.post(PATH, json={"kind": "audit"})
        held.check(PATH, "post", twice)
        assert (twice.status_code, twice.json()["type"]) == (409, "urn:instant-credit:problem:job-exists")
        assert told["job_id"] in twice.json()["detail"]
        again = client.get(made.headers["location"])
        held.check(ONE, "get", again)
        assert again.content == made.content
        listed = client.get(PATH)
        held.check(PATH, "get", listed)
        assert listed.json()["jobs"][0] == told
        cancelled = client.post(told["links"]["cancel"]["href"])
        held.check(f"{ONE}/cancel", "post", cancelled)
        assert cancelled.json()["state"] == "cancelled"
        retried = client.post(cancelled.json()["links"]["retry"]["href"])
        held.check(f"{ONE}/retry", "post", retried)
        assert retried.json()["state"] == "queued"
        assert client.post(f"{PATH}/{told['job_id']}/cancel").json()["state"] == "cancelled"


def test_what_can_t_be_run_is_refused_with_the_field(house: House) -> None:
    held = Held(house)
    with house.client() as client:
        for body, status, pointer in (
            (b'{"kind":"retrain","book":"nowhere"}', 422, "/book"),
            (b'{"kind":"retrain","book":"nowhere","folds":99}', 422, "/folds"),
            (b"[]", 422, ""),
            (b"{", 400, ""),
        ):
            refused = client.post(PATH, content=body, headers={"Content-Type": "application/json"})
            held.check(PATH, "post", refused)
            assert refused.status_code == status
            assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]


def test_a_key_needs_the_scope_and_a_job_its_id(house: House) -> None:
    with house.client("read") as reader, house.client() as client:
        assert reader.get(PATH).status_code == 403
        assert reader.post(PATH, json={"kind": "audit"}).status_code == 403
        assert client.get(f"{PATH}/{uuid4()}").status_code == 404
        assert client.get(f"{PATH}/none").status_code == 404
        assert client.post(f"{PATH}/{uuid4()}/cancel").status_code == 404


def test_a_key_for_tests_reads_jobs_and_asks_for_none(house: House) -> None:
    house.keys["test"] = asyncio.run(add_test_key(house))
    with house.client("test") as tester:
        assert tester.get(PATH).status_code == 200
        for path in (PATH, f"{PATH}/{uuid4()}/cancel", f"{PATH}/{uuid4()}/retry"):
            assert tester.post(path, json={"kind": "audit"}).status_code == 403
