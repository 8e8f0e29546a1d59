"""Choice: which of a few presets suits the loans, told by an inner test within the loans fitted on.

No one set of parameters is good on every tape. Few bad loans and weak variables want small, slow and strongly drawn-in trees
(*steady*); many loans and variables that work together want deeper ones (*plain*: CatBoost's own defaults, with categories one-hot).
Where a category has nine codes or more, it may be better told by its codes' order of risk than code by code (*ordered*: plain, with such
categories in order).
The preset with the largest mean AUC over the inner tests (see `inner`) is taken, the first of them when they are equal. Their trees
are a third as many and learn three times as fast, which tells the presets apart about as well in a third of the time.
"""

import math
from typing import Final

import msgspec
from msgspec import Struct

from instant_credit.errors import Refused
from instant_credit.training.dataset import Loans, ModelColumns
from instant_credit.training.fitting.fit import FitParameters, Watch
from instant_credit.training.fitting.inner import divide_inner, measure_inner

HURRY: Final = 3
ORDERED_FROM: Final = 9
PRESETS: Final = ("steady", "plain", "ordered")


class Tried(Struct, frozen=True, kw_only=True):
    """A preset and the inner AUC it got."""

    preset: str
    auc: float


class Choice(Struct, frozen=True, kw_only=True):
    """The preset that was taken, its parameters, and every preset's figure.

    `tried` is empty where loans were too few to try, and where the preset `is_asked` for by name.
    """

    preset: str
    parameters: FitParameters
    tried: tuple[Tried, ...]
    is_asked: bool = False


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


def find_preset(name: str, loans: Loans) -> Choice:
    """A preset by its name, for a fit on these loans.

    Raises
    ------
    Refused : there is no such preset, or none for these loans.
    """
    presets = list_presets(loans.loans, FitParameters().threads, loans.columns)
    if name not in presets:
        why = f": no category of the model has {ORDERED_FROM} codes" if name in PRESETS else ""
        raise Refused(f"--preset {name} can't be taken{why}; there are {', '.join(presets)}")
    return Choice(preset=name, parameters=presets[name], tried=(), is_asked=True)


def choose_parameters(
    loans: Loans, *, by_date: bool, threads: int = FitParameters().threads, watch: Watch | None = None
) -> Choice:
    """The preset that ranks loans best in the inner test; a function of its arguments alone.

    Parameters
    ----------
    by_date : whether the plan tests by date.
    watch : told after each tree.
    """
    presets = list_presets(loans.loans, threads, loans.columns)
    inner = divide_inner(loans, by_date=by_date)
    if inner is None:
        return Choice(preset="steady", parameters=presets["steady"], tried=())
    tried = tuple(
        Tried(preset=name, auc=measure_inner(inner, _hurry(parameters), watch))
        for name, parameters in list_presets(inner.fitted_on, threads, loans.columns).items()
    )
    best = max(tried, key=lambda one: one.auc).preset
    return Choice(preset=best, parameters=presets[best], tried=tried)


def _hurry(parameters: FitParameters) -> FitParameters:
    return msgspec.structs.replace(
        parameters,
        iterations=parameters.iterations // HURRY,
        learning_rate=min(1.0, parameters.learning_rate * HURRY),
    )
