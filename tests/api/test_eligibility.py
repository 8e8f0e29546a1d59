"""A product that knows no amount, term or income: who is eligible is decided, and an approval carries no offer."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from random import Random

import httpx
import pytest
import schemathesis
from click.testing import CliRunner
from msgspec.structs import replace
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from instant_credit.commands import cli
from instant_credit.record.embedded import Cluster
from instant_credit.record.pool import open_record
from instant_credit.underwriting.replay import ReplaySummary, replay
from tests.api.test_openapi import Held, try_out
from tests.lender import founded
from tests.lending import House, invent_body, make_documents
from tests.policy.shapes import policy_of, product_of

NAME = "eligible_loan"
PATH = f"/v1/products/{NAME}/applications"


@pytest.fixture(scope="module")
def eligible(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    product = replace(product_of("none"), name=NAME, title="Eligible loan")
    documents = make_documents(product, replace(policy_of("none"), name=NAME, product=NAME))
    with founded(documents, cluster, tmp_path_factory.mktemp("eligible")) as lender:
        yield lender


def answers_of(house: House, count: int) -> list[httpx.Response]:
    with house.client() as client:
        return [client.post(PATH, json=invent_body(house.documents.product, Random(seed))) for seed in range(count)]


def test_an_approval_carries_no_offer_and_fits_the_document(eligible: House) -> None:
    held = Held(eligible)
    outcomes = set()
    for answer in answers_of(eligible, 40):
        held.check(PATH, "post", answer)
        told = answer.json()
        assert told["offer"] is None
        assert bool(told["reasons"]) == (told["outcome"] != "approve")
        outcomes.add(told["outcome"])
    assert {"approve", "decline"} <= outcomes
    assert "counter_offer" not in outcomes


def test_the_recorded_decision_has_a_trace_of_what_could_happen_only(eligible: House) -> None:
    held = Held(eligible)
    with eligible.client() as client:
        read = client.get(answers_of(eligible, 1)[0].headers["location"])
    held.check("/v1/decisions/{decision_id}", "get", read)
    decision = read.json()["decision"]
    assert decision["terms"] is None
    assert [entry["rule"] for entry in decision["trace"]][-3:] == [
        "score_unavailable",
        "pd_in_decline_range",
        "pd_in_referral_range",
    ]


def test_the_document_says_that_it_decides_who_is_eligible(eligible: House) -> None:
    apply = Held(eligible).document["paths"][PATH]["post"]
    assert apply["description"] == ("Decides at once who is eligible; an approval carries no offer. Scope: `apply`.")


def test_the_server_keeps_to_its_document(eligible: House) -> None:
    statuses: Counter[tuple[str, int]] = Counter()
    document = schemathesis.openapi.from_url(f"{eligible.server.address}/openapi.json")
    for result in document.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        if operation.definition.raw["operationId"].startswith("apply_"):
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                try_out(operation, mode, 30, key=eligible.keys["all"], statuses=statuses)
    assert statuses[f"apply_{NAME}", 201]
    assert statuses[f"apply_{NAME}", 422]


def test_an_example_application_is_decided(eligible: House) -> None:
    written = CliRunner().invoke(cli, ["release", "example", NAME], env=eligible.environ)
    with eligible.client() as client:
        assert client.post(PATH, json=json.loads(written.stdout)).status_code == 201


def test_decisions_without_terms_replay_to_the_same_bytes(eligible: House) -> None:
    answers_of(eligible, 5)

    async def run() -> ReplaySummary:
        async with open_record(eligible.settings) as record:
            return await replay(record, "applications")

    summary = asyncio.run(run())
    assert summary.equal >= 5
    assert summary.is_faithful
