"""Loans as arrays: books that balance, defaults as often as the truth says, and one loan the same as many."""

from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
from msgspec.structs import replace

from instant_credit.errors import BrokenInvariant
from instant_credit.market.instalments import Offers, offer_as_asked
from instant_credit.market.loans import HORIZON_MONTHS_MAX, Loans, live_loans
from instant_credit.units import Ppm
from tests.market.borrowing import lend_to_all
from tests.market.lending import WORLD, draw_all

COUNT = 30_000
MONEY = [field.name for field in fields(Loans) if field.name.endswith("_cents")]


@pytest.mark.parametrize("months", [1, 3, 12, 40, HORIZON_MONTHS_MAX])
def test_the_books_of_every_loan_balance_to_the_cent(months: int) -> None:
    _, loans = lend_to_all(WORLD, COUNT, months)
    assert (loans.lent_cents == loans.repaid_cents + loans.written_off_cents + loans.outstanding_cents).all()
    assert (loans.paid_cents == loans.repaid_cents + loans.interest_cents).all()
    assert (loans.loss_cents == loans.written_off_cents - loans.recovered_cents).all()
    costs = loans.funding_cents + loans.origination_cents
    assert (loans.profit_cents == loans.interest_cents - loans.loss_cents - costs).all()
    # The lender's cash, from another side: what came in less what went out, and what is still owed.
    cash = loans.paid_cents + loans.recovered_cents - loans.lent_cents - costs
    assert (loans.profit_cents == cash + loans.outstanding_cents).all()
    for name in MONEY:
        assert (getattr(loans, name) >= 0).all(), name


def test_at_the_end_nothing_is_outstanding() -> None:
    _, loans = lend_to_all(WORLD, COUNT)
    assert not loans.outstanding_cents.any()
    assert ((loans.written_off_cents > 0) == (loans.default_months > 0)).all()


def test_who_was_not_lent_to_has_nothing_on_the_books() -> None:
    offers, loans = lend_to_all(WORLD, COUNT)
    for name in MONEY:
        assert not getattr(loans, name)[~loans.taken].any(), name
    assert (loans.default_months[~loans.taken] == -1).all()
    assert (loans.disbursed_days[~loans.taken] == -1).all()
    assert (loans.lent_cents[loans.taken] == offers.amounts[loans.taken]).all()
    assert not np.isnan(loans.pds).any()


def test_defaults_within_twelve_months_are_as_frequent_as_the_true_pd() -> None:
    _, loans = lend_to_all(WORLD, 4 * COUNT)
    in_year = (loans.default_months > 0) & (loans.default_months <= 12)
    tenths = np.quantile(loans.pds[loans.taken], np.linspace(0, 1, 11))
    for low, high in pairwise(tenths):
        among = loans.taken & (loans.pds >= low) & (loans.pds <= high)
        error = np.sqrt((loans.pds * (1 - loans.pds))[among].sum())
        assert abs(in_year[among].sum() - loans.pds[among].sum()) < 4 * error


def test_more_loans_default_after_the_year_ever_fewer_a_month() -> None:
    _, loans = lend_to_all(WORLD, 4 * COUNT)
    by_month = np.bincount(loans.default_months[loans.default_months > 0], minlength=61)
    assert not by_month[:4].any()
    assert by_month[4:13].min() > by_month[13:25].mean() > by_month[25:37].mean() > by_month[37:61].mean() > 0
    assert 0.2 < by_month[13:].sum() / by_month[4:13].sum() < WORLD.default_tail_share


def test_being_late_at_three_months_tells_of_default() -> None:
    _, loans = lend_to_all(WORLD, COUNT)
    late, in_year = (
        loans.late_at_3[loans.taken],
        (loans.default_months > 0)[loans.taken] & (loans.default_months <= 12)[loans.taken],
    )
    assert 0.03 < late.mean() < 0.10
    assert in_year[late].mean() > 3 * in_year.mean()
    # Who was silent from the first or second instalment on is late by then.
    assert loans.late_at_3[(loans.default_months == 4) | (loans.default_months == 5)].all()


def test_a_shorter_horizon_is_the_beginning_of_a_longer_one() -> None:
    _, loans = lend_to_all(WORLD, COUNT)
    _, early = lend_to_all(WORLD, COUNT, 12)
    assert (early.taken == loans.taken).all()
    assert (early.late_at_3 == loans.late_at_3).all()
    assert (early.default_months == np.where(loans.default_months <= 12, loans.default_months, -1)).all()
    for name in ("paid_cents", "interest_cents", "written_off_cents", "recovered_cents", "funding_cents"):
        assert (getattr(early, name) <= getattr(loans, name)).all(), name


def test_a_loan_is_the_same_whoever_else_is_lent_to() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    offers, loans = lend_to_all(WORLD, COUNT)
    approved = np.random.default_rng(3).random(COUNT) < 0.3
    some = live_loans(WORLD, applicants, truth, approved, offers)
    for field in fields(Loans):
        ours, theirs = getattr(some, field.name)[approved], getattr(loans, field.name)[approved]
        assert ours.tobytes() == theirs.tobytes(), field.name
    assert not some.taken[~approved].any()
    assert np.isnan(some.pds[~approved]).all()
    rows = np.array([20_000, 5, 77, 4_000])
    few = live_loans(WORLD, applicants.take(rows), truth.take(rows), np.ones(4, dtype=np.bool_), offers.take(rows))
    assert few.profit_cents.tolist() == loans.profit_cents[rows].tolist()


def test_what_is_not_approved_needs_no_terms() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    nothing = Offers(*(np.zeros(COUNT, dtype=np.int64) for _ in range(3)))
    loans = live_loans(WORLD, applicants, truth, np.zeros(COUNT, dtype=np.bool_), nothing)
    assert not loans.taken.any()
    assert not loans.lent_cents.any()


def test_a_higher_price_never_makes_a_loan_default_later() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    everybody = np.ones(COUNT, dtype=np.bool_)
    cheap, dear = (
        live_loans(WORLD, applicants, truth, everybody, offer_as_asked(applicants, Ppm(apr)), months=12)
        for apr in (80_000, 300_000)
    )
    both = cheap.taken & dear.taken
    defaulted = both & (cheap.default_months > 0)
    assert (dear.default_months[defaulted] > 0).all()
    assert (dear.default_months[defaulted] <= cheap.default_months[defaulted]).all()
    assert (dear.default_months[both] > 0).sum() > defaulted.sum()


def test_members_of_a_household_default_together() -> None:
    applicants, truth = draw_all(
        replace(WORLD, hidden_sd=2.0, household_share_of_hidden=1.0, household_share=1.0), 4 * COUNT
    )
    world = replace(WORLD, hidden_sd=2.0, household_share_of_hidden=1.0, household_share=1.0)
    everybody = np.ones(4 * COUNT, dtype=np.bool_)
    loans = live_loans(world, applicants, truth, everybody, offer_as_asked(applicants, Ppm(150_000)), months=12)
    second = np.flatnonzero((applicants.households != applicants.persons) & (applicants.persons == applicants.numbers))
    heads = applicants.households[second]
    both = loans.taken[second] & loans.taken[heads] & (applicants.persons[heads] == heads)
    bad = loans.default_months > 0
    assert np.corrcoef(bad[second[both]], bad[heads[both]])[0, 1] > 0.1


def test_wrong_lengths_and_months_are_refused() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    offers, everybody = offer_as_asked(applicants, Ppm(1)), np.ones(COUNT, dtype=np.bool_)
    with pytest.raises(BrokenInvariant, match="of the same length"):
        live_loans(WORLD, applicants, truth, everybody[1:], offers)
    for months in (0, HORIZON_MONTHS_MAX + 1):
        with pytest.raises(BrokenInvariant, match="months lie between 1 and 96"):
            live_loans(WORLD, applicants, truth, everybody, offers, months=months)
