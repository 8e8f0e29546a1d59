"""What a draft looks at: the risk of a book's Cases as a model sees it, what was lent to them, and quantiles of both.

Nothing here is a Case: arrays of numbers, of which only quantiles and shares ever reach the draft.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import Refused, require


class Silence(Struct, frozen=True, kw_only=True):
    """What the model says of an application that tells nothing, and how many of its variables are known all the same."""

    pd_ppm: int
    known: int


@dataclass(frozen=True, slots=True, eq=False)
class BookRisk:
    """The n scored Cases of a book.

    Attributes
    ----------
    book, model_hash : where the Cases and their pds come from.
    pds_ppm : int64[n], 1 to 999,999.
    weights : float64[n], above 0: how many loans a Case stands for.
    known : int64[n], how many of the model's variables are known.
    amounts_cents, terms_months : int64[n]; empty where the product does not know them.
    latest_on : the last day on which a Case was known.
    silent : an application that tells nothing; None where the product's door refuses it.
    """

    book: str
    model_hash: str
    pds_ppm: NDArray[np.int64]
    weights: NDArray[np.float64]
    known: NDArray[np.int64]
    amounts_cents: NDArray[np.int64]
    terms_months: NDArray[np.int64]
    latest_on: date
    silent: Silence | None = None

    def __post_init__(self) -> None:
        """One entry a Case; a book that cannot be told apart has no cut-off."""
        n = len(self.pds_ppm)
        require(len(self.weights) == len(self.known) == n, "a book has one weight and one count a Case")
        require(all(len(one) in (0, n) for one in (self.amounts_cents, self.terms_months)), "amounts are told for all")
        if not n:
            raise Refused(f"policy draft: book {self.book} holds no Case that the model can score")
        if self.pds_ppm.min() == self.pds_ppm.max():
            raise Refused(
                f"policy draft: the model gives every Case of book {self.book} the same pd, so no cut-off can tell them apart; "
                "train on more loans or on more variables"
            )

    def share_below(self, pd_ppm: int) -> float:
        """Share of the book, by weight, whose pd lies below `pd_ppm`."""
        return float(self.weights[self.pds_ppm < pd_ppm].sum() / self.weights.sum())


def weighted_quantile(values: NDArray[np.int64], weights: NDArray[np.float64], share: float) -> int:
    """The smallest value that at least `share` (0 to 1) of the weight does not exceed. At least one value."""
    return int(values[weighted_place(values, weights, share)])


def weighted_place(values: NDArray[np.int64] | NDArray[np.float64], weights: NDArray[np.float64], share: float) -> int:
    """Where the first value stands that `weighted_quantile` gives."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    place = int(np.searchsorted(reached, share * reached[-1], side="left"))
    return int(order[min(place, len(order) - 1)])
