"""The package shap as the oracle: its `TreeExplainer` on CatBoost models, path-dependent."""

import warnings

import catboost
import numpy as np
import pytest

from instant_credit.score.model import compile_model, explain_rows
from instant_credit.training.fitting.compile import compile_catboost
from tests.score.test_against_catboost import (
    NUMBERS,
    TRAINING_ROWS,
    compiled,
    draw_codes,
    draw_numbers,
    features_of,
    fit,
    has_valued_empty_leaves,
    held_out,
    labels_of,
)

with warnings.catch_warnings():
    # Importing shap prepares its plots with a function that matplotlib will drop.
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    import shap

ROWS = np.arange(400)


@pytest.mark.parametrize("name", ["300 trees", "categories", "missing above"])
def test_attributions_are_those_of_shaps_tree_explainer(name: str) -> None:
    model, tables = fit(name)
    matrix, pool = held_out(name)
    assert not has_valued_empty_leaves(tables)
    explainer = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
    oracle = explainer.shap_values(pool.slice(ROWS))
    np.testing.assert_allclose(explain_rows(compiled(name), matrix[ROWS])[1], oracle, rtol=0, atol=1e-8)
    assert abs(compiled(name).expected_log_odds - explainer.expected_value) < 1e-8


def test_attributions_are_those_of_shaps_own_walk_through_the_trees() -> None:
    """By default shap hands a CatBoost model to CatBoost; its own algorithm wants every leaf covered, so borders are one a number."""
    rng = np.random.default_rng(11)
    numbers, codes = draw_numbers(rng, TRAINING_ROWS), draw_codes(rng, TRAINING_ROWS)
    model = catboost.CatBoostClassifier(
        iterations=150, depth=6, border_count=1, random_seed=5, thread_count=2, verbose=False, allow_writing_files=False
    )
    model.fit(catboost.Pool(features_of(np.nan_to_num(numbers), None), labels_of(rng, numbers, codes)))
    tables = compile_catboost(model, [str(i) for i in range(NUMBERS)], [0] * NUMBERS)
    assert (tables.leaf_weights > 0).all()
    matrix = held_out("300 trees")[0][ROWS]
    assert np.isnan(matrix).any()
    explainer = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
    explainer.model.model_type = "internal"
    oracle = explainer.shap_values(matrix.astype(np.float64), check_additivity=False)
    np.testing.assert_allclose(explain_rows(compile_model(tables), matrix)[1], oracle, rtol=0, atol=1e-8)
    assert abs(compile_model(tables).expected_log_odds - float(explainer.expected_value[0])) < 1e-8
