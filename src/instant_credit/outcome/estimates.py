"""How well pds order and match what comes: estimated before labels, measured as they ripen. From counts on the grid of pds alone. Pure.

    before labels   each Case counts as bad with its own pd and as good with the rest    -> expected AUC, expected bad rate
    ripe labels     goods and bads by step of the grid                                   -> AUC, calibration by band

The estimate is right as long as pds are calibrated and the relationship between variables and outcome holds; a changed population moves it,
a changed relationship does not. So it is checked against ripe labels: the shortfall is what the same Cases were expected to show less what they
show. Cases of one step of the grid are of one order, and count half among themselves.

Source: confidence-based performance estimation: Bialek, Kuberski, Perrakis and Bifet (2024), "Estimating model performance under covariate
shift without labels"; variances: DeLong, DeLong and Clarke-Pearson (1988), and the influence function of a ratio of U-statistics (Hoeffding 1948).
Calibration: Hosmer and Lemeshow (1980), with pds that were fixed before the labels came, so that no degree of freedom is lost.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import require
from instant_credit.outcome.chances import chi_square_upper, normal_upper
from instant_credit.outcome.drift import EXPECTED_MIN
from instant_credit.outcome.labels import Label
from instant_credit.outcome.sketches import GRID_BINS, GRID_PPM, count_on_grid
from instant_credit.units import PPM

BANDS_MAX: Final = 10
# The mean distance of a normal from its mean, in standard deviations.
NORMAL_DISTANCE: Final = math.sqrt(2.0 / math.pi)

Floats = NDArray[np.float64]


class Estimate(Struct, frozen=True, kw_only=True):
    """A figure and its standard error."""

    value: float
    deviation: float


class Ripened(Struct, frozen=True, kw_only=True):
    """Labels of scored Cases that got an offer, as known on a day.

    Attributes
    ----------
    goods, bads : by step of the grid; `pds_ppm` is the sum of the pds of both.
    unresolved : neither good nor bad as known then; `erased` could not be opened.
    """

    goods: tuple[int, ...]
    bads: tuple[int, ...]
    pds_ppm: tuple[int, ...]
    unresolved: int = 0
    erased: int = 0

    @property
    def loans(self) -> int:
        """How many are good or bad."""
        return sum(self.goods) + sum(self.bads)


class Band(Struct, frozen=True, kw_only=True):
    """Loans of neighbouring pds: what was expected and what came. `deviation` is the standard deviation of the bads expected."""

    pd_ppm_from: int
    loans: int
    bads: int
    bads_expected: float
    deviation: float


def count_ripened(pds_ppm: NDArray[np.int64], labels: NDArray[np.int8], erased: int = 0) -> Ripened:
    """Labels by step of the grid.

    Parameters
    ----------
    pds_ppm : int64[n], all scored.
    labels : int8[n], values of `Label`; what is neither good nor bad is unresolved.
    """
    require(pds_ppm.shape == labels.shape, "every pd has its label")
    is_good, is_bad = labels == Label.GOOD, labels == Label.BAD
    sums = np.zeros(GRID_BINS, dtype=np.int64)
    resolved = pds_ppm[is_good | is_bad]
    np.add.at(sums, np.searchsorted(np.array(GRID_PPM), resolved, side="right"), resolved)
    return Ripened(
        goods=count_on_grid(pds_ppm[is_good]),
        bads=count_on_grid(pds_ppm[is_bad]),
        pds_ppm=tuple(sums.tolist()),
        unresolved=len(labels) - len(resolved),
        erased=erased,
    )


def merge_ripened(one: Ripened, other: Ripened) -> Ripened:
    """Both parts together."""

    def add(name: str) -> tuple[int, ...]:
        return tuple(a + b for a, b in zip(getattr(one, name), getattr(other, name), strict=True))

    return Ripened(
        goods=add("goods"),
        bads=add("bads"),
        pds_ppm=add("pds_ppm"),
        unresolved=one.unresolved + other.unresolved,
        erased=one.erased + other.erased,
    )


def estimate_auc(counts: Sequence[int], pds_ppm: Sequence[int]) -> Estimate | None:
    """The AUC that Cases are expected to show, with the standard error of drawing these Cases; None for fewer than two.

    Parameters
    ----------
    counts, pds_ppm : Cases and sums of their pds by step of the grid.
    """
    cases, pds = _means(counts, pds_ppm)
    loans = cases.sum()
    if loans < 2:
        return None
    bads, goods = cases * pds, cases * (1.0 - pds)
    goods_below, bads_above = _below(goods), bads.sum() - _below(bads)
    # Nobody is compared with itself.
    itself = float(bads @ (1.0 - pds))
    value = (float(bads @ goods_below) - itself / 2.0) / (bads.sum() * goods.sum() - itself)
    reach = pds * goods_below + (1.0 - pds) * bads_above
    mass = pds * goods.sum() + (1.0 - pds) * bads.sum()
    influence = (reach - value * mass) * loans / (bads.sum() * goods.sum())
    return Estimate(value=float(value), deviation=math.sqrt(float(cases @ influence**2)) / float(loans))


def measure_auc(ripened: Ripened) -> Estimate | None:
    """The AUC that loans show, with DeLong's standard error; None with fewer than two good or two bad ones."""
    goods, bads = np.array(ripened.goods, dtype=np.float64), np.array(ripened.bads, dtype=np.float64)
    if goods.sum() < 2 or bads.sum() < 2:
        return None
    bad_places = _below(goods) / goods.sum()
    good_places = 1.0 - _below(bads) / bads.sum()
    value = float(bads @ bad_places) / bads.sum()
    spread_bad = float(bads @ (bad_places - value) ** 2) / (bads.sum() - 1.0)
    spread_good = float(goods @ (good_places - value) ** 2) / (goods.sum() - 1.0)
    return Estimate(value=float(value), deviation=math.sqrt(spread_bad / bads.sum() + spread_good / goods.sum()))


def list_bands(ripened: Ripened) -> tuple[Band, ...]:
    """At most `BANDS_MAX` bands of about as many loans each, by rising pd, each expecting `EXPECTED_MIN` bads and as many goods."""
    bads = np.array(ripened.bads)
    loans = np.array(ripened.goods) + bads
    cases, pds = _means(loans, ripened.pds_ppm)
    expected, variance = cases * pds, cases * pds * (1.0 - pds)
    wanted = cases.sum() / BANDS_MAX
    starts, held = [0], 0
    for step in range(GRID_BINS):
        chosen = slice(starts[-1], step + 1)
        held = int(loans[chosen].sum())
        likely = float(expected[chosen].sum())
        if step + 1 < GRID_BINS and held >= wanted and EXPECTED_MIN <= likely <= held - EXPECTED_MIN:
            starts.append(step + 1)
    # The last band takes what is too little to stand alone.
    if len(starts) > 1 and not _stands(loans[starts[-1] :], expected[starts[-1] :]):
        starts.pop()
    ends = [*starts[1:], GRID_BINS]
    return tuple(
        Band(
            pd_ppm_from=0 if start == 0 else GRID_PPM[start - 1],
            loans=int(loans[start:end].sum()),
            bads=int(bads[start:end].sum()),
            bads_expected=float(expected[start:end].sum()),
            deviation=math.sqrt(float(variance[start:end].sum())),
        )
        for start, end in zip(starts, ends, strict=True)
        if loans[start:end].sum()
    )


def calibration_chance(bands: Sequence[Band]) -> float:
    """Chance that calibrated pds miss the bads of these bands at least so much."""
    statistic = sum(((one.bads - one.bads_expected) / one.deviation) ** 2 for one in bands)
    return chi_square_upper(statistic, len(bands)) if bands else 1.0


def bad_rate_chance(bands: Sequence[Band]) -> float:
    """Chance that calibrated pds miss the bads of all bands together at least so much, on either side."""
    deviation = math.sqrt(sum(one.deviation**2 for one in bands))
    missed = abs(sum(one.bads - one.bads_expected for one in bands))
    return 2.0 * normal_upper(missed / deviation) if bands else 1.0


def _stands(loans: NDArray[np.int64], expected: Floats) -> bool:
    return EXPECTED_MIN <= float(expected.sum()) <= float(loans.sum()) - EXPECTED_MIN


def _means(counts: Sequence[int] | NDArray[np.int64], pds_ppm: Sequence[int]) -> tuple[Floats, Floats]:
    """Counts and mean pds by step, float64 each; 0 where there is nobody."""
    cases = np.array(counts, dtype=np.float64)
    sums = np.array(pds_ppm, dtype=np.float64) / PPM
    return cases, np.divide(sums, cases, out=np.zeros_like(cases), where=cases > 0.0)


def _below(masses: Floats) -> Floats:
    """Mass below each step, and half of its own."""
    return np.cumsum(masses) - masses / 2.0
