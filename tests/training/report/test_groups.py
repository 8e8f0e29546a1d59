import numpy as np
import pytest

from instant_credit.training.intervals import measure_auc
from instant_credit.training.report.groups import (
    GROUPS_MAX,
    MISSING,
    OTHERS,
    Scored,
    describe_group,
    list_segments,
    list_vintages,
)
from instant_credit.training.report.vintages import Vintages


def _scored(loans=1_200, seed=0, weights=None):
    chance = np.random.default_rng(seed)
    pds = chance.beta(2, 6, loans)
    return Scored(
        pds=pds,
        scorecard_pds=np.clip(pds + chance.normal(0, 0.1, loans), 0.01, 0.99),
        labels=(chance.random(loans) < pds).astype(np.int8),
        weights=weights,
    )


def test_a_group_tells_its_own_loans():
    scored = _scored()
    mask = np.arange(1_200) < 500
    group = describe_group("first", scored, mask)
    assert (group.loans, group.bads) == (500, scored.labels[:500].sum())
    assert group.share == pytest.approx(500 / 1_200)
    assert group.auc == measure_auc(scored.pds[:500], scored.labels[:500])
    assert group.scorecard_auc == measure_auc(scored.scorecard_pds[:500], scored.labels[:500])


def test_a_small_group_has_counts_and_no_auc():
    group = describe_group("few", _scored(), np.arange(1_200) < 12)
    assert group.loans == 12
    assert group.auc is None
    assert group.scorecard_auc is None


def test_a_mean_pd_outside_the_interval_of_the_bad_rate_is_marked():
    scored = _scored()
    every = np.ones(1_200, dtype=np.bool_)
    assert not describe_group("all", scored, every).is_off
    higher = Scored(pds=scored.pds * 0.5, scorecard_pds=scored.pds, labels=scored.labels, weights=None)
    assert describe_group("all", higher, every).is_off


def test_shares_of_a_sampled_book_are_by_weight():
    weights = np.where(np.arange(1_200) < 600, 0.5, 1.5)
    group = describe_group("first", _scored(weights=weights), np.arange(1_200) < 600)
    assert (group.loans, group.share) == (600, pytest.approx(0.25))


def test_vintages_hold_every_loan_in_order_of_time():
    codes = np.sort(np.random.default_rng(1).integers(0, 3, 1_200))
    groups = list_vintages(_scored(), Vintages(codes=codes, names=("2020", "2021", "2022")))
    assert [group.name for group in groups] == ["2020", "2021", "2022"]
    assert sum(group.loans for group in groups) == 1_200


def test_many_categories_are_told_by_size_and_the_rest_together():
    chance = np.random.default_rng(2)
    names = [f"c{i}" for i in range(30)]
    codes = np.minimum(chance.geometric(0.12, 1_200) - 1, 29)
    codes[:40] = -1
    segments = list_segments(_scored(), names, codes, variable="c", has_calibration=False)
    told = [group.name for group in segments.groups]
    assert len(told) == GROUPS_MAX + 1
    assert told[-2:] == [OTHERS, MISSING]
    sizes = [group.loans for group in segments.groups[:-2]]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(group.loans for group in segments.groups) == 1_200


def test_one_category_divides_nothing():
    assert (
        list_segments(_scored(), ["a", "b"], np.zeros(1_200, dtype=np.int64), variable="c", has_calibration=False)
        is None
    )
