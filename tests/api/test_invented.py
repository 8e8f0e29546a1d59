"""The example application of every shipped product, invented or typical of a book, is accepted over HTTP as it is written."""

import asyncio
import json
from collections.abc import Iterator
from datetime import date
from random import Random

import httpx
import numpy as np
import pytest
from click.testing import CliRunner

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.application.document import load_product
from instant_credit.application.product import Product
from instant_credit.commands import cli
from instant_credit.policy.document import Policy, read_policy
from instant_credit.policy.drafting.assumptions import Assumptions
from instant_credit.policy.drafting.book import BookRisk
from instant_credit.policy.drafting.draft import draft_policy
from instant_credit.record.embedded import Cluster
from instant_credit.record.pool import open_record
from instant_credit.record.shipped import list_starters, read_starter
from instant_credit.underwriting.typical import CASES_MIN
from tests.lender import founded
from tests.lending import Documents, House, install_release, invent_values, make_documents, wait_until
from tests.underwriting.test_typical import fill

PRODUCTS = {name: load_product(read_starter("products", name)) for name in list_starters("products")}
# Beyond any reference population of a tiny model.
DECLINE_FROM = 950_000


def policy_for(product: Product) -> Policy:
    """The shipped policy, or one that is drafted from invented loans."""
    if product.name in list_starters("policies"):
        return read_policy(read_starter("policies", product.name))
    chance = Random(2)
    told = [invent_values(product, chance) for _ in range(200)]

    def column(name: str | None) -> np.ndarray:
        return np.array([] if name is None else [values[name] for values in told], dtype=np.int64)

    risk = BookRisk(
        book="invented",
        model_hash="0" * 64,
        pds_ppm=np.linspace(10_000, 600_000, 200).astype(np.int64),
        weights=np.ones(200),
        known=np.ones(200, dtype=np.int64),
        amounts_cents=column(product.roles.amount),
        terms_months=column(product.roles.term),
        latest_on=date(2026, 6, 15),
    )
    return draft_policy(product, risk, Assumptions(), lambda approve_below: DECLINE_FROM).policy


@pytest.fixture(scope="module")
def lender(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A lender with a live release of every shipped product."""
    first, *others = [make_documents(product, policy_for(product)) for product in PRODUCTS.values()]
    with founded(first, cluster, tmp_path_factory.mktemp("invented")) as house:
        asyncio.run(install(house, others))
        wait_until(lambda: len(httpx.get(f"{house.server.address}/health/ready").json()["releases"]) == len(PRODUCTS))
        yield house


async def install(house: House, others: list[Documents]) -> None:
    async with open_record(house.settings) as record:
        for documents in others:
            await install_release(record, documents)


@pytest.mark.parametrize("name", PRODUCTS)
def test_the_example_of_every_shipped_product_is_decided(lender: House, name: str) -> None:
    written = CliRunner().invoke(cli, ["release", "example", name], env=lender.environ)
    assert written.exit_code == 0, written.output
    with lender.client() as client:
        answer = client.post(f"/v1/products/{name}/applications", json=json.loads(written.stdout))
    assert answer.status_code == 201, answer.text
    assert (answer.json()["offer"] is None) or PRODUCTS[name].is_priced


@pytest.mark.parametrize("name", PRODUCTS)
def test_the_typical_example_of_a_book_is_decided(lender: House, name: str) -> None:
    async def stock() -> None:
        async with open_record(lender.settings) as record:
            await fill(record, Actor(kind=ActorKind.JOB, id="test"), PRODUCTS[name], f"{name}_book", CASES_MIN + 20)

    asyncio.run(stock())
    written = CliRunner().invoke(cli, ["release", "example", name], env=lender.environ)
    assert written.stderr.startswith(f"Typical of {CASES_MIN + 20} Cases of book {name}_book")
    with lender.client() as client:
        answer = client.post(f"/v1/products/{name}/applications", json=json.loads(written.stdout))
    assert answer.status_code == 201, answer.text
