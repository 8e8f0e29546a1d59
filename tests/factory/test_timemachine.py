"""A book lived through again: the same bytes every time, decided as at the counter, learning only what could be known."""

import asyncio
import json
import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from click.testing import CliRunner, Result

from instant_credit.application.document import load_product
from instant_credit.commands import cli
from instant_credit.factory.timemachine.journey import HIDING, Lived, live
from instant_credit.factory.timemachine.loans import read_loans
from instant_credit.factory.timemachine.route import Route
from instant_credit.outcome.definition import load_definition
from instant_credit.policy.document import read_policy
from instant_credit.record.pool import open_record
from instant_credit.record.shipped import read_starter
from instant_credit.score.scorecard import read_scorecard
from instant_credit.settings import Settings
from instant_credit.training.gates.thresholds import read_thresholds
from tests.tapes import LENDING_CLUB_2007_2011, require_tape

pytestmark = [pytest.mark.tapes, pytest.mark.long]

BOOK = "early"
FIRST, LAST = date(2008, 6, 1), date(2009, 7, 1)
BADS_MIN = 40
OPTIONS = ("--book", BOOK, "--from", "2008-06", "--to", "2009-07", "--bads-min", str(BADS_MIN))


def route() -> Route:
    return Route(
        book=BOOK,
        first=FIRST,
        last=LAST,
        every="quarter",
        definition=load_definition(read_starter("labels", "bad_90_in_18")),
        scorecard=read_scorecard(read_starter("scorecards", "personal_loan")),
        policy=read_policy(read_starter("policies", "personal_loan_18m")),
        thresholds=read_thresholds(read_starter("gates", "young_book")),
        bads_min=BADS_MIN,
    )


def call(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), env=environ, catch_exceptions=False)


@pytest.fixture
def book(environ: dict[str, str], tmp_path: Path) -> int:
    """The loans before August 2009, imported; how many there are."""
    early = pl.read_parquet(require_tape(LENDING_CLUB_2007_2011)).filter(pl.col("issue_d") < date(2009, 8, 1))
    tape = tmp_path / "early.parquet"
    early.write_parquet(tape)
    result = call(environ, "tape", "import", "--mapping", "lending_club_2007_2011", "--book", BOOK, str(tape))
    assert result.exit_code == 0, result.output
    recorded = re.search(r"= ([\d,]+) recorded", result.output)
    assert recorded is not None
    return int(recorded[1].replace(",", ""))


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def check_export(lines: list[dict[str, Any]], told: dict[str, Any], *, sees_all: bool) -> None:
    """Who applied in the route's months is decided, by a release of the day; only what was lent, or seen, has events, known in time."""
    by_day = {line["as_of"]: set() for line in lines}
    for line in lines:
        is_ours = line["as_of"] >= FIRST.isoformat()
        assert (line["decision"] is not None) == is_ours
        assert all(event["known_on"] <= LAST.isoformat() for event in line["events"])
        if not is_ours:
            assert line["events"]
            continue
        decision = line["decision"]
        by_day[line["as_of"]].add(decision["release_hash"])
        is_lent = decision["outcome"] in {"approve", "counter_offer"}
        assert bool(line["events"]) == (is_lent or sees_all)
        if is_lent:
            paid_out = [event["amount_cents"] for event in line["events"] if event["kind"] == "disbursed"]
            assert paid_out == [decision["terms"]["amount_cents"]]
    live_from = {
        told["expert_hash"]: FIRST.isoformat(),
        **{one["release_hash"]: one["day"] for one in told["attempts"] if one["release_hash"] is not None},
    }
    for day, releases in by_day.items():
        if day >= FIRST.isoformat():
            assert releases == {max((since, name) for name, since in live_from.items() if since <= day)[1]}


def check_quarters(lines: list[dict[str, Any]], told: dict[str, Any]) -> None:
    """Applications and offers by quarter, counted anew out of the export."""
    applied: Counter[str] = Counter()
    offered: Counter[str] = Counter()
    for line in lines:
        if line["decision"] is not None:
            day = date.fromisoformat(line["as_of"])
            name = f"{day.year}-Q{(day.month + 2) // 3}"
            applied[name] += 1
            offered[name] += line["decision"]["outcome"] in {"approve", "counter_offer"}
    assert {one["name"]: one["applications"] for one in told["quarters"]} == dict(applied)
    for one in told["quarters"]:
        assert one["learning"]["offered"]["value"] == pytest.approx(offered[one["name"]] / applied[one["name"]])


async def live_again(settings: Settings, home: Path) -> Lived:
    """The first life once more, without the command."""
    async with open_record(settings) as record:
        product = load_product(read_starter("products", "personal_loan"))
        loans = await read_loans(record, BOOK, product, route().end)
    own = Settings(home=home, key_ring=home / "keys" / "ring.json", variants=0)
    return await live(own, route(), product, loans, name=HIDING)


def test_a_book_is_lived_through_with_what_was_known_and_twice_to_the_same_bytes(
    book: int, environ: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "report"
    result = call(environ, "timemachine", *OPTIONS, "--report", str(folder))
    assert result.exit_code == 0, result.output
    story = json.loads((folder / "timemachine.json").read_bytes())
    assert story["loans"] == book
    for told, sees_all in zip(story["lives"], (False, True), strict=True):
        lines = read_lines(folder / f"{told['name']}.ndjson")
        assert len(lines) == book
        check_export(lines, told, sees_all=sees_all)
        check_quarters(lines, told)
        last = told["attempts"][-1]
        assert last["day"] == "2009-07-01"
        assert last["ripe_bads"] >= BADS_MIN
        assert [one["gate"] for one in last["said"]], last["words"]
        assert [one["words"] for one in told["attempts"][:-1]] == [
            f"{one['ripe_bads']} ripe bad loans; {BADS_MIN} are needed" for one in told["attempts"][:-1]
        ]
    assert story["lives"][1]["attempts"][-1]["ripe_bads"] >= story["lives"][0]["attempts"][-1]["ripe_bads"]
    page = (folder / "timemachine.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 12
    assert "2009-Q3" in page
    assert not list((settings.home / "timemachine").iterdir())

    again = asyncio.run(live_again(settings, tmp_path / "again"))
    assert b"".join(again.lines) == (folder / "hiding.ndjson").read_bytes()
    assert json.loads(json.dumps(story["lives"][0]["attempts"])) == json.loads(msgspec.json.encode(again.life.attempts))


def test_a_journey_that_cannot_be_made_says_why(environ: dict[str, str]) -> None:
    for arguments, words in (
        (
            ("--book", "none", "--from", "2008-01", "--to", "2008-02"),
            "book none holds no Case: import a tape into it first",
        ),
        (("--book", "none", "--from", "2008-02", "--to", "2008-01"), "--from 2008-02 lies after --to 2008-01"),
        (("--book", "none", "--from", "1908-01", "--to", "2008-01"), "at most 600 months"),
        (
            ("--book", "none", "--from", "2008-01", "--to", "2008-02", "--labels", "as_last_seen"),
            "name a definition with window_months (--labels)",
        ),
    ):
        result = CliRunner().invoke(cli, ["timemachine", *arguments], env=environ)
        assert words in str(result.exception)
