"""Kernels against their slow twins. This file also runs without compilation and with bounds checked (tests/house/test_modes.py)."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.score.attribution import kernels
from instant_credit.score.calibration import Calibration, estimate_pds
from instant_credit.score.engine_1 import compile_engine_1, explain_engine_1
from instant_credit.score.model import (
    compile_model,
    explain_row,
    explain_rows,
    leaf_counts,
    mean_contributions,
    rank_rows,
    score_rows,
)
from instant_credit.score.reasons import rank_adverse
from instant_credit.score.trees import TreeTables
from tests.budget import examples
from tests.naive.trees import (
    naive_count_leaves,
    naive_estimate_pds,
    naive_expected_log_odds,
    naive_explain_against_reference,
    naive_explain_row,
    naive_explain_rows,
    naive_fix_records,
    naive_rank_rows,
    naive_score_rows,
    naive_total_contributions,
    naive_value_coalitions,
)
from tests.score.forests import Forest, draw_rows, forests, grow_tables

FORESTS = examples(60)
SMALL_FORESTS = examples(25)

# Eighths add without rounding, so that equal sums are really equal.
EIGHTHS = st.integers(-16, 16).map(lambda i: i / 8)


@FORESTS
@given(forests())
def test_scores_have_the_bits_of_the_twin(forest: Forest) -> None:
    tables, matrix = forest
    assert score_rows(compile_model(tables), matrix).tolist() == naive_score_rows(tables, matrix)


@FORESTS
@given(forests(rows_max=150))
def test_a_row_has_the_same_bits_alone_and_among_many(forest: Forest) -> None:
    tables, matrix = forest
    model = compile_model(tables)
    raw_scores, contributions = explain_rows(model, matrix)
    assert raw_scores.tobytes() == score_rows(model, matrix).tobytes()
    ranked = rank_rows(model, contributions)
    for i in range(0, len(matrix), 7):
        few, given_few = explain_rows(model, matrix[i : i + 1])
        assert few.tobytes() == raw_scores[i : i + 1].tobytes() == score_rows(model, matrix[i : i + 1]).tobytes()
        alone = explain_row(model, matrix[i])
        assert alone.raw == raw_scores[i]
        assert alone.contributions.tobytes() == contributions[i].tobytes() == given_few.tobytes()
        assert alone.adverse == ranked[i]


@SMALL_FORESTS
@given(forests(rows_max=2, depth_max=4), st.integers(1, 4))
def test_a_row_alone_is_the_twins(forest: Forest, count: int) -> None:
    tables, matrix = forest
    families = [str(f % count) for f in range(tables.feature_count)]
    model = compile_model(tables, families=families)
    for row in matrix:
        alone = explain_row(model, row)
        raw, contributions, _ = naive_explain_row(tables, row.tolist(), families)
        assert alone.raw == raw
        np.testing.assert_allclose(alone.contributions, contributions, rtol=0, atol=1e-11)
        assert alone.adverse == naive_rank_rows([alone.contributions.tolist()], families)[0]


@examples(100)
@given(
    st.integers(1, 12).flatmap(lambda m: st.tuples(st.just(m), st.lists(EIGHTHS, min_size=m, max_size=m))), st.data()
)
def test_ranks_are_the_twins_where_sums_tie(row: tuple[int, list[float]], data: st.DataObject) -> None:
    m, contributions = row
    families = data.draw(st.lists(st.sampled_from("abcdef"), min_size=m, max_size=m))
    model = compile_model(grow_tables(np.random.default_rng(m), m, 1, 1), families=families)
    ranked = rank_rows(model, np.array([contributions, contributions]))
    assert ranked == naive_rank_rows([contributions] * 2, families)
    assert ranked[0] == rank_adverse(contributions, [0.0] * m, families)


@SMALL_FORESTS
@given(forests(rows_max=2, depth_max=5))
def test_contributions_are_the_shapley_values_of_the_stated_game(forest: Forest) -> None:
    tables, matrix = forest
    model = compile_model(tables)
    _, expected = naive_explain_rows(tables, matrix)
    np.testing.assert_allclose(explain_rows(model, matrix)[1], np.reshape(expected, matrix.shape), rtol=0, atol=1e-11)
    assert abs(model.expected_log_odds - naive_expected_log_odds(tables)) < 1e-11


def test_contributions_of_the_deepest_tree_are_the_shapley_values_of_the_stated_game() -> None:
    rng = np.random.default_rng(8)
    tables = grow_tables(rng, 9, 1, 0)
    deep = TreeTables(
        is_category=tables.is_category,
        nan_is_above=tables.nan_is_above,
        border_offsets=tables.border_offsets,
        borders=tables.borders,
        depths=np.array([8], dtype=np.int32),
        split_features=np.array([4, 0, 1, 2, 3, 5, 7, 8], dtype=np.int32),
        split_borders=np.zeros(8, dtype=np.int32),
        leaf_values=rng.normal(size=256),
        leaf_weights=rng.integers(0, 4, size=256).astype(np.float64),
    )
    matrix = draw_rows(rng, deep, 1)
    _, expected = naive_explain_rows(deep, matrix)
    np.testing.assert_allclose(explain_rows(compile_model(deep), matrix)[1], expected, rtol=0, atol=1e-11)


@FORESTS
@given(forests())
def test_contributions_and_base_add_up_to_the_score(forest: Forest) -> None:
    tables, matrix = forest
    model = compile_model(tables)
    raw_scores, contributions = explain_rows(model, matrix)
    np.testing.assert_allclose(model.expected_log_odds + contributions.sum(axis=1), raw_scores, rtol=0, atol=1e-10)


@SMALL_FORESTS
@given(forests(rows_max=1, depth_max=4), st.integers(0, 15))
def test_coalitions_are_worth_what_the_twin_says(forest: Forest, bits: int) -> None:
    tables, matrix = forest
    depth = int(tables.depths[0])
    features = list(dict.fromkeys(tables.split_features[:depth].tolist()))
    slots = np.array([features.index(f) for f in tables.split_features[:depth]], dtype=np.int32)
    coalition = bits & ((1 << len(features)) - 1)
    known = frozenset(f for s, f in enumerate(features) if coalition >> s & 1)
    coalitions = np.zeros((1 << len(features), 1 << depth))
    size = 1 << depth
    kernels.value_coalitions(slots, depth, tables.leaf_values[:size], tables.leaf_weights[:size], coalitions)
    for row in matrix.tolist():
        leaf = int(np.argmax(naive_count_leaves(tables, np.array([row], dtype=np.float32))[:size]))
        assert abs(coalitions[coalition, leaf] - naive_value_coalitions(tables, 0, row, known)) < 1e-12


@FORESTS
@given(forests(rows_max=80))
def test_leaf_counts_are_the_twins(forest: Forest) -> None:
    tables, matrix = forest
    assert leaf_counts(compile_model(tables), matrix).tolist() == naive_count_leaves(tables, matrix)


@SMALL_FORESTS
@given(forests(rows_max=4, depth_max=3))
def test_mean_contributions_are_the_twins(forest: Forest) -> None:
    tables, matrix = forest
    if len(matrix) == 0:
        return
    model = compile_model(tables)
    means = mean_contributions(model, leaf_counts(model, matrix))
    expected = np.array(naive_total_contributions(tables, matrix)) / len(matrix)
    np.testing.assert_allclose(means, expected, rtol=0, atol=1e-11)


@FORESTS
@given(forests(rows_max=80))
def test_leaf_counts_alone_give_the_mean_contributions(forest: Forest) -> None:
    tables, matrix = forest
    model = compile_model(tables)
    if len(matrix) == 0:
        return
    means = mean_contributions(model, leaf_counts(model, matrix))
    np.testing.assert_allclose(means, explain_rows(model, matrix)[1].mean(axis=0), rtol=0, atol=1e-11)


@examples(200)
@given(
    st.lists(st.floats(-1e3, 1e3), max_size=30),
    st.floats(0.01, 10.0),
    st.floats(-20.0, 20.0),
)
def test_probabilities_are_the_twins_and_the_same_bytes_alone(raw: list[float], slope: float, intercept: float) -> None:
    calibration = Calibration(slope=slope, intercept=intercept)
    pds = estimate_pds(calibration, np.array(raw))
    np.testing.assert_allclose(pds, naive_estimate_pds(raw, slope, intercept), rtol=1e-12, atol=1e-300)
    assert [estimate_pds(calibration, np.array([r]))[0] for r in raw] == pds.tolist()


@SMALL_FORESTS
@given(forests(rows_max=4, depth_max=3), st.integers(0, 2**32 - 1))
def test_against_a_reference_contributions_are_the_brute_force_definition(forest: Forest, seed: int) -> None:
    tables, matrix = forest
    reference = draw_rows(np.random.default_rng(seed), tables, 5)
    model = compile_model(tables, leaf_counts(compile_model(tables), reference))
    _, contributions = explain_rows(model, matrix)
    for row, given_row in zip(matrix.tolist(), contributions, strict=True):
        expected, brute_force = naive_explain_against_reference(tables, row, reference)
        np.testing.assert_allclose(given_row, brute_force, rtol=0, atol=1e-11)
        assert abs(model.expected_log_odds - expected) < 1e-11


@FORESTS
@given(forests(rows_max=60), st.integers(0, 2**32 - 1))
def test_against_a_reference_contributions_and_base_add_up_to_the_score(forest: Forest, seed: int) -> None:
    tables, matrix = forest
    reference = draw_rows(np.random.default_rng(seed), tables, 7)
    model = compile_model(tables, leaf_counts(compile_model(tables), reference))
    raw_scores, contributions = explain_rows(model, matrix)
    np.testing.assert_allclose(model.expected_log_odds + contributions.sum(axis=1), raw_scores, rtol=0, atol=1e-10)
    assert abs(model.expected_log_odds - score_rows(model, reference).mean()) < 1e-10
    assert np.abs(explain_rows(model, reference)[1].mean(axis=0)).max() < 1e-10


@FORESTS
@given(forests(rows_max=20))
def test_engine_1_and_the_present_one_differ_by_rounding_alone(forest: Forest) -> None:
    tables, matrix = forest
    old, new = compile_engine_1(tables), compile_model(tables)
    raw_scores, contributions = explain_engine_1(old, matrix)
    assert raw_scores.tobytes() == score_rows(new, matrix).tobytes()
    np.testing.assert_allclose(contributions, explain_rows(new, matrix)[1], rtol=0, atol=1e-11)
    assert old.expected_log_odds == new.expected_log_odds


@examples(200)
@given(st.lists(st.floats(-8.0, 8.0) | st.just(0.0), min_size=1, max_size=8))
def test_whole_units_add_up_to_the_rounded_sum_and_nothing_stays_nothing(entries: list[float]) -> None:
    records = np.array([[[0.0, *entries]]])
    fixed = np.zeros((1, 1, len(entries)), dtype=np.int64)
    kernels.fix_records(records, 2.0**44, fixed)
    units = fixed[0, 0].tolist()
    assert units == naive_fix_records(entries, 2.0**44)
    assert abs(sum(units) - sum(entries) * 2.0**44) <= 0.51
    assert all(unit == 0 for unit, entry in zip(units, entries, strict=True) if entry == 0.0)
