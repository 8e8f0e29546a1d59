"""How a column stands to the outcome, alone: bad rates over its quarters, and whether it tells more than a fact could. Edge."""

from math import sqrt
from typing import Final, Literal

import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray
from scipy.stats import rankdata

LEAK_AUC: Final = 0.97
HELD_AUC: Final = 0.87
DOUBT_AUC: Final = 0.80
# A rate of fewer rows is left unsaid: of one row it would be a person's outcome, in a document that is passed around.
RATE_ROWS_MIN: Final = 10
_TOLD_GAP: Final = 0.90
_LABELLED_MIN: Final = 20
_GROUP_MIN: Final = 30
_SPREAD_MIN: Final = 1.15
_STRONG_SPREAD_MIN: Final = 1.5
_STRONG_Z_MIN: Final = 5.0
_FLOOR_SHARE_MIN: Final = 0.25
_SAFER_MAX: Final = 0.7
_SAFER_Z_MIN: Final = 4.0


class Group(Struct, frozen=True, kw_only=True):
    """Labelled rows of one kind: how many, and the share of bad among them."""

    rows: int
    rate: float


class Standing(Struct, frozen=True, kw_only=True):
    """A column against the outcome.

    Attributes
    ----------
    auc : how well the column alone orders bad before good, 0.5 to 1; a missing cell stands below all others.
    told_good, told_bad : shares of good and bad rows that tell it.
    groups : the told rows rising by value, those with enough rows: the lowest number where many rows have it, then quarters of the rest.
    floor : that lowest number; None where the groups are the quarters of all told rows.
    told, missing : the rows that tell it and those that don't; None when they are too few.
    """

    auc: float = 0.5
    told_good: float = 1.0
    told_bad: float = 1.0
    groups: tuple[Group, ...] = ()
    floor: float | None = None
    told: Group | None = None
    missing: Group | None = None

    @property
    def leak(self) -> str | None:
        """Why the column seems to have been filled after the outcome; None when it doesn't."""
        if abs(self.told_bad - self.told_good) >= _TOLD_GAP:
            return f"told in {self.told_bad:.0%} of the bad rows and in {self.told_good:.0%} of the good ones"
        if self.auc >= LEAK_AUC:
            return f"alone it orders bad before good almost perfectly (AUC {self.auc:.2f})"
        return None

    @property
    def is_missing_safer(self) -> bool:
        """Whether rows that don't tell it went bad clearly less often than those that do, and are not most of the rows."""
        told, missing = self.told, self.missing
        return (
            told is not None
            and missing is not None
            and missing.rows <= told.rows
            and missing.rate <= _SAFER_MAX * told.rate
            and _measure_gap(missing, told) >= _SAFER_Z_MIN
        )

    @property
    def tendency(self) -> str | None:
        """What the groups say of a direction."""
        if len(self.groups) < 2:
            return None
        rates = [f"{group.rate:.1%}" for group in self.groups]
        told = f"bad by quarter {' -> '.join(rates)}"
        if self.floor is not None:
            above = "above it" if len(rates) == 2 else "above it by quarter"
            told = f"bad {rates[0]} at {self.floor:g}, {above} {' -> '.join(rates[1:])}"
        direction = self._find_direction(_SPREAD_MIN)
        return told if direction is None else f'{told}: consider "{direction}"'

    @property
    def strong_direction(self) -> Literal["increasing", "decreasing"] | None:
        """The direction that the tape leaves no doubt about: no step goes back, and the ends differ by far more than by chance."""
        if len(self.groups) < 2 or _measure_gap(self.groups[0], self.groups[-1]) < _STRONG_Z_MIN:
            return None
        return self._find_direction(_STRONG_SPREAD_MIN)

    def _find_direction(self, spread_min: float) -> Literal["increasing", "decreasing"] | None:
        rates = [group.rate for group in self.groups]
        steps = np.diff(rates)
        if max(rates[0], rates[-1]) < spread_min * max(min(rates[0], rates[-1]), 1e-9):
            return None
        return "increasing" if np.all(steps >= 0) else "decreasing" if np.all(steps <= 0) else None


def _measure_gap(one: Group, other: Group) -> float:
    """How many standard errors lie between the bad rates of two groups, were both the same."""
    rows = one.rows + other.rows
    rate = (one.rows * one.rate + other.rows * other.rate) / rows
    error = sqrt(rate * (1 - rate) * (1 / one.rows + 1 / other.rows))
    return abs(one.rate - other.rate) / error if error else 0.0


def measure_number(values: NDArray[np.float64], labels: NDArray[np.int8], *, is_risk: bool = False) -> Standing:
    """The standing of a number.

    Parameters
    ----------
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
    groups, floor = _cut(values[is_told], labels[is_told])
    return Standing(
        auc=float(max(auc, 0.5 if is_risk else 1.0 - auc)),
        told_good=float(is_told[labels == 0].mean()),
        told_bad=float(is_told[labels == 1].mean()),
        groups=groups,
        floor=floor,
        told=_group(labels[is_told]),
        missing=_group(labels[~is_told]),
    )


def measure_texts(texts: pl.Series, labels: NDArray[np.int8]) -> tuple[Standing, dict[str, float]]:
    """The standing of a column of n texts (null = missing), and the bad rate of each text that `RATE_ROWS_MIN` resolved rows have.

    A text's place in the order is its bad rate in the other half of the rows, so that rare texts don't seem to tell everything.
    """
    frame = pl.DataFrame({"text": texts, "label": pl.Series(labels, dtype=pl.Int8)}).filter(pl.col("label") >= 0)
    if frame.is_empty():
        return Standing(), {}
    frame = frame.with_columns((pl.int_range(pl.len()) % 2).alias("half"), pl.col("label").cast(pl.Float64))
    overall = frame["label"].mean()
    rates = frame.group_by("text").agg(pl.col("label").mean().alias("rate"), pl.len().alias("rows"))
    rates = rates.filter(pl.col("rows") >= RATE_ROWS_MIN)
    halves = frame.group_by("text", "half").agg(pl.col("label").mean().alias("rate"))
    halves = halves.with_columns(1 - pl.col("half"))
    placed = frame.join(halves, on=["text", "half"], how="left", nulls_equal=True, maintain_order="left")
    own = frame["label"].cast(pl.Int8).to_numpy()
    standing = measure_number(placed["rate"].fill_null(overall).to_numpy(), own, is_risk=True)
    is_told = frame["text"].is_not_null().to_numpy()
    shares = [float(is_told[own == side].mean()) if (own == side).any() else 1.0 for side in (0, 1)]
    standing = Standing(
        auc=standing.auc,
        told_good=shares[0],
        told_bad=shares[1],
        told=_group(own[is_told]),
        missing=_group(own[~is_told]),
    )
    return standing, {text: rate for text, rate, _ in rates.iter_rows() if text is not None}


def _group(labels: NDArray[np.int8]) -> Group | None:
    return Group(rows=len(labels), rate=float(labels.mean())) if len(labels) >= _GROUP_MIN else None


def _cut(values: NDArray[np.float64], labels: NDArray[np.int8]) -> tuple[tuple[Group, ...], float | None]:
    """The groups of the told rows, and the lowest number where it is a group of its own because many rows have it (as 0 in counts)."""
    if len(values) < 2 * _GROUP_MIN:
        return (), None
    lowest = float(values.min())
    is_lowest = values == lowest
    is_common = is_lowest.mean() >= _FLOOR_SHARE_MIN or len(np.unique(values)) == 2
    if not is_common or is_lowest.all():
        return _cut_quarters(values, labels), None
    floor = _group(labels[is_lowest])
    above = _cut_quarters(values[~is_lowest], labels[~is_lowest])
    return ((floor, *above), lowest) if floor is not None and above else ((), None)


def _cut_quarters(values: NDArray[np.float64], labels: NDArray[np.int8]) -> tuple[Group, ...]:
    edges = np.unique(np.quantile(values, [0.25, 0.5, 0.75]))
    places = np.searchsorted(edges, values, side="left" if edges[0] > values.min() else "right")
    groups = (_group(labels[places == place]) for place in np.unique(places))
    return tuple(group for group in groups if group is not None)
