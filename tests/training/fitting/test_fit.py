import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.application.product import Direction
from instant_credit.errors import Refused
from instant_credit.score.trees import TreeTables
from instant_credit.training.dataset import ModelColumns
from instant_credit.training.fitting import fit as fitting
from instant_credit.training.fitting.fit import SIGNS, fit_model, order_codes, place_missing
from instant_credit.training.intervals import measure_auc
from tests.training.loans import COLUMNS, QUICK, invent_matrix

MATRIX, LABELS = invent_matrix(3_000)
MODEL = fit_model(MATRIX, LABELS, COLUMNS, QUICK)
AMOUNT, INCOME, INQUIRIES, DEFAULT_AGE, USE, LIENS, TERM = range(7)
DIRECTED = [j for j, direction in enumerate(COLUMNS.directions) if direction is not Direction.FREE]


def tables_bytes(tables: TreeTables) -> list[bytes]:
    return [np.asarray(getattr(tables, name)).tobytes() for name in tables.__struct_fields__]


@given(st.sampled_from(DIRECTED), st.integers(0, len(MATRIX) - 1), st.floats(0, 1), st.floats(0, 1))
def test_a_score_moves_only_in_the_catalogues_direction(j, row, one, other):
    values = np.unique(MATRIX[~np.isnan(MATRIX[:, j]), j]) if j != LIENS else np.arange(5, dtype=np.float32)
    low, high = sorted((one, other))
    rows = np.repeat(MATRIX[row : row + 1], 2, axis=0)
    rows[:, j] = values[int(low * (len(values) - 1))], values[int(high * (len(values) - 1))]
    scores = MODEL.score(rows)
    assert SIGNS[COLUMNS.directions[j]] * (scores[1] - scores[0]) >= 0


def test_two_fits_give_the_same_tables():
    again = fit_model(MATRIX.copy(), LABELS.copy(), COLUMNS, QUICK)
    assert tables_bytes(again.tables) == tables_bytes(MODEL.tables)


def test_another_seed_is_part_of_the_parameters():
    other = fit_model(MATRIX, LABELS, COLUMNS, msgspec.structs.replace(QUICK, seed=7))
    assert tables_bytes(other.tables) != tables_bytes(MODEL.tables)


def test_a_watched_fit_tells_each_tree_and_gives_the_same_tables():
    told = []
    watched = fit_model(MATRIX, LABELS, COLUMNS, QUICK, watch=lambda done, trees: told.append((done, trees)))
    assert told == [(done, QUICK.iterations) for done in range(1, QUICK.iterations + 1)]
    assert tables_bytes(watched.tables) == tables_bytes(MODEL.tables)


def test_the_score_ranks_loans():
    scores = MODEL.score(MATRIX)
    assert scores[LABELS == 1].mean() > scores[LABELS == 0].mean() + 0.2


def test_a_missing_value_stands_at_the_riskier_end_unless_such_loans_are_clearly_safer():
    is_above = place_missing(MATRIX, LABELS, COLUMNS)
    assert is_above[INQUIRIES]  # more inquiries are riskier, and loans without the number went bad more often
    assert is_above[DEFAULT_AGE]  # an older default is safer, and loans without one went bad less often
    assert is_above[LIENS]  # never told: nothing speaks for it being safe
    assert not is_above[USE]


def test_a_few_lucky_loans_do_not_make_missing_safe():
    matrix, labels = MATRIX.copy(), LABELS.copy()
    matrix[:, INQUIRIES] = np.where(np.isnan(matrix[:, INQUIRIES]), 0, matrix[:, INQUIRIES])
    lucky = np.flatnonzero(labels == 0)[:5]
    matrix[lucky, INQUIRIES] = np.nan
    assert place_missing(matrix, labels, COLUMNS)[INQUIRIES]


@pytest.mark.parametrize("j", [AMOUNT, INCOME, INQUIRIES, LIENS, TERM])
def test_leaving_out_what_most_loans_had_is_never_an_advantage(j):
    rows = MATRIX[:200].copy()
    rows[:, j] = np.nan
    missing = MODEL.score(rows)
    for value in np.quantile(MATRIX[~np.isnan(MATRIX[:, j]), j], [0, 0.3, 0.7, 1]) if j != LIENS else [0, 3]:
        rows[:, j] = value
        assert (MODEL.score(rows) <= missing).all()


def test_a_category_never_seen_is_scored():
    rows = MATRIX[:3].copy()
    rows[:, USE] = -1
    assert np.isfinite(MODEL.score(rows)).all()


@pytest.mark.parametrize("label", [0, 1])
def test_one_kind_of_loans_is_refused(label):
    with pytest.raises(Refused, match="good and bad"):
        fit_model(MATRIX, np.full(len(LABELS), label, dtype=np.int8), COLUMNS, QUICK)


def test_tables_that_score_otherwise_than_catboost_are_thrown_away(monkeypatch):
    compiled = fitting.compile_catboost

    def bend(*arguments):
        tables = compiled(*arguments)
        return msgspec.structs.replace(tables, bias=tables.bias + 1e-9)

    monkeypatch.setattr(fitting, "compile_catboost", bend)
    with pytest.raises(Exception, match="do not score as CatBoost does"):
        fit_model(MATRIX, LABELS, COLUMNS, QUICK)


def test_borders_at_both_ends_of_float32_meet_without_overflow():
    chance = np.random.default_rng(2)
    labels = (chance.random(600) < 0.3).astype(np.int8)
    safe = np.where((chance.random(600) < 0.5) & (labels == 0), np.nan, chance.integers(0, 9, 600))
    risky = np.where((chance.random(600) < 0.5) & (labels == 1), np.nan, chance.integers(0, 9, 600))
    directions = (Direction.DECREASING, Direction.DECREASING)
    columns = ModelColumns(names=("safe", "risky"), directions=directions, categories=((), ()))
    matrix = np.ascontiguousarray(np.column_stack([safe, risky]).astype(np.float32))
    borders = fit_model(matrix, labels, columns, QUICK).tables.borders
    assert np.finfo(np.float32).max in borders
    assert -np.finfo(np.float32).max in borders


def test_only_kept_variables_are_split_on():
    kept = np.array([j in {AMOUNT, USE, LIENS} for j in range(len(COLUMNS.names))])
    tables = fit_model(MATRIX, LABELS, COLUMNS, QUICK, kept=kept).tables
    assert set(tables.split_features.tolist()) <= {AMOUNT, USE}
    assert tables.feature_count == len(COLUMNS.names)


def test_what_is_left_out_has_no_part_in_the_fit():
    kept = np.arange(len(COLUMNS.names)) != INCOME
    changed = MATRIX.copy()
    changed[:, INCOME] = changed[::-1, INCOME]
    first, second = (fit_model(matrix, LABELS, COLUMNS, QUICK, kept=kept).tables for matrix in (MATRIX, changed))
    assert first.leaf_values.tobytes() == second.leaf_values.tobytes()


def test_equal_weights_are_no_weights_whatever_they_are():
    weighted = fit_model(MATRIX, LABELS, COLUMNS, QUICK, weights=np.full(len(LABELS), 0.3))
    assert tables_bytes(weighted.tables) == tables_bytes(MODEL.tables)


def test_only_ratios_of_weights_count():
    weights = np.where(LABELS == 1, 1.0, 4.0)
    first, second = (fit_model(MATRIX, LABELS, COLUMNS, QUICK, weights=weights * times) for times in (1.0, 64.0))
    assert tables_bytes(first.tables) == tables_bytes(second.tables)
    assert tables_bytes(first.tables) != tables_bytes(MODEL.tables)


def test_weights_move_the_mean_score_to_the_weighted_bad_rate():
    weights = np.where(LABELS == 1, 1.0, 9.0)
    longer = msgspec.structs.replace(QUICK, iterations=200)
    scores = fit_model(MATRIX, LABELS, COLUMNS, longer, weights=weights).score(MATRIX)
    pds = 1 / (1 + np.exp(-scores))
    assert np.average(pds, weights=weights) == pytest.approx(np.average(LABELS, weights=weights), rel=0.1)
    assert pds.mean() < LABELS.mean() / 2


def test_missing_is_placed_by_weight():
    # By rows loans without a default's age went bad less often; weighed, the good ones among them hardly count.
    is_lucky = np.isnan(MATRIX[:, DEFAULT_AGE]) & (LABELS == 0)
    weights = np.where(is_lucky, 0.1, 1.0)
    assert place_missing(MATRIX, LABELS, COLUMNS)[DEFAULT_AGE]
    assert not place_missing(MATRIX, LABELS, COLUMNS, weights)[DEFAULT_AGE]


def invent_codes(loans: int = 4_000, codes: int = 30):
    """One category whose codes have risks of their own, some codes never seen, and a number."""
    chance = np.random.default_rng(6)
    column = chance.integers(-1, codes - 4, loans)
    risks = chance.uniform(0.05, 0.6, codes + 1)
    labels = (chance.random(loans) < risks[column + 1]).astype(np.int8)
    columns = ModelColumns(
        names=("branch", "size"),
        directions=(Direction.FREE, Direction.INCREASING),
        categories=(tuple(f"b{code}" for code in range(codes)), ()),
    )
    matrix = np.ascontiguousarray(np.column_stack([column, chance.normal(size=loans)]).astype(np.float32))
    return matrix, labels, columns


def test_codes_stand_in_order_of_their_bad_rates():
    matrix, labels, columns = invent_codes()
    ranks, nothing = order_codes(matrix, labels, columns, None, 10)
    assert nothing == ()
    assert sorted(ranks) == list(range(31))
    overall = labels.mean()
    drawn = []
    for code in range(-1, 30):
        told = labels[matrix[:, 0] == code]
        drawn.append((told.sum() + 20 * overall) / (len(told) + 20))
    assert [drawn[place] for place in np.argsort(ranks)] == sorted(drawn)
    assert order_codes(matrix, labels, columns, None, 31) == ()


def test_an_ordered_category_is_split_by_rank_and_scores_as_catboost_does():
    matrix, labels, columns = invent_codes()
    ordered = fit_model(matrix, labels, columns, msgspec.structs.replace(QUICK, ordered_from=10))
    assert ordered.tables.ordered == (0,)
    assert not ordered.tables.is_category.any()
    codes = np.zeros((31, 2), dtype=np.float32)
    codes[:, 0] = np.arange(-1, 30)
    by_rank = ordered.score(codes)[np.argsort(ordered.tables.code_ranks[0])]
    assert by_rank[-3:].mean() > by_rank[:3].mean() + 0.5
    assert measure_auc(ordered.score(matrix), labels).value > 0.6


def test_weights_order_codes_too():
    matrix, labels, columns = invent_codes()
    weights = np.random.default_rng(0).uniform(0.1, 5, len(labels))
    assert order_codes(matrix, labels, columns, weights, 10) != order_codes(matrix, labels, columns, None, 10)
