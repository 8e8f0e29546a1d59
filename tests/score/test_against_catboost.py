"""CatBoost as the oracle: 100,000 rows and three sizes of models, missing and on-the-border values included."""

import math
from functools import cache

import catboost
import numpy as np
import pytest
from numpy.typing import NDArray

from instant_credit.score.model import (
    CompiledModel,
    compile_model,
    explain_row,
    explain_rows,
    leaf_counts,
    rank_rows,
    score_rows,
)
from instant_credit.score.trees import TreeTables
from instant_credit.training.fitting.compile import compile_catboost
from tests.naive.trees import naive_expected_log_odds, naive_explain_rows

ROWS = 100_000
TRAINING_ROWS = 8_000
NUMBERS = 24
CATEGORIES = (3, 4, 6, 8, 12)
DIRECTIONS = [1, -1, 1, 0, -1, 1] + [0] * (NUMBERS - 6)

Matrix = NDArray[np.float32]


def draw_numbers(rng: np.random.Generator, n: int) -> Matrix:
    numbers = rng.normal(size=(n, NUMBERS)).astype(np.float32)
    numbers[:, 5] = np.round(numbers[:, 5] * 3)
    numbers[:, ::3][rng.random((n, len(range(0, NUMBERS, 3)))) < 0.05] = np.nan
    return numbers


def draw_codes(rng: np.random.Generator, n: int) -> Matrix:
    return np.stack([rng.integers(-1, count, size=n) for count in CATEGORIES], axis=1).astype(np.float32)


def labels_of(rng: np.random.Generator, numbers: Matrix, codes: Matrix) -> NDArray[np.int64]:
    known = np.nan_to_num(numbers)
    log_odds = known[:, 0] - known[:, 1] + known[:, 2] * known[:, 3] + 0.5 * known[:, 5] - 2.5
    log_odds += (codes[:, 0] == 1) - 1.5 * (codes[:, 3] == 5) + known[:, 7] * (codes[:, 4] > 6)
    return (rng.random(len(known)) < 1 / (1 + np.exp(-log_odds))).astype(np.int64)


def features_of(numbers: Matrix, codes: Matrix | None) -> catboost.FeaturesData:
    texts = None if codes is None else codes.astype(np.int64).astype("S").astype(object)
    return catboost.FeaturesData(num_feature_data=numbers, cat_feature_data=texts)


@cache
def fit(name: str) -> tuple[catboost.CatBoostClassifier, TreeTables]:
    rng = np.random.default_rng(11)
    numbers, codes = draw_numbers(rng, TRAINING_ROWS), draw_codes(rng, TRAINING_ROWS)
    more: dict[str, object] = {
        "1000 trees": {"iterations": 1000},
        "missing above": {"nan_mode": "Max"},
        "monotone": {"monotone_constraints": DIRECTIONS, "iterations": 150},
        "shallow monotone": {"monotone_constraints": DIRECTIONS, "iterations": 40, "depth": 4},
    }.get(name, {})
    parameters = {"iterations": 300, "depth": 6, "one_hot_max_size": 255, "random_seed": 5, **more}
    model = catboost.CatBoostClassifier(thread_count=2, verbose=False, allow_writing_files=False, **parameters)
    seen = codes if name == "categories" else None
    model.fit(catboost.Pool(features_of(numbers, seen), labels_of(rng, numbers, codes)))
    counts = [0] * NUMBERS + (list(CATEGORIES) if seen is not None else [])
    if name == "scaled":
        model.set_scale_and_bias(0.37, -1.3)
    return model, compile_catboost(model, [str(i) for i in range(len(counts))], counts)


@cache
def compiled(name: str, simd: bool | None = None) -> CompiledModel:
    return compile_model(fit(name)[1], simd=simd)


@cache
def predicted(name: str) -> NDArray[np.float64]:
    """CatBoost's own raw scores of the rows held out."""
    found = fit(name)[0].predict(held_out(name)[1], prediction_type="RawFormulaVal", thread_count=2)
    return np.asarray(found, dtype=np.float64)


@cache
def held_out(name: str) -> tuple[Matrix, catboost.Pool]:
    """Rows beyond the training ones; one number in ten stands exactly on a border of the model."""
    tables = fit(name)[1]
    rng = np.random.default_rng(12)
    numbers, codes = draw_numbers(rng, ROWS), draw_codes(rng, ROWS)
    for f in range(NUMBERS):
        borders = tables.borders[tables.border_offsets[f] : tables.border_offsets[f + 1]]
        on_border = rng.random(ROWS) < 0.1
        if len(borders):
            numbers[on_border, f] = rng.choice(borders, size=on_border.sum())
    if name != "categories":
        return numbers, catboost.Pool(features_of(numbers, None))
    return np.hstack([numbers, codes]), catboost.Pool(features_of(numbers, codes))


@pytest.mark.parametrize("name", ["300 trees", "1000 trees", "categories", "missing above", "monotone", "scaled"])
@pytest.mark.parametrize("simd", [None, False])
def test_raw_scores_are_bit_equal_to_catboosts(name: str, simd: bool | None) -> None:
    matrix, _ = held_out(name)
    model = compiled(name, simd)
    oracle = predicted(name)
    raw_scores, _ = explain_rows(model, matrix)
    assert np.isnan(matrix).any()
    assert np.array_equal(raw_scores, oracle)
    assert np.array_equal(score_rows(model, matrix), oracle)
    assert [explain_row(model, row).raw for row in matrix[:2_000]] == oracle[:2_000].tolist()
    assert np.array_equal(explain_rows(model, matrix[:5])[0], oracle[:5])


@pytest.mark.parametrize("name", ["300 trees", "1000 trees", "categories", "missing above"])
def test_attributions_are_catboosts_shap_values(name: str) -> None:
    matrix, pool = held_out(name)
    rows = np.arange(600)
    assert not has_valued_empty_leaves(fit(name)[1])
    oracle = fit(name)[0].get_feature_importance(pool.slice(rows), type="ShapValues", thread_count=2)
    contributions = explain_rows(compiled(name), matrix[rows])[1]
    np.testing.assert_allclose(contributions, oracle[:, :-1], rtol=0, atol=1e-8)
    assert abs(compiled(name).expected_log_odds - oracle[0, -1]) < 1e-8


@pytest.mark.parametrize("name", ["300 trees", "1000 trees", "categories", "missing above", "monotone", "scaled"])
@pytest.mark.long
def test_attributions_add_up_on_every_row(name: str) -> None:
    matrix, _ = held_out(name)
    raw_scores, contributions = explain_rows(compiled(name), matrix)
    assert np.abs(compiled(name).expected_log_odds + contributions.sum(axis=1) - raw_scores).max() < 1e-8


@pytest.mark.parametrize("name", ["300 trees", "categories"])
def test_one_row_and_many_have_the_same_bytes_on_every_path(name: str) -> None:
    matrix = held_out(name)[0][:2_000]
    counts = leaf_counts(compiled(name), held_out(name)[0][50_000:60_000])
    wide, portable = (compile_model(fit(name)[1], counts, simd=simd) for simd in (None, False))
    raw_scores, contributions = explain_rows(wide, matrix)
    others = explain_rows(portable, matrix)
    assert others[0].tobytes() == raw_scores.tobytes()
    assert others[1].tobytes() == contributions.tobytes()
    for model in (wide, portable):
        singles = [explain_row(model, row) for row in matrix]
        assert [one.raw for one in singles] == raw_scores.tolist()
        assert b"".join(one.contributions.tobytes() for one in singles) == contributions.tobytes()
        assert [one.adverse for one in singles] == rank_rows(model, contributions)


@pytest.mark.parametrize("name", ["1000 trees", "categories", "missing above", "monotone", "scaled"])
def test_against_a_reference_attributions_add_up_and_its_own_mean_is_nothing(name: str) -> None:
    matrix, _ = held_out(name)
    reference = matrix[50_000:60_000]
    model = compile_model(fit(name)[1], leaf_counts(compiled(name), reference))
    raw_scores, contributions = explain_rows(model, matrix)
    assert np.abs(model.expected_log_odds + contributions.sum(axis=1) - raw_scores).max() < 1e-8
    assert np.abs(contributions[50_000:60_000].mean(axis=0)).max() < 1e-9
    assert abs(model.expected_log_odds - math.fsum(raw_scores[50_000:60_000]) / 10_000) < 1e-9


def test_monotone_models_follow_the_stated_definition() -> None:
    tables = fit("shallow monotone")[1]
    matrix = held_out("shallow monotone")[0][:12]
    assert has_valued_empty_leaves(tables)
    np.testing.assert_allclose(
        explain_rows(compiled("shallow monotone"), matrix)[1], naive_explain_rows(tables, matrix)[1], rtol=0, atol=1e-8
    )
    assert abs(compiled("shallow monotone").expected_log_odds - naive_expected_log_odds(tables)) < 1e-8


def test_monotone_models_differ_from_catboost_only_by_its_rule_for_empty_leaves() -> None:
    """CatBoost adds the shown pool's leaf counts to the weights and takes leaves that stay empty for 0."""
    model, tables = fit("monotone")
    matrix, pool = held_out("monotone")
    rows = np.arange(500)
    assert has_valued_empty_leaves(tables)
    weights = tables.leaf_weights + leaf_counts(compiled("monotone"), matrix[rows])
    fields = {name: getattr(tables, name) for name in tables.__struct_fields__}
    fields |= {"leaf_weights": weights, "leaf_values": np.where(weights > 0, tables.leaf_values, 0.0)}
    oracle = model.get_feature_importance(pool.slice(rows), type="ShapValues", thread_count=2)
    contributions = explain_rows(compile_model(TreeTables(**fields)), matrix[rows])[1]
    np.testing.assert_allclose(contributions, oracle[:, :-1], rtol=0, atol=1e-8)


def has_valued_empty_leaves(tables: TreeTables) -> bool:
    return bool(np.any((tables.leaf_weights == 0) & (tables.leaf_values != 0)))


def test_moving_along_a_direction_never_moves_the_score_against_it() -> None:
    matrix = held_out("monotone")[0][:3_000]
    before = score_rows(compiled("monotone"), matrix)
    for f, direction in enumerate(DIRECTIONS):
        if direction:
            moved = matrix.copy()
            moved[:, f] += np.float32(0.7)
            is_known = ~np.isnan(matrix[:, f])
            change = (score_rows(compiled("monotone"), moved) - before)[is_known] * direction
            assert change.min() >= -1e-12
