"""What each variable does to the score of the test loans, and three loans in full.

Contributions are interventional, against the report's reference: 0 is what a loan near the cut-off would have. Three loans are told
by values alone: a typical one of the loans that a lender would approve, of those it would decline, and one at the border. Their
values are rounded to two figures and what the model says of them to three decimals, so that neither a row nor a score of the page
finds a person in another book.
"""

import math
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.application.product import Direction, Product, Variable
from instant_credit.application.wording import UNKNOWN, category_text, format_value
from instant_credit.training.report.basis import DECLINED_SHARE, Basis
from instant_credit.units import round_figures

_FIGURES: Final = 2
_DECIMALS: Final = 3

Floats = NDArray[np.float64]


class VariableTold(Struct, frozen=True, kw_only=True):
    """A variable of the model.

    Attributes
    ----------
    importance : mean absolute contribution to the log-odds of default of the explained test loans.
    missing_share : of all loans of the book.
    missing_contribution : mean contribution where the value is missing; None where it never is.
    """

    name: str
    family: str
    direction: Direction
    why: str
    missing_share: float
    missing_contribution: float | None
    importance: float


class NotUsed(Struct, frozen=True, kw_only=True):
    """An attribute or variable that has no part in the score, and why."""

    name: str
    reason: str


class Part(Struct, frozen=True, kw_only=True):
    """A variable of one loan: its value in words, and what it added to the log-odds of default, both rounded."""

    name: str
    value: str
    contribution: float


class CaseTold(Struct, frozen=True, kw_only=True):
    """A loan by its values: `expected_log_odds` plus all contributions is `raw`, each rounded to three decimals for itself.

    `parts` by falling size; those that round to nothing are left out.
    """

    kind: str
    pd: float
    expected_log_odds: float
    raw: float
    parts: tuple[Part, ...]


def tell_variables(basis: Basis) -> tuple[VariableTold, ...]:
    """Variables that some tree asks for, the weightiest first."""
    training_set = basis.training.training_set
    matrix, weights = basis.explained_matrix, basis.explained_weights
    importances = np.average(np.abs(basis.contributions), axis=0, weights=weights)
    asked = set(basis.training.bundle.tables.split_features.tolist())
    told = []
    for j, variable in enumerate(training_set.product.model_variables):
        if j not in asked:
            continue
        is_missing = find_missing(basis, j, matrix)
        told.append(
            VariableTold(
                name=variable.name,
                family=variable.family,
                direction=variable.direction,
                why=variable.why,
                missing_share=float(
                    np.average(find_missing(basis, j, training_set.matrix), weights=training_set.weights)
                ),
                missing_contribution=float(np.average(basis.contributions[is_missing, j], weights=weights[is_missing]))
                if is_missing.any()
                else None,
                importance=float(importances[j]),
            )
        )
    return tuple(sorted(told, key=lambda one: (-one.importance, one.name)))


def tell_cases(basis: Basis) -> tuple[CaseTold, ...]:
    """The three loans: of the explained test loans, those at the middle of what lies below and above the border, and at it."""
    raw = basis.explained_raws
    order = np.argsort(raw, kind="stable")
    border = int((1.0 - DECLINED_SHARE) * (len(order) - 1))
    chosen = {
        "typical of the safer four fifths": order[border // 2],
        "at the border of the riskiest fifth": order[border],
        "typical of the riskiest fifth": order[(border + len(order)) // 2],
    }
    return tuple(_tell_case(basis, kind, int(row)) for kind, row in chosen.items())


def find_missing(basis: Basis, position: int, matrix: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where a variable is missing, bool[n] of float32[n, m]."""
    is_category = bool(basis.training.training_set.columns.categories[position])
    column = matrix[:, position]
    return column < 0 if is_category else np.isnan(column)


def value_text(product: Product, variable: Variable, value: float) -> str:
    """A value in the words that reasons use, rounded to two figures."""
    if variable.op == "category":
        return category_text(next(a for a in product.attributes if a.name == variable.of[0]), int(value))
    if math.isnan(value):
        return UNKNOWN
    return format_value(variable.unit, round_figures(value, _FIGURES), product.currency)


def _tell_case(basis: Basis, kind: str, row: int) -> CaseTold:
    product = basis.training.training_set.product
    values, contributions = basis.explained_matrix[row].tolist(), basis.contributions[row].round(_DECIMALS).tolist()
    parts = [
        Part(name=variable.name, value=value_text(product, variable, value), contribution=contribution)
        for variable, value, contribution in zip(product.model_variables, values, contributions, strict=True)
        if contribution
    ]
    place = int(np.flatnonzero(basis.training.test_rows == basis.explained_rows[row])[0])
    return CaseTold(
        kind=kind,
        pd=round(float(basis.scored.pds[place]), _DECIMALS),
        expected_log_odds=round(float(basis.interventional.expected_log_odds), _DECIMALS),
        raw=round(float(basis.explained_raws[row]), _DECIMALS),
        parts=tuple(sorted(parts, key=lambda part: (-abs(part.contribution), part.name))),
    )
