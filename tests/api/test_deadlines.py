"""How long callers wait, as they say it."""

import math
from contextvars import copy_context
from random import Random
from time import perf_counter_ns
from typing import Any
from uuid import UUID

import pytest

from instant_credit.api.deadlines import (
    ARRIVED,
    TIMEOUT_HEADER,
    TIMEOUT_MS_MAX,
    begin_again,
    begin_waiting,
    check_timeout,
    find_timeout_ns,
    require_time,
)
from instant_credit.api.problems import Failure
from instant_credit.errors import Late
from instant_credit.record.patience import seconds_left
from instant_credit.underwriting.course import APPLICATION_SECONDS
from tests.lending import House, invent_body

WRONG = [b"", b"0", b"-1", b"5001", b"1.5", b"1e3", b" 5", b"\xb2", b"9" * 100, b"soon"]


def scope(*values: bytes, waited_ns: int = 0) -> Any:
    headers = [(TIMEOUT_HEADER, value) for value in values]
    return {"headers": headers, "state": {ARRIVED: perf_counter_ns() - waited_ns}}


def left_of(asked: Any) -> float:
    """Seconds left at the begin of a request; in a context of its own, as every request has."""

    def begin() -> float:
        begin_waiting(asked)
        return seconds_left()

    return copy_context().run(begin)


def test_without_a_word_callers_wait_as_long_as_an_application_may_take() -> None:
    assert APPLICATION_SECONDS - 1 < left_of(scope()) <= APPLICATION_SECONDS
    assert find_timeout_ns([]) is None


@pytest.mark.parametrize("told_ms", [1, 250, TIMEOUT_MS_MAX])
def test_what_is_left_counts_from_the_requests_arrival(told_ms: int) -> None:
    value = str(told_ms).encode()
    assert find_timeout_ns([(b"host", b"x"), (TIMEOUT_HEADER, value)]) == told_ms * 1_000_000
    assert left_of(scope(value, waited_ns=told_ms * 1_000_000)) == 0
    without_the_wire: Any = {"headers": [(TIMEOUT_HEADER, value)]}
    assert 0 < left_of(without_the_wire) <= told_ms / 1e3


def test_work_whose_time_is_over_is_not_begun() -> None:
    def begin() -> None:
        begin_waiting(scope(b"100", waited_ns=100_000_000))
        require_time()

    with pytest.raises(Late):
        copy_context().run(begin)


def test_the_time_begins_again_with_the_end_of_a_body_and_only_where_it_was_begun() -> None:
    def begin() -> tuple[float, float]:
        begin_again(scope())
        before = seconds_left()
        begin_waiting(scope(b"100", waited_ns=100_000_000))
        begin_again(scope(b"100"))
        return before, seconds_left()

    before, after = copy_context().run(begin)
    assert before == math.inf
    assert 0 < after <= 0.1


@pytest.mark.parametrize("value", WRONG)
def test_what_makes_no_sense_is_refused_with_the_key_and_not_guessed_by_the_gate(value: bytes) -> None:
    assert find_timeout_ns([(TIMEOUT_HEADER, value)]) is None
    with pytest.raises(Failure, match="malformed-request"):
        check_timeout(scope(value))


def test_a_deadline_is_said_once() -> None:
    with pytest.raises(Failure, match="malformed-request"):
        check_timeout(scope(b"100", b"100"))
    check_timeout(scope(b"100"))
    check_timeout(scope())


def test_the_door_takes_a_deadline(house: House) -> None:
    body = invent_body(house.documents.product, Random(3))
    with house.client() as client:
        assert client.post(house.apply_url, json=body, headers={"Request-Timeout-Ms": "5000"}).status_code == 201
        refused = client.post(house.apply_url, json=body, headers={"Request-Timeout-Ms": "soon"})
    assert refused.status_code == 400
    assert "from 1 to 5000" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/v1/applications/{UUID(int=1)}"),
        ("POST", f"/v1/applications/{UUID(int=1)}/withdraw"),
        ("GET", f"/v1/decisions/{UUID(int=1)}/receipt"),
        ("POST", f"/v1/drafts/{UUID(int=1)}/submit"),
        ("POST", "/v1/products/personal_loan/quotes"),
    ],
)
def test_every_route_with_a_key_takes_a_deadline(house: House, method: str, path: str) -> None:
    with house.client() as client:
        assert client.request(method, path, headers={"Request-Timeout-Ms": "soon"}).status_code == 400
        assert client.request(method, path, headers={"Request-Timeout-Ms": "5000"}).status_code in (404, 415)
