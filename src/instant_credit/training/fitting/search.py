"""Search: parameters by bounded trials inside the loans fitted on. Edge.

    loans fitted on -> sample -> inner test -> first trials: the presets (see `choice`), then optuna's proposals -> the best AUC

A trial's value is the mean AUC over the inner tests (see `inner`). By folds each fold's model has a search of its own, and the final
model another; that costs one search more than there are folds, and is what keeps the tested figures honest.

Proposed trials take what is not searched for, such as how categories are told, from the preset that did best.

What trial n tries is a function of the seed, of n and of the trials before it, so that 40 trials are 20 and 20 more, whether or not
the process was killed in between. Every ended trial is in a journal (see `journal`). Minutes are counted over the trials' own times as
the journal holds them, so a search that ran out of its minutes has run out of them for good; how many trials they allow depends on
the machine, and the same number of trials without minutes finds the same.
"""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from instant_credit.canonical import encode_canonical, hash_content
from instant_credit.errors import Refused
from instant_credit.record.home import make_private_folder
from instant_credit.training.dataset import Loans
from instant_credit.training.digest import digest_loans
from instant_credit.training.fitting.choice import list_presets
from instant_credit.training.fitting.fit import FitParameters
from instant_credit.training.fitting.inner import FOLD_KIND_MIN, Inner, count_folds, divide_inner, measure_inner
from instant_credit.training.fitting.space import (
    SPACE,
    Ended,
    Point,
    Search,
    SearchOptions,
    SearchTrial,
    Space,
    set_point,
)


class SearchStep(Struct, frozen=True, kw_only=True):
    """How far the trials are: `number` of so many `searches`, and the best AUC of those ended, None before the first."""

    number: int
    searches: int
    ended: int
    trials: int
    best: float | None


class Searching(Struct, frozen=True, kw_only=True):
    """Searching as asked for.

    Attributes
    ----------
    folder : of the journals, made for its owner alone.
    counts : trials of each search in turn, for searches whose trials are known already; empty = as the options allow.
    tell : told before the first and after each trial.
    clock : seconds that only rise.
    """

    options: SearchOptions
    folder: Path
    space: Space = SPACE
    counts: tuple[int, ...] = ()
    tell: Callable[[SearchStep], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic


class Searcher:
    """Searches as often as a plan asks for it; `found` holds what came of it, the last one being the final model's.

    Parameters
    ----------
    by_date : whether the plan tests by date.
    searches : how many there will be.
    versions : of what fits and of optuna, by name.
    """

    def __init__(self, searching: Searching, *, by_date: bool, searches: int, versions: dict[str, str]) -> None:
        self.found: list[Search] = []
        self._searching = searching
        self._by_date = by_date
        self._searches = searches
        self._versions = versions

    def search(self, loans: Loans, base: FitParameters) -> Search:
        """The best parameters for these loans; a function of loans, base and, without minutes, the options.

        Parameters
        ----------
        base : what is not searched for: borders, seed, threads.

        Raises
        ------
        Refused : the loans are too few, or the journal can't be used; the message says what to do.
        """
        # Only a search needs optuna.
        from instant_credit.training.fitting.journal import open_journal

        options, space = self._searching.options, self._searching.space
        inner = divide_inner(loans, by_date=self._by_date)
        if inner is None:
            raise Refused(
                f"too few loans to search on: each of {count_folds(loans.loans)} folds of the loans fitted on needs {FOLD_KIND_MIN} good "
                f"and {FOLD_KIND_MIN} bad ones. Leave out --search, or take a book with more resolved loans"
            )
        make_private_folder(self._searching.folder)
        starts = self._list_starts(loans, base)
        with open_journal(self._searching.folder, self._name(loans, inner, starts), space) as journal:
            ended = self._take(journal.list_ended())
            self._tell(ended)
            while not self._is_over(ended):
                number = len(ended)
                is_start = number < len(starts)
                point = space.find(starts[number]) if is_start else journal.propose(number, options.seed)
                begun = self._searching.clock()
                auc = measure_inner(inner, _fill(point, number, starts, ended))
                journal.add(Ended(point=point, auc=auc, seconds=float(self._searching.clock() - begun)))
                ended = journal.list_ended()
                self._tell(ended)
        trials = tuple(
            SearchTrial(number=number, parameters=_fill(one.point, number, starts, ended), auc=one.auc)
            for number, one in enumerate(ended)
        )
        best = max(trials, key=lambda one: one.auc).number
        search = Search(options=options, space=space.told, inner=inner.told, trials=trials, best=best)
        self.found.append(search)
        return search

    def _take(self, every: list[Ended]) -> list[Ended]:
        """Those that this search would have made: a journal may hold more."""
        taken: list[Ended] = []
        for one in every:
            if self._is_over(taken):
                break
            taken.append(one)
        return taken

    def _is_over(self, ended: list[Ended]) -> bool:
        options, counts = self._searching.options, self._searching.counts
        if counts:
            return len(ended) >= counts[len(self.found)]
        if len(ended) >= options.trials or options.minutes is None or not ended:
            return len(ended) >= options.trials
        return sum(one.seconds for one in ended) >= 60 * options.minutes / self._searches

    def _tell(self, ended: list[Ended]) -> None:
        self._searching.tell(
            SearchStep(
                number=len(self.found) + 1,
                searches=self._searches,
                ended=len(ended),
                trials=self._searching.options.trials,
                best=max((one.auc for one in ended), default=None),
            )
        )

    def _list_starts(self, loans: Loans, base: FitParameters) -> list[FitParameters]:
        """The presets within the space, with the base's seed and borders."""
        space = self._searching.space
        presets = list_presets(loans.loans, base.threads, loans.columns).values()
        others = {"seed": base.seed, "border_count": base.border_count}
        return [set_point(msgspec.structs.replace(one, **others), space.find(one)) for one in presets]

    def _name(self, loans: Loans, inner: Inner, starts: list[FitParameters]) -> str:
        """A hash of everything that the trials' values follow from; how many there are is none of it."""
        told = {
            "inner": (inner.told, inner.loans.loans),
            "loans": digest_loans(loans),
            "seed": self._searching.options.seed,
            "space": self._searching.space,
            "starts": starts,
            "versions": self._versions,
        }
        return hash_content(encode_canonical(told))


def _fill(point: Point, number: int, starts: list[FitParameters], ended: list[Ended]) -> FitParameters:
    """Parameters of a trial: what is not searched for is the preset's, and from the proposed trials on the best preset's."""
    if number < len(starts):
        return starts[number]
    best = max(range(len(starts)), key=lambda one: ended[one].auc)
    return set_point(starts[best], point)
