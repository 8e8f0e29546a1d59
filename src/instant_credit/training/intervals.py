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

Where loans have sampling weights that differ, each counts by its weight: AUC and the difference are bootstrapped too, and Wilson's
interval takes the effective number of loans. Equal weights give the unweighted figures to the last bit.

AUC, Brier score and ROC are scikit-learn's; the intervals and KS are written here, because it has none of them.
"""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy.stats import norm, rankdata
from sklearn.metrics import brier_score_loss, roc_auc_score, roc_curve

from instant_credit.errors import require
from instant_credit.training.weights import effective_loans, relative_weights

CONFIDENCE: Final = 0.95
BOOTSTRAP_ROUNDS: Final = 1_000
BOOTSTRAP_SEED: Final = 20_240_229
DECILES: Final = 10

# Standard deviations of a normal on either side of its mean that hold the confidence.
NORMAL_POINT: Final = float(norm.ppf(0.5 + CONFIDENCE / 2))

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]


class Measured(Struct, frozen=True, kw_only=True):
    """A figure with the ends of its 95% interval."""

    value: float
    low: float
    high: float


class Decile(Struct, frozen=True, kw_only=True):
    """A tenth of the loans by pd, the safest first: what was expected and what came. `loans` and `bads` are counts of rows."""

    decile: int
    loans: int
    bads: int
    pd_mean: float
    bad_rate: Measured


class Quality(Struct, frozen=True, kw_only=True):
    """How well pds order and match what came. `expected_to_observed` is the mean pd over the bad rate.

    `loans` and `bads` are counts of rows, every other figure counts a loan by its weight; `effective_loans` is how many equally
    weighted loans would tell as much.
    """

    loans: int
    bads: int
    effective_loans: float
    auc: Measured
    ks: Measured
    brier: Measured
    pd_mean: float
    bad_rate: Measured
    expected_to_observed: float
    deciles: tuple[Decile, ...]


def measure_quality(pds: Floats, labels: Labels, weights: Floats | None = None) -> Quality:
    """Every figure of one model over the same loans.

    Parameters
    ----------
    pds : float64[n] in (0, 1).
    labels : int8[n], 1 = bad; both kinds must occur.
    weights : float64[n], above 0; None = 1 each.
    """
    weights = relative_weights(weights)
    auc, ks, brier = _bootstrap(pds, labels, weights)
    pd_mean = float(pds.mean()) if weights is None else float(np.average(pds, weights=weights))
    bad_rate = measure_bad_rate(labels, weights)
    return Quality(
        loans=len(labels),
        bads=int(labels.sum()),
        effective_loans=float(len(labels)) if weights is None else effective_loans(weights),
        auc=measure_auc(pds, labels) if weights is None else auc,
        ks=ks,
        brier=brier,
        pd_mean=pd_mean,
        bad_rate=bad_rate,
        expected_to_observed=pd_mean / bad_rate.value,
        deciles=list_deciles(pds, labels, weights),
    )


def measure_auc(scores: Floats, labels: Labels, weights: Floats | None = None) -> Measured:
    """Chance that a bad loan scores above a good one, ties half."""
    weights = relative_weights(weights)
    if weights is not None:
        ranked = _Ranked(scores, labels)
        draws = np.array([ranked.auc(drawn) for drawn in _draw_weights(labels, weights)])
        return _percentile_interval(ranked.auc(weights), draws)
    value, bad_places, good_places = _placements(scores, labels)
    deviation = math.sqrt(_variance(bad_places) / len(bad_places) + _variance(good_places) / len(good_places))
    return _normal_interval(value, deviation, lowest=0.0, highest=1.0)


def measure_auc_difference(
    scores: Floats, other_scores: Floats, labels: Labels, weights: Floats | None = None
) -> Measured:
    """AUC of `scores` minus AUC of `other_scores` over the same loans."""
    weights = relative_weights(weights)
    if weights is not None:
        return _bootstrap_difference(scores, other_scores, labels, weights)
    value, bad_places, good_places = _placements(scores, labels)
    other_value, other_bad_places, other_good_places = _placements(other_scores, labels)
    bad_gaps = bad_places - other_bad_places
    good_gaps = good_places - other_good_places
    deviation = math.sqrt(_variance(bad_gaps) / len(bad_gaps) + _variance(good_gaps) / len(good_gaps))
    return _normal_interval(value - other_value, deviation, lowest=-1.0, highest=1.0)


def estimate_auc(scores: Floats, labels: Labels, weights: Floats | None = None) -> float:
    """The AUC alone, without its interval."""
    ranked = _Ranked(scores, labels)
    return ranked.auc(np.ones(len(labels)) if weights is None else weights)


def measure_bad_rate(labels: Labels, weights: Floats | None = None) -> Measured:
    """Share of bad loans (n > 0) with Wilson's interval, over the effective number of loans where weights differ."""
    weights = relative_weights(weights)
    if weights is None:
        return wilson_interval(int(labels.sum()), len(labels))
    trials = effective_loans(weights)
    return wilson_interval(min(trials, float(weights @ labels) / float(weights.sum()) * trials), trials)


def wilson_interval(events: float, trials: float) -> Measured:
    """A share of `trials` (> 0) with its score interval."""
    require(0 <= events <= trials and trials > 0, "a share needs trials")
    share = events / trials
    spread = NORMAL_POINT * NORMAL_POINT / trials
    middle = (share + spread / 2.0) / (1.0 + spread)
    half = NORMAL_POINT * math.sqrt(share * (1.0 - share) / trials + spread / (4.0 * trials)) / (1.0 + spread)
    return Measured(value=share, low=max(0.0, middle - half), high=min(1.0, middle + half))


def list_deciles(pds: Floats, labels: Labels, weights: Floats | None = None) -> tuple[Decile, ...]:
    """Loans in ten groups of one size (to one loan) by rising pd, of one weight where weights differ; fewer groups of fewer loans."""
    weights = relative_weights(weights)
    order = np.argsort(pds, kind="stable")
    if weights is None:
        groups = np.array_split(order, DECILES)
    else:
        middles = np.cumsum(weights[order]) - weights[order] / 2.0
        cuts = np.searchsorted(middles, np.arange(1, DECILES) * (float(weights.sum()) / DECILES))
        groups = np.split(order, cuts)
    return tuple(
        Decile(
            decile=number,
            loans=len(group),
            bads=int(labels[group].sum()),
            pd_mean=float(pds[group].mean())
            if weights is None
            else float(np.average(pds[group], weights=weights[group])),
            bad_rate=measure_bad_rate(labels[group], None if weights is None else weights[group]),
        )
        for number, group in enumerate((group for group in groups if len(group)), start=1)
    )


def trace_roc(
    scores: Floats, labels: Labels, points: int = 200, weights: Floats | None = None
) -> tuple[Floats, Floats]:
    """Share of goods and share of bads above each cut, from (0, 0) to (1, 1); at most `points` + 1 corners."""
    goods, bads, _ = roc_curve(labels, scores, sample_weight=relative_weights(weights), drop_intermediate=False)
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
    return Measured(
        value=value,
        low=max(lowest, value - NORMAL_POINT * deviation),
        high=min(highest, value + NORMAL_POINT * deviation),
    )


class _Ranked:
    """Loans in the order of their scores, so that many weighings of them are measured without another sort."""

    def __init__(self, scores: Floats, labels: Labels) -> None:
        self.order = np.argsort(scores, kind="stable")
        ranked = scores[self.order]
        self.labels = labels[self.order].astype(np.float64)
        # Last position of each run of equal scores.
        self._ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))

    def ks(self, weights: Floats) -> float:
        """Largest distance between the scores of bad and good loans, by weights float64[n] of the loans as they were given."""
        bads, goods = self._pile(weights)
        return float(np.abs(bads / bads[-1] - goods / goods[-1]).max())

    def auc(self, weights: Floats) -> float:
        """By weights float64[n] of the loans as they were given."""
        bads, goods = self._pile(weights)
        halves = goods - np.diff(goods, prepend=0.0) / 2.0
        return float(np.diff(bads, prepend=0.0) @ halves) / (float(bads[-1]) * float(goods[-1]))

    def _pile(self, weights: Floats) -> tuple[Floats, Floats]:
        """Weight of bads and of goods up to the end of each run of equal scores."""
        ranked = weights[self.order]
        bads = np.cumsum(ranked * self.labels)[self._ends]
        return bads, np.cumsum(ranked * (1.0 - self.labels))[self._ends]


def _draw_weights(labels: Labels, weights: Floats | None) -> Iterator[Floats]:
    """How much each loan counts in each draw with replacement; a draw of one kind of loan only is drawn again."""
    loans = len(labels)
    chance = np.random.Generator(np.random.PCG64(BOOTSTRAP_SEED))
    for _ in range(BOOTSTRAP_ROUNDS):
        bads = 0
        while not 0 < bads < loans:
            counts = np.bincount(chance.integers(0, loans, loans), minlength=loans)
            bads = int(counts @ labels)
        yield counts.astype(np.float64) if weights is None else counts * weights


def _bootstrap(pds: Floats, labels: Labels, weights: Floats | None) -> tuple[Measured, Measured, Measured]:
    """AUC, KS and Brier score with percentile intervals."""
    ranked = _Ranked(pds, labels)
    losses = (pds - labels) ** 2
    draws = np.array(
        [
            (ranked.auc(drawn), ranked.ks(drawn), float(drawn @ losses) / float(drawn.sum()))
            for drawn in _draw_weights(labels, weights)
        ]
    )
    every = np.ones(len(labels)) if weights is None else weights
    values = (ranked.auc(every), ranked.ks(every), float(brier_score_loss(labels, pds, sample_weight=weights)))
    auc, ks, brier = (_percentile_interval(value, draws[:, k]) for k, value in enumerate(values))
    return auc, ks, brier


def _bootstrap_difference(scores: Floats, other_scores: Floats, labels: Labels, weights: Floats) -> Measured:
    ranked, other = _Ranked(scores, labels), _Ranked(other_scores, labels)
    draws = np.array([ranked.auc(drawn) - other.auc(drawn) for drawn in _draw_weights(labels, weights)])
    return _percentile_interval(ranked.auc(weights) - other.auc(weights), draws)


def _percentile_interval(value: float, draws: Floats) -> Measured:
    low, high = (float(end) for end in np.quantile(draws, (0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2)))
    return Measured(value=value, low=low, high=high)
