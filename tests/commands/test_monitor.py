"""`instant-credit monitor` from a reference to an alert, and what it says when something is missing."""

import asyncio
import json
from datetime import timedelta

import pytest
from click.testing import CliRunner

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.api.metrics import Metrics
from instant_credit.commands import cli, monitored
from instant_credit.commands.monitored import keep_monitored
from instant_credit.commands.months import beside
from instant_credit.decision.release import compose_release, decode_manifest
from instant_credit.errors import Refused, Unavailable
from instant_credit.record.pool import open_record
from instant_credit.record.shipped import read_starter
from tests.lender import documents
from tests.lending import install_release
from tests.review.deciding import MONDAY, invent_cases, record_cases

__all__ = ["documents"]
ACTOR = Actor(kind=ActorKind.JOB, id="tests")


@pytest.fixture
def call(environ):
    def run(*arguments):
        return CliRunner().invoke(cli, ["monitor", *map(str, arguments)], env={**environ, "COLUMNS": "80"})

    return run


def stock(settings, documents, weeks=0):
    """A live release, a tape, and so many weeks of applications, the last two of other people."""
    release = compose_release(decode_manifest(documents.parts[-1][1]), documents.by_hash)

    async def run():
        async with open_record(settings) as record:
            await install_release(record, documents)
            await record_cases(record, ACTOR, release, invent_cases(release, 1, 300), book="tape", is_decided=False)
            for week in range(weeks):
                facts = {"inquiries_6m": 6} if week >= weeks - 2 else {}
                cases = invent_cases(release, 9 + week, 40, MONDAY + timedelta(days=7 * week), **facts)
                await record_cases(record, ACTOR, release, cases, start=1_000 * week)

    asyncio.run(run())
    return release


def test_from_a_reference_to_an_alert_and_again_without_anything_new(call, settings, documents, tmp_path):
    release = stock(settings, documents, weeks=4)
    rules = tmp_path / "rules.toml"
    text = read_starter("alerts", "standard").replace("window_days = 28", "window_days = 7")
    rules.write_text(text.replace('owner = "credit-risk"', 'owner = "credit-risk"\ncases_min = 20'))
    without = call("run")
    assert (without.exit_code, "Judged 0 windows" in without.output) == (0, True)
    assert f"--release {release.hash}" in without.output
    made = call("reference", "--book", "tape", "--to", "2023-01-31")
    assert made.exit_code == 0, made.output
    assert "300 Cases of book tape until 2023-01-31" in made.output
    first = call("run", "--rules", rules)
    assert first.exit_code == 0, first.output
    assert "Sketched 4 days of 160 Cases (0 erased)" in first.output
    assert "Judged 4 windows" in first.output
    assert "2023-01-29 personal_loan: opened variable_shifted of inquiries_half_year at " in first.output
    again = call("run", "--rules", rules, "--since", "2023-01-01")
    assert again.output.splitlines() == ["Sketched 0 days of 0 Cases (0 erased)", "Judged 0 windows"]
    shown = call("show", "--product", "personal_loan")
    assert "personal_loan, 2023-01-23 to 2023-01-29: 40 Cases of release" in shown.output
    (line,) = [line for line in shown.output.splitlines() if "variable_psi" in line and " inquiries_half_year " in line]
    assert "variable_shifted" in line
    reports = json.loads(call("show", "--windows", "3", "--json").output)
    assert [report["last_on"] for report in reports] == ["2023-01-29", "2023-01-22", "2023-01-15"]
    listed = call("alerts")
    assert "opened" in listed.output
    assert "credit-risk" in listed.output
    events = json.loads(call("alerts", "--json").output)
    assert {"variable_shifted"} <= {one["event"]["rule"] for one in events}


def test_what_is_missing_is_said_with_what_to_do(call, settings, documents):
    for arguments, what in ((("show",), "no window of book applications was judged yet"), (("alerts",), "monitor run")):
        refused = call(*arguments)
        assert isinstance(refused.exception, Refused)
        assert what in str(refused.exception)
    refused = call("reference", "--book", "tape")
    assert "no release is live" in str(refused.exception)
    stock(settings, documents, weeks=4)
    refused = call("reference", "--book", "tape", "--product", "another")
    assert "live are personal_loan" in str(refused.exception)
    refused = call("run", "--rules", "another")
    assert "standard" in str(refused.exception)
    assert call("reference", "--book", "tape", "--product", "personal_loan").exit_code == 0
    assert call("run").exit_code == 0
    refused = call("show", "--product", "another")
    assert "only personal_loan" in str(refused.exception)


@pytest.mark.anyio
async def test_what_cannot_be_read_for_the_metrics_is_logged_and_read_again(log, monkeypatch, record):
    monkeypatch.setattr(monitored, "REFRESH_SECONDS", 0)
    outcomes = [Unavailable("the record did not answer"), RuntimeError("odd"), None]
    is_shown = asyncio.Event()

    async def list_windows(*_):
        outcome = outcomes.pop(0) if outcomes else None
        if outcome is not None:
            raise outcome
        is_shown.set()
        return ()

    monkeypatch.setattr(monitored, "list_latest_windows", list_windows)
    async with beside(keep_monitored(record, Metrics())):
        await asyncio.wait_for(is_shown.wait(), 20)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["monitoring_not_read"] * 2
    assert lines[0]["error"] == "Unavailable"
