import msgspec
import numpy as np
import pytest

from instant_credit.training.dataset import Loans
from instant_credit.training.fitting.choice import choose_parameters
from instant_credit.training.fitting.inner import LOANS_MAX, divide_inner, measure_inner
from instant_credit.training.fitting.selection import SelectOptions, select_variables
from instant_credit.training.plans import deal_folds
from tests.budget import IS_PROVING
from tests.training.fitting.searching import SET
from tests.training.loans import QUICK, invent_set


def test_by_date_a_later_fifth_is_tested_and_days_stay_together():
    inner = divide_inner(SET, by_date=True)
    assert len(inner.tests) == 2
    for fit_rows, test_rows in inner.tests:
        assert SET.days[fit_rows].max() < SET.days[test_rows].min()
        assert len(test_rows) == pytest.approx(SET.loans / 5, abs=10)
        assert fit_rows[0] == 0
    assert inner.tests[-1][1][-1] == SET.loans - 1
    assert "by date" in inner.told


def test_otherwise_no_person_is_on_both_sides():
    persons = np.arange(SET.loans, dtype=np.int64) // 3
    shared = msgspec.structs.replace(SET, persons=persons)
    inner = divide_inner(shared, by_date=False)
    assert len(inner.tests) == 5
    assert all(not set(persons[fit]) & set(persons[test]) for fit, test in inner.tests)
    assert sorted(np.concatenate([test for _, test in inner.tests])) == list(range(SET.loans))


def test_a_fifth_with_too_few_bad_loans_makes_folds_of_it():
    labels = SET.labels.copy()
    labels[-SET.loans // 5 :] = 0
    inner = divide_inner(msgspec.structs.replace(SET, labels=labels), by_date=True)
    assert "folds" in inner.told


def test_of_too_few_loans_there_is_no_inner_test():
    assert divide_inner(invent_set(60), by_date=True) is None


def test_of_many_loans_persons_are_drawn():
    n = LOANS_MAX + 5_000
    chance = np.random.default_rng(0)
    many = Loans(
        columns=SET.columns,
        matrix=np.zeros((n, 7), dtype=np.float32),
        labels=(chance.random(n) < 0.2).astype(np.int8),
        days=np.sort(chance.integers(0, 1_000, n)).astype(np.int32),
        persons=np.arange(n, dtype=np.int64) // 2,
        weights=np.ones(n),
    )
    inner = divide_inner(many, by_date=False)
    assert inner.loans.loans == pytest.approx(LOANS_MAX, rel=0.03)
    assert (np.bincount(inner.loans.persons)[np.unique(inner.loans.persons)] == 2).all()
    assert len(inner.tests) == 3


def test_a_trials_value_is_the_mean_auc_of_loans_not_fitted_on():
    inner = divide_inner(SET, by_date=True)
    assert 0.55 < measure_inner(inner, QUICK) < 0.8
    shuffled = msgspec.structs.replace(SET, labels=np.random.default_rng(0).permutation(SET.labels))
    assert abs(measure_inner(divide_inner(shuffled, by_date=True), QUICK) - 0.5) < 0.06


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("folds", [2, 3, 4, 5, 10])
def test_inner_folds_within_a_fold_are_as_even_as_any(folds, shift):
    persons = np.arange(1_200, dtype=np.int64) + shift
    outer = deal_folds(persons, folds)
    for fold in range(folds):
        kept = persons[outer != fold]
        for purpose in ("calibration", "inner", "halves"):
            for count in (2, 3, 5):
                sizes = np.bincount(deal_folds(kept, count, purpose), minlength=count)
                assert sizes.max() - sizes.min() <= 1


def test_folds_follow_from_who_is_the_same_person_alone():
    persons = np.random.default_rng(3).integers(0, 500, 2_000)
    _, numbered = np.unique(persons, return_inverse=True)
    assert (deal_folds(persons * 7 + 4, 4) == deal_folds(numbered, 4)).all()


@pytest.mark.long
@pytest.mark.prove
@pytest.mark.parametrize("folds", [2, 4, 5])
def test_every_fold_of_a_small_book_can_choose_and_select(folds):
    """In the suite the last fold alone: all are as even, as the test above says."""
    loans = invent_set(1_000)
    outer = deal_folds(loans.persons, folds)
    for fold in range(folds) if IS_PROVING else (folds - 1,):
        part = loans.take(np.flatnonzero(outer != fold))
        assert len(choose_parameters(part, by_date=False, threads=1).tried) == 2
        assert select_variables(part, SelectOptions(), 1).kept


def test_a_book_tested_by_date_chooses_by_date():
    """What told later loans apart did not tell earlier ones."""
    loans = invent_set(1_000)
    by_date, by_folds = (choose_parameters(loans, by_date=told, threads=1) for told in (True, False))
    assert [one.auc for one in by_date.tried] != [one.auc for one in by_folds.tried]
