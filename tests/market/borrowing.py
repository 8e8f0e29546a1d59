"""Loans for the market's tests: everything as asked, at one price for everybody."""

from functools import cache

import numpy as np

from instant_credit.market.instalments import Offers, offer_as_asked
from instant_credit.market.loans import HORIZON_MONTHS_MAX, Loans, live_loans
from instant_credit.market.world import World
from instant_credit.units import Ppm
from tests.market.lending import draw_all

PRICE = Ppm(150_000)


@cache
def lend_to_all(world: World, count: int, months: int = HORIZON_MONTHS_MAX) -> tuple[Offers, Loans]:
    applicants, truth = draw_all(world, count)
    offers = offer_as_asked(applicants, PRICE)
    everybody = np.ones(count, dtype=np.bool_)
    return offers, live_loans(world, applicants, truth, everybody, offers, months=months)
