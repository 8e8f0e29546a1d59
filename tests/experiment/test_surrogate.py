"""The surrogate index: right where arms work through the signals, and seen to fail where they do not."""

from collections.abc import Sequence

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from instant_credit.errors import BrokenInvariant
from instant_credit.experiment import surrogate
from instant_credit.experiment.surrogate import (
    CELLS,
    PD_BANDS_PPM,
    Cells,
    Signal,
    cell_of,
    compare_truth,
    fit_index,
    predict_effect,
    predict_mean,
)
from instant_credit.experiment.validity import (
    BADS_MIN,
    Comparison,
    Slope,
    Validity,
    measure_validity,
    tell_effect,
)
from tests.budget import TIMES

BANDS = len(PD_BANDS_PPM) + 1
DEFAULTS = np.concatenate(
    [
        np.zeros(BANDS),
        np.geomspace(0.004, 0.08, BANDS),
        np.geomspace(0.15, 0.35, BANDS),
        np.geomspace(0.45, 0.7, BANDS),
    ]
)
"""Chance of default by cell."""


def share_cells(harm: float = 1.0, approved: float = 0.6) -> NDArray[np.float64]:
    """Shares of the cells: `harm` multiplies early trouble, `approved` is the part that is booked."""
    bands = np.array([0.2, 0.2, 0.2, 0.15, 0.1, 0.08, 0.05, 0.02])
    past_due, missed = np.linspace(0.02, 0.12, BANDS) * harm, np.linspace(0.004, 0.05, BANDS) * harm
    booked = approved * np.concatenate([bands * (1 - past_due - missed), bands * past_due, bands * missed])
    return np.concatenate([bands * (1 - approved), booked])


def draw(
    chance: np.random.Generator,
    units: int,
    shares: NDArray[np.float64],
    defaults: NDArray[np.float64] = DEFAULTS,
) -> Cells:
    """A vintage or an arm with its primary ripe."""
    counts = chance.multinomial(units, shares)
    bads = chance.binomial(counts, np.minimum(defaults, 1.0)).astype(float)
    return Cells(units=tuple(counts.tolist()), totals=tuple(bads.tolist()), squares=tuple(bads.tolist()))


def draw_vintages(chance: np.random.Generator, count: int = 10, units: int = 3_000, drift: float = 1.0) -> list[Cells]:
    """Past vintages; `drift` multiplies what each signal means from one to the next."""
    return [
        draw(chance, units, share_cells(float(chance.uniform(0.8, 1.25))), DEFAULTS * drift**place)
        for place in range(count)
    ]


def unpack(cells: Cells) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Every unit of shares: its cell and its primary."""
    places = np.repeat(np.arange(CELLS), cells.units)
    outcomes = [np.r_[np.ones(int(t)), np.zeros(n - int(t))] for n, t in zip(cells.units, cells.totals, strict=True)]
    return places, np.concatenate(outcomes)


def test_a_cell_is_a_signal_and_a_band_of_the_champions_pd() -> None:
    cells = [cell_of(signal, pd) for signal in Signal for pd in (0, *PD_BANDS_PPM)]
    assert cells == list(range(CELLS))
    assert cell_of(Signal.CLEAN, 9_999) == BANDS
    assert cell_of(Signal.CLEAN, 10_000) == BANDS + 1


def test_with_many_units_the_index_is_the_regression_of_the_primary_on_the_cells() -> None:
    chance = np.random.Generator(np.random.PCG64(1))
    past = draw(chance, 100_000, share_cells())
    arm, control = draw(chance, 5_000, share_cells(1.6)), draw(chance, 5_000, share_cells())
    places, outcomes = unpack(past)
    booked = places >= BANDS
    dummies = (places[booked][:, None] == np.arange(BANDS, CELLS)).astype(float)
    fitted = sm.OLS(outcomes[booked], dummies).fit(cov_type="HC0")
    shares = [np.array(cells.units[BANDS:]) / sum(cells.units) for cells in (arm, control)]
    apart = shares[0] - shares[1]
    means = np.r_[np.zeros(BANDS), fitted.params]
    drawn = sum(np.var(means[unpack(cells)[0]]) / sum(cells.units) for cells in (arm, control))

    prediction = predict_effect(fit_index([past]), arm, control)
    assert prediction.value == pytest.approx(float(apart @ fitted.params), rel=0.02)
    expected = float(np.sqrt(apart @ fitted.cov_params() @ apart + drawn))
    assert prediction.deviation == pytest.approx(expected, rel=0.02)


def test_variance_between_groups_is_dersimonians_and_lairds() -> None:
    chance = np.random.Generator(np.random.PCG64(2))
    for _ in range(20):
        variances = chance.uniform(0.5, 2.0, 8)
        estimates = chance.normal(0.0, 1.5, 8)
        tau = combine_effects(estimates, variances, method_re="dl").tau2
        assert surrogate._excess_variance(estimates, variances) == pytest.approx(max(0.0, float(tau)))


@pytest.mark.parametrize("freedom", [2, 4, 11, 40])
def test_few_vintages_widen_an_interval_as_students_t(freedom: int) -> None:
    expected = float(stats.t.ppf(0.975, freedom) / stats.norm.ppf(0.975))
    assert surrogate._widen(freedom) == pytest.approx(expected, rel=0.04 if freedom == 2 else 0.005)


def test_thin_cells_are_drawn_to_their_signal_and_full_ones_stay() -> None:
    chance = np.random.Generator(np.random.PCG64(3))
    index = fit_index([draw(chance, 20_000, share_cells())])
    pulls = np.array(index.pulls[BANDS : 2 * BANDS])
    assert pulls.min() < 0.1 < pulls.max() < 1.0
    none_seen = fit_index(
        [
            Cells(
                units=(0,) * BANDS + (50,) * BANDS + (0,) * (2 * BANDS),
                totals=(0.0,) * BANDS + (5.0,) * BANDS + (0.0,) * (2 * BANDS),
                squares=(0.0,) * BANDS + (5.0,) * BANDS + (0.0,) * (2 * BANDS),
            )
        ]
    )
    assert none_seen.means[BANDS:] == pytest.approx([0.1] * (3 * BANDS))
    assert set(none_seen.pulls[BANDS:]) == {1.0}


def _judge_coverage(inside: Sequence[bool]) -> None:
    """At least the stated 95%, up to what a simulation of this size may bring once in a thousand seeds."""
    assert sum(inside) >= stats.binom.ppf(1e-3, len(inside), 0.95)


@pytest.mark.prove
def test_intervals_cover_the_true_effect_where_arms_work_through_the_signals() -> None:
    chance = np.random.Generator(np.random.PCG64(4))
    covered, inside = [], []
    for _ in range(200 * TIMES):
        vintages = draw_vintages(chance)
        harm, approved = float(chance.uniform(0.6, 1.8)), float(chance.uniform(0.5, 0.7))
        shares, others = share_cells(harm, approved), share_cells()
        arm, control = draw(chance, 2_000, shares), draw(chance, 2_000, others)
        prediction = predict_effect(fit_index(vintages), arm, control)
        truth = float((shares - others) @ DEFAULTS)
        covered.append(prediction.interval[0] <= truth <= prediction.interval[1])
        inside.append(compare_truth(prediction, sum(arm.totals) / 2_000 - sum(control.totals) / 2_000).is_inside)
    print(f"true effects covered {np.mean(covered):.3f}, readouts inside {np.mean(inside):.3f} of {len(covered)}")
    _judge_coverage(covered)
    _judge_coverage(inside)


@pytest.mark.prove
def test_vintages_whose_weather_differs_are_covered_too() -> None:
    chance = np.random.Generator(np.random.PCG64(5))
    inside = []
    for _ in range(100 * TIMES):
        weather = np.exp(chance.normal(0.0, 0.15, 13))
        vintages = [draw(chance, 5_000, share_cells(), DEFAULTS * w) for w in weather]
        prediction = predict_mean(fit_index(vintages[:-1]), vintages[-1])
        inside.append(compare_truth(prediction, sum(vintages[-1].totals) / 5_000).is_inside)
    print(f"newer vintages inside {np.mean(inside):.3f} of {len(inside)}")
    # A variance of 12 vintages is never told below what counts alone bring, nor above by as much: a little is lost.
    assert np.mean(inside) >= 0.9


def make_comparisons(chance: np.random.Generator, direct: float) -> list[Comparison]:
    """Past comparisons; an arm multiplies default beyond its signals by `direct`."""
    return [
        Comparison(
            arm=draw(chance, 4_000, share_cells(float(chance.uniform(0.8, 1.4))), DEFAULTS * direct),
            control=draw(chance, 4_000, share_cells()),
            vintages_known=5 + place,
        )
        for place in range(6)
    ]


def judge_rounds(seed: int, drift: float = 1.0, direct: float = 1.0) -> list[Validity]:
    """Validity over seeded pasts."""
    chance = np.random.Generator(np.random.PCG64(seed))
    return [
        measure_validity(draw_vintages(chance, 12, drift=drift), make_comparisons(chance, direct))
        for _ in range(10 * TIMES)
    ]


@pytest.mark.prove
def test_the_panel_finds_nothing_against_an_index_that_holds() -> None:
    panels = judge_rounds(6)
    print(f"valid {np.mean([panel.is_valid for panel in panels]):.3f} of {len(panels)}")
    assert np.mean([panel.is_valid for panel in panels]) >= 0.9
    assert np.mean([panel.slope.value for panel in panels if panel.slope]) == pytest.approx(1.0, abs=0.05)
    assert np.mean([panel.correlation or 0.0 for panel in panels]) > 0.4


@pytest.mark.prove
def test_the_panel_shows_that_arms_work_past_the_signals() -> None:
    panels = judge_rounds(7, direct=1.7)
    assert np.mean(["comparisons" in " ".join(panel.faults) for panel in panels]) >= 0.9


@pytest.mark.prove
def test_the_panel_shows_that_signals_change_their_meaning() -> None:
    panels = judge_rounds(8, drift=1.12)
    assert np.mean([panel.is_valid for panel in panels]) <= 0.1
    assert all(panel.bias < 0.0 for panel in panels)


def test_the_slope_is_weighted_least_squares() -> None:
    chance = np.random.Generator(np.random.PCG64(9))
    vintages = draw_vintages(chance, 6)
    slope = measure_validity(vintages).slope
    rows = []
    for place in range(3, 6):
        index = fit_index(vintages[:place])
        for cell, (n, total) in enumerate(zip(vintages[place].units, vintages[place].totals, strict=True)):
            if n and cell >= BANDS:
                rows.append((index.means[cell], total / n, n / index.within[cell]))
    x, y, w = np.array(rows).T
    fitted = sm.WLS(y, sm.add_constant(x), weights=w).fit()
    scale = max(1.0, float(fitted.scale)) / float(fitted.scale)
    assert slope == Slope(
        value=pytest.approx(float(fitted.params[1])), deviation=pytest.approx(float(fitted.bse[1]) * scale**0.5)
    )


def test_an_effect_is_told_beside_how_the_index_did() -> None:
    chance = np.random.Generator(np.random.PCG64(10))
    vintages, arm, control = (
        draw_vintages(chance),
        draw(chance, 2_000, share_cells(1.8)),
        draw(chance, 2_000, share_cells()),
    )
    alone = tell_effect(vintages, [], arm, control)
    assert alone.prediction is not None
    assert alone.prediction.value > 0.0
    assert alone.words.startswith("Predicted difference +0.0")
    assert "no past comparison shows" in alone.words
    against = tell_effect(vintages, make_comparisons(chance, 2.0), arm, control)
    assert "of 6 past comparisons; do not rely on it: only" in against.words
    nobody = tell_effect(vintages, [], Cells(units=(0,) * CELLS), control)
    assert nobody.prediction is None
    assert nobody.words == "Not predicted: an arm has no unit whose signals are known."


def test_what_cannot_be_measured_is_refused_in_words() -> None:
    chance = np.random.Generator(np.random.PCG64(11))
    arm = draw(chance, 100, share_cells())
    few = tell_effect(draw_vintages(chance, 5), [], arm, arm)
    assert few.prediction is None
    assert few.words.startswith("Not predicted: 5 ripe vintages, and 6 are needed")
    thin = measure_validity(draw_vintages(chance, 8, units=100))
    assert not thin.is_valid
    assert f"{BADS_MIN} are needed" in thin.refusal


def test_an_index_that_tells_everybody_the_same_has_no_slope() -> None:
    even = np.where(np.arange(CELLS) < BANDS, 0.0, 0.1)
    flat = [
        Cells(units=(100,) * CELLS, totals=tuple((even * 100).tolist()), squares=tuple((even * 100).tolist()))
        for _ in range(6)
    ]
    panel = measure_validity(flat)
    assert panel.correlation is None
    assert panel.is_valid


def test_the_truth_is_set_beside_what_was_told() -> None:
    chance = np.random.Generator(np.random.PCG64(12))
    prediction = predict_mean(fit_index(draw_vintages(chance)), draw(chance, 2_000, share_cells()))
    told = compare_truth(prediction, prediction.value - 0.001)
    assert told.error == pytest.approx(0.001)
    assert told.is_inside
    assert not compare_truth(prediction, 1.0).is_inside


def test_what_is_no_past_is_refused() -> None:
    with pytest.raises(BrokenInvariant, match="past vintages"):
        fit_index([])
    with pytest.raises(BrokenInvariant, match="booked"):
        fit_index([Cells(units=(1,) * BANDS + (0,) * (CELLS - BANDS))])
    with pytest.raises(BrokenInvariant, match="each of"):
        Cells(units=(1,))
    with pytest.raises(BrokenInvariant, match="no signals"):
        predict_mean(fit_index(draw_vintages(np.random.Generator(np.random.PCG64(13)), 1)), Cells(units=(0,) * CELLS))
