import msgspec
import numpy as np
import pytest

from instant_credit.application.product import Direction
from instant_credit.training.dataset import Loans, ModelColumns
from instant_credit.training.fitting import choice
from instant_credit.training.fitting.choice import choose_parameters, list_presets
from tests.training.loans import invent_set


def invent_loans(loans: int, strength: float, seed: int = 1) -> Loans:
    """Risk by products of variables, so that shallow trees miss most of it, next to variables of no use."""
    chance = np.random.default_rng(seed)
    matrix = chance.normal(size=(loans, 8)).astype(np.float32)
    risk = -1.0 + strength * np.sign(matrix[:, 0] * matrix[:, 1] * matrix[:, 2] * matrix[:, 3] * matrix[:, 4])
    risk = risk if strength else -1.0 + 0.3 * matrix[:, 0]
    names = tuple(f"v{j}" for j in range(8))
    return Loans(
        columns=ModelColumns(names=names, directions=(Direction.FREE,) * 8, categories=((),) * 8),
        matrix=matrix,
        labels=(chance.random(loans) < 1 / (1 + np.exp(-risk))).astype(np.int8),
        days=np.zeros(loans, dtype=np.int32),
        persons=np.arange(loans, dtype=np.int64),
        weights=np.ones(loans),
    )


def test_deep_trees_are_chosen_where_variables_work_together():
    found = choose_parameters(invent_loans(3_000, 3.0), by_date=False)
    assert found.preset == "plain"
    aucs = {one.preset: one.auc for one in found.tried}
    assert aucs["plain"] > aucs["steady"] + 0.01
    assert found.parameters == list_presets(3_000, 2)["plain"]


def test_steady_trees_are_chosen_where_little_can_be_learned_every_time():
    loans = invent_loans(3_000, 0.0)
    found = choose_parameters(loans, by_date=False)
    assert found.preset == "steady"
    assert choose_parameters(loans, by_date=False) == found


def test_too_few_loans_try_nothing():
    found = choose_parameters(invent_set(30), by_date=False)
    assert (found.preset, found.tried) == ("steady", ())


def test_more_loans_learn_faster():
    few, many = (list_presets(loans, 1)["plain"].learning_rate for loans in (1_000, 100_000))
    # What catboost 1.2.10 takes for 1000 trees.
    assert (few, many) == pytest.approx((0.010302, 0.07361), rel=0.001)


def test_codes_in_order_of_risk_are_offered_where_a_category_has_many():
    chance = np.random.default_rng(2)
    loans = invent_loans(1_000, 0.0)
    codes = chance.integers(0, 120, 1_000)
    effects = chance.normal(0, 2, 120)
    risk = -1.0 + effects[codes] * np.sign(loans.matrix[:, 1])
    names = tuple(f"c{code}" for code in range(120))
    columns = msgspec.structs.replace(loans.columns, categories=(names, *loans.columns.categories[1:]))
    matrix = loans.matrix.copy()
    matrix[:, 0] = codes
    labels = (chance.random(1_000) < 1 / (1 + np.exp(-risk))).astype(np.int8)
    many = msgspec.structs.replace(loans, matrix=matrix, labels=labels, columns=columns)
    found = choose_parameters(many, by_date=False)
    assert {one.preset for one in found.tried} == {"steady", "plain", "ordered"}
    assert set(list_presets(4_000, 2, loans.columns)) == {"steady", "plain"}
    assert list_presets(4_000, 2, columns)["ordered"].ordered_from == choice.ORDERED_FROM
