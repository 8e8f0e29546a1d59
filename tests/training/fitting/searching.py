"""A space that is quick to look through, a clock that a test moves, and a training that ends itself in the middle of a search."""

import os
import signal
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

from instant_credit.training.fitting.search import Searcher, Searching
from instant_credit.training.fitting.space import Bounds, SearchOptions, Space
from instant_credit.training.plans import ByDate, ByFolds
from instant_credit.training.workshop import Training, build_training
from tests.training.loans import QUICK, invent_set

TINY = Space(iterations=Bounds(low=5, high=15, step=5), depth=Bounds(low=2, high=4, step=1))
# More than the ten that are drawn without looking at the others' values.
TRIALS = 13
BY_DATE = ByDate(test_from=date(2021, 7, 1))
SET = invent_set(1_500)


def no_time() -> float:
    return 0.0


def search_in(folder: Path, trials: int = TRIALS, *, clock: Callable[[], float] = no_time, **more) -> Searching:
    options = SearchOptions(trials=trials, minutes=more.pop("minutes", None), seed=more.pop("seed", 0))
    return Searching(options=options, folder=folder, space=more.pop("space", TINY), clock=clock, **more)


def make_searcher(searching: Searching, *, by_date: bool = True, searches: int = 1, **versions: str) -> Searcher:
    return Searcher(searching, by_date=by_date, searches=searches, versions=versions)


def train(folder: Path, plan: ByDate | ByFolds = BY_DATE, training_set=SET, **more) -> Training:
    return build_training(training_set, plan, QUICK, searching=search_in(folder, **more))


class Deadly:
    """A clock that ends its process, as the machine would, when it is read for the nth time."""

    def __init__(self, calls: int) -> None:
        self._left = calls

    def __call__(self) -> float:
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0.0


if __name__ == "__main__":
    train(Path(sys.argv[1]), clock=Deadly(int(sys.argv[2])))
