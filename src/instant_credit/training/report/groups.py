"""How well the model does on groups of loans: vintage by vintage, and by the categories that it may look at.

A group is told with its counts always, and with an AUC when it holds at least `KIND_MIN` good and as many bad loans. A mean pd outside
the interval of the observed bad rate is marked; of twenty groups one is marked by chance.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.training.intervals import Measured, measure_bad_rate
from instant_credit.training.report.ranking import measure_ranking
from instant_credit.training.report.vintages import Vintages

KIND_MIN: Final = 20
GROUPS_MAX: Final = 12
SEGMENT_VARIABLES_MAX: Final = 8
OTHERS: Final = "all others"
MISSING: Final = "not known"

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]
Mask = NDArray[np.bool_]


class Scored(Struct, frozen=True, kw_only=True, eq=False):
    """The t loans as they were scored: pds of model and scorecard float64[t], labels int8[t], weights float64[t] with mean 1 or None."""

    pds: Floats
    scorecard_pds: Floats
    labels: Labels
    weights: Floats | None

    def weigh(self, mask: Mask) -> Floats | None:
        """Weights of these loans; None when all are equal."""
        return None if self.weights is None else self.weights[mask]


class Group(Struct, frozen=True, kw_only=True):
    """Some loans, each scored by a model that did not see it; `share` is of the loans that were divided.

    `auc` and `scorecard_auc` are None where there are too few good or bad ones.
    """

    name: str
    loans: int
    bads: int
    share: float
    bad_rate: Measured
    pd_mean: float
    auc: Measured | None
    scorecard_auc: Measured | None

    @property
    def is_off(self) -> bool:
        """Whether the mean pd lies outside the interval of the observed bad rate."""
        return not self.bad_rate.low <= self.pd_mean <= self.bad_rate.high


class Segments(Struct, frozen=True, kw_only=True):
    """Groups by one category variable, the largest first; `has_calibration` when pds are calibrated by it."""

    variable: str
    has_calibration: bool
    groups: tuple[Group, ...]


def describe_group(name: str, scored: Scored, mask: Mask) -> Group:
    """The loans of `mask` bool[t], at least one."""
    labels, weights = scored.labels[mask], scored.weigh(mask)
    bads = int(labels.sum())
    is_large = min(bads, len(labels) - bads) >= KIND_MIN
    counted = np.ones(len(labels)) if weights is None else weights
    return Group(
        name=name,
        loans=len(labels),
        bads=bads,
        share=float(counted.sum() / (len(scored.labels) if scored.weights is None else scored.weights.sum())),
        bad_rate=measure_bad_rate(labels, weights),
        pd_mean=float(np.average(scored.pds[mask], weights=counted)),
        auc=measure_ranking(scored.pds[mask], labels, weights) if is_large else None,
        scorecard_auc=measure_ranking(scored.scorecard_pds[mask], labels, weights) if is_large else None,
    )


def list_vintages(scored: Scored, vintages: Vintages) -> tuple[Group, ...]:
    """Loans by vintage in order of time; `vintages` are of the same loans."""
    return tuple(
        describe_group(vintages.names[int(code)], scored, vintages.codes == code) for code in np.unique(vintages.codes)
    )


def list_segments(
    scored: Scored, names: list[str], codes: NDArray[np.int64], *, variable: str, has_calibration: bool
) -> Segments | None:
    """Test loans by one category: `codes` int64[t] of `names`, -1 = missing; None when all loans are of one."""
    groups = tuple(describe_group(name, scored, mask) for name, mask in _divide(names, codes))
    if len(groups) < 2:
        return None
    return Segments(variable=variable, has_calibration=has_calibration, groups=groups)


def _divide(names: list[str], codes: NDArray[np.int64]) -> Iterator[tuple[str, Mask]]:
    """The largest categories, then what is left together, then missing."""
    counts = np.bincount(codes[codes >= 0], minlength=len(names))
    by_size = [int(code) for code in np.argsort(-counts, kind="stable") if counts[code]]
    kept = by_size if len(by_size) <= GROUPS_MAX else by_size[: GROUPS_MAX - 1]
    for code in kept:
        yield names[code], codes == code
    if len(kept) < len(by_size):
        yield OTHERS, (codes >= 0) & ~np.isin(codes, kept)
    if (codes < 0).any():
        yield MISSING, codes < 0
