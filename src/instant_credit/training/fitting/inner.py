"""Inner tests: how well parameters rank loans, told within the loans fitted on.

They mirror the plan: by date, a model of the first three fifths of the loans scores the fourth, one of the first four scores the last;
otherwise, and where a fifth holds too few good or bad loans, folds that no person is divided over. Of more than 30,000 loans about
so many are tried, of persons drawn by a fixed shuffle. No other loan is seen.
"""

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.training.dataset import Loans
from instant_credit.training.fitting.fit import FitParameters, Watch, fit_model
from instant_credit.training.intervals import estimate_auc
from instant_credit.training.plans import deal_folds

LOANS_MAX: Final = 30_000
# Good and bad loans that a fifth by date needs to be tested on, and a fold.
FIFTH_KIND_MIN: Final = 20
FOLD_KIND_MIN: Final = 5
# Ends of the parts fitted on by date, and of the part that each is tested on, as shares of the loans.
_BY_DATE: Final = ((0.6, 0.8), (0.8, 1.0))
_SAMPLE_PARTS: Final = 1_000
# Below this many loans more of them are left to fit on.
_FEW_LOANS: Final = 6_000

Rows = NDArray[np.int64]


class Inner(Struct, frozen=True, kw_only=True, eq=False):
    """Inner tests over a sample of loans: each fits on some rows and scores others. `told` says in words which."""

    loans: Loans
    tests: tuple[tuple[Rows, Rows], ...]
    told: str

    @property
    def fitted_on(self) -> int:
        """How many loans a test fits on, in the mean."""
        return sum(len(fit_rows) for fit_rows, _ in self.tests) // len(self.tests)


def count_folds(loans: int) -> int:
    """How many folds so many loans are tried in."""
    return 3 if loans > _FEW_LOANS else 5


def divide_inner(loans: Loans, *, by_date: bool) -> Inner | None:
    """Inner tests over about 30,000 of the loans at most; None where a test would hold too few good or bad loans."""
    sample = draw_sample(loans)
    if by_date:
        tests = _divide_by_date(sample)
        if _is_enough(sample, tests, FIFTH_KIND_MIN):
            told = "the fourth and the last fifth of the loans by date, each by a model of those before"
            return Inner(loans=sample, tests=tests, told=told)
    count = count_folds(sample.loans)
    folds = deal_folds(sample.persons, count, "inner")
    tests = tuple((np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in range(count))
    if not _is_enough(sample, tests, FOLD_KIND_MIN):
        return None
    return Inner(loans=sample, tests=tests, told=f"{count} folds of persons, each by a model of the others")


def measure_inner(inner: Inner, parameters: FitParameters, watch: Watch | None = None) -> float:
    """Mean AUC over the inner tests; `watch` is told after each tree."""
    aucs = []
    for fit_rows, test_rows in inner.tests:
        part, test = inner.loans.take(fit_rows), inner.loans.take(test_rows)
        fitted = fit_model(part.matrix, part.labels, part.columns, parameters, weights=part.weights, watch=watch)
        aucs.append(estimate_auc(fitted.score(test.matrix), test.labels, test.weights))
    return float(np.mean(aucs))


def draw_sample(loans: Loans) -> Loans:
    """The loans, or of more than LOANS_MAX about so many, by whole persons."""
    if loans.loans <= LOANS_MAX:
        return loans
    dealt = deal_folds(loans.persons, _SAMPLE_PARTS, "sample")
    return loans.take(np.flatnonzero(dealt < max(1, _SAMPLE_PARTS * LOANS_MAX // loans.loans)))


def _divide_by_date(loans: Loans) -> tuple[tuple[Rows, Rows], ...]:
    """Loans of one day stay together."""
    tests = []
    for shares in _BY_DATE:
        first, end = (_find_day(loans, share) for share in shares)
        tests.append((np.arange(first), np.arange(first, end)))
    return tuple(tests)


def _find_day(loans: Loans, share: float) -> int:
    """The first row of the day that this share of the loans ends in; the number of loans for all of them."""
    row = round(share * loans.loans)
    return row if row == loans.loans else int(np.searchsorted(loans.days, loans.days[row], side="left"))


def _is_enough(loans: Loans, tests: tuple[tuple[Rows, Rows], ...], kind_min: int) -> bool:
    return all(min(map(loans.count_rarer, test)) >= kind_min for test in tests)
