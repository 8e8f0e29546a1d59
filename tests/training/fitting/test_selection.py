import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.application.product import Direction
from instant_credit.errors import Refused
from instant_credit.training.dataset import Loans, ModelColumns
from instant_credit.training.fitting import selection
from instant_credit.training.fitting.selection import SelectOptions, find_correlated, narrow, select_variables
from instant_credit.training.plans import ByFolds
from instant_credit.training.repeating import rebuild_training
from instant_credit.training.workshop import build_training
from tests.naive.selection import naive_find_correlated
from tests.training.loans import QUICK, invent_set

NAMES = ("risk", "twin", "noise", "moving", "constant", "rare", "kind")


def invent(seed: int = 0, loans: int = 4_000, dated: bool = True) -> Loans:
    """`risk` drives default, `twin` is nearly the same, `moving` drives it too and shifts over time, the others tell nothing."""
    draw = np.random.default_rng(seed)
    risk, moving = draw.normal(size=loans), draw.normal(size=loans)
    labels = (draw.random(loans) < 1 / (1 + np.exp(2.0 - risk - moving))).astype(np.int8)
    rare = np.full(loans, np.nan)
    rare[:2] = 1.0
    columns = [
        risk,
        risk + draw.normal(scale=0.01, size=loans),
        draw.normal(size=loans),
        moving + np.where(np.arange(loans) < loans // 2, 0.0, 2.0),
        np.ones(loans),
        rare,
        draw.integers(-1, 3, loans),
    ]
    return Loans(
        columns=ModelColumns(
            names=NAMES, directions=(Direction.FREE,) * len(NAMES), categories=((),) * 6 + (("a", "b", "c"),)
        ),
        matrix=np.ascontiguousarray(np.column_stack(columns), dtype=np.float32),
        labels=labels,
        days=np.arange(loans, dtype=np.int32) if dated else np.zeros(loans, dtype=np.int32),
        persons=np.arange(loans),
        weights=np.ones(loans),
    )


def test_each_step_drops_what_it_is_there_for_and_says_why():
    selection = select_variables(invent(), SelectOptions(importance_share=0.5))
    fallen = {one.name: one for one in selection.dropped}
    assert selection.kept in {("risk",), ("twin",)}
    assert fallen["constant"].step == fallen["rare"].step == "unusable"
    assert fallen["moving"].step == "unstable"
    assert fallen["moving"].measured > fallen["moving"].limit == 0.25
    twin = fallen["twin"] if "twin" in fallen else fallen["risk"]
    assert twin.step == "correlated"
    assert twin.rival == selection.kept[0]
    assert fallen["noise"].step == fallen["kind"].step == "unimportant"
    assert {*selection.kept, *fallen} == set(NAMES)


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.sampled_from([1, 2, 3, 64]), st.sampled_from([0.3, 0.6, 0.95]))
def test_what_is_kept_apart_is_what_the_twin_keeps_apart(seed, size, block, limit):
    draw = np.random.default_rng(seed)
    ranks = draw.normal(size=(3 * size, 2)) @ draw.normal(size=(2, 7)) + draw.normal(scale=0.3, size=(3 * size, 7))
    ranks -= ranks.mean(axis=1, keepdims=True)
    ranks /= np.linalg.norm(ranks, axis=1, keepdims=True)
    ranks[draw.random(len(ranks)) < 0.1] = 0.0
    expected = naive_find_correlated(ranks, limit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "_BLOCK", block)
        found = find_correlated(ranks.copy(), limit)
    assert [one[:2] for one in found] == [one[:2] for one in expected]
    assert [one[2] for one in found] == pytest.approx([one[2] for one in expected], abs=1e-12)


@pytest.mark.parametrize("share", [0.9985, 0.9995])
def test_a_value_is_too_common_by_weight(share):
    loans = invent()
    is_other = np.arange(loans.loans) % 40 == 0
    weights = np.where(is_other, (1.0 - share) / is_other.sum(), share / (~is_other).sum())
    matrix = loans.matrix.copy()
    matrix[:, NAMES.index("noise")] = is_other
    heavy = msgspec.structs.replace(loans, matrix=matrix, weights=weights)
    fallen = {one.name: one.step for one in select_variables(heavy, SelectOptions(psi_max=9.0)).dropped}
    assert (fallen.get("noise") == "unusable") is (share > 0.999)


def test_without_dates_a_shift_by_row_is_no_instability():
    selection = select_variables(invent(dated=False), SelectOptions())
    assert "moving" in selection.kept


def test_at_most_so_many_variables_are_kept_the_most_important_first():
    selection = select_variables(invent(dated=False), SelectOptions(most=1, correlation_max=1.0))
    assert len(selection.kept) == 1
    assert selection.kept[0] in {"risk", "twin", "moving"}


def test_selecting_is_a_function_of_its_loans_alone():
    assert select_variables(invent(), SelectOptions()) == select_variables(invent(), SelectOptions())


def test_weights_count_and_their_scale_does_not():
    loans = invent()
    scaled = Loans(**{**{f: getattr(loans, f) for f in loans.__struct_fields__}, "weights": loans.weights * 7.0})
    assert select_variables(loans, SelectOptions()) == select_variables(scaled, SelectOptions())


def test_when_nothing_is_left_the_refusal_counts_the_steps():
    loans = narrow(invent(), np.array([name in {"constant", "rare"} for name in NAMES]))
    with pytest.raises(Refused, match="leaves no variable \\(2 unusable\\)"):
        select_variables(loans, SelectOptions())


def test_narrowed_loans_hold_the_kept_columns_and_the_same_loans():
    loans = invent()
    mask = np.array([name in {"risk", "kind"} for name in NAMES])
    narrowed = narrow(loans, mask)
    assert narrowed.columns.names == ("risk", "kind")
    assert narrowed.columns.categories == ((), ("a", "b", "c"))
    assert np.array_equal(narrowed.matrix, loans.matrix[:, mask])
    assert narrowed.labels is loans.labels


def test_held_out_loans_have_no_part_in_a_fold_s_selection():
    training_set = invent_set()
    plan = ByFolds(folds=3)
    first = build_training(training_set, plan, QUICK, selecting=SelectOptions(most=3))
    held = first.test_rows[first.test_folds == 0]
    changed = training_set.matrix.copy()
    changed[held, 0] = 1e9
    loans = {field: getattr(training_set, field) for field in training_set.__struct_fields__}
    second = build_training(
        type(training_set)(**{**loans, "matrix": changed}), plan, QUICK, selecting=SelectOptions(most=3)
    )
    assert first.fold_selections[0] == second.fold_selections[0]
    assert len(first.fold_selections) == 3


def test_a_model_splits_on_selected_variables_only_and_keeps_every_column():
    training = build_training(invent_set(), ByFolds(folds=3), QUICK, selecting=SelectOptions(most=2))
    assert training.selection is not None
    names = training.training_set.columns.names
    asked = {names[j] for j in training.bundle.tables.split_features.tolist()}
    assert asked <= set(training.selection.kept)
    assert training.bundle.variables == names
    assert {one.name for one in training.scorecard.variables} <= set(training.selection.kept)


def test_a_training_with_a_selection_repeats_to_the_same_bundle():
    training_set = invent_set()
    training = build_training(training_set, ByFolds(folds=3), QUICK, selecting=SelectOptions(most=2))
    assert training.manifest.selection == training.selection
    assert rebuild_training(training_set, training.manifest).bundle_hash == training.bundle_hash
