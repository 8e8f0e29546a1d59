"""Outcomes over HTTP against a running server."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from time import perf_counter_ns
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock
from uuid import uuid4

import httpx
import pytest
from litestar import Request

from instant_credit.access.keys import Grant
from instant_credit.api import outcomes
from instant_credit.api.outcomes import OUTCOMES_BYTES_MAX, OUTCOMES_PATH, outcome_routes
from instant_credit.client.blocking import Client
from instant_credit.record.clock import SystemClock
from instant_credit.record.patience import seconds_left, wait_until
from instant_credit.underwriting.outcomes import Line
from instant_credit.underwriting.taken import LINES_MAX, OutcomesTaken
from tests.api.test_openapi import Held
from tests.lending import House, invent_body

PATH = "/v1/outcomes"
QUARANTINE = "/v1/outcomes/quarantine"
NDJSON = {"content-type": "application/x-ndjson"}


@pytest.fixture(scope="module")
def loan(house: House) -> str:
    with house.client() as client:
        made = client.post(house.apply_url, json=invent_body(house.documents.product, Random(77)))
    assert made.status_code == 201, made.text
    return str(made.json()["application_id"])


def told(application_id: str, kind: str = "dispute", **changes: Any) -> dict[str, Any]:
    today = datetime.now(UTC).date().isoformat()
    return {"event_id": str(uuid4()), "application_id": application_id, "kind": kind, "event_on": today, **changes}


def counts(answer: httpx.Response) -> tuple[int, int, int]:
    assert answer.status_code == 200, answer.text
    taken = answer.json()
    return taken["recorded"], taken["recorded_before"], len(taken["quarantined"])


def test_one_event_several_and_a_stream_are_taken(house: House, loan: str) -> None:
    held = Held(house)
    with house.client() as client:
        one = told(loan)
        for expected in ((1, 0, 0), (0, 1, 0)):
            answer = client.post(PATH, json=one)
            held.check(PATH, "post", answer)
            assert counts(answer) == expected
        several = [told(loan), one, told(str(uuid4())), 7]
        answer = client.post(PATH, json=several)
        held.check(PATH, "post", answer)
        assert counts(answer) == (1, 1, 2)
        assert [(line["line"], line["code"]) for line in answer.json()["quarantined"]] == [
            (3, "UNKNOWN_APPLICATION"), (4, "LINE_UNREADABLE"),
        ]  # fmt: skip
        stream = b"\n".join(json.dumps(event).encode() for event in several) + b"\n\n{broken"
        answer = client.post(PATH, content=stream, headers=NDJSON)
        assert counts(answer) == (0, 2, 3)
        assert [line["line"] for line in answer.json()["quarantined"]] == [3, 4, 6]
        assert counts(client.post(PATH, json=[])) == (0, 0, 0)
        assert counts(client.post(PATH, content=b"", headers=NDJSON)) == (0, 0, 0)


def test_a_stream_may_come_in_pieces(house: House, loan: str) -> None:
    raw = b"\n".join(json.dumps(told(loan)).encode() for _ in range(2_500))
    with house.client() as client:
        answer = client.post(PATH, content=iter([raw[:7], raw[7:100_001], raw[100_001:]]), headers=NDJSON)
    assert counts(answer) == (2_500, 0, 0)


@pytest.mark.anyio
@pytest.mark.parametrize("media_type", [b"application/x-ndjson", b"application/json"])
async def test_what_comes_slowly_is_taken_in_a_time_that_begins_when_it_came(
    media_type: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Intake:
        left: float = 0

        async def take(self, lines: Sequence[Line]) -> OutcomesTaken:
            self.left = seconds_left()
            return OutcomesTaken(recorded=len(lines))

    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def tell() -> None:
        wait_until(perf_counter_ns())
        await take.fn(Request(scope, receive=receive))

    intake = Intake()
    monkeypatch.setattr(outcomes, "Intake", lambda *_: intake)
    record: Any = SimpleNamespace(clock=SystemClock())
    (take,) = [one for one in outcome_routes(record, AsyncMock()) if one.paths == {OUTCOMES_PATH}]
    headers, grant = [(b"content-type", media_type)], Grant(key_id="key", client_id="client", scopes=frozenset())
    scope: Any = {"type": "http", "method": "POST", "headers": headers, "path": PATH, "state": {}, "auth": grant}
    await asyncio.create_task(tell())
    assert intake.left > 0


@pytest.mark.parametrize("body", [b"", b"7", b'"text"', b"{", b"null", b"[1,", b"\xff"])
def test_a_body_that_is_neither_an_event_nor_events_is_refused(house: House, body: bytes) -> None:
    with house.client() as client:
        answer = client.post(PATH, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:instant-credit:problem:malformed-request")


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (b" " * (OUTCOMES_BYTES_MAX + 1), "application/json", 413),
        (b"[" + b",".join([b"1"] * (LINES_MAX + 1)) + b"]", "application/json", 400),
        (b"1\n" * (LINES_MAX + 1), "application/x-ndjson", 400),
    ],
    ids=["bytes", "array", "lines"],
)
def test_a_request_is_bounded(house: House, body: bytes, media_type: str, status: int) -> None:
    for content in (body, iter([body])):
        with house.client() as client:
            answer = client.post(PATH, content=content, headers={"content-type": media_type})
        assert answer.status_code == status, answer.text


def test_the_document_lists_every_media_type_that_is_taken(house: House, loan: str) -> None:
    listed = set(Held(house).document["paths"][PATH]["post"]["requestBody"]["content"])
    assert listed == {"application/json", "application/x-ndjson"}
    with house.client() as client:
        for media_type in listed:
            body = json.dumps(told(loan)).encode()
            assert client.post(PATH, content=body, headers={"content-type": media_type}).json()["recorded"] == 1


def test_other_media_types_are_refused(house: House, loan: str) -> None:
    with house.client() as client:
        assert client.post(PATH, content=b"{}", headers={"content-type": "text/csv"}).status_code == 415


def test_the_scope_is_needed(house: House, loan: str) -> None:
    with house.client("apply") as client:
        assert client.post(PATH, json=told(loan)).status_code == 403
        assert client.get(QUARANTINE).status_code == 403


def test_the_quarantine_is_listed_without_what_it_says(house: House, loan: str) -> None:
    held = Held(house)
    with house.client() as client:
        broken = client.post(PATH, json=told(loan, "payment", event_on="2001-01-01")).json()["quarantined"][0]
        answer = client.get(QUARANTINE)
        held.check(QUARANTINE, "get", answer)
        (line,) = [one for one in answer.json()["lines"] if one["quarantine_id"] == broken["quarantine_id"]]
        assert (line["application_id"], line["code"]) == (loan, "EVENT_BEFORE_APPLICATION")
        assert "2001" not in json.dumps({**line, "quarantine_id": "", "application_id": ""})
        behind = client.get(QUARANTINE, params={"after": broken["quarantine_id"]}).json()["lines"]
        assert broken["quarantine_id"] not in {one["quarantine_id"] for one in behind}
        for query in ({"after": "yesterday"}, [("after", loan), ("after", loan)]):
            assert client.get(QUARANTINE, params=query).status_code == 400


def test_the_typed_client_tells_outcomes(house: House, loan: str) -> None:
    with Client(house.server.address, house.keys["all"]) as client:
        events = [told(loan), told(str(uuid4()))]
        taken = client.tell_outcomes(events)
        assert (taken.recorded, [line.line for line in taken.quarantined]) == (1, [2])
        assert client.tell_outcomes(events).recorded_before == 1
