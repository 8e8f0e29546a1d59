"""Readouts, memos and promotions on the command line."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from instant_credit.canonical import hash_content
from instant_credit.commands import cli
from instant_credit.record.pool import open_record
from instant_credit.underwriting.experiment_moves import ExperimentConflict
from tests.clock import FixedClock
from tests.lender import documents
from tests.lending import install_release
from tests.underwriting.test_experiment_readouts import start_experiment, write_days

__all__ = ["documents"]


@pytest.fixture
def call(environ):
    def run(*arguments):
        return CliRunner().invoke(cli, ["experiment", *map(str, arguments)], env=environ)

    return run


@pytest.fixture
def planned(settings, documents):
    """Experiment 1, which promotes its challenger."""
    asyncio.run(prepare(settings, documents))


async def prepare(settings, documents):
    async with open_record(settings, clock=FixedClock()) as record:
        await install_release(record, documents)
        own = await start_experiment(record, documents)
        await write_days(record, own, rates=(0.12, 0.03))


def terms():
    today = datetime.now(UTC).date()
    days = ("--review-on", today + timedelta(days=100), "--expires-on", today + timedelta(days=200))
    return ("--owner", "risk-team", "--tier", "high", *days, "--use", "Unsecured loans.")


@pytest.mark.usefixtures("planned")
def test_an_experiment_is_read_written_down_and_promoted(call, tmp_path):
    told = call("read", 1)
    assert told.exit_code == 0, told
    assert told.stdout.startswith("Promote challenger.")
    assert "bad (primary)" in told.stdout
    readout = json.loads(call("read", 1, "--json").stdout)
    assert readout["verdict"]["arm"] == "challenger"
    listed = call("read")
    assert listed.exit_code == 0, listed
    assert "promote challenger" in listed.stdout
    assert [one["experiment"] for one in json.loads(call("read", "--json").stdout)] == [1]
    assert call("read", "--until", "2024-03-10").exit_code == 2
    for _ in range(2):
        written = call("memo", 1, "--out", tmp_path / "memo")
        assert written.exit_code == 0, written
        raw = (tmp_path / "memo" / "memo.json").read_bytes()
        assert written.stdout.splitlines()[-1] == f"Memo {hash_content(raw)}"
    early = json.loads(call("read", 1, "--until", "2024-03-10", "--json").stdout)
    assert (early["until"], early["verdict"]["kind"]) == ("2024-03-10", "not_enough")
    promoted = call("promote", 1, "--arm", "challenger", "--by", "staff-1", *terms())
    assert promoted.exit_code == 0, promoted
    assert promoted.stdout.endswith("waits for a second person\n")
    refused = call("promote", 1, "--arm", "control", "--by", "staff-1", *terms())
    assert isinstance(refused.exception, ExperimentConflict)
