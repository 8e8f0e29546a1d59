"""CatBoost's export to tree tables: what is read, what is refused."""

import copy
from functools import cache
from typing import Any

import catboost
import numpy as np
import pytest
from numpy.typing import NDArray

from instant_credit.canonical import hash_content
from instant_credit.errors import Refused
from instant_credit.score.bundle import encode_bundle
from instant_credit.score.model import compile_model, explain_rows, score_rows
from instant_credit.score.proof import prove_bundle
from instant_credit.score.trees import ARRAY_NAMES
from instant_credit.training.fitting.compile import compile_catboost, export_model, hash_category
from tests.score.test_bundle import bundle_of

VARIABLES = ["income", "purpose", "utilisation", "home", "constant"]
COUNTS = [0, 11, 0, 3, 0]


def draw(seed: int, n: int = 1_500) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n, 5)).astype(np.float32)
    matrix[:, 1] = rng.integers(-1, 11, size=n)
    matrix[:, 3] = rng.integers(-1, 3, size=n)
    matrix[:, 4] = 7.0
    matrix[rng.random(n) < 0.1, 2] = np.nan
    log_odds = matrix[:, 0] + (matrix[:, 1] == 10) * 2 - (matrix[:, 3] == -1) * 2 + np.nan_to_num(matrix[:, 2])
    return matrix, (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(np.int64)


def pool_of(matrix: NDArray[np.float32], labels: NDArray[np.int64] | None = None) -> catboost.Pool:
    rows = [[str(int(v)) if COUNTS[i] else v for i, v in enumerate(row)] for row in matrix.tolist()]
    return catboost.Pool(rows, labels, cat_features=[1, 3], feature_names=VARIABLES)


def fit(**parameters: Any) -> catboost.CatBoostClassifier:
    said = {"iterations": 30, "depth": 4, "one_hot_max_size": 255, "random_seed": 1, **parameters}
    model = catboost.CatBoostClassifier(thread_count=2, verbose=False, allow_writing_files=False, **said)
    return model.fit(pool_of(*draw(1)))


@cache
def fitted() -> catboost.CatBoostClassifier:
    return fit()


@cache
def _export() -> Any:
    return export_model(fitted())


def export() -> Any:
    return copy.deepcopy(_export())


def test_columns_keep_their_places_whatever_their_kinds() -> None:
    tables = compile_catboost(fitted(), VARIABLES, COUNTS)
    matrix, _ = draw(2)
    oracle = fitted().predict(pool_of(matrix), prediction_type="RawFormulaVal")
    assert tables.is_category.tolist() == [False, True, False, True, False]
    assert {1, 3} <= set(tables.split_features.tolist())
    assert np.array_equal(score_rows(compile_model(tables), matrix), oracle)
    shap = fitted().get_feature_importance(pool_of(matrix[:200]), type="ShapValues")
    np.testing.assert_allclose(explain_rows(compile_model(tables), matrix[:200])[1], shap[:, :-1], rtol=0, atol=1e-8)


def test_codes_beyond_the_training_rows_score_as_catboost_scores_them() -> None:
    matrix, _ = draw(3)
    matrix[:, 1] = np.arange(len(matrix)) % 120 - 1
    oracle = fitted().predict(pool_of(matrix), prediction_type="RawFormulaVal")
    assert np.array_equal(score_rows(compile_model(compile_catboost(fitted(), VARIABLES, COUNTS)), matrix), oracle)


def test_two_equal_trainings_give_one_bundle_hash() -> None:
    hashes = {
        hash_content(
            encode_bundle(prove_bundle(bundle_of(compile_catboost(model, VARIABLES, COUNTS), categories=names())))
        )
        for model in (fit(), fit())
    }
    assert len(hashes) == 1


def names() -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(f"c{i}" for i in range(count)) for count in COUNTS)


def test_a_model_and_its_export_compile_to_the_same_tables() -> None:
    ours, theirs = compile_catboost(fitted(), VARIABLES, COUNTS), compile_catboost(export(), VARIABLES, COUNTS)
    assert all(np.array_equal(getattr(ours, name), getattr(theirs, name)) for name in ARRAY_NAMES)


@pytest.mark.parametrize("treatment", ["Min", "Max", "Forbidden"])
def test_every_treatment_of_missing_numbers_is_kept(treatment: str) -> None:
    rng = np.random.default_rng(5)
    numbers = rng.normal(size=(2_000, 3)).astype(np.float32)
    if treatment != "Forbidden":
        numbers[rng.random(2_000) < 0.2, 1] = np.nan
    labels = (np.nan_to_num(numbers[:, 1], nan=1.5) + numbers[:, 0] + rng.normal(size=2_000) > 1).astype(np.int64)
    model = catboost.CatBoostClassifier(
        iterations=40, depth=3, nan_mode=treatment, thread_count=2, verbose=False, allow_writing_files=False
    ).fit(numbers, labels)
    tables = compile_catboost(model, ["0", "1", "2"], [0, 0, 0])
    assert tables.nan_is_above.tolist() == [False, treatment == "Max", False]
    seen_missing_later = numbers.copy()
    seen_missing_later[rng.random(numbers.shape) < 0.2] = np.nan
    for rows in (numbers, seen_missing_later):
        oracle = model.predict(rows, prediction_type="RawFormulaVal")
        assert np.array_equal(score_rows(compile_model(tables), rows), oracle)


def test_trees_of_different_depths_share_one_model() -> None:
    first, second = fit(iterations=5, depth=2), fit(iterations=5, depth=6, random_seed=2)
    both = catboost.sum_models([first, second], weights=[1.0, 0.5])
    tables = compile_catboost(both, VARIABLES, COUNTS)
    matrix, _ = draw(4)
    assert set(tables.depths.tolist()) == {2, 6}
    assert np.array_equal(
        score_rows(compile_model(tables), matrix), both.predict(pool_of(matrix), prediction_type="RawFormulaVal")
    )


@pytest.mark.parametrize("code", [-1, 0, 7, 42, 249])
def test_category_hashes_are_catboosts(code: int) -> None:
    texts = np.array([[str(code)], ["999"]] * 20, dtype=object)
    model = catboost.CatBoostClassifier(
        iterations=1, depth=1, one_hot_max_size=255, cat_features=[0], verbose=False, allow_writing_files=False
    ).fit(texts, [0, 1] * 20)
    values = export_model(model)["features_info"]["categorical_features"][0]["values"]
    assert set(values) <= {hash_category(str(code)), hash_category("999")}
    assert values


@pytest.mark.parametrize("text", ["", "1000"])
def test_category_hashes_stop_at_three_characters(text: str) -> None:
    with pytest.raises(Refused, match="1 to 3 characters"):
        hash_category(text)


def test_the_hashes_of_all_codes_differ() -> None:
    assert len({hash_category(str(code)) for code in range(-1, 250)}) == 251


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"one_hot_max_size": 2}, "target statistics"),
        ({"grow_policy": "Depthwise"}, "not symmetric"),
        ({"grow_policy": "Lossguide"}, "not symmetric"),
        ({"depth": 9, "iterations": 2}, "9 deep"),
    ],
)
def test_models_that_tables_cannot_hold_are_refused(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        compile_catboost(fit(**parameters), VARIABLES, COUNTS)


def test_models_for_more_than_two_classes_are_refused() -> None:
    matrix, labels = draw(1)
    labels[::3] = 2
    model = catboost.CatBoostClassifier(
        iterations=3, depth=2, one_hot_max_size=255, verbose=False, allow_writing_files=False
    )
    with pytest.raises(Refused, match="MultiClass"):
        compile_catboost(model.fit(pool_of(matrix, labels)), VARIABLES, COUNTS)


def test_regressions_are_refused() -> None:
    model = catboost.CatBoostRegressor(
        iterations=3, depth=2, one_hot_max_size=255, verbose=False, allow_writing_files=False
    )
    with pytest.raises(Refused, match="RMSE"):
        compile_catboost(model.fit(pool_of(*draw(1))), VARIABLES, COUNTS)


def test_text_features_are_refused() -> None:
    model = catboost.CatBoostClassifier(iterations=3, depth=2, verbose=False, allow_writing_files=False)
    words = [[f"car loan {i % 5}", float(i % 7)] for i in range(200)]
    model.fit(catboost.Pool(words, [i % 2 for i in range(200)], text_features=[0]))
    with pytest.raises(Refused, match="text features"):
        compile_catboost(model, ["title", "number"], [0, 0])


def test_a_model_that_was_never_fitted_is_refused() -> None:
    with pytest.raises(Refused, match="cannot export"):
        compile_catboost(catboost.CatBoostClassifier(), VARIABLES, COUNTS)


def test_categories_that_are_no_codes_are_refused() -> None:
    texts = np.array([["car"], ["home"], ["other"]] * 30, dtype=object)
    model = catboost.CatBoostClassifier(
        iterations=3, depth=2, one_hot_max_size=255, cat_features=[0], verbose=False, allow_writing_files=False
    ).fit(texts, [0, 1, 0] * 30)
    with pytest.raises(Refused, match="text of their code"):
        compile_catboost(model, ["0"], [3])


@pytest.mark.parametrize(
    ("variables", "counts", "words"),
    [
        (VARIABLES[:4], COUNTS[:4], "beyond the 4 variables"),
        (VARIABLES, COUNTS[:4], "one entry per column"),
        (["wealth", *VARIABLES[1:]], COUNTS, "column 0 is income, expected wealth"),
        (VARIABLES, [4, *COUNTS[1:]], "income is a number for CatBoost and a category"),
        (VARIABLES, [0, 0, 0, 3, 0], "purpose is a category for CatBoost and a number"),
        (VARIABLES, [0, 251, 0, 3, 0], "purpose has more than 250 categories"),
        (VARIABLES, [0, 2, 0, 3, 0], "text of their code"),
    ],
)
def test_other_columns_than_the_catalogues_are_refused(variables: list[str], counts: list[int], words: str) -> None:
    with pytest.raises(Refused, match=words):
        compile_catboost(export(), variables, counts)


def without(part: str) -> Any:
    found = export()
    del found[part]
    return found


def changed(part: str, value: Any) -> Any:
    return {**export(), part: value}


def split_changed(**fields: Any) -> Any:
    found = export()
    found["oblivious_trees"][0]["splits"][0] = fields
    return found


def tree_changed(**fields: Any) -> Any:
    found = export()
    found["oblivious_trees"][0].update(fields)
    return found


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (dict, "features_info is missing"),
        (lambda: without("scale_and_bias"), "scale_and_bias is missing"),
        (lambda: without("oblivious_trees"), "oblivious_trees is missing"),
        (lambda: changed("oblivious_trees", []), "no trees"),
        (lambda: changed("scale_and_bias", [1, [0, 0, 0]]), "more than one output"),
        (lambda: tree_changed(leaf_values=[1.0] * 32), "more than one value a leaf"),
        (lambda: tree_changed(leaf_weights=[]), "no leaf weights"),
        (lambda: split_changed(split_type="OnlineCtr", border=1.0), "OnlineCtr is not supported"),
        (lambda: split_changed(split_type="FloatFeature", border=1e9, float_feature_index=0), "does not list"),
    ],
)
def test_exports_that_do_not_fit_together_are_refused(make: Any, words: str) -> None:
    with pytest.raises(Refused, match=words):
        compile_catboost(make(), VARIABLES, COUNTS)


def test_an_export_without_a_bias_has_none() -> None:
    assert compile_catboost(changed("scale_and_bias", [1, []]), VARIABLES, COUNTS).bias == 0.0
