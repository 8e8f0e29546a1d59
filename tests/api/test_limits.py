"""What a client may take of a process, over HTTP."""

from collections.abc import Iterator
from random import Random

import httpx
import pytest

from instant_credit.access.actors import Scope
from instant_credit.access.keys import Grant
from instant_credit.access.limits import Allowance
from instant_credit.api import limits
from instant_credit.api.limits import ClientLimits
from instant_credit.errors import Throttled
from tests.lending import House, Served, invent_body, serving

READ = "/v1/decisions/00000000-0000-7000-8000-000000000000"
LIMITS = {
    "INSTANT_CREDIT_CLIENT_RATE": "1",
    "INSTANT_CREDIT_CLIENT_BURST": "5",
    "INSTANT_CREDIT_VARIANTS": "2",
}


def grant(client_id: str, *, is_test: bool = False) -> Grant:
    return Grant(key_id="key", client_id=client_id, scopes=frozenset(Scope), is_test=is_test)


def test_clients_and_modes_have_buckets_of_their_own() -> None:
    kept = ClientLimits(Allowance(rate=1, burst=1), lambda: 0)
    for one in (grant("a"), grant("b"), grant("a", is_test=True)):
        kept.admit(one, {})  # type: ignore[typeddict-item] # only written to
    with pytest.raises(Throttled):
        kept.admit(grant("a"), {})  # type: ignore[typeddict-item] # only written to


def test_clients_longest_unseen_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CLIENTS_MAX", 2)
    kept = ClientLimits(Allowance(rate=1, burst=1), lambda: 0)
    for name in ("a", "b", "c", "a"):
        kept.admit(grant(name), {})  # type: ignore[typeddict-item] # only written to
    assert len(kept._buckets) == 2


@pytest.fixture(scope="module")
def strict(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A second server of the house, with narrow limits."""
    with serving({**house.environ, **LIMITS}, tmp_path_factory.mktemp("strict")) as server:
        yield server


def ask(server: Served, house: House, key: str = "read") -> httpx.Response:
    return httpx.get(server.address + READ, headers={"Authorization": f"Bearer {house.keys[key]}"})


def test_a_client_that_asks_too_often_is_told_when_to_come_back(strict: Served, house: House) -> None:
    answers = [ask(strict, house) for _ in range(8)]
    assert [answer.status_code for answer in answers[:5]] == [404] * 5
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].json()["type"] == "urn:instant-credit:problem:rate-limited"
    assert refused[0].headers["retry-after"] == "1"
    assert refused[0].headers["ratelimit-policy"] == '"client";q=5;w=5'
    assert refused[0].headers["ratelimit"] == '"client";r=0;t=5'
    assert answers[0].headers["ratelimit"] == '"client";r=4;t=1'


def test_who_has_no_key_is_told_nothing_of_limits(strict: Served) -> None:
    for path in ("/health/live", READ):
        assert "ratelimit" not in httpx.get(strict.address + path).headers


def test_variants_of_one_application_are_refused_by_a_problem_of_their_own(strict: Served, house: House) -> None:
    body = invent_body(house.documents.product, Random(77))
    statuses = []
    with httpx.Client(headers={"Authorization": f"Bearer {house.keys['apply']}"}) as client:
        for income in (5_000_000, 5_000_100, 5_000_200):
            body["facts"]["income_annual_cents"] = income
            answer = client.post(strict.address + house.apply_url, json=body)
            statuses.append(answer.status_code)
    assert statuses == [201, 201, 429]
    assert answer.json()["type"] == "urn:instant-credit:problem:too-many-variants"
    assert 86_000 < int(answer.headers["retry-after"]) <= 86_400
