"""What is wrong with a request is said in full, and never as a failure of the server."""

import http.client
import json
from collections.abc import Iterator
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from instant_credit.api.bodies import BODY_BYTES_MAX, DISCARD_BYTES_MAX
from tests.budget import examples
from tests.lending import House, invent_body

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def client(house: House) -> Iterator[httpx.Client]:
    with house.client() as opened:
        yield opened


@pytest.fixture(scope="module")
def body(house: House) -> dict[str, Any]:
    return invent_body(house.documents.product, Random(1))


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert document["type"].startswith("urn:instant-credit:problem:")
    return document


def test_every_wrong_field_is_named_at_once(house: House, client: httpx.Client, body: dict[str, Any]) -> None:
    facts = {**body["facts"], "term_months": "soon", "purpose": "espionage", "surprise": 1}
    del facts["income_annual_cents"]
    applicant = {"name": "", "identity_number": "1"}
    response = client.post(house.apply_url, json={"applicant": applicant, "facts": facts, "extra": []})
    document = problem(response, 422)
    assert {e["pointer"] for e in document["errors"]} == {
        "/applicant/name",
        "/applicant/identity_number",
        "/applicant/address",
        "/facts/term_months",
        "/facts/purpose",
        "/facts/income_annual_cents",
        "/facts/surprise",
        "/extra",
    }
    assert all(e["code"] and e["message"] for e in document["errors"])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"a": NaN}',
        b"\xff\xfe",
        b'{"name": "\xc3\x28"}',
        b"\xef\xbb\xbf{}",
        b'{"a":"\\ud800"}',
        b"[" * 60_000,
    ],
)
def test_what_is_no_json_is_malformed(house: House, client: httpx.Client, raw: bytes) -> None:
    response = client.post(house.apply_url, content=raw, headers=JSON)
    assert response.status_code in {400, 422}
    assert problem(response, response.status_code)["errors"]


@pytest.mark.parametrize("raw", [b"[]", b"null", b"1e999", b'"x"', b"true", b"{}"])
def test_json_that_is_no_application_is_refused(house: House, client: httpx.Client, raw: bytes) -> None:
    response = client.post(house.apply_url, content=raw, headers=JSON)
    assert response.status_code in {400, 422}
    assert problem(response, response.status_code)["errors"]


@pytest.mark.parametrize(
    "number",
    ["1e400", "-1e400", "1" + "0" * 400, "-1", "0.5", "9223372036854775808", "1e3", "true", '"100000"', "[1]", "-0"],
)
def test_absurd_amounts_are_refused_by_their_field(
    house: House, client: httpx.Client, body: dict[str, Any], number: str
) -> None:
    raw = json.dumps({**body, "facts": {**body["facts"], "requested_amount_cents": "HERE"}}).replace('"HERE"', number)
    response = client.post(house.apply_url, content=raw, headers=JSON)
    assert response.status_code in {400, 422}, number
    assert problem(response, response.status_code)["errors"]


def test_repeated_names_are_refused(house: House, client: httpx.Client, body: dict[str, Any]) -> None:
    raw = json.dumps(body)[:-1] + ', "facts": {}}'
    problem(client.post(house.apply_url, content=raw, headers=JSON), 422)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_other_media_types_are_refused(
    house: House, client: httpx.Client, body: dict[str, Any], headers: dict[str, str]
) -> None:
    problem(client.post(house.apply_url, content=json.dumps(body), headers=headers), 415)


def test_json_may_name_its_charset(house: House, client: httpx.Client, body: dict[str, Any]) -> None:
    headers = {"Content-Type": "Application/JSON; charset=UTF-8"}
    assert client.post(house.apply_url, content=json.dumps(body), headers=headers).status_code == 201


@pytest.mark.parametrize("size", [BODY_BYTES_MAX + 1, DISCARD_BYTES_MAX])
def test_a_body_beyond_the_bound_is_refused(house: House, client: httpx.Client, size: int) -> None:
    problem(client.post(house.apply_url, content=b" " * size, headers=JSON), 413)


def test_a_huge_body_is_refused_by_its_announcement(house: House) -> None:
    assert _announce(house, "1" + "0" * 30)["status"] == 400
    assert _announce(house, "1" + "0" * 15)["status"] == 413
    assert _announce(house, str(DISCARD_BYTES_MAX + 1))["status"] == 413


def _announce(house: House, length: str) -> dict[str, Any]:
    host, port = house.server.address.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    connection.putrequest("POST", house.apply_url)
    for name, value in {**JSON, "Authorization": f"Bearer {house.keys['all']}", "Content-Length": length}.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    document: dict[str, Any] = json.loads(response.read())
    connection.close()
    return document


def test_a_chunked_body_is_bounded_too(house: House, client: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(70):
            yield b" " * 1024

    problem(client.post(house.apply_url, content=pieces(), headers=JSON), 413)


def test_a_chunked_body_within_the_bound_is_read(house: House, client: httpx.Client, body: dict[str, Any]) -> None:
    raw = json.dumps(body).encode()
    response = client.post(house.apply_url, content=(raw[i : i + 100] for i in range(0, len(raw), 100)), headers=JSON)
    assert response.status_code == 201


def test_a_long_head_is_refused(house: House, client: httpx.Client) -> None:
    problem(client.get("/health/live", headers={"X-Long": "a" * 17_000}), 431)


@pytest.mark.parametrize("key", ["", "a b", "ü", "x" * 65, "tab\tinside"])
def test_a_malformed_idempotency_key_is_refused(
    house: House, client: httpx.Client, body: dict[str, Any], key: str
) -> None:
    headers = [(b"Idempotency-Key", key.encode("latin-1")), (b"Content-Type", b"application/json")]
    problem(client.post(house.apply_url, content=json.dumps(body), headers=headers), 400)


def test_two_idempotency_keys_are_one_too_many(house: House, client: httpx.Client, body: dict[str, Any]) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b"), ("Content-Type", "application/json")]
    problem(client.post(house.apply_url, content=json.dumps(body), headers=headers), 400)


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/v1/products/mortgage/applications",
        "/v1/products/%00/applications",
        "/v1/products/..%2f..%2fetc/applications",
        "/v1/products/%ff%fe/applications",
        "//",
    ],
)
def test_unknown_places_are_not_found(house: House, client: httpx.Client, body: dict[str, Any], path: str) -> None:
    problem(client.post(path, json=body), 404)


@pytest.mark.parametrize(
    "name", ["x", "00000000-0000-7000-8000-000000000000", "00000000000070008000000000000000", "{}", "%00", "1" * 4000]
)
def test_unknown_decisions_are_not_found(client: httpx.Client, name: str) -> None:
    problem(client.get(f"/v1/decisions/{name}"), 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/products/personal_loan/applications", "POST"),
        ("DELETE", "/v1/decisions/x", "GET"),
        ("POST", "/health/live", "GET"),
    ],
)
def test_other_methods_are_told_which_are_allowed(client: httpx.Client, method: str, path: str, allowed: str) -> None:
    response = client.request(method, path)
    problem(response, 405)
    assert allowed in response.headers["allow"]


@examples(150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=300))
def test_any_bytes_get_a_problem(house: House, client: httpx.Client, raw: bytes) -> None:
    response = client.post(house.apply_url, content=raw, headers=JSON)
    assert response.status_code in {400, 422}


@examples(150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_in_any_field_is_answered_without_a_failure(
    house: House, client: httpx.Client, body: dict[str, Any], data: st.DataObject
) -> None:
    section = data.draw(st.sampled_from(["applicant", "facts"]))
    field = data.draw(st.sampled_from(sorted(body[section])))
    scalar = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
    value = data.draw(scalar | st.lists(scalar, max_size=3) | st.dictionaries(st.text(max_size=5), scalar, max_size=3))
    wrong = {**body, section: {**body[section], field: value}}
    raw = json.dumps(wrong).encode("utf-8", "surrogatepass")
    assert client.post(house.apply_url, content=raw, headers=JSON).status_code in {201, 400, 422}
