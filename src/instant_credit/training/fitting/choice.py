"""Choice: which of a few presets suits the loans, told by an inner test within the loans fitted on.

No one set of parameters is good on every tape. Few bad loans and weak variables want small, slow and strongly drawn-in trees
(*steady*); many loans and variables that work together want deeper ones (*plain*: CatBoost's own defaults, with categories one-hot).
Where a category has nine codes or more, it may be better told by its codes' order of risk than code by code (*ordered*: plain, with such
categories in order).
Each preset is fitted on a part of the loans and scores the rest, in folds that no person is divided over, and the one with the larger
mean AUC is taken; *steady* when they are equal.

Trees of the inner test are a third as many and learn three times as fast, which tells the presets apart about as well in a third of
the time; of more than 30,000 loans those of persons drawn by a fixed shuffle are tried.
"""

import math
from typing import Final

import msgspec
import numpy as np
from msgspec import Struct

from instant_credit.errors import Refused
from instant_credit.training.dataset import Loans, ModelColumns
from instant_credit.training.fitting.fit import FitParameters, fit_model
from instant_credit.training.intervals import estimate_auc
from instant_credit.training.plans import deal_folds

LOANS_MAX: Final = 30_000
# Below this many loans more of them are left to fit on.
FEW_LOANS: Final = 6_000
HURRY: Final = 3
ORDERED_FROM: Final = 9
PRESETS: Final = ("steady", "plain", "ordered")
_KIND_MIN: Final = 5


class Tried(Struct, frozen=True, kw_only=True):
    """A preset and the inner AUC it got."""

    preset: str
    auc: float


class Choice(Struct, frozen=True, kw_only=True):
    """The preset that was taken, its parameters, and every preset's figure. `tried` is empty where loans were too few to try."""

    preset: str
    parameters: FitParameters
    tried: tuple[Tried, ...]


def list_presets(loans: int, threads: int, columns: ModelColumns | None = None) -> dict[str, FitParameters]:
    """Presets for a fit on this many loans, by name; *ordered* only where `columns` have a category for it."""
    # CatBoost's own rule for 1000 trees and logistic loss (catboost 1.2, `auto_learning_rate`).
    learning_rate = round(min(0.5, math.exp(0.427 * math.log(loans) - 7.525)), 6)
    plain = FitParameters(
        depth=6, learning_rate=learning_rate, variables_share=1.0, loans_share=0.8, l2_leaf_reg=3.0, threads=threads
    )
    presets = {"steady": FitParameters(threads=threads), "plain": plain}
    if columns is not None and any(len(categories) >= ORDERED_FROM for categories in columns.categories):
        presets["ordered"] = msgspec.structs.replace(plain, ordered_from=ORDERED_FROM)
    return presets


def find_preset(name: str, loans: Loans) -> FitParameters:
    """The parameters of a preset for these loans.

    Raises
    ------
    Refused : there is no such preset, or none for these loans.
    """
    presets = list_presets(loans.loans, FitParameters().threads, loans.columns)
    if name not in presets:
        why = f": no category of the model has {ORDERED_FROM} codes" if name in PRESETS else ""
        raise Refused(f"--preset {name} can't be taken{why}; there are {', '.join(presets)}")
    return presets[name]


def choose_parameters(loans: Loans, threads: int = FitParameters().threads) -> Choice:
    """The preset that ranks loans best in the inner test. A function of its arguments alone."""
    presets = list_presets(loans.loans, threads, loans.columns)
    sample = _draw_sample(loans)
    folds = deal_folds(sample.persons, 3 if sample.loans > FEW_LOANS else 5)
    held = [np.flatnonzero(folds == fold) for fold in range(int(folds.max()) + 1)]
    if min(map(sample.count_rarer, held)) < _KIND_MIN:
        return Choice(preset="steady", parameters=presets["steady"], tried=())
    tried = []
    fitted_on = sample.loans * (len(held) - 1) // len(held)
    for name, parameters in list_presets(fitted_on, threads, loans.columns).items():
        tried.append(Tried(preset=name, auc=measure_inner_auc(sample, folds, _hurry(parameters))))
    best = max(tried, key=lambda one: one.auc).preset
    return Choice(preset=best, parameters=presets[best], tried=tuple(tried))


def measure_inner_auc(loans: Loans, folds: np.ndarray, parameters: FitParameters) -> float:
    """Mean over the folds of the AUC that a model of the others has on a fold; `folds` int64[n]."""
    aucs = []
    for fold in range(int(folds.max()) + 1):
        part, held = loans.take(np.flatnonzero(folds != fold)), loans.take(np.flatnonzero(folds == fold))
        fitted = fit_model(part.matrix, part.labels, part.columns, parameters, weights=part.weights)
        aucs.append(estimate_auc(fitted.score(held.matrix), held.labels, held.weights))
    return float(np.mean(aucs))


def _draw_sample(loans: Loans) -> Loans:
    if loans.loans <= LOANS_MAX:
        return loans
    parts = 1_000
    dealt = deal_folds(loans.persons, parts)
    return loans.take(np.flatnonzero(dealt < parts * LOANS_MAX // loans.loans))


def _hurry(parameters: FitParameters) -> FitParameters:
    return msgspec.structs.replace(
        parameters,
        iterations=parameters.iterations // HURRY,
        learning_rate=min(1.0, parameters.learning_rate * HURRY),
    )
