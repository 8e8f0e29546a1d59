"""What is learned before a model is fitted, from the loans fitted on alone: parameters and variables. Edge.

A maker prepares once for each set of loans that something is fitted on (`carrying.carry_model`): each fold, and last the final model.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

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


class ModelMaker:
    """Prepares the model; keeps what was learned for the final one, which is prepared last."""

    def __init__(
        self,
        parameters: FitParameters | str | None,
        progress: Progress,
        searcher: Searcher | None,
        selecting: SelectOptions | None,
        *,
        by_date: bool,
        watch: Watch | None,
    ) -> None:
        self.parameters = parameters if isinstance(parameters, FitParameters) else FitParameters()
        self.choice: Choice | None = None
        self._base = self.parameters
        self._wish = parameters
        self._by_date = by_date
        self._watch = watch
        self._progress = progress
        self._searcher = searcher
        self._selecting = selecting
        self._selections: list[Selection] = []

    @property
    def selections(self) -> tuple[Selection, ...]:
        """Each fold's selection and the final model's."""
        return tuple(self._selections)

    @property
    def selection(self) -> Selection | None:
        """The final model's selection."""
        return self._selections[-1] if self._selections else None

    @property
    def searches(self) -> tuple[Search, ...]:
        """Each fold's search and the final model's."""
        return () if self._searcher is None else tuple(self._searcher.found)

    @property
    def search(self) -> Search | None:
        """The final model's search."""
        return self.searches[-1] if self.searches else None

    def prepare(self, loans: Loans) -> Maker:
        """Choose or search parameters and variables; the fit that takes them."""
        kept: NDArray[np.bool_] | None = None
        offered = loans
        if self._selecting is not None:
            self._progress("select variables", 0)
            selection = select_variables(loans, self._selecting, self._base.threads)
            self._selections.append(selection)
            kept = selection.mask(loans.columns)
            offered = narrow(loans, kept)
        if self._searcher is not None:
            self._progress("search", 0)
            self.parameters = self._searcher.search(offered, self._base).taken.parameters
        elif isinstance(self._wish, str):
            self.choice = find_preset(self._wish, offered)
        elif self._wish is None:
            self._progress("choose parameters", 0)
            self.choice = choose_parameters(offered, by_date=self._by_date, watch=self._watch)
        if self.choice is not None:
            self.parameters = self.choice.parameters
        parameters = self.parameters
        self._progress("fit the model", 0)
        return lambda part: fit_model(
            part.matrix, part.labels, part.columns, parameters, weights=part.weights, kept=kept, watch=self._watch
        )


class ScorecardMaker:
    """Prepares the scorecard beside the model, out of the variables that the model had to choose from, fold by fold."""

    def __init__(self, selections: tuple[Selection, ...]) -> None:
        self._selections = iter(selections)

    def prepare(self, loans: Loans) -> Maker:
        """The fit among the variables that the model of the same loans chose among."""
        selection = next(self._selections, None)
        kept = None if selection is None else selection.mask(loans.columns)
        return lambda part: fit_scorecard(part.matrix, part.labels, part.columns, part.weights, kept=kept)


def make_searcher(searching: Searching, plan: Plan) -> Searcher:
    """One search, or one for each fold and one for the final model."""
    searches = plan.folds + 1 if isinstance(plan, ByFolds) else 1
    versions = list_versions(with_search=True)
    return Searcher(searching, by_date=isinstance(plan, ByDate), searches=searches, versions=versions)
