import asyncio
import io
import json
import re
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from rich.console import Console
from rich.progress import Progress

from instant_credit.application.document import hash_product, load_product
from instant_credit.commands import cli
from instant_credit.commands import train as command
from instant_credit.commands.train import ACTOR
from instant_credit.errors import Refused
from instant_credit.record.documents import get_document, list_documents, put_document
from instant_credit.record.pool import open_record
from instant_credit.record.shipped import read_starter
from instant_credit.settings import read_settings
from instant_credit.training.fitting import choice
from instant_credit.training.fitting.choice import find_preset
from tests.training.loans import QUICK, invent_set
from tests.training.tapes.test_importing import row, write_tape

MARK = "MARKED"
HASH = re.compile(r"^Bundle: ([0-9a-f]{64})$", re.MULTILINE)
TRAINING = re.compile(r"^Training: ([0-9a-f]{64})$", re.MULTILINE)


def run(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), env=environ)


def invent_rows(loans: int = 600) -> list[str]:
    """Loans, of which those that use most of their limits went bad more often."""
    rows = []
    for n in range(loans):
        is_bad = n % 9 == 0
        rows.append(row(n, label="bad" if is_bad else "good", util=80 + n % 20 if is_bad else n % 97))
    return rows


@pytest.fixture
def book(environ: dict[str, str], tmp_path: Path) -> str:
    tape = write_tape(tmp_path / "tape.csv", invent_rows())
    done = run(environ, "tape", "import", "--mapping", "lending_club_2016q1", "--book", "small", str(tape))
    assert done.exit_code == 0, done.output
    return "small"


async def read_one(environ: dict[str, str], content_hash: str) -> bytes:
    async with open_record(read_settings(environ)) as record:
        listed = [row.content_hash for row in await list_documents(record, "training")]
        assert listed == [content_hash]
        return await get_document(record, content_hash)


def test_a_terminal_is_shown_the_trees_of_each_fit_and_a_file_is_not():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with Progress(console=console, auto_refresh=False) as progress:
        shown = command._Shown(progress, "on small")
        for fit in range(2):
            for done in range(1, 301 + fit):
                shown.watch(done, 1_000)
        bar = progress.tasks[1]
    assert bar.description == "Fit 2: 301 of 1,000 trees"
    assert (bar.completed, bar.total) == (301, 1_000)
    with Progress(console=console, disable=True) as progress:
        assert command._Shown(progress, "on small").watch is None


def test_a_book_becomes_a_recorded_bundle_and_a_report(environ, book, tmp_path):
    folder = tmp_path / "report"
    done = run(environ, "train", "--book", book, "--folds", "2", "--report", str(folder), "--preset", "steady")
    assert done.exit_code == 0, done.output
    bundle_hash = HASH.search(done.stdout)[1]
    assert f"Report: {folder / 'report.html'}" in done.stdout
    told = json.loads((folder / "report.json").read_text())
    assert told["bundle_hash"] == bundle_hash
    assert f"Training: {told['training_hash']}" in done.stdout
    recorded = json.loads(asyncio.run(read_one(environ, told["training_hash"])))
    assert (recorded["bundle_hash"], recorded["book"]) == (bundle_hash, book)
    assert told["model"]["quality"]["loans"] == 600
    made = run(environ, "train", "--book", book, "--folds", "2", "--preset", "steady")
    assert HASH.search(made.stdout)[1] == bundle_hash
    home = Path(environ["INSTANT_CREDIT_HOME"]) / "reports" / book
    assert (home / "report.json").read_bytes() == (folder / "report.json").read_bytes()


@pytest.mark.usefixtures("blank_charts")
def test_by_default_the_product_is_the_newest_that_the_book_was_recorded_under(environ, tmp_path):
    tape = write_tape(tmp_path / "tape.csv", invent_rows())
    shipped = read_starter("products", "personal_loan")
    hashes = []
    for title, rows in (("Other", "500"), ("Another", "600")):
        product = tmp_path / f"{title}.toml"
        product.write_text(shipped.replace('title = "Personal loan"', f'title = "{title}"'))
        hashes.append(hash_product(load_product(product.read_text())))
        told = ("--mapping", "lending_club_2016q1", "--book", "mine", "--product", str(product), "--rows", rows)
        done = run(environ, "tape", "import", *told, str(tape))
        assert done.exit_code == 0, done.output
    for options, expected in (((), hashes[1]), (("--product", str(tmp_path / "Other.toml")), hashes[0])):
        done = run(
            environ,
            "train",
            "--book",
            "mine",
            "--folds",
            "2",
            "--preset",
            "steady",
            "--report",
            str(tmp_path),
            *options,
        )
        assert done.exit_code == 0, done.output
        told = json.loads((tmp_path / "report.json").read_text())
        assert (told["product_hash"], told["model"]["quality"]["loans"]) == (expected, 600)


def test_texts_that_are_no_facts_are_never_printed(environ, tmp_path):
    tape = tmp_path / "tape.csv"
    write_tape(tape, invent_rows())
    lines = tape.read_text().splitlines()
    marked = [lines[0] + ",desc", *(f"{line},{MARK} wrote this" for line in lines[1:])]
    tape.write_text("\n".join(marked) + "\n")
    outputs = [run(environ, "tape", "import", "--mapping", "lending_club_2016q1", "--book", "marked", str(tape))]
    outputs.append(
        run(
            environ,
            "train",
            "--book",
            "marked",
            "--folds",
            "2",
            "--preset",
            "steady",
            "--report",
            str(tmp_path / "report"),
        )
    )
    texts = [one.output for one in outputs] + [path.read_text() for path in (tmp_path / "report").iterdir()]
    assert len(texts) == 4
    assert not any(MARK in text for text in texts)


@pytest.fixture
def quick_presets(monkeypatch):
    """Presets of few trees."""
    presets = {"steady": QUICK, "plain": msgspec.structs.replace(QUICK, depth=2)}
    monkeypatch.setattr(choice, "list_presets", lambda *_: presets)


@pytest.mark.usefixtures("quick_presets")
@pytest.mark.usefixtures("blank_charts")
def test_a_recorded_training_is_repeated_from_its_hash_alone(environ, book, tmp_path):
    made = run(environ, "train", "--book", book, "--test-share", "0.3", "--segment", "home")
    assert made.exit_code == 0, made.output
    training_hash = TRAINING.search(made.stdout)[1]
    done = run(environ, "train", "--repeat", training_hash)
    assert done.exit_code == 0, done.output
    assert HASH.search(done.stdout)[1] == HASH.search(made.stdout)[1]
    assert TRAINING.search(done.stdout)[1] == training_hash
    assert "Repeated: the bundle is the same as then" in done.stdout
    assert "Report:" not in done.stdout
    done = run(environ, "train", "--repeat", training_hash, "--report", str(tmp_path / "again"))
    home = Path(environ["INSTANT_CREDIT_HOME"]) / "reports" / book
    told, again = (json.loads((folder / "report.json").read_text()) for folder in (home, tmp_path / "again"))
    assert again == {**told, "plan_why": "the same loans as then"}
    tape = write_tape(tmp_path / "more.csv", invent_rows(700)[600:])
    more = run(environ, "tape", "import", "--mapping", "lending_club_2016q1", "--book", book, str(tape))
    assert more.exit_code == 0, more.output
    refused = run(environ, "train", "--repeat", training_hash)
    assert isinstance(refused.exception, Refused)
    assert "700 resolved loans, 100 more than the 600" in str(refused.exception)


@pytest.mark.usefixtures("quick_presets")
@pytest.mark.usefixtures("blank_charts")
def test_a_training_that_is_not_recorded_or_cannot_be_repeated_is_refused(environ, book):
    made = run(environ, "train", "--book", book, "--folds", "2", "--preset", "steady")
    unknown = run(environ, "train", "--repeat", HASH.search(made.stdout)[1])
    assert "the record holds no training" in str(unknown.exception)
    old_hash = asyncio.run(record_old_manifest(environ, TRAINING.search(made.stdout)[1]))
    old = run(environ, "train", "--repeat", old_hash)
    assert "did not keep digests" in str(old.exception)


async def record_old_manifest(environ, training_hash: str) -> str:
    """The same training as a manifest of schema 1 told it."""
    async with open_record(read_settings(environ)) as record:
        told = json.loads(await get_document(record, training_hash))
        told = {key: value for key, value in told.items() if key not in {"training_set", "segment", "choice"}}
        body = json.dumps({**told, "schema_version": 1}).encode()
        return await put_document(record, "training", body, ACTOR)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "give --book, or --repeat"),
        (("--repeat", "0" * 64, "--book", "small"), "leave out --book"),
        (("--repeat", "0" * 64, "--folds", "3", "--known-on", "2015-01-01"), "leave out --folds, --known-on"),
    ],
)
def test_a_repeat_takes_everything_from_the_manifest(environ, options, words):
    done = run(environ, "train", *options)
    assert done.exit_code == 2
    assert words in " ".join(done.output.replace("│", " ").split())


@pytest.mark.parametrize(
    "options", [("--test-share", "0.2", "--folds", "2"), ("--folds", "2", "--test-from", "2011-01-01")]
)
def test_at_most_one_plan_is_asked_for(environ, options):
    done = run(environ, "train", "--book", "small", *options)
    assert done.exit_code == 2
    assert "one of --test-from, --test-share and --folds" in done.output


@pytest.mark.long
@pytest.mark.usefixtures("blank_charts")
def test_a_book_without_dates_is_tested_in_folds_by_default_and_says_so(environ, book, monkeypatch):
    monkeypatch.setattr(choice, "HURRY", 20)
    done = run(environ, "train", "--book", book)
    assert done.exit_code == 0, done.output
    assert "Tested on 2 folds: the book has no dates to test over time" in done.stdout
    assert re.search(r"^Preset: \w+ \(inner AUC steady 0\.\d{4}, plain 0\.\d{4}", done.stdout, re.MULTILINE)


def test_a_preset_that_no_category_suits_is_refused_with_those_there_are():
    loans = invent_set(200)
    assert find_preset("plain", loans).parameters.depth == 6
    with pytest.raises(Refused, match=r"no category of the model has 9 codes; there are steady, plain"):
        find_preset("ordered", loans)


def test_a_search_takes_no_preset(environ):
    done = run(environ, "train", "--book", "small", "--preset", "plain", "--search", "2")
    assert done.exit_code == 2
    assert "tries the presets first" in done.output


def test_an_unknown_book_is_refused(environ):
    assert "import a tape" in str(run(environ, "train", "--book", "nothing", "--folds", "2").exception)


def test_a_product_that_is_no_file_is_refused(environ, book):
    done = run(environ, "train", "--book", book, "--folds", "2", "--product", "nonsense")
    assert isinstance(done.exception, Refused)
    assert "personal_loan" in str(done.exception)


def test_a_book_without_dates_is_refused_a_test_by_date(environ, book):
    done = run(environ, "train", "--book", book, "--test-from", "2015-01-01")
    assert "--folds" in str(done.exception)


def test_labels_of_a_day_before_anything_was_known_are_refused(environ, book):
    done = run(environ, "train", "--book", book, "--folds", "2", "--known-on", "2010-01-01")
    assert "resolved by 2010-01-01" in str(done.exception)


def test_a_report_folder_that_cannot_be_made_ends_before_the_training(environ, tmp_path):
    (tmp_path / "taken").write_text("a file")
    done = run(environ, "train", "--book", "none", "--folds", "2", "--report", str(tmp_path / "taken" / "report"))
    assert isinstance(done.exception, NotADirectoryError)


@pytest.mark.usefixtures("blank_charts")
def test_reports_and_rejects_lie_in_folders_of_the_owner_alone(environ, book):
    assert run(environ, "train", "--book", book, "--folds", "2", "--preset", "steady").exit_code == 0
    home = Path(environ["INSTANT_CREDIT_HOME"])
    assert [(home / name).stat().st_mode & 0o777 for name in ("reports", "rejects")] == [0o700, 0o700]
