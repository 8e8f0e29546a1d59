from datetime import timedelta

import pytest
from click.testing import CliRunner

from instant_credit.commands import cli
from instant_credit.commands.documents import read_document, write_file
from instant_credit.errors import Refused
from instant_credit.record.clock import SystemClock
from instant_credit.record.shipped import read_starter


def test_a_shipped_name_comes_before_a_file_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "personal_loan").write_text("mine")
    assert read_document("policies", "personal_loan") == read_starter("policies", "personal_loan")
    assert read_document("policies", "./personal_loan") == "mine"


@pytest.mark.parametrize("kind", ["absent", "folder", "not text"])
def test_what_is_no_text_is_refused_with_the_shipped_names(tmp_path, kind):
    path = tmp_path / "document.toml"
    if kind == "folder":
        path.mkdir()
    elif kind == "not text":
        path.write_bytes(b"name = \xff")
    with pytest.raises(
        Refused, match=r"neither a readable file nor one of the shipped policies: personal_loan"
    ) as told:
        read_document("policies", str(path))
    assert str(path) in str(told.value)


def test_a_file_without_an_end_is_refused():
    with pytest.raises(Refused, match=r"/dev/zero: longer than 4,194,304 bytes"):
        read_document("labels", "/dev/zero")


@pytest.mark.parametrize(
    "command",
    [
        ("train",),
        ("retrain",),
        ("inference",),
        ("gate", "judge"),
        ("job", "judge"),
        ("book", "vintages"),
        ("book", "losses"),
    ],
)
def test_nobody_knows_today_what_will_be_known(command):
    ahead = (SystemClock().now() + timedelta(days=2)).date().isoformat()
    done = CliRunner().invoke(cli, [*command, "--known-on", ahead])
    assert done.exit_code == 2
    assert "it lies ahead, and nobody knows yet" in " ".join(done.output.split())


def test_prudence_that_is_no_number_is_refused():
    done = CliRunner().invoke(cli, ["retrain", "--book", "b", "--inference", "parcelling", "--prudence", "nan"])
    assert (done.exit_code, "--prudence is a number" in done.output) == (2, True)


def test_a_file_that_cannot_be_written_is_refused_with_its_path_and_leaves_nothing(tmp_path):
    (tmp_path / "policy.toml").mkdir()
    with pytest.raises(Refused, match=r"policy\.toml can't be written: "):
        write_file(tmp_path / "policy.toml", "name = 'x'")
    assert [path.name for path in tmp_path.iterdir()] == ["policy.toml"]
