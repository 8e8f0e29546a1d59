"""Triggers over HTTP against a running server."""

import asyncio

from tests.api.test_openapi import Held
from tests.api.test_releases import add_test_key
from tests.lending import House

PATH = "/v1/triggers"
ONE = "/v1/triggers/{name}"
UPKEEP = {"name": "upkeep", "every": "month", "request": {"kind": "months"}}


def test_a_trigger_is_put_read_listed_and_stopped(house: House) -> None:
    held = Held(house)
    with house.client() as client:
        made = client.post(PATH, json=UPKEEP)
        held.check(PATH, "post", made)
        assert made.status_code == 201
        told = made.json()
        assert (told["name"], told["is_standing"], told["definition"]["request"]) == (
            "upkeep",
            True,
            {"kind": "months"},
        )
        assert set(told["links"]) == {"self", "stop"}
        again = client.get(made.headers["location"])
        held.check(ONE, "get", again)
        assert again.json()["version"] == client.post(PATH, json=UPKEEP).json()["version"] == told["version"]
        listed = client.get(PATH)
        held.check(PATH, "get", listed)
        assert told["name"] in [one["name"] for one in listed.json()["triggers"]]
        stopped = client.post(told["links"]["stop"]["href"])
        held.check(f"{ONE}/stop", "post", stopped)
        assert (stopped.json()["is_standing"], stopped.json()["definition"]) == (False, None)
        assert client.post(f"{PATH}/upkeep/stop").json()["version"] == stopped.json()["version"]


def test_what_is_wrong_with_a_trigger_is_told_with_its_field(house: House) -> None:
    held = Held(house)
    with house.client() as client:
        for body, status, pointer in (
            (b'{"name":"a","every":"year","request":{"kind":"audit"}}', 422, "/every"),
            (b'{"name":"a","every":"day","rules":"none","request":{"kind":"retrain","book":"x"}}', 422, "/rules"),
            (b"{", 400, ""),
        ):
            refused = client.post(PATH, content=body, headers={"Content-Type": "application/json"})
            held.check(PATH, "post", refused)
            assert refused.status_code == status
            assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]


def test_a_key_needs_the_scope_and_a_trigger_its_name(house: House) -> None:
    with house.client("read") as reader, house.client() as client:
        assert reader.get(PATH).status_code == 403
        assert reader.post(PATH, json=UPKEEP).status_code == 403
        assert client.get(f"{PATH}/never").status_code == 404
        assert client.post(f"{PATH}/never/stop").status_code == 404
        assert client.get(f"{PATH}/%00").status_code == 404


def test_a_key_for_tests_reads_triggers_and_puts_none(house: House) -> None:
    house.keys["test"] = asyncio.run(add_test_key(house))
    with house.client("test") as tester:
        assert tester.get(PATH).status_code == 200
        assert tester.post(PATH, json=UPKEEP).status_code == 403
        assert tester.post(f"{PATH}/upkeep/stop").status_code == 403
