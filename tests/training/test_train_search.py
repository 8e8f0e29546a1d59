import functools
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console
from rich.progress import Progress

from instant_credit.commands import cli
from instant_credit.commands import train as command
from instant_credit.training.fitting.search import Searching, SearchStep
from tests.training.fitting.searching import TINY
from tests.training.tapes.test_importing import write_tape
from tests.training.test_train_command import HASH, invent_rows


def run(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), env=environ)


@pytest.fixture
def book(environ: dict[str, str], tmp_path: Path, monkeypatch) -> str:
    """A book that is searched in a space that is quick to look through."""
    monkeypatch.setattr(command, "Searching", functools.partial(Searching, space=TINY))
    tape = write_tape(tmp_path / "tape.csv", invent_rows())
    done = run(environ, "tape", "import", "--mapping", "lending_club_2016q1", "--book", "small", str(tape))
    assert done.exit_code == 0, done.output
    return "small"


@pytest.mark.long
@pytest.mark.usefixtures("blank_charts")
def test_a_search_is_told_kept_below_the_home_and_gone_on_with(environ, book):
    train = ("train", "--book", book, "--test-share", "0.3", "--search")
    done = run(environ, *train, "3")
    assert done.exit_code == 0, done.output
    assert re.search(r"^Search: 3 trials .* trial [012] taken: inner AUC 0\.\d{4}", done.stdout, re.MULTILINE)
    folder = Path(environ["INSTANT_CREDIT_HOME"]) / "searches"
    [journal] = folder.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    raw = journal.read_bytes()
    again = run(environ, *train, "3", "--search-minutes", "60")
    assert HASH.search(again.stdout)[1] == HASH.search(done.stdout)[1]
    assert journal.read_bytes() == raw
    assert "Search: 4 trials" in run(environ, *train, "4").stdout
    assert journal.read_bytes().startswith(raw)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--search", "0"), "1<=x<=10000"),
        (("--search", "many"), "not a valid integer"),
        (("--search", "2", "--search-minutes", "0"), "x>0"),
        (("--search-minutes", "5"), "--search-minutes goes with --search"),
    ],
)
def test_a_search_of_nothing_is_refused(environ, options, words):
    done = run(environ, "train", "--book", "small", *options)
    assert done.exit_code == 2
    assert words in done.output


def test_help_says_that_minutes_depend_on_the_machine_and_loads_no_optuna():
    told = "import sys; from instant_credit.commands.train import train; train(['--help'], standalone_mode=False); "
    told += "print('loaded', 'optuna' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert "depends on the machine" in " ".join(done.stdout.split())
    assert "loaded False" in done.stdout


def test_a_terminal_is_shown_the_trials_and_the_best_so_far():
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with Progress(console=console, auto_refresh=False) as progress:
        shown = command._Shown(progress, "on small")
        shown("search", 0)
        shown.tell_search(SearchStep(number=1, searches=1, ended=0, trials=8, best=None))
        assert [task.description for task in progress.tasks] == ["Training on small: search", "Search: 0 of 8 trials"]
        shown.tell_search(SearchStep(number=2, searches=6, ended=5, trials=8, best=0.71234))
        bar = progress.tasks[1]
    assert bar.description == "Search 2 of 6: 5 of 8 trials, best AUC 0.7123"
    assert (bar.completed, bar.total) == (5, 8)
