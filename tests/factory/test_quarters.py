"""A journey's figures against slow, obvious twins."""

from datetime import date
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from instant_credit.errors import BrokenInvariant
from instant_credit.factory.timemachine.clock import SimulatedClock
from instant_credit.factory.timemachine.quarters import keep_books, measure_last_year, measure_quarters
from instant_credit.factory.timemachine.route import name_quarter, quarter_of
from instant_credit.factory.timemachine.seen import Seen, Truth
from instant_credit.factory.timemachine.telling import describe_last_year
from instant_credit.training.gates.redeciding import Answers
from tests.budget import examples

COST_PPM = 80_000
QUARTERS = tuple(date(2010, month, 1) for month in (1, 4, 7, 10))


def answer(chance: Random, pds: list[float]) -> Answers:
    """Invented answers: four of five are offered something."""
    offered = [chance.random() < 0.8 for _ in pds]
    amounts = [chance.randint(50_000, 2_000_000) if one else 0 for one in offered]
    return Answers(
        is_offered=np.array(offered),
        pds=np.array(pds),
        amounts=np.array(amounts, dtype=np.float64),
        interests=np.array([amount * chance.random() * 0.4 for amount in amounts]),
        months=np.array([chance.choice((12, 36, 60)) if one else 0 for one in offered], dtype=np.float64),
    )


def invent(seed: int, per_quarter: int = 60, *, is_same: bool = False) -> Seen:
    """Applications of four quarters whose outcome the learning pd tells better than the frozen one."""
    chance = Random(seed)
    count = per_quarter * len(QUARTERS)
    risks = [chance.random() for _ in range(count)]
    labels = [-1 if chance.random() < 0.05 else int(chance.random() < 0.03 + 0.9 * risk**2) for risk in risks]
    pds = [float("nan") if chance.random() < 0.02 else 0.01 + 0.9 * risk for risk in risks]
    others = [0.01 + 0.9 * (0.5 * risk + 0.5 * chance.random()) for risk in risks]
    learning = answer(chance, pds)
    is_lost = [label == 1 or chance.random() < 0.02 for label in labels]
    scores = np.array([chance.random() for _ in range(30 + count)])
    return Seen(
        quarters=tuple(quarter for quarter in QUARTERS for _ in range(per_quarter)),
        releases=tuple("a" if place < per_quarter * 2 else "b" for place in range(count)),
        answers=learning,
        frozen=learning if is_same else answer(chance, others),
        frozen_from=QUARTERS[0],
        truth=Truth(
            labels=np.array(labels, dtype=np.int8),
            is_lost=np.array(is_lost),
            lost_shares=np.array([chance.random() if one else 0.0 for one in is_lost]),
        ),
        former=30,
        scores={"a": scores, "b": scores[::-1].copy()},
    )


def books_of(answers: Answers, seen: Seen, place: int) -> tuple[float, float]:
    """Loss and profit of one application, said again."""
    if not answers.is_offered[place]:
        return 0.0, 0.0
    amount = float(answers.amounts[place])
    loss = amount * float(seen.truth.lost_shares[place])
    earned = 0.0 if seen.truth.is_lost[place] else float(answers.interests[place])
    years = (float(answers.months[place]) + 1) / 24
    return loss, earned - loss - 0.08 * amount * years


@given(seed=st.integers(0, 2**32))
@examples(15)
def test_books_are_those_of_each_application_alone(seed: int) -> None:
    seen = invent(seed, 20)
    rows = np.arange(len(seen.quarters))
    books = keep_books(seen.answers, seen, rows, COST_PPM)
    told = [books_of(seen.answers, seen, place) for place in rows.tolist()]
    assert books.losses == pytest.approx([loss for loss, _ in told])
    assert books.profits == pytest.approx([profit for _, profit in told])


def test_a_quarter_tells_what_its_applications_tell() -> None:
    seen = invent(7)
    quarter = measure_quarters(seen, COST_PPM)[1]
    rows = range(60, 120)
    labels = seen.truth.labels
    told = [place for place in rows if labels[place] >= 0 and not np.isnan(seen.answers.pds[place])]
    assert (quarter.name, quarter.applications, quarter.releases) == ("2010-Q2", 60, ("a",))
    assert quarter.labelled == sum(1 for place in rows if labels[place] >= 0)
    assert quarter.learning.auc is not None
    assert quarter.learning.auc.value == pytest.approx(roc_auc_score(labels[told], seen.answers.pds[told]))
    rate = sum(int(labels[place]) for place in told) / len(told)
    assert quarter.learning.expected_to_observed == pytest.approx(float(np.mean(seen.answers.pds[told])) / rate)
    profits = [books_of(seen.answers, seen, place)[1] for place in rows]
    interval = stats.norm.interval(0.95, np.mean(profits), stats.sem(profits))
    told_profit = quarter.learning.profit_cents
    assert (told_profit.low, told_profit.high) == pytest.approx(interval)
    assert quarter.learning.profit_total_cents == round(sum(profits))


def test_differences_are_paired_and_the_last_year_is_their_mean() -> None:
    seen = invent(11, 200)
    quarters = measure_quarters(seen, COST_PPM)
    last = measure_last_year(seen, quarters, COST_PPM)
    assert last is not None
    assert last.quarters == ("2010-Q1", "2010-Q2", "2010-Q3", "2010-Q4")
    differences = [
        one.difference.auc for one in quarters if one.difference is not None and one.difference.auc is not None
    ]
    assert last.auc.value == pytest.approx(np.mean([one.value for one in differences]))
    assert last.auc.low > 0
    widest = max(one.high - one.low for one in differences)
    assert 0 < last.auc.high - last.auc.low < widest
    assert seen.frozen is not None
    gaps = [
        books_of(seen.answers, seen, place)[1] - books_of(seen.frozen, seen, place)[1]
        for place in range(len(seen.quarters))
    ]
    assert (last.profit_cents.low, last.profit_cents.high) == pytest.approx(
        stats.norm.interval(0.95, np.mean(gaps), stats.sem(gaps))
    )
    told = [
        place for place, label in enumerate(seen.truth.labels) if label >= 0 and not np.isnan(seen.answers.pds[place])
    ]
    squares = [
        (seen.answers.pds[place] - seen.truth.labels[place]) ** 2
        - (seen.frozen.pds[place] - seen.truth.labels[place]) ** 2
        for place in told
    ]
    assert last.brier.value == pytest.approx(np.mean(squares))


def test_a_model_is_not_ahead_of_itself() -> None:
    seen = invent(3, is_same=True)
    last = measure_last_year(seen, measure_quarters(seen, COST_PPM), COST_PPM)
    assert last is not None
    for one in (last.auc, last.brier, last.loss_cents, last.profit_cents):
        assert (one.value, one.low, one.high) == (0, 0, 0)


def test_quarters_before_the_frozen_model_are_not_compared() -> None:
    seen = invent(5)
    later = Seen(**{name: getattr(seen, name) for name in seen.__struct_fields__} | {"frozen_from": QUARTERS[2]})
    quarters = measure_quarters(later, COST_PPM)
    assert [one.difference is None for one in quarters] == [True, True, False, False]
    assert measure_last_year(later, quarters, COST_PPM) is None


def test_a_last_year_that_too_few_loans_tell_is_not_told_as_one_without_a_model() -> None:
    seen = invent(5, 4)
    last = measure_last_year(seen, measure_quarters(seen, COST_PPM), COST_PPM)
    assert last is None
    assert "or too few loans tell" in describe_last_year(last, "USD")


def test_quarters_have_names_and_first_days() -> None:
    assert [name_quarter(quarter_of(date(2011, month, 17))) for month in (1, 3, 4, 12)] == [
        "2011-Q1",
        "2011-Q1",
        "2011-Q2",
        "2011-Q4",
    ]


def test_simulated_time_goes_forward_only() -> None:
    clock = SimulatedClock(date(2010, 1, 2))
    clock.move_to(date(2010, 3, 1))
    assert clock.now().isoformat() == "2010-03-01T00:00:00+00:00"
    with pytest.raises(BrokenInvariant, match="forward"):
        clock.move_to(date(2010, 2, 1))
