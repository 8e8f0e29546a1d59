"""Guardrails on the command line."""

import asyncio
import json

import pytest
from click.testing import CliRunner

from instant_credit.commands import cli
from instant_credit.commands.experiment_guard import NOTHING
from instant_credit.record.pool import open_record
from tests.clock import FixedClock
from tests.lender import documents
from tests.lending import install_release
from tests.underwriting.test_experiment_readouts import start_experiment, write_days

__all__ = ["documents"]


@pytest.fixture
def call(environ):
    def run(*arguments):
        return CliRunner().invoke(cli, ["experiment", "guard", *arguments], env=environ)

    return run


async def prepare(settings, documents):
    async with open_record(settings, clock=FixedClock()) as record:
        await install_release(record, documents)
        await write_days(record, await start_experiment(record, documents), rates=(0.05, 0.30))


def test_arms_that_do_harm_are_closed_and_told(call, settings, documents):
    asyncio.run(prepare(settings, documents))
    told = call("--json")
    assert told.exit_code == 0, told
    (one,) = json.loads(told.stdout)["guarded"]
    assert (one["experiment"], one["finding"]["guardrail"], one["is_closed"]) == (1, "early_delinquency", True)
    assert call().stdout == f"{NOTHING}\n"
