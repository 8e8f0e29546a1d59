"""Making: how a model and the scorecard beside it are prepared and fitted, wherever a plan asks for one.

To prepare is a step of its own: the variables selected, the parameters chosen or searched for. What was prepared last is the final
model's.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.record.queue_steps import Steps, form_of
from instant_credit.training.carrying import Maker
from instant_credit.training.dataset import Loans
from instant_credit.training.fitting.choice import Choice, choose_parameters, find_preset
from instant_credit.training.fitting.fit import FitParameters, Watch, fit_model
from instant_credit.training.fitting.scorecard import fit_scorecard
from instant_credit.training.fitting.search import Searcher, Searching
from instant_credit.training.fitting.selection import Selection, SelectOptions, narrow, select_variables
from instant_credit.training.fitting.space import Search
from instant_credit.training.manifest import list_versions
from instant_credit.training.plans import ByDate, ByFolds, Plan

Progress = Callable[[str, int], None]


class Prepared(Struct, frozen=True, kw_only=True):
    """What was learned before the first fit: parameters, and how they and the variables came about; None where that was not asked for."""

    parameters: FitParameters
    choice: Choice | None = None
    search: Search | None = None
    selection: Selection | None = None


_PREPARED: Final = form_of(Prepared)


class ModelMaker:
    """Prepares the model; keeps what was learned for the final one, which is prepared last.

    Parameters
    ----------
    wish : parameters, a preset's name, or None = the preset that an inner test chooses.
    by_date : whether the plan tests by date.
    """

    def __init__(
        self,
        wish: FitParameters | str | None,
        progress: Progress,
        steps: Steps,
        *,
        searcher: Searcher | None,
        selecting: SelectOptions | None,
        by_date: bool,
        watch: Watch | None,
    ) -> None:
        self.prepared: list[Prepared] = []
        self._base = wish if isinstance(wish, FitParameters) else FitParameters()
        self._wish = wish
        self._progress = progress
        self._steps = steps
        self._searcher = searcher
        self._selecting = selecting
        self._by_date = by_date
        self._watch = watch

    @property
    def final(self) -> Prepared:
        """The final model's."""
        return self.prepared[-1]

    @property
    def selections(self) -> tuple[Selection, ...]:
        """Each fold's selection and the final model's."""
        return tuple(one.selection for one in self.prepared if one.selection is not None)

    @property
    def searches(self) -> tuple[Search, ...]:
        """Each fold's search and the final model's."""
        return tuple(one.search for one in self.prepared if one.search is not None)

    def prepare(self, loans: Loans, place: str) -> Maker:
        """Learn on `loans` what stays the same in every fit on parts of them."""
        prepared = self._steps.take(f"prepare {place}", lambda: self._learn(loans), _PREPARED)
        if (
            self._searcher is not None
            and prepared.search is not None
            and len(self._searcher.found) == len(self.prepared)
        ):
            # It was found before the training was stopped.
            self._searcher.found.append(prepared.search)
        self.prepared.append(prepared)
        kept = None if prepared.selection is None else prepared.selection.mask(loans.columns)
        parameters = prepared.parameters
        self._progress("fit the model", 0)
        return lambda part: fit_model(
            part.matrix, part.labels, part.columns, parameters, weights=part.weights, kept=kept, watch=self._watch
        )

    def _learn(self, loans: Loans) -> Prepared:
        selection: Selection | None = None
        offered = loans
        if self._selecting is not None:
            self._progress("select variables", 0)
            selection = select_variables(loans, self._selecting, self._base.threads)
            kept: NDArray[np.bool_] = selection.mask(loans.columns)
            offered = narrow(loans, kept)
        search = choice = None
        parameters = self._base
        if self._searcher is not None:
            self._progress("search", 0)
            search = self._searcher.search(offered, self._base)
            parameters = search.taken.parameters
        elif isinstance(self._wish, str):
            choice = find_preset(self._wish, offered)
        elif self._wish is None:
            self._progress("choose parameters", 0)
            choice = choose_parameters(offered, by_date=self._by_date, watch=self._watch)
        if choice is not None:
            parameters = choice.parameters
        return Prepared(parameters=parameters, choice=choice, search=search, selection=selection)


class ScorecardMaker:
    """Prepares the scorecard beside the model, out of the variables that the model had to choose from, fold by fold."""

    def __init__(self, selections: tuple[Selection, ...]) -> None:
        self._selections = iter(selections)

    def prepare(self, loans: Loans, place: str) -> Maker:
        """Take the next selection; there is nothing else to learn."""
        del place
        selection = next(self._selections, None)
        kept = None if selection is None else selection.mask(loans.columns)
        return lambda part: fit_scorecard(part.matrix, part.labels, part.columns, part.weights, kept=kept)


def make_searcher(searching: Searching, plan: Plan) -> Searcher:
    """One search, or one for each fold and one for the final model."""
    searches = plan.folds + 1 if isinstance(plan, ByFolds) else 1
    versions = list_versions(with_search=True)
    return Searcher(searching, by_date=isinstance(plan, ByDate), searches=searches, versions=versions)
