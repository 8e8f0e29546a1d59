"""The package shap as the oracle: its `TreeExplainer`, path-dependent and against a reference."""

import warnings

import catboost
import numpy as np
import pytest

from instant_credit.score.model import compile_model, explain_rows, leaf_counts
from instant_credit.score.trees import TreeTables
from instant_credit.training.fitting.compile import compile_catboost
from tests.naive.trees import naive_leaves, naive_splits
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


def as_nodes(tables: TreeTables, tree: int) -> dict[str, np.ndarray]:
    """One symmetric tree as shap takes trees: nodes in order of depth, the root first; left is no."""
    splits = naive_splits(tables, tree)[::-1]
    values, weights = naive_leaves(tables, tree)
    depth = len(splits)
    inner = (1 << depth) - 1
    node = np.arange(inner)
    level = np.floor(np.log2(node + 1)).astype(int)
    features, borders = (np.array(column)[level] for column in zip(*splits, strict=True))
    leaves = np.full(1 << depth, -1)
    left, right = 2 * node + 1, 2 * node + 2
    is_above = tables.nan_is_above[features.astype(int)]
    nothing = np.zeros(inner)
    return {
        "children_left": np.append(left, leaves),
        "children_right": np.append(right, leaves),
        "children_default": np.append(np.where(is_above, right, left), leaves),
        "features": np.append(features.astype(int), leaves),
        "thresholds": np.append(borders.astype(float), nothing[:1].repeat(1 << depth)),
        "values": np.append(nothing, values)[:, None] * tables.scale,
        "node_sample_weight": np.append(nothing, weights) + 1.0,
    }


@pytest.mark.parametrize("name", ["300 trees", "missing above", "monotone"])
def test_against_a_reference_attributions_are_those_of_shaps_interventional_explainer(name: str) -> None:
    tables = fit(name)[1]
    matrix = held_out(name)[0]
    reference, rows = matrix[1_000:1_060], matrix[:40]
    assert np.isnan(rows).any()
    assert np.isnan(reference).any()
    explainer = shap.TreeExplainer(
        {"trees": [as_nodes(tables, tree) for tree in range(tables.tree_count)]},
        data=reference.astype(np.float64),
        feature_perturbation="interventional",
    )
    oracle = explainer.shap_values(rows.astype(np.float64), check_additivity=False)
    model = compile_model(tables, leaf_counts(compile_model(tables), reference))
    raw_scores, contributions = explain_rows(model, rows)
    # shap weighs coalitions in float32 here; the brute-force twin in float64 is the finer oracle (test_kernels.py).
    np.testing.assert_allclose(contributions, oracle, rtol=0, atol=1e-6)
    assert abs(model.expected_log_odds - tables.bias - float(np.ravel(explainer.expected_value)[0])) < 1e-8
    np.testing.assert_allclose(model.expected_log_odds + contributions.sum(axis=1), raw_scores, rtol=0, atol=1e-8)
