"""Take-up falls with the price, and the risky ones take what the good ones leave."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.errors import BrokenInvariant
from instant_credit.market.instalments import Offers, offer_as_asked
from instant_credit.market.offers import find_take_up, take_up
from instant_credit.units import Ppm
from tests.budget import examples
from tests.market.lending import WORLD, draw_all

COUNT = 30_000


@examples(15)
@given(st.integers(0, 400_000), st.integers(0, 400_000))
def test_who_takes_an_offer_takes_a_cheaper_one(one: int, other: int) -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    cheap, dear = (offer_as_asked(applicants, Ppm(apr)) for apr in sorted((one, other)))
    assert (find_take_up(WORLD, applicants, truth, cheap) >= find_take_up(WORLD, applicants, truth, dear)).all()
    takes_cheap, takes_dear = (take_up(WORLD, applicants, truth, offers) for offers in (cheap, dear))
    assert (takes_cheap | ~takes_dear).all()


def test_take_up_is_as_frequent_as_its_chance() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    offers = offer_as_asked(applicants, Ppm(200_000))
    chances = find_take_up(WORLD, applicants, truth, offers)
    taken = take_up(WORLD, applicants, truth, offers)
    error = np.sqrt((chances * (1 - chances)).sum())
    assert abs(taken.sum() - chances.sum()) < 4 * error
    assert 0.5 < taken.mean() < 0.8


def test_a_price_that_rises_leaves_the_riskier_ones() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    risks = [
        np.average(truth.pds, weights=find_take_up(WORLD, applicants, truth, offer_as_asked(applicants, Ppm(apr))))
        for apr in (80_000, 150_000, 250_000)
    ]
    assert truth.pds.mean() < risks[1] < risks[2]
    assert risks[0] == pytest.approx(truth.pds.mean(), abs=0.005)


def test_of_two_with_the_same_facts_the_riskier_one_takes_more_often() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    chances = find_take_up(WORLD, applicants, truth, offer_as_asked(applicants, Ppm(200_000)))
    facts_alone = truth.log_odds - truth.hidden
    middle = np.abs(facts_alone - np.median(facts_alone)) < 0.3
    worse = truth.hidden > 0.5
    assert chances[middle & worse].mean() > chances[middle & (truth.hidden < -0.5)].mean() + 0.01


def test_another_lenders_offer_takes_applicants_away() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    offers = offer_as_asked(applicants, Ppm(200_000))
    alone = find_take_up(replace(WORLD, competitor_share=0.0), applicants, truth, offers)
    beside = find_take_up(WORLD, applicants, truth, offers)
    assert (beside <= alone).all()
    assert 0.3 < (beside < alone).mean() < WORLD.competitor_share


def test_less_than_was_asked_for_is_taken_less_often() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    asked = offer_as_asked(applicants, Ppm(150_000))
    half = Offers(asked.amounts // 2, asked.aprs, asked.terms)
    more = Offers(asked.amounts * 2, asked.aprs, asked.terms)
    whole = find_take_up(WORLD, applicants, truth, asked)
    assert (find_take_up(WORLD, applicants, truth, half) < whole).all()
    assert (find_take_up(WORLD, applicants, truth, more) == whole).all()


def test_one_applicant_takes_alone_what_he_takes_among_others() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    offers = offer_as_asked(applicants, Ppm(150_000))
    rows = np.array([29_000, 3, 700])
    some = take_up(WORLD, applicants.take(rows), truth.take(rows), offers.take(rows))
    assert some.tolist() == take_up(WORLD, applicants, truth, offers)[rows].tolist()


def test_arrays_of_different_lengths_are_refused() -> None:
    applicants, truth = draw_all(WORLD, COUNT)
    with pytest.raises(BrokenInvariant, match="of the same length"):
        take_up(WORLD, applicants, truth.take(slice(0, 3)), offer_as_asked(applicants, Ppm(1)))
