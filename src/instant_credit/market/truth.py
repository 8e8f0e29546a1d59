"""The truth about applicants, for judging only: no lender has it, and no Case may hold it. Pure.

    log odds of default = what the facts say + hidden number + season + drift

over the first twelve months of a loan as it was asked for, at the world's reference price. A dearer or a larger loan is riskier by itself
(`risk_of_terms`): that part is an effect and not a sign, so a lender can change it.

What the facts say is not one straight line: risk bends upwards where a credit line is nearly used up, and of short files the steady ones
are far better than others (`World.thin_file_bonus`), of which only a lender learns that lends to them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from instant_credit.errors import require
from instant_credit.market.applicants import CATEGORIES, CHUNK_ROWS, Applicants, Columns
from instant_credit.market.chances import LOGISTIC, NORMAL, Stream, draw_uniforms
from instant_credit.market.instalments import Offers, find_instalments, offer_as_asked
from instant_credit.market.world import YEAR_DAYS, Chances, Mask, World
from instant_credit.units import MONTHS_PER_YEAR, PPM, days_from_date

INCOME_MIDDLE_CENTS: Final = 5_800_000.0
THIN_FILE_YEARS: Final = 4.0
STEADY_YEARS: Final = 4
BASE: Final = -3.1
_PURPOSE_EFFECTS: Final = np.array(
    [
        {"small_business": 0.5, "renewable_energy": 0.3, "credit_card": -0.1, "car": -0.15, "wedding": -0.1}.get(p, 0.0)
        for p in CATEGORIES["purpose"]
    ]
)
_HOME_EFFECTS: Final = np.array([0.15, -0.1, 0.0, 0.2])


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is true of n applicants, declined ones too.

    Attributes
    ----------
    log_odds : float64[n], of default within twelve months, as asked and at the reference price.
    pds : float64[n], the same as probabilities.
    hidden : float64[n], the part of the log odds that no fact tells.
    """

    log_odds: Chances
    pds: Chances
    hidden: Chances

    def __len__(self) -> int:
        return len(self.pds)

    def take(self, rows: NDArray[np.intp] | Mask | slice) -> "Truth":
        """That of `rows`, by place, by mask or as a slice."""
        return Truth(log_odds=self.log_odds[rows], pds=self.pds[rows], hidden=self.hidden[rows])


def draw_truth(world: World, applicants: Applicants) -> Truth:
    """The truth about `applicants`."""
    hidden = np.empty(len(applicants))
    log_odds = np.empty(len(applicants))
    for start in range(0, len(applicants), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        part = applicants.take(rows)
        hidden[rows] = _draw_hidden(world, part)
        log_odds[rows] = _read_facts(world, part) + hidden[rows]
    return Truth(log_odds=log_odds, pds=LOGISTIC.read(log_odds), hidden=hidden)


def risk_of_terms(world: World, applicants: Applicants, truth: Truth, offers: Offers) -> Chances:
    """The true pd under terms that were offered, float64[n]; as asked and at the reference price it is `Truth.pds`.

    Parameters
    ----------
    truth, offers : of the same applicants.
    """
    require(len(applicants) == len(truth) == len(offers), "applicants, truth and offers are of the same length")
    asked = find_instalments(offer_as_asked(applicants, world.reference_apr_ppm))
    income = applicants.columns["income_annual_cents"] + applicants.columns["assistance_income_annual_cents"]
    burden = (find_instalments(offers) - asked) / (income / MONTHS_PER_YEAR)
    dearer = (offers.aprs - world.reference_apr_ppm) / (PPM / 10)
    return LOGISTIC.read(truth.log_odds + world.price_effect * dearer + world.burden_effect * burden)


def _draw_hidden(world: World, applicants: Applicants) -> Chances:
    """A part of the household's and a part of the person's own; the same whenever the person applies."""
    shared = NORMAL.read(draw_uniforms(world, Stream.HOUSEHOLD_HIDDEN, applicants.households)[0])
    own = NORMAL.read(draw_uniforms(world, Stream.PERSON_HIDDEN, applicants.persons)[0])
    share = world.household_share_of_hidden
    hidden: Chances = world.hidden_sd * (np.sqrt(share) * shared + np.sqrt(1.0 - share) * own)
    return hidden


def _read_facts(world: World, applicants: Applicants) -> Chances:
    """Log odds by the facts and the day."""
    facts = applicants.columns
    years = (applicants.applied_days - days_from_date(world.first_on)) / YEAR_DAYS
    file_years = (applicants.applied_days - facts["earliest_credit_on"]) / YEAR_DAYS
    inquiry = 0.16 + world.drift_inquiries_per_year * years
    is_steady_thin = (file_years < THIN_FILE_YEARS) & (facts["employment_years"] >= STEADY_YEARS)
    odds: Chances = BASE + world.risk_shift + world.drift_per_year * years + _season(world, applicants)
    odds = odds + inquiry * facts["inquiries_6m"] + _read_means(facts) + _read_record(facts)
    odds += np.where(file_years < THIN_FILE_YEARS, 0.6, -0.015 * np.minimum(file_years, 30.0))
    odds -= world.thin_file_bonus * is_steady_thin
    return odds


def _read_means(facts: Columns) -> Chances:
    """Income, work, home, and what the loan asked for would take of the income."""
    income = facts["income_annual_cents"] + facts["assistance_income_annual_cents"]
    monthly = facts["requested_amount_cents"] / facts["term_months"]
    burden = np.minimum(monthly * MONTHS_PER_YEAR / income, 0.5)
    means: Chances = (
        1.4 * (0.5 - income / (income + INCOME_MIDDLE_CENTS))
        + 5.0 * burden
        + 0.012 * (facts["term_months"] - 36)
        + 0.03 * (facts["debt_to_income_percent"] - 18.0)
        + np.where(facts["employment_years"] < 2, 0.3, -0.02 * facts["employment_years"])
        + _PURPOSE_EFFECTS[facts["purpose"]]
        + _HOME_EFFECTS[facts["home_ownership"]]
    )
    return means


def _read_record(facts: Columns) -> Chances:
    """How credit was used and repaid before."""
    used = facts["revolving_utilisation"]
    record: Chances = (
        0.9 * used
        + 2.5 * np.maximum(used - 0.75, 0.0)
        + 0.4 * np.minimum(facts["delinquencies_2y"], 4)
        + 0.3 * facts["public_records"]
        + 0.5 * facts["collections_12m"]
        + 0.7 * facts["chargeoffs_12m"]
        + 0.8 * facts["accounts_now_delinquent"]
    )
    return record


def _season(world: World, applicants: Applicants) -> Chances:
    """The yearly wave: a sine by the day of a mean year, whose highest day is the 91st."""
    phase = np.mod(applicants.applied_days - 0.0, YEAR_DAYS) / YEAR_DAYS
    # A parabola for each half of the year: at most 6% from the sine, and of sums and products only.
    half = np.where(phase < 0.5, phase, phase - 0.5) * 2.0
    wave: Chances = world.season_amplitude * np.where(phase < 0.5, 1.0, -1.0) * 4.0 * half * (1.0 - half)
    return wave
