"""`instant-credit caps` puts what holds from then on, and shows it."""

import asyncio

import msgspec
import pytest
from click.testing import CliRunner

from instant_credit.commands import cli
from instant_credit.experiment.caps import Caps
from instant_credit.record.pool import open_record
from tests.lender import documents
from tests.lending import install_release

__all__ = ["documents"]


@pytest.fixture
def call(environ):
    def run(*arguments):
        return CliRunner().invoke(cli, ["caps", *map(str, arguments)], env={**environ, "COLUMNS": "80"})

    return run


@pytest.fixture
def offered(settings, documents):
    async def install():
        async with open_record(settings) as record:
            await install_release(record, documents)

    asyncio.run(install())


def test_shipped_caps_are_put_and_shown(call, offered):
    assert "No caps hold" in call("show").output
    put = call("put", "personal_loan")
    assert (put.exit_code, put.output[:23]) == (0, "Caps of personal_loan: ")
    shown = call("show").output
    assert put.output.split()[-1] in shown
    for words in ("whole_book", "everybody", "home_ownership = rent", "500,000,000", "expected_loss"):
        assert words in shown
    (caps,) = msgspec.json.decode(call("show", "--json").output, type=list[Caps])
    assert [cap.name for cap in caps.caps] == ["whole_book", "losses", "renters"]


def test_caps_of_a_product_that_nobody_offers_are_refused(call):
    put = call("put", "personal_loan")
    assert put.exit_code == 1
    assert "live release of product" in str(put.exception)
