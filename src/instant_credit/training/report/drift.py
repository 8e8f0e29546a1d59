"""Drift: how far the loans of one time differ from those of another, variable by variable and in the score (`outcome.drift`)."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.outcome.drift import Psi, count_weights, cut_bins, measure_psi
from instant_credit.training.report.vintages import Vintages
from instant_credit.training.weights import effective_loans

# No name of a variable, which has no capital letters.
SCORE: Final = "SCORE"

Floats = NDArray[np.float64]


class VariableDrift(Struct, frozen=True, kw_only=True):
    """One variable, or the score, between base and later loans, and vintage by vintage against the base.

    `psi` is None where there are no later loans; `psi_by_vintage` and `missing_by_vintage` follow the report's vintages.
    """

    name: str
    psi: Psi | None
    missing_share: float
    missing_share_later: float | None
    psi_by_vintage: tuple[Psi, ...]
    missing_by_vintage: tuple[float, ...]

    @property
    def is_score(self) -> bool:
        """Whether this is the score and no variable."""
        return self.name == SCORE

    @property
    def size(self) -> float:
        """The index between base and later loans; without it the largest that exceeds chance."""
        if self.psi is not None:
            return self.psi.value
        return max((psi.value for psi in self.psi_by_vintage if psi.value > psi.chance), default=0.0)

    @property
    def is_told(self) -> bool:
        """Whether some loan has the variable, or had it."""
        shares = (self.missing_share, self.missing_share_later, *self.missing_by_vintage)
        return any(share is not None and share < 1.0 for share in shares)


class Split(Struct, frozen=True, kw_only=True, eq=False):
    """Which loans are compared: `is_base` and `is_later` bool[n] (later: none where the plan has no later part).

    `weights` float64[n] with mean 1, or None when all are equal.
    """

    is_base: NDArray[np.bool_]
    is_later: NDArray[np.bool_]
    vintages: Vintages
    weights: Floats | None


def measure_drift(name: str, values: Floats, split: Split, categories: int = 0) -> VariableDrift:
    """Drift of one variable, float64[n]; `categories` says how many codes it has, 0 for a number."""
    bins, count = cut_bins(values, split.is_base, categories)
    vintages = split.vintages
    weights = np.ones(len(values)) if split.weights is None else split.weights
    table = count_weights(vintages.codes * count + bins, weights, vintages.count * count).reshape(vintages.count, count)
    base = count_weights(bins[split.is_base], weights[split.is_base], count)
    base_loans = effective_loans(weights[split.is_base])
    later = missing_later = None
    if split.is_later.any():
        counts = count_weights(bins[split.is_later], weights[split.is_later], count)
        later = measure_psi(base, counts, base_loans, effective_loans(weights[split.is_later]))
        missing_later = float(counts[-1] / counts.sum())
    by_vintage: Sequence[Psi] = ()
    if vintages.count > 1:
        by_vintage = [
            measure_psi(base, row, base_loans, effective_loans(weights[vintages.codes == code]))
            for code, row in enumerate(table)
        ]
    return VariableDrift(
        name=name,
        psi=later,
        missing_share=float(base[-1] / base.sum()),
        missing_share_later=missing_later,
        psi_by_vintage=tuple(by_vintage),
        missing_by_vintage=tuple((table[:, -1] / table.sum(axis=1)).tolist()) if vintages.count > 1 else (),
    )
