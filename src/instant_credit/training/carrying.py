"""Carrying one kind of model through a plan: prepare, fit, score what was not fitted on, calibrate, estimate.

    by date, by share    the loans fitted on -> prepared -> in five folds, raw scores of loans not seen -> calibrated on some of them
                         -> fitted on all of them -> raw scores and pds of the test loans
    by folds             the other folds     -> prepared -> fitted -> raw scores of the fold;  a fold's pds by the others' calibration
                         all loans           -> prepared -> fitted -> the final model, calibrated on all those raw scores

To prepare is to learn whatever stays the same in every fit on parts of the loans, such as parameters. It sees the loans fitted on only.
Each fit, and the calibration, is a step (see `record.queue_steps`); what follows from them without a fit is computed again.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from instant_credit.errors import Refused
from instant_credit.record.queue_steps import Form, Steps, form_of
from instant_credit.score.calibration import estimate_pds
from instant_credit.training.dataset import Loans, ModelColumns
from instant_credit.training.fitting.calibrate import Calibrated, fit_calibrations
from instant_credit.training.plans import CALIBRATION_FOLDS, ByFolds, Plan, Rows, deal_folds, divide

Floats = NDArray[np.float64]


class Scorer(Protocol):
    """A fitted model of either kind."""

    def score(self, matrix: NDArray[np.float32]) -> Floats:
        """Raw scores."""


Maker = Callable[[Loans], Scorer]
# Learns what stays the same in every fit on parts of the loans, and gives the fit; told where in the plan that is.
Prepare = Callable[[Loans, str], Maker]

_CALIBRATED: Final = form_of(Calibrated)


class Carried(Struct, frozen=True, kw_only=True, eq=False):
    """What came of it.

    Attributes
    ----------
    final : the model that a bundle is made of.
    raws, pds : float64[t] of the test loans, each by a model that was not fitted on it.
    fit_raws : float64[f] of the loans that `final` was fitted on, each by a model fitted without it.
    """

    final: Scorer
    calibrated: Calibrated
    raws: Floats
    pds: Floats
    fit_raws: Floats


class Calibrator:
    """Fits calibrations and turns raw scores into pds, by segment where there is one.

    Parameters
    ----------
    reweigh : gives loans the weights that they are calibrated with.
    """

    def __init__(
        self, columns: ModelColumns, segment: str | None, reweigh: Callable[[Loans], Loans] = lambda loans: loans
    ) -> None:
        self._reweigh = reweigh
        self._position: int | None = None
        self._names: tuple[str, ...] = ()
        if segment is None:
            return
        options = [name for name, categories in zip(columns.names, columns.categories, strict=True) if categories]
        if segment not in options:
            told = f"its categories are {', '.join(options)}" if options else "it has no category"
            raise Refused(f"--segment {segment} is no category variable of the model; {told}")
        self._position = columns.names.index(segment)
        self._names = columns.categories[self._position]

    def fit(self, raws: Floats, loans: Loans) -> Calibrated:
        """On raw scores float64[n] of loans that the model did not see."""
        loans = self._reweigh(loans)
        # Sums over several threads are added up in an order that depends on their number.
        with threadpool_limits(limits=1, user_api="blas"):
            return fit_calibrations(raws, loans.labels, loans.weights, codes=self._read_codes(loans), names=self._names)

    def estimate(self, calibrated: Calibrated, raws: Floats, loans: Loans) -> Floats:
        """Pds float64[n] of loans with these raw scores."""
        return estimate_pds(calibrated.table, raws, self._read_codes(loans))

    def _read_codes(self, loans: Loans) -> NDArray[np.float32] | None:
        return None if self._position is None else np.ascontiguousarray(loans.matrix[:, self._position])


class Kind(Struct, frozen=True, kw_only=True, eq=False):
    """A kind of model: its name, how it is prepared, and how its fits are kept as steps."""

    name: str
    prepare: Prepare
    steps: Steps
    form: Form[Any]

    def fit(self, what: str, make: Callable[[], Scorer]) -> Scorer:
        """A step that fits."""
        scorer: Scorer = self.steps.take(f"{self.name} {what}", make, self.form)
        return scorer

    def calibrate(self, calibrator: Calibrator, raws: Floats, loans: Loans) -> Calibrated:
        """The step that fits the final model's calibration."""
        return self.steps.take(f"{self.name} calibration", lambda: calibrator.fit(raws, loans), _CALIBRATED)


def carry_model(loans: Loans, plan: Plan, kind: Kind, calibrator: Calibrator) -> Carried:
    """One kind of model through a plan."""
    if isinstance(plan, ByFolds):
        return _carry_by_folds(loans, plan, kind, calibrator)
    divided = divide(loans, plan)
    fit_part, test = _take_rows(loans, divided.fit_rows), _take_rows(loans, divided.test_rows)
    make = kind.prepare(fit_part, "final")
    fit_raws = _score_by_folds(fit_part, deal_folds(fit_part.persons, CALIBRATION_FOLDS, "calibration"), kind, make)
    calibrate = np.searchsorted(divided.fit_rows, divided.calibrate_rows)
    calibrated = kind.calibrate(calibrator, fit_raws[calibrate], fit_part.take(calibrate))
    final = kind.fit("final", lambda: make(fit_part))
    raws = final.score(test.matrix)
    pds = calibrator.estimate(calibrated, raws, test)
    return Carried(final=final, calibrated=calibrated, raws=raws, pds=pds, fit_raws=fit_raws)


def _carry_by_folds(loans: Loans, plan: ByFolds, kind: Kind, calibrator: Calibrator) -> Carried:
    """Every loan is tested, by a model that did not see it."""
    folds = deal_folds(loans.persons, plan.folds)
    raws = np.empty(loans.loans)
    for fold in range(plan.folds):
        raws[folds == fold] = _fit_without(loans, folds, fold, kind).score(loans.matrix[folds == fold])
    pds = np.empty(loans.loans)
    for fold in range(plan.folds):
        calibrated = calibrator.fit(raws[folds != fold], loans.take(np.flatnonzero(folds != fold)))
        pds[folds == fold] = calibrator.estimate(
            calibrated, raws[folds == fold], loans.take(np.flatnonzero(folds == fold))
        )
    calibrated = kind.calibrate(calibrator, raws, loans)
    make = kind.prepare(loans, "final")
    final = kind.fit("final", lambda: make(loans))
    return Carried(final=final, calibrated=calibrated, raws=raws, pds=pds, fit_raws=raws)


def _fit_without(loans: Loans, folds: NDArray[np.int64], fold: int, kind: Kind) -> Scorer:
    """A model prepared and fitted on the other folds."""
    others = loans.take(np.flatnonzero(folds != fold))
    make = kind.prepare(others, f"fold {fold + 1}")
    return kind.fit(f"fold {fold + 1}", lambda: make(others))


def _score_by_folds(loans: Loans, folds: NDArray[np.int64], kind: Kind, make: Maker) -> Floats:
    """Raw scores float64[n], each of a model fitted on the other folds."""
    raws = np.empty(loans.loans)
    for fold in range(int(folds.max()) + 1):
        scorer = kind.fit(f"fold {fold + 1}", partial(_make_without, loans, folds, fold, make))
        raws[folds == fold] = scorer.score(loans.take(np.flatnonzero(folds == fold)).matrix)
    return raws


def _make_without(loans: Loans, folds: NDArray[np.int64], fold: int, make: Maker) -> Scorer:
    """A model fitted on the other folds."""
    return make(loans.take(np.flatnonzero(folds != fold)))


def _take_rows(loans: Loans, rows: Rows) -> Loans:
    """Rows that follow each other are not copied."""
    if len(rows) and int(rows[-1]) - int(rows[0]) + 1 == len(rows):
        return loans.take(slice(int(rows[0]), int(rows[-1]) + 1))
    return loans.take(rows)
