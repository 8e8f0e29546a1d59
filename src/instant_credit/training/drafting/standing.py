"""How a column stands to the outcome, alone: bad rates over its quarters, and whether it tells more than a fact could. Edge."""

from typing import Final

import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray
from scipy.stats import rankdata

LEAK_AUC: Final = 0.87
DOUBT_AUC: Final = 0.80
_TOLD_GAP: Final = 0.90
_LABELLED_MIN: Final = 20
_GROUP_MIN: Final = 30
_SPREAD_MIN: Final = 1.15


class Standing(Struct, frozen=True, kw_only=True):
    """A column against the outcome.

    Attributes
    ----------
    auc : how well the column alone orders bad before good, 0.5 to 1; a missing cell stands below all others.
    told_good, told_bad : shares of good and bad rows that tell it.
    rates : bad rates of the quarters of the told rows, rising by value, of those with enough rows.
    missing_rate : bad rate of the rows that don't tell it; None when they are too few.
    """

    auc: float = 0.5
    told_good: float = 1.0
    told_bad: float = 1.0
    rates: tuple[float, ...] = ()
    missing_rate: float | None = None

    @property
    def leak(self) -> str | None:
        """Why the column seems to have been filled after the outcome; None when it doesn't."""
        if abs(self.told_bad - self.told_good) >= _TOLD_GAP:
            return f"told in {self.told_bad:.0%} of the bad rows and in {self.told_good:.0%} of the good ones"
        if self.auc >= LEAK_AUC:
            return f"alone it orders bad before good almost perfectly (AUC {self.auc:.2f})"
        return None

    @property
    def tendency(self) -> str | None:
        """What the quarters say of a direction."""
        if len(self.rates) < 2:
            return None
        first, last = self.rates[0], self.rates[-1]
        told = f"bad by quarter {' -> '.join(f'{rate:.1%}' for rate in self.rates)}"
        steps = np.diff(self.rates)
        spread = max(first, last) / max(min(first, last), 1e-9)
        if np.all(steps >= 0) and spread >= _SPREAD_MIN:
            return f'{told}: consider "increasing"'
        if np.all(steps <= 0) and spread >= _SPREAD_MIN:
            return f'{told}: consider "decreasing"'
        return told


def measure_number(values: NDArray[np.float64], labels: NDArray[np.int8], *, is_risk: bool = False) -> Standing:
    """The standing of a number.

    Arguments
    ---------
    values : float64[n], NaN = missing. labels : int8[n], 1 bad, 0 good, -1 neither.
    is_risk : whether a higher value is known to mean more risk; otherwise the better of the two orders counts.
    """
    is_labelled = labels >= 0
    values, labels = values[is_labelled], labels[is_labelled]
    bads = int(labels.sum())
    goods = len(labels) - bads
    if min(bads, goods) < _LABELLED_MIN:
        return Standing()
    is_told = ~np.isnan(values)
    lowest = np.min(values[is_told], initial=0.0) - 1.0
    ranks = rankdata(np.where(is_told, values, lowest))
    auc = (ranks[labels == 1].sum() - bads * (bads + 1) / 2) / (bads * goods)
    return Standing(
        auc=float(max(auc, 0.5 if is_risk else 1.0 - auc)),
        told_good=float(is_told[labels == 0].mean()),
        told_bad=float(is_told[labels == 1].mean()),
        rates=_rate_quarters(values[is_told], labels[is_told]),
        missing_rate=_rate(labels[~is_told]),
    )


def measure_texts(texts: pl.Series, labels: NDArray[np.int8]) -> tuple[Standing, dict[str, float]]:
    """The standing of a column of n texts (null = missing), and the bad rate of each text.

    A text's place in the order is its bad rate in the other half of the rows, so that rare texts don't seem to tell everything.
    """
    frame = pl.DataFrame({"text": texts, "label": pl.Series(labels, dtype=pl.Int8)}).filter(pl.col("label") >= 0)
    if frame.is_empty():
        return Standing(), {}
    frame = frame.with_columns((pl.int_range(pl.len()) % 2).alias("half"), pl.col("label").cast(pl.Float64))
    overall = frame["label"].mean()
    rates = frame.group_by("text").agg(pl.col("label").mean().alias("rate"))
    halves = frame.group_by("text", "half").agg(pl.col("label").mean().alias("rate"))
    halves = halves.with_columns(1 - pl.col("half"))
    placed = frame.join(halves, on=["text", "half"], how="left", nulls_equal=True, maintain_order="left")
    own = frame["label"].cast(pl.Int8).to_numpy()
    standing = measure_number(placed["rate"].fill_null(overall).to_numpy(), own, is_risk=True)
    is_told = frame["text"].is_not_null().to_numpy()
    shares = [float(is_told[own == side].mean()) if (own == side).any() else 1.0 for side in (0, 1)]
    standing = Standing(auc=standing.auc, missing_rate=_rate(own[~is_told]), told_good=shares[0], told_bad=shares[1])
    return standing, {text: rate for text, rate in rates.iter_rows() if text is not None}


def _rate(labels: NDArray[np.int8]) -> float | None:
    return float(labels.mean()) if len(labels) >= _GROUP_MIN else None


def _rate_quarters(values: NDArray[np.float64], labels: NDArray[np.int8]) -> tuple[float, ...]:
    if len(values) < 2 * _GROUP_MIN:
        return ()
    edges = np.unique(np.quantile(values, [0.25, 0.5, 0.75]))
    groups = np.searchsorted(edges, values, side="left" if edges[0] > values.min() else "right")
    rates = (_rate(labels[groups == group]) for group in np.unique(groups))
    return tuple(rate for rate in rates if rate is not None)
