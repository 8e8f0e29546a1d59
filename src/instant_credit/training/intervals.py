"""What a model is measured by, each figure with its 95% interval.

===========  =========================================  =========================================================
figure       interval                                   source
===========  =========================================  =========================================================
AUC          DeLong's variance, normal                  DeLong, DeLong and Clarke-Pearson (1988); the fast form of
                                                        Sun and Xu (2014)
difference   the same, paired over the same loans
KS, Brier    percentile bootstrap over loans            Efron and Tibshirani (1993), chapter 13
bad rates    Wilson's score interval                    Wilson (1927)
===========  =========================================  =========================================================

AUC, Brier score and ROC are scikit-learn's; the intervals and KS are written here, because it has none of them.
"""

import math
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.stats import norm, rankdata
from sklearn.metrics import brier_score_loss, roc_auc_score, roc_curve

from instant_credit.errors import require

CONFIDENCE: Final = 0.95
BOOTSTRAP_ROUNDS: Final = 1_000
BOOTSTRAP_SEED: Final = 20_240_229
DECILES: Final = 10

_Z: Final = float(norm.ppf(0.5 + CONFIDENCE / 2))

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]


class Measured(Struct, frozen=True, kw_only=True):
    """A figure with the ends of its 95% interval."""

    value: float
    low: float
    high: float


class Decile(Struct, frozen=True, kw_only=True):
    """A tenth of the loans by pd, the safest first: what was expected and what came."""

    decile: int
    loans: int
    bads: int
    pd_mean: float
    bad_rate: Measured


class Quality(Struct, frozen=True, kw_only=True):
    """How well pds order and match what came. `expected_to_observed` is the mean pd over the bad rate."""

    loans: int
    bads: int
    auc: Measured
    ks: Measured
    brier: Measured
    pd_mean: float
    bad_rate: Measured
    expected_to_observed: float
    deciles: tuple[Decile, ...]


def measure_quality(pds: Floats, labels: Labels) -> Quality:
    """Every figure of one model over the same loans.

    Parameters
    ----------
    pds : float64[n] in (0, 1).
    labels : int8[n], 1 = bad; both kinds must occur.
    """
    ks, brier = _bootstrap(pds, labels)
    bads = int(labels.sum())
    return Quality(
        loans=len(labels),
        bads=bads,
        auc=measure_auc(pds, labels),
        ks=ks,
        brier=brier,
        pd_mean=float(pds.mean()),
        bad_rate=wilson_interval(bads, len(labels)),
        expected_to_observed=float(pds.sum()) / bads,
        deciles=list_deciles(pds, labels),
    )


def measure_auc(scores: Floats, labels: Labels) -> Measured:
    """Chance that a bad loan scores above a good one, ties half."""
    value, bad_places, good_places = _placements(scores, labels)
    deviation = math.sqrt(_variance(bad_places) / len(bad_places) + _variance(good_places) / len(good_places))
    return _normal_interval(value, deviation, lowest=0.0, highest=1.0)


def measure_auc_difference(scores: Floats, other_scores: Floats, labels: Labels) -> Measured:
    """AUC of `scores` minus AUC of `other_scores` over the same loans."""
    value, bad_places, good_places = _placements(scores, labels)
    other_value, other_bad_places, other_good_places = _placements(other_scores, labels)
    bad_gaps = bad_places - other_bad_places
    good_gaps = good_places - other_good_places
    deviation = math.sqrt(_variance(bad_gaps) / len(bad_gaps) + _variance(good_gaps) / len(good_gaps))
    return _normal_interval(value - other_value, deviation, lowest=-1.0, highest=1.0)


def measure_ks(scores: Floats, labels: Labels) -> float:
    """Largest distance between the score distributions of bad and good loans."""
    order = np.argsort(scores, kind="stable")
    return float(_weighted_ks(_ends(scores[order]), labels[order].astype(np.float64), np.ones(len(labels))))


def wilson_interval(events: int, trials: int) -> Measured:
    """A share of `trials` (> 0) with its score interval."""
    require(0 <= events <= trials and trials > 0, "a share needs trials")
    share = events / trials
    spread = _Z * _Z / trials
    middle = (share + spread / 2.0) / (1.0 + spread)
    half = _Z * math.sqrt(share * (1.0 - share) / trials + spread / (4.0 * trials)) / (1.0 + spread)
    return Measured(value=share, low=max(0.0, middle - half), high=min(1.0, middle + half))


def list_deciles(pds: Floats, labels: Labels) -> tuple[Decile, ...]:
    """Loans in ten groups of one size (to one loan) by rising pd; fewer groups when there are fewer loans."""
    order = np.argsort(pds, kind="stable")
    groups = [group for group in np.array_split(order, DECILES) if len(group)]
    return tuple(
        Decile(
            decile=number,
            loans=len(group),
            bads=int(labels[group].sum()),
            pd_mean=float(pds[group].mean()),
            bad_rate=wilson_interval(int(labels[group].sum()), len(group)),
        )
        for number, group in enumerate(groups, start=1)
    )


def trace_roc(scores: Floats, labels: Labels, points: int = 200) -> tuple[Floats, Floats]:
    """Share of goods and share of bads above each cut, from (0, 0) to (1, 1); at most `points` + 1 corners."""
    goods, bads, _ = roc_curve(labels, scores, drop_intermediate=False)
    kept = np.unique(np.linspace(0, len(goods) - 1, points + 1).round().astype(np.int64))
    return goods[kept], bads[kept]


def _placements(scores: Floats, labels: Labels) -> tuple[float, Floats, Floats]:
    """AUC; for each bad loan the share of goods below it; for each good loan the share of bads above it.

    DeLong's variance needs the shares, which scikit-learn does not give out.
    """
    is_bad = labels == 1
    bads, goods = int(is_bad.sum()), int((~is_bad).sum())
    require(bads > 1 and goods > 1, "an AUC needs at least two good and two bad loans")
    ranks = rankdata(scores)
    bad_places = (ranks[is_bad] - rankdata(scores[is_bad])) / goods
    good_places = 1.0 - (ranks[~is_bad] - rankdata(scores[~is_bad])) / bads
    return float(roc_auc_score(labels, scores)), bad_places, good_places


def _variance(values: Floats) -> float:
    return float(values.var(ddof=1))


def _normal_interval(value: float, deviation: float, *, lowest: float, highest: float) -> Measured:
    return Measured(value=value, low=max(lowest, value - _Z * deviation), high=min(highest, value + _Z * deviation))


def _ends(sorted_scores: Floats) -> NDArray[np.int64]:
    """Last position of each run of equal scores."""
    return np.flatnonzero(np.append(sorted_scores[1:] != sorted_scores[:-1], True))


def _weighted_ks(ends: NDArray[np.int64], labels: Floats, weights: Floats) -> float:
    bads = np.cumsum(weights * labels)
    goods = np.cumsum(weights * (1.0 - labels))
    return float(np.abs(bads[ends] / bads[-1] - goods[ends] / goods[-1]).max())


def _bootstrap(pds: Floats, labels: Labels) -> tuple[Measured, Measured]:
    """KS and Brier score with percentile intervals; a draw of one kind of loan only is drawn again."""
    order = np.argsort(pds, kind="stable")
    sorted_pds, sorted_labels = pds[order], labels[order].astype(np.float64)
    ends = _ends(sorted_pds)
    losses = (sorted_pds - sorted_labels) ** 2
    loans = len(labels)
    chance = np.random.Generator(np.random.PCG64(BOOTSTRAP_SEED))
    draws = np.empty((BOOTSTRAP_ROUNDS, 2))
    for draw in draws:
        bads = 0.0
        while not 0.0 < bads < loans:
            weights = np.bincount(chance.integers(0, loans, loans), minlength=loans).astype(np.float64)
            bads = float(weights @ sorted_labels)
        draw[0] = _weighted_ks(ends, sorted_labels, weights)
        draw[1] = float(weights @ losses) / loans
    ks = _weighted_ks(ends, sorted_labels, np.ones(loans))
    tails = (0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2)
    measured = []
    for value, column in ((ks, draws[:, 0]), (float(brier_score_loss(labels, pds)), draws[:, 1])):
        low, high = (float(end) for end in np.quantile(column, tails))
        measured.append(Measured(value=value, low=low, high=high))
    return measured[0], measured[1]
