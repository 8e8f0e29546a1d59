"""How long callers wait, as they say it."""

from random import Random
from time import perf_counter_ns
from typing import Any

import pytest

from instant_credit.api.deadlines import ARRIVED, TIMEOUT_HEADER, TIMEOUT_MS_MAX, find_timeout_ns, seconds_left
from instant_credit.api.problems import Failure
from instant_credit.errors import Overloaded
from instant_credit.underwriting.course import APPLICATION_SECONDS
from tests.lending import House, invent_body

WRONG = [b"", b"0", b"-1", b"5001", b"1.5", b"1e3", b" 5", b"\xb2", b"9" * 100, b"soon"]


def scope(*values: bytes, waited_ns: int = 0) -> Any:
    headers = [(TIMEOUT_HEADER, value) for value in values]
    return {"headers": headers, "state": {ARRIVED: perf_counter_ns() - waited_ns}}


def test_without_a_word_callers_wait_as_long_as_an_application_may_take() -> None:
    assert APPLICATION_SECONDS - 1 < seconds_left(scope()) <= APPLICATION_SECONDS
    assert find_timeout_ns([]) is None


@pytest.mark.parametrize("told_ms", [1, 250, TIMEOUT_MS_MAX])
def test_what_is_left_counts_from_the_requests_arrival(told_ms: int) -> None:
    value = str(told_ms).encode()
    assert find_timeout_ns([(b"host", b"x"), (TIMEOUT_HEADER, value)]) == told_ms * 1_000_000
    with pytest.raises(Overloaded):
        seconds_left(scope(value, waited_ns=told_ms * 1_000_000))
    without_the_wire: Any = {"headers": [(TIMEOUT_HEADER, value)]}
    assert seconds_left(without_the_wire) == told_ms / 1e3


@pytest.mark.parametrize("value", WRONG)
def test_what_makes_no_sense_is_refused_by_the_route_and_not_guessed_by_the_gate(value: bytes) -> None:
    assert find_timeout_ns([(TIMEOUT_HEADER, value)]) is None
    with pytest.raises(Failure, match="malformed-request"):
        seconds_left(scope(value))


def test_a_deadline_is_said_once() -> None:
    with pytest.raises(Failure, match="malformed-request"):
        seconds_left(scope(b"100", b"100"))


def test_the_door_takes_a_deadline(house: House) -> None:
    body = invent_body(house.documents.product, Random(3))
    with house.client() as client:
        assert client.post(house.apply_url, json=body, headers={"Request-Timeout-Ms": "5000"}).status_code == 201
        refused = client.post(house.apply_url, json=body, headers={"Request-Timeout-Ms": "soon"})
    assert refused.status_code == 400
    assert "from 1 to 5000" in refused.json()["detail"]
