"""A world: all that a simulation is made of, in one value. Pure.

Everything in a world follows from its parameters and a number. Applicant `number` (0, 1, 2, ...) applies on day
``number // applications_per_day`` after `first_on`, and every fact and every chance of his is drawn by a generator that counts
(`chances.py`), so that one applicant alone is the one that he is among a million.

What a lender may observe is drawn from `seed`. What stays hidden, and what becomes of a loan, is drawn from `seed` and `hidden_seed`:
two worlds that differ in `hidden_seed` alone send the same applications and have another truth.

A month of a loan has `MONTH_DAYS` days. Its instalments fall due every thirtieth day, so that so many months late are
exactly so many times thirty days past due, whatever the calendar says.
"""

from datetime import date, timedelta
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.units import Cents, Ppm, days_from_date

MONTH_DAYS: Final = 30
TERM_MONTHS_MAX: Final = 84
YEAR_DAYS: Final = 365.25
NUMBER_MAX: Final = 2**40
SEED_MAX: Final = 2**48

Numbers = NDArray[np.int64]
Days = NDArray[np.int32]
Chances = NDArray[np.float64]
Mask = NDArray[np.bool_]


class World(Struct, frozen=True, kw_only=True):
    """The parameters of a world. The defaults are calibrated: about 15% of all applicants would default within a year.

    Attributes
    ----------
    seed, hidden_seed : 0 to 2^48 - 1.
    first_on : day on which applicant 0 applies.
    applications_per_day : how many apply a day.
    return_share, return_days : such a share of the applications comes from somebody who applied so many days before, at most three times in a row.
    household_share : share of those in the second half of a fortnight whose address is the one of somebody of the first half.
    group_income_gap : by how much the logarithm of income is lower in the first category of the attribute `sex` than in the second.
    group_history_gap : the same of the length of the credit history, for the first category of `ethnicity`.
    risk_shift : added to everybody's log odds of default.
    hidden_sd : standard deviation, in log odds, of what no fact tells. 0 = the facts tell everything.
    household_share_of_hidden : share of the hidden variance that a household has in common.
    thin_file_bonus : by how much the log odds of a steady applicant with a short file are lower than the same facts say of others. A
        lender that declines all short files never learns of it.
    season_amplitude : of the yearly wave of the log odds, highest at the end of March.
    drift_per_year : by how much everybody's log odds rise a year.
    drift_inquiries_per_year : by how much an inquiry's share in the log odds rises a year.
    reference_apr_ppm : at this price and as asked an applicant has the pd of `Truth.pds`.
    price_effect : rise of the log odds by 100,000 ppm of apr.
    burden_effect : rise of the log odds by an instalment that takes all of a month's income instead of nothing.
    take_up_base, take_up_price_effect : log odds of taking an offer at the reference price, and their fall by 100,000 ppm of apr.
    take_up_cut_effect : fall of these log odds when nothing of the amount asked for is offered.
    competitor_share, competitor_effect : share of applicants who hold another offer, and fall of the log odds by 100,000 ppm by which it is cheaper.
    competitor_apr_ppm, competitor_pd_effect_ppm, competitor_sd_ppm : its apr is the first, plus the second times the true pd, plus chance.
    late_base, late_pd_effect : chance that an instalment is still unpaid when the next falls due, for one who does not default: base + effect x pd.
    slip_base, slip_pd_effect : the same of one paid within the month but after its day.
    cure_share : chance that one who is a month late pays everything in the next month.
    default_tail_share : defaults after the twelfth month, in the long run, over those of the first twelve.
    prepay_monthly : monthly chance of repaying everything early, for one who does not default within twelve months.
    recovery_share_max : at most such a share of what was written off comes back; uniform from 0.
    funding_apr_ppm : what the lender pays a year on the principal outstanding.
    origination_cents : what one loan costs the lender at its start.
    reporting_days_max : what a borrower did is known at most so many days later.
    """

    schema_version: int = 1
    seed: int
    hidden_seed: int = 0
    first_on: date = date(2024, 1, 1)
    applications_per_day: int = 200
    return_share: float = 0.08
    return_days: int = 90
    household_share: float = 0.25
    group_income_gap: float = 0.12
    group_history_gap: float = 0.25
    risk_shift: float = 0.0
    hidden_sd: float = 0.8
    household_share_of_hidden: float = 0.3
    thin_file_bonus: float = 1.2
    season_amplitude: float = 0.0
    drift_per_year: float = 0.0
    drift_inquiries_per_year: float = 0.0
    reference_apr_ppm: Ppm = Ppm(150_000)
    price_effect: float = 0.1
    burden_effect: float = 2.0
    take_up_base: float = 1.4
    take_up_price_effect: float = 0.8
    take_up_cut_effect: float = 1.5
    competitor_share: float = 0.45
    competitor_effect: float = 1.5
    competitor_apr_ppm: Ppm = Ppm(80_000)
    competitor_pd_effect_ppm: Ppm = Ppm(600_000)
    competitor_sd_ppm: Ppm = Ppm(30_000)
    late_base: float = 0.008
    late_pd_effect: float = 0.15
    slip_base: float = 0.04
    slip_pd_effect: float = 0.3
    cure_share: float = 0.75
    default_tail_share: float = 0.8
    prepay_monthly: float = 0.012
    recovery_share_max: float = 0.3
    funding_apr_ppm: Ppm = Ppm(40_000)
    origination_cents: Cents = Cents(3_000)
    reporting_days_max: int = 3

    def __post_init__(self) -> None:
        """Seeds, shares, counts and rates lie within their bounds."""
        for name in ("seed", "hidden_seed"):
            if not 0 <= getattr(self, name) < SEED_MAX:
                raise ValueError(f"{name} lies between 0 and 2^48 - 1")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} lies between 0 and 1")
        for name in _NOT_NEGATIVE:
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is not negative")
        if not 2 <= self.applications_per_day <= 1_000_000:
            raise ValueError("applications_per_day lies between 2 and 1,000,000")
        if not 14 <= self.return_days <= 3_660:
            raise ValueError("return_days lies between 14 and 3,660")
        if self.reporting_days_max > 30:
            raise ValueError("reporting_days_max is at most 30")
        if max(self.reference_apr_ppm, self.funding_apr_ppm) > 1_000_000:
            raise ValueError("an apr is at most 1,000,000 ppm")

    def apply_on(self, numbers: Numbers) -> Days:
        """The days on which applicants apply, int32[n] since 1970-01-01."""
        return (days_from_date(self.first_on) + numbers // self.applications_per_day).astype(np.int32)

    def number_of_day(self, day: date) -> int:
        """The first applicant of `day`; those of the day are the `applications_per_day` from this number on."""
        return max(0, (day - self.first_on) // timedelta(days=1)) * self.applications_per_day


_SHARES: Final = (
    *("return_share", "household_share", "household_share_of_hidden", "competitor_share", "cure_share"),
    *("late_base", "late_pd_effect", "slip_base", "slip_pd_effect", "prepay_monthly", "recovery_share_max"),
)
_NOT_NEGATIVE: Final = (
    *("hidden_sd", "price_effect", "burden_effect", "take_up_price_effect", "take_up_cut_effect", "competitor_effect"),
    *("competitor_apr_ppm", "competitor_pd_effect_ppm", "competitor_sd_ppm", "default_tail_share", "reference_apr_ppm"),
    *("funding_apr_ppm", "origination_cents", "reporting_days_max"),
)
