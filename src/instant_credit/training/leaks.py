"""Variables that tell the outcome: found before a model is fitted on them. Edge.

No fact that was known in time orders bad loans before good ones almost perfectly. A variable that does so alone was filled after the
decision, or out of the same ledger as the outcome. A mapping names the columns that it knows to be such (`leaks`); this looks at the
numbers, where a column slipped through.

What is missing tells too: a payment that only good loans have. A missing value therefore stands at either end of its variable, whichever
tells more, and a category stands for the bad rate of its loans.
"""

from collections.abc import Collection
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.stats import rankdata

from instant_credit.errors import Refused
from instant_credit.training.dataset import Loans

AUC_TELLING: Final = 0.97
"""The bound at which `tape draft` takes a column for a leak too."""

_KIND_MIN: Final = 20
_LOANS_MAX: Final = 50_000

Floats = NDArray[np.float64]


class Teller(Struct, frozen=True, kw_only=True):
    """A variable, and how well it alone orders bad loans before good ones, in either direction."""

    name: str
    auc: float


def find_tellers(loans: Loans) -> tuple[Teller, ...]:
    """The variables that alone reach `AUC_TELLING`, in matrix order; of a large set a regular draw is looked at.

    None where there are fewer than 20 good or 20 bad loans: among so few, chance orders perfectly too.
    """
    rows = slice(None, None, -(-loans.loans // _LOANS_MAX))
    labels = loans.labels[rows]
    bads = int(labels.sum())
    if min(bads, len(labels) - bads) < _KIND_MIN:
        return ()
    found = []
    for j, (name, categories) in enumerate(zip(loans.columns.names, loans.columns.categories, strict=True)):
        values = loans.matrix[rows, j].astype(np.float64)
        auc = max(measure_telling(one, labels) for one in _list_readings(values, labels, is_category=bool(categories)))
        if auc >= AUC_TELLING:
            found.append(Teller(name=name, auc=auc))
    return tuple(found)


def refuse_tellers(loans: Loans, trusted: Collection[str] = ()) -> None:
    """Refused when a variable alone tells the outcome and is not among the `trusted`; the message names each of them."""
    unknown = sorted(set(trusted) - set(loans.columns.names))
    if unknown:
        raise Refused(f"--trust {unknown[0]}: the model has no such variable")
    tellers = [one for one in find_tellers(loans) if one.name not in trusted]
    if tellers:
        told = ", ".join(f"{one.name} (AUC {one.auc:.3f})" for one in tellers)
        raise Refused(
            f"variables that alone tell which loans went bad, as no fact known in time does: {told}. List their columns in the mapping's "
            "`leaks` and import into a new book, or write `in_model = false` at the variable; if one was known in time for certain, say "
            "--trust with its name"
        )


def measure_telling(values: Floats, labels: NDArray[np.int8]) -> float:
    """AUC of float64[n] without missing ones, in the direction that tells more: 0.5 to 1. Both kinds must occur."""
    bads = int(labels.sum())
    goods = len(labels) - bads
    places = float(rankdata(values)[labels == 1].sum()) - bads * (bads + 1) / 2
    auc = places / (bads * goods)
    return max(auc, 1.0 - auc)


def _list_readings(values: Floats, labels: NDArray[np.int8], *, is_category: bool) -> list[Floats]:
    if not is_category:
        is_missing = np.isnan(values)
        ends = (-np.inf, np.inf) if is_missing.any() else (0.0,)
        return [np.where(is_missing, end, values) for end in ends]
    codes = values.astype(np.int64) + 1
    counts = np.bincount(codes)
    rates = np.bincount(codes, weights=labels) / np.maximum(counts, 1)
    # Of a rare code chance makes a perfect one.
    rates[counts < _KIND_MIN] = labels.mean()
    return [rates[codes]]
