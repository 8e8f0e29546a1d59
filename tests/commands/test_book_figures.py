import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from instant_credit.commands import cli
from tests.training.tapes.test_importing import row, write_tape

LABELS = """
schema_version = 1
name = "from_case"
title = "Overdue within a year of the Case"
window_months = 12
starts = "as_of"
"""
# The shipped tape tells one state a loan, on 2016-12-31, of Cases of 2016-03-31: month nine on book.
KNOWN = ("--known-on", "2017-12-31")


def run(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), env=environ)


@pytest.fixture
def book(environ: dict[str, str], tmp_path: Path) -> str:
    rows = [row(n, label="bad" if n % 4 == 0 else "good", state="NY" if n % 2 else "CA") for n in range(80)]
    tape = write_tape(tmp_path / "tape.csv", rows)
    done = run(environ, "tape", "import", "--mapping", "lending_club_2016q1", "--book", "small", str(tape))
    assert done.exit_code == 0, done.output
    return "small"


@pytest.fixture
def labels(tmp_path: Path) -> str:
    path = tmp_path / "from_case.toml"
    path.write_text(LABELS)
    return str(path)


def test_a_book_shows_its_vintages_and_writes_every_month(environ, book, labels, tmp_path):
    to = tmp_path / "vintages.json"
    done = run(environ, "book", "vintages", book, "--labels", labels, *KNOWN, "--json", str(to))
    assert done.exit_code == 0, done.output
    assert "Book small as known on 2017-12-31: 0 immature, 0 indeterminate, 60 good, 20 bad" in done.stdout
    told = json.loads(to.read_text())
    (curve,) = told["curves"]
    assert (curve["cohort"], curve["loans"]) == ("2016-01/03", 80)
    assert curve["bads"] == [0] * 9 + [20] * 13
    assert told["labels"]["bad"] == 20
    assert told["rolls"]["counts"][0][4] == 20


def test_loans_are_put_together_by_a_category_or_by_points(environ, book, labels):
    by_state = run(environ, "book", "vintages", book, "--labels", labels, *KNOWN, "--segment", "residence_state")
    assert by_state.exit_code == 0, by_state.output
    assert "50.00%" in by_state.stdout
    by_points = run(environ, "book", "vintages", book, "--labels", labels, *KNOWN, "--points", "40")
    assert "without points" in by_points.stdout


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--segment", "colour"), "no category of personal_loan"),
        (("--segment", "purpose", "--points", "9"), "one of --segment, --points and --release"),
        (("--known-on", "2010-01-01"), "holds no Case of personal_loan from until 2010-01-01"),
        (("--json", "nowhere/x.json"), "there is no folder"),
        (("--labels", "bad_90_in_12"), "told as paid out"),
        (("--labels", "nothing"), "neither a readable file nor one of the shipped labels"),
    ],
)
def test_what_a_book_cannot_show_is_refused_with_what_to_do(environ, book, labels, more, message):
    told = more if "--labels" in more else ("--labels", labels, *more)
    done = run(environ, "book", "vintages", book, *told)
    assert done.exit_code != 0
    assert message in done.output + str(done.exception)


def test_a_book_whose_loans_are_too_young_is_refused_with_their_number(environ, book, labels):
    done = run(environ, "train", "--book", book, "--labels", labels, "--known-on", "2017-01-31", "--folds", "2")
    assert "nothing to train on (80 immature" in str(done.exception)


def test_a_book_without_charge_offs_has_no_losses(environ, book):
    done = run(environ, "book", "losses", book, *KNOWN)
    assert "events of the kinds disbursed and charged_off" in str(done.exception)


def test_inference_that_has_nothing_to_go_by_is_refused(environ, book):
    for variant, message in (
        ("parcelling", "no Case that was declined"),
        ("exploration-weighted", "name the attribute that holds it with --propensity"),
    ):
        done = run(environ, "train", "--book", book, "--inference", variant, "--folds", "2", "--preset", "steady")
        assert message in str(done.exception), done.output
    for told in (("--prudence", "2"), ("--prudence", "2", "--inference", "approved-only")):
        assert "--prudence goes with" in run(environ, "train", "--book", book, *told).output
