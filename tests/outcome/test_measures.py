"""Measurements of a window: what each says of a known change, and that nothing is told of nobody."""

import numpy as np
import pytest
from msgspec.structs import replace

from instant_credit.outcome.estimates import count_ripened
from instant_credit.outcome.measures import Measurement, Metric, measure_ripened, measure_window
from instant_credit.outcome.sketches import Decided, Sketch, SketchReference, count_sketch, empty_sketch
from tests.outcome.drifting import CATEGORIES, QUIET, World, draw, refer, sketch


@pytest.fixture(scope="module")
def reference() -> SketchReference:
    return refer(np.random.default_rng(1), 4_000)


def find(told: tuple[Measurement, ...], metric: Metric, subject: str = "") -> Measurement:
    (one,) = [one for one in told if (one.metric, one.subject) == (metric, subject)]
    return one


def look(reference: SketchReference, world: World, seed: int = 2) -> tuple[Measurement, ...]:
    return measure_window(reference, sketch(reference, draw(world, np.random.default_rng(seed), 3_000)))


def test_the_reference_itself_shows_no_change(reference: SketchReference) -> None:
    for one in measure_window(reference, reference.sketch):
        assert one.value == pytest.approx(0.0, abs=1e-12)
        # One-sided tests of no fall stand in the middle.
        assert one.chance == pytest.approx(0.5 if one.metric is Metric.EXPECTED_AUC else 1.0)


def test_each_figure_says_what_was_compared(reference: SketchReference) -> None:
    told = look(reference, World(missing=0.3, unseen=0.1))
    missing = find(told, Metric.MISSING_SHARE, "income")
    assert (missing.before, missing.now) == (pytest.approx(0.05, abs=0.01), pytest.approx(0.3, abs=0.03))
    assert missing.value == pytest.approx(abs(missing.now - missing.before))
    unseen = find(told, Metric.UNSEEN_SHARE, "purpose")
    assert (unseen.value, unseen.before) == (pytest.approx(0.1, abs=0.02), 0.0)
    assert max(missing.chance, unseen.chance) < 1e-20
    assert find(told, Metric.UNSEEN_SHARE, "housing").value == 0.0
    assert {one.subject for one in told if one.metric is Metric.UNSEEN_SHARE} == set(CATEGORIES)


def test_a_riskier_population_moves_approvals_the_mean_pd_and_the_index(reference: SketchReference) -> None:
    told = look(reference, World(moved=0.5))
    for metric in (Metric.APPROVAL_SHARE, Metric.EXPECTED_BAD_RATE, Metric.SCORE_PSI):
        one = find(told, metric)
        assert one.excess is not None
        assert one.excess > one.expected > 0.0
        assert one.chance < 1e-6
    assert find(told, Metric.VARIABLE_PSI, "utilisation").excess > 0.2
    assert find(told, Metric.VARIABLE_PSI, "balance").chance > 1e-4


def test_other_reasons_are_a_distance_between_none_and_all(reference: SketchReference) -> None:
    window = replace(reference.sketch, reasons=(("NEVER_GIVEN", 300),))
    assert find(measure_window(reference, window), Metric.REASON_MIX).value == pytest.approx(1.0)
    window = replace(reference.sketch, reasons=())
    assert find(measure_window(reference, window), Metric.REASON_MIX).value is None


def test_nothing_is_told_of_nobody(reference: SketchReference) -> None:
    told = measure_window(reference, empty_sketch(reference.variables, reference.score_borders_ppm))
    assert {one.metric for one in told} == {
        one for one in Metric if one not in (Metric.BAD_RATE, Metric.CALIBRATION, Metric.AUC)
    }
    assert all(one.value is None and one.excess is None and one.cases == 0 for one in told)
    nobody = count_ripened(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int8))
    assert [(one.value, one.subject) for one in measure_ripened(nobody, "90")] == [(None, "90")] * 3


def test_loans_that_are_all_good_have_a_bad_rate_and_no_auc() -> None:
    told = measure_ripened(count_ripened(np.full(500, 50_000), np.zeros(500, dtype=np.int8)), "90")
    assert find(told, Metric.BAD_RATE, "90").value == 1.0
    assert find(told, Metric.BAD_RATE, "90").chance < 1e-5
    assert find(told, Metric.AUC, "90").value is None


def test_everybody_alike_is_compared_without_dividing_by_nothing(reference: SketchReference) -> None:
    alike = sketch_alike(reference, 50_000)
    told = measure_window(replace(reference, sketch=alike), alike)
    assert find(told, Metric.EXPECTED_BAD_RATE).chance == 1.0
    assert find(told, Metric.EXPECTED_AUC).chance == 1.0
    told = measure_window(replace(reference, sketch=alike), sketch_alike(reference, 90_000))
    assert find(told, Metric.EXPECTED_BAD_RATE).chance == 0.0


def sketch_alike(reference: SketchReference, pd_ppm: int) -> Sketch:
    """A hundred applicants of one pd."""
    applicants = draw(QUIET, np.random.default_rng(4), 100).decided
    decided = Decided(
        matrix=applicants.matrix,
        pds_ppm=np.full(100, pd_ppm),
        outcomes=applicants.outcomes,
        reasons=applicants.reasons,
    )
    return count_sketch(reference.variables, reference.score_borders_ppm, decided)
