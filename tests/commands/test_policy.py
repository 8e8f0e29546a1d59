import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner

from instant_credit.commands import cli
from instant_credit.errors import Refused
from instant_credit.policy.checks import load_policy
from instant_credit.record.shipped import read_starter
from tests.commands.test_release import stock
from tests.lender import documents

__all__ = ["documents"]


@pytest.fixture
def call(environ):
    def run(*arguments):
        return CliRunner().invoke(cli, [str(one) for one in arguments], env={**environ, "COLUMNS": "80"})

    return run


@pytest.fixture
def stocked(settings, documents):
    asyncio.run(stock(settings, documents))
    return documents


def test_a_draft_is_a_policy_that_a_release_is_made_with(call, stocked, tmp_path):
    path = tmp_path / "first.toml"
    drafted = call("policy", "draft", "--book", "tape", "--to", path)
    assert drafted.exit_code == 0, drafted.output
    assert "Tried on 60 Cases of tape: approve" in drafted.output
    assert f"release make --book tape --policy {path}" in drafted.output
    assert load_policy(path.read_text(), stocked.product).product == "personal_loan"
    made = call("release", "make", "--book", "tape", "--policy", path, "--activate")
    assert made.exit_code == 0, made.output


def test_a_draft_goes_to_standard_output_and_is_the_same_twice(call, stocked, tmp_path):
    first, second = (call("policy", "draft", "--book", "tape") for _ in range(2))
    assert first.stdout == second.stdout
    assert load_policy(first.stdout, stocked.product).cut_offs.approve_below_ppm > 0
    assert "Tried on" in first.stderr


def test_a_file_that_is_there_is_not_written_over(call, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("mine")
    told = call("policy", "draft", "--book", "tape", "--to", path).exception
    assert isinstance(told, Refused)
    assert "there is a file already" in str(told)
    assert path.read_text() == "mine"


def test_shares_move_the_cut_offs_and_impossible_ones_are_refused(call, stocked):
    few = load_policy(call("policy", "draft", "--book", "tape", "--approve-share", 30).stdout, stocked.product)
    many = load_policy(call("policy", "draft", "--book", "tape", "--approve-share", 70).stdout, stocked.product)
    assert few.cut_offs.approve_below_ppm < many.cut_offs.approve_below_ppm
    told = call("policy", "draft", "--book", "tape", "--approve-share", 90, "--cost", 40).exception
    assert "must not add up to more than 100%" in str(told)
    assert "costs and margin alone are above the largest APR" in str(told)


def test_without_a_model_there_is_no_draft(call):
    told = call("policy", "draft", "--book", "tape").exception
    assert str(told) == "no model is recorded: train one first (instant-credit train)"


def test_an_edited_policy_is_checked_against_its_product(call, tmp_path):
    text = read_starter("policies", "personal_loan")
    path = tmp_path / "edited.toml"
    path.write_text(text)
    assert "11 rules, 11 examples hold" in call("policy", "check", path).output
    path.write_text(text.replace("approve_below_ppm = 260_000", "approve_below_ppm = 250_000"))
    told = call("policy", "check", path, "--product", "personal_loan").exception
    assert "grid: ends at 260000, it must end at approve_below_ppm" in str(told)


def test_a_policy_for_an_unknown_product_asks_for_its_file(call, tmp_path):
    path = tmp_path / "edited.toml"
    path.write_text(read_starter("policies", "personal_loan").replace('product = "personal_loan"', 'product = "yacht"'))
    told = call("policy", "check", path).exception
    assert str(told) == "product yacht is neither recorded nor shipped: give its file with --product"


def test_a_check_takes_the_newest_recorded_product(call, stocked, tmp_path):
    assert call("policy", "check", "personal_loan").exit_code == 0
    assert not Path("personal_loan").exists()
