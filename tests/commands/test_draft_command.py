"""`instant-credit tape draft` as a person runs it."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from instant_credit.commands import cli
from instant_credit.errors import Refused
from tests.training.drafting.strangers import write_csv, write_german, write_wide


def run(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(cli, ["tape", "draft", *words], catch_exceptions=False)


def test_a_draft_shows_columns_doubts_and_the_next_commands(tmp_path: Path) -> None:
    tape = write_german(tmp_path / "german.csv", 200)
    done = run(str(tape), "--to", str(tmp_path / "out"))
    assert done.exit_code == 0
    assert "checking_status" in done.output
    assert "1. codes hide what" in done.output
    assert f"instant-credit tape import {tape} --product {tmp_path}/out/product.toml" in done.output
    for command in ("train --book german", "policy draft --book german", "release make --book german", "serve"):
        assert f"instant-credit {command}" in done.output
    assert (tmp_path / "out" / "product.toml").is_file()
    assert (tmp_path / "out" / "mapping.toml").is_file()


def test_a_draft_prints_no_cell_of_a_person(tmp_path: Path) -> None:
    output = run(str(write_wide(tmp_path / "wide.csv", 300)), "--to", str(tmp_path / "out")).output
    assert not [cell for cell in ("Smith", "Okafor", "@example.com", "I need this loan") if cell in output]


def test_a_second_draft_keeps_the_edited_one_unless_forced(tmp_path: Path) -> None:
    words = (str(write_german(tmp_path / "german.csv", 200)), "--to", str(tmp_path / "out"))
    run(*words)
    with pytest.raises(Refused, match="--force"):
        run(*words)
    assert run(*words, "--force", "--outcome", "class", "--bad", "2").exit_code == 0


def test_a_tape_without_an_outcome_is_told_how_to_name_one_and_goes_no_further(tmp_path: Path) -> None:
    rows = [(100 + place, place % 2, "own" if place % 3 else "rent") for place in range(90)]
    tape = write_csv(tmp_path / "loans.csv", ["amount", "grp", "home"], rows)
    output = run(str(tape), "--to", str(tmp_path / "out")).output
    assert (
        f"instant-credit tape draft {tape} --outcome COLUMN --bad TEXT --name loans --to {tmp_path}/out --force"
        in output
    )
    assert 'where COLUMN may be one of "grp"' in output
    assert "tape import" not in output
    again = run(*f"{tape} --outcome grp --bad 1 --name loans --to {tmp_path}/out --force".split())
    assert "instant-credit train --book loans" in again.output


def test_an_outcome_that_nobody_can_read_asks_for_its_bad_texts_first(tmp_path: Path) -> None:
    rows = [(100 + place, "ABCD"[place % 4]) for place in range(90)]
    tape = write_csv(tmp_path / "loans.csv", ["amount", "status"], rows)
    output = run(str(tape), "--to", str(tmp_path / "out")).output
    before, _, after = output.partition("Or write the events in the mapping by hand.")
    assert "--outcome status --bad TEXT" in before
    assert "tape import" not in before
    assert "tape import" in after


def test_directions_are_written_when_asked_for(tmp_path: Path) -> None:
    tape = write_german(tmp_path / "german.csv")
    for words, sign in (((), "free"), (("--directions",), "increasing")):
        run(str(tape), "--to", str(tmp_path / "out"), "--force", *words)
        text = (tmp_path / "out" / "product.toml").read_text()
        assert f'direction = "{sign}"' in text.partition('of = ["duration"]')[2].partition("[[variables]]")[0]
