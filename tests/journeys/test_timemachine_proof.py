"""The whole LendingClub tape lived through twice: the same bytes, and learning ahead of the frozen first model."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from instant_credit.commands import cli
from tests.budget import IS_PROVING
from tests.tapes import LENDING_CLUB_2007_2011, require_tape

BOOK = "lending_club_2007_2011"
NAMES = ("timemachine.json", "hiding.ndjson", "seeing.ndjson")

pytestmark = [pytest.mark.tapes, pytest.mark.prove]


@pytest.mark.skipif(not IS_PROVING, reason="a look at a test period, which only `make prove` takes")
def test_all_loans_twice_are_the_same_bytes_and_learning_is_ahead_in_the_last_year(
    environ: dict[str, str], tmp_path: Path
) -> None:
    def call(*arguments: str) -> str:
        result = CliRunner().invoke(cli, list(arguments), env=os.environ | environ, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    call("tape", "import", "--mapping", BOOK, str(require_tape(LENDING_CLUB_2007_2011)))
    folders = (tmp_path / "one", tmp_path / "two")
    for folder in folders:
        options = ("--from", "2008-01", "--to", "2011-12", "--retrain", "quarterly")
        call("timemachine", "--book", BOOK, *options, "--report", str(folder))
    for name in NAMES:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    story = json.loads((folders[0] / "timemachine.json").read_bytes())
    assert story["loans"] == 42_531
    for life in story["lives"]:
        assert life["last_year"]["quarters"] == ["2011-Q1", "2011-Q2", "2011-Q3", "2011-Q4"]
        assert life["last_year"]["auc"]["low"] > 0
        assert life["last_year"]["brier"]["high"] < 0
