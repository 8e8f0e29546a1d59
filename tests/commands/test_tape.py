import json

import pytest
from click.testing import CliRunner

from instant_credit.commands import cli
from instant_credit.errors import NotFound, Refused
from instant_credit.record.shipped import list_starters, read_starter
from tests.commands.documents import MAPPING

HEADER = "funded_amnt,term,annual_inc,Class"


@pytest.fixture
def call(environ):
    def run(*arguments):
        return CliRunner().invoke(cli, [str(argument) for argument in arguments], env=environ)

    return run


@pytest.fixture
def tape(tmp_path):
    (tmp_path / "tiny.toml").write_text(MAPPING)
    path = tmp_path / "tape.csv"
    path.write_text(f"{HEADER}\n5000,36,40000,good\n6000,36,,bad\n7000,60,50000,good\n")
    return path, "--mapping", tmp_path / "tiny.toml"


def test_a_tape_becomes_a_book_that_can_be_listed_and_exported(call, tape, tmp_path, settings):
    imported = call("tape", "import", *tape)
    assert imported.exit_code == 0, imported.output
    assert "Book tiny: 3 rows in = 2 recorded + 0 recorded before + 1 rejected; 0 events added" in imported.output
    assert "Outcomes that this tape tells as of today: 2 good, 0 bad, 0 unresolved" in imported.output
    assert "Of this tape alone every resolved loan is good, and a model needs both kinds" in imported.output
    assert "33% of the rows are rejected, 1 of them because of" in imported.output
    rejects = settings.home / "rejects" / "tiny.ndjson"
    assert str(rejects) in imported.output.replace("\n", "")
    assert json.loads(rejects.read_text())["row"] == 2
    listed = call("book", "list")
    assert "tiny" in listed.output
    assert "personal_loan" in listed.output
    shown = call("book", "export", "tiny")
    kept = call("book", "export", "tiny", "--to", tmp_path / "tiny.ndjson")
    assert kept.exit_code == 0
    lines = (tmp_path / "tiny.ndjson").read_text()
    assert lines == shown.stdout
    (first, _) = (json.loads(line) for line in lines.splitlines())
    assert first["events"][0]["known_on"] == "2016-12-31"


def test_a_newer_tape_says_how_many_events_it_added(call, tape):
    call("tape", "import", *tape)
    tape[0].write_text(f"{HEADER}\n5000,36,40000,good\n7000,60,50000,late\n9000,60,50000,good\n")
    again = call("tape", "import", *tape)
    assert "3 rows in = 1 recorded + 2 recorded before + 0 rejected; 0 events added to Cases" in again.output
    tape[0].write_text(f"{HEADER}\n9000,60,50000,bad\n")
    call("tape", "import", *tape, "--book", "late")
    tape[0].write_text(f"{HEADER}\n9000,60,50000,good\n")
    newer = call("tape", "import", *tape, "--book", "late")
    assert "1 rows in = 0 recorded + 1 recorded before + 0 rejected; 1 events added to Cases" in newer.output
    assert "Events are never taken back" in newer.output


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('title = "Personal loan"', 'title = "Other"'), "to train on this version add --product with its file"),
        (('currency = "USD"', 'currency = "EUR"'), "import the tape into a new book (--book NAME)"),
    ],
)
def test_an_edited_product_is_told_how_it_comes_into_training(call, tape, tmp_path, change, told):
    call("tape", "import", *tape)
    edited = read_starter("products", "personal_loan").replace(*change, 1)
    (tmp_path / "edited.toml").write_text(edited)
    again = call("tape", "import", *tape, "--product", tmp_path / "edited.toml")
    assert again.exit_code == 0, again.output
    assert "Book tiny holds Cases of another version of product personal_loan" in again.output
    assert told in again.output
    assert "of another version" not in call("tape", "import", *tape).output


def test_books_and_rejects_can_be_named(call, tape, tmp_path):
    imported = call("tape", "import", *tape, "--book", "mine", "--rejects", tmp_path / "mine.ndjson", "--rows", 2)
    assert "Book mine: 2 rows in = 1 recorded" in imported.output
    assert (tmp_path / "mine.ndjson").exists()


def test_another_product_document_can_be_given(call, tape, tmp_path):
    product = tmp_path / "product.toml"
    product.write_text(read_starter("products", "personal_loan").replace('title = "Personal loan"', 'title = "Other"'))
    assert call("tape", "import", *tape, "--product", product).exit_code == 0


def test_a_product_that_is_not_shipped_is_given_once_and_then_known(call, tape, tmp_path):
    mapping, product = tmp_path / "tiny.toml", tmp_path / "yacht.toml"
    mapping.write_text(MAPPING.replace('product = "personal_loan"', 'product = "yacht"'))
    product.write_text(read_starter("products", "personal_loan").replace('name = "personal_loan"', 'name = "yacht"', 1))
    told = call("tape", "import", *tape).exception
    assert str(told) == "product yacht is neither recorded nor shipped: give its file with --product"
    assert call("tape", "import", *tape, "--product", product).exit_code == 0
    again = call("tape", "import", *tape)
    assert "0 recorded + 2 recorded before + 1 rejected" in again.output


def test_shipped_mappings_are_listed(call):
    assert call("tape", "mappings").output.split() == list(list_starters("mappings"))


def test_no_book_is_said_so(call):
    assert "No book yet" in call("book", "list").output


@pytest.mark.parametrize(
    ("arguments", "error", "claim"),
    [
        (
            ("tape", "import", "none.csv", "--mapping", "nothing"),
            Refused,
            "neither a readable file nor one of the shipped",
        ),
        (("tape", "import", "none.csv", "--mapping", "lending_club_2016q1"), Refused, "No such file"),
        (("book", "export", "nothing"), NotFound, "book nothing not found"),
        (("replay", "--book", "nothing"), NotFound, "book nothing not found"),
    ],
)
def test_what_can_not_be_done_says_why(call, arguments, error, claim):
    done = call(*arguments)
    assert isinstance(done.exception, error)
    assert claim in str(done.exception)


def test_a_faulty_mapping_is_refused_before_anything_is_read(call, tape, tmp_path):
    (tmp_path / "tiny.toml").write_text("name =")
    assert "mapping:" in str(call("tape", "import", *tape).exception)
    (tmp_path / "tiny.toml").write_text(MAPPING.replace("[facts.term_months]", "[facts.terms]"))
    assert "facts.terms" in str(call("tape", "import", *tape).exception)
    assert "neither" in str(call("tape", "import", *tape, "--product", "nothing").exception)


def test_a_replay_of_nothing_is_faithful(call, tape):
    assert "Replayed 0 Decisions" in call("replay").output
    call("tape", "import", *tape)
    assert "2 Cases never decided" in call("replay", "--book", "tiny").output


def test_a_place_that_can_not_be_written_is_refused(call, tape, tmp_path):
    blocked = tmp_path / "file" / "below"
    (tmp_path / "file").write_text("")
    assert "can't be written" in str(call("tape", "import", *tape, "--rejects", blocked).exception)
    call("tape", "import", *tape)
    assert "can't be written" in str(call("book", "export", "tiny", "--to", blocked).exception)
