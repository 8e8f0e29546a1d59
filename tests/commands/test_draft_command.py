"""`instant-credit tape draft` as a person runs it."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from instant_credit.commands import cli
from instant_credit.errors import Refused
from tests.training.drafting.strangers import write_german, write_wide


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
