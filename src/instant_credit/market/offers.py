"""Take-up: who accepts what is offered. Pure.

    log odds of taking = base - price - what is cut off the amount - how much cheaper another lender is

The other lender's price follows the true pd, of which it sees what this one does not. Whom it finds good it takes away: of two applicants with the
same facts, the riskier one accepts more often (adverse selection).

One uniform number an applicant is held against the chance. So the same applicant who takes an offer takes every cheaper one of the
same amount, and two arms that offer the same are taken by the same applicants.
"""

from typing import Final

import numpy as np

from instant_credit.errors import require
from instant_credit.market.applicants import CHUNK_ROWS, Applicants
from instant_credit.market.chances import LOGISTIC, NORMAL, Stream, draw_uniforms
from instant_credit.market.instalments import Offers
from instant_credit.market.truth import Truth
from instant_credit.market.world import Chances, Mask, World
from instant_credit.units import PPM

PRICE_STEP_PPM: Final = PPM / 10
CHEAPER_STEPS_MAX: Final = 2.0


def find_take_up(world: World, applicants: Applicants, truth: Truth, offers: Offers) -> Chances:
    """The chance that each applicant takes an offer, float64[n]; falls with the price, also against another lender's offer.

    Parameters
    ----------
    truth, offers : of the same applicants; everybody gets an offer.
    """
    return _weigh_offers(world, applicants, truth, offers)[0]


def take_up(world: World, applicants: Applicants, truth: Truth, offers: Offers) -> Mask:
    """Who takes an offer if it is made, bool[n]; arguments as in `find_take_up`."""
    chances, draws = _weigh_offers(world, applicants, truth, offers)
    return draws < chances


def _weigh_offers(world: World, applicants: Applicants, truth: Truth, offers: Offers) -> tuple[Chances, Chances]:
    """The chances, and the uniform numbers that they are held against."""
    count = len(applicants)
    require(count == len(truth) == len(offers), "applicants, truth and offers are of the same length")
    asked = applicants.columns["requested_amount_cents"]
    chances, draws = np.empty(count), np.empty(count)
    for start in range(0, count, CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        own = draw_uniforms(world, Stream.OFFER, applicants.numbers[rows])
        others = world.competitor_apr_ppm + world.competitor_pd_effect_ppm * truth.pds[rows]
        others = others + world.competitor_sd_ppm * NORMAL.read(own[2])
        cheaper = np.clip((offers.aprs[rows] - others) / PRICE_STEP_PPM, 0.0, CHEAPER_STEPS_MAX)
        cut = np.maximum(1.0 - offers.amounts[rows] / asked[rows], 0.0)
        odds = world.take_up_base - world.take_up_cut_effect * cut
        odds = odds - world.take_up_price_effect * ((offers.aprs[rows] - world.reference_apr_ppm) / PRICE_STEP_PPM)
        odds = odds - world.competitor_effect * cheaper * (own[1] < world.competitor_share)
        chances[rows], draws[rows] = LOGISTIC.read(odds), own[0]
    return chances, draws
