import numpy as np
import pytest

from instant_credit.score.model import compile_model, explain_rows, leaf_counts
from instant_credit.score.reasons import rank_adverse
from instant_credit.training.report.basis import COMPARED_MAX, draw_rows, find_reference
from instant_credit.training.report.reasons import NO_REASON, NUDGES, compare_reasons, measure_nudges, rank_all
from tests.training.report.told import BASIS, REPORT
from tests.training.test_workshop import SET, TRAINING

FAMILIES = [variable.family for variable in SET.product.model_variables]
NAMES = ("a", "b", "c", "d", "e")


def test_the_reference_lies_just_below_the_riskiest_fifth():
    raws = np.random.default_rng(0).permutation(np.arange(1_000.0))
    is_reference = find_reference(raws, np.ones(1_000))
    assert sorted(raws[is_reference].tolist()) == list(np.arange(599.0, 799.0))


def test_the_reference_goes_by_weight():
    raws = np.arange(100.0)
    weights = np.where(raws >= 50, 9.0, 1.0)
    repeated = np.repeat(raws, weights.astype(int))
    expected = np.unique(repeated[find_reference(repeated, np.ones(len(repeated)))])
    assert raws[find_reference(raws, weights)].tolist() == expected.tolist()


def test_loans_of_one_score_are_all_the_reference():
    assert find_reference(np.zeros(30), np.ones(30)).all()


def test_the_reports_contributions_are_interventional_against_its_reference():
    assert BASIS.interventional.definition == "interventional"
    assert BASIS.reference_counts.sum() == REPORT.reasons.reference.loans * TRAINING.bundle.tables.tree_count
    sums = BASIS.interventional.expected_log_odds + BASIS.contributions.sum(axis=1)
    assert np.abs(sums - BASIS.explained_raws).max() < 1e-8


def test_a_large_book_is_sampled_by_a_seeded_draw():
    rows = np.arange(1_000)
    drawn = draw_rows(rows, 100)
    assert len(drawn) == len(set(drawn.tolist())) == 100
    assert drawn.tolist() == sorted(drawn.tolist()) == draw_rows(rows, 100).tolist()
    assert draw_rows(rows, COMPARED_MAX) is rows


def test_rows_are_ranked_as_decisions_rank_them():
    contributions = np.random.default_rng(1).normal(size=(20, 5))
    means = np.array([0.1, 0.0, -0.1, 0.2, 0.0])
    families = ["x", "y", "x", "z", "y"]
    ranks = rank_all(contributions, means, families)
    assert ranks == [rank_adverse(row.tolist(), means.tolist(), families) for row in contributions]


def test_disagreement_is_what_one_counts():
    ours = [(0, 1), (0, 1), (2,), ()]
    theirs = [(0, 1), (1, 0), (3, 2), ()]
    told = compare_reasons(ours, theirs, names=NAMES, weights=np.ones(4), is_from_reference=True)
    assert told.principal_differs.value == 0.5
    assert told.four_differ.value == 0.25
    assert told.four_shared_mean == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    assert [(trade.path_dependent, trade.interventional, trade.loans) for trade in told.trades] == [
        ("b", "a", 1),
        ("d", "c", 1),
    ]
    assert {share.name for share in told.shares} == {"a", "b", "c", "d", NO_REASON}
    assert sum(share.interventional for share in told.shares) == pytest.approx(1.0)


def test_disagreement_goes_by_weight():
    told = compare_reasons(
        [(0,), (1,)], [(0,), (2,)], names=NAMES, weights=np.array([3.0, 1.0]), is_from_reference=False
    )
    assert told.principal_differs.value == pytest.approx(0.25)


def test_equal_definitions_never_disagree():
    ranks = [(0, 1), (2,)]
    told = compare_reasons(ranks, ranks, names=NAMES, weights=np.ones(2), is_from_reference=True)
    assert told.principal_differs.value == told.four_differ.value == 0.0
    assert told.four_shared_mean == 1.0
    assert told.trades == ()


def test_a_tiny_change_keeps_nearly_all_principal_reasons():
    nudges = REPORT.reasons.nudges
    assert [nudge.amount for nudge in nudges] == list(NUDGES)
    assert nudges[0].principal_same.value > 0.98
    assert nudges[0].score_change <= nudges[-1].score_change


def test_values_far_from_every_border_keep_score_and_reasons():
    matrix = SET.matrix[:50].copy()
    matrix[:] = np.array([1e9, 1e9, 1e6, np.nan, 2, np.nan, 1e6], dtype=np.float32)
    counts = leaf_counts(BASIS.path_dependent, SET.matrix)
    model = compile_model(TRAINING.bundle.tables, counts)
    for nudge in measure_nudges(model, matrix, SET.columns.is_category, FAMILIES, np.ones(50)):
        assert nudge.principal_same.value == nudge.four_same.value == 1.0
        assert nudge.score_change == 0.0


def test_a_value_at_a_border_is_found_out():
    """A nudge moves values on a border to either side, so scores move."""
    tables = TRAINING.bundle.tables
    feature = int(np.bincount(tables.split_features).argmax())
    border = tables.borders[tables.border_offsets[feature]]
    matrix = np.ascontiguousarray(np.repeat(SET.matrix[:1], 400, axis=0))
    matrix[:, feature] = border
    (first, *_) = measure_nudges(BASIS.interventional, matrix, SET.columns.is_category, FAMILIES, np.ones(400))
    nudged = matrix.copy()
    nudged[:, feature] = np.nextafter(border, np.float32(np.inf))
    before, after = (explain_rows(BASIS.interventional, one)[0][0] for one in (matrix, nudged))
    assert first.score_change == pytest.approx(abs(after - before))
