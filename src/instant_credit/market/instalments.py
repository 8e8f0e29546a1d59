"""Terms that are offered, and the level instalments of many loans, to the cent those of `units.instalment_ceil`. Pure.

For one price and one term the instalment is a share of the amount. The share is taken once, exactly, as a whole number of 2^-72; amount times
share is then worked out in two limbs of 36 bits, which is exact, and rounded up.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from instant_credit.errors import require
from instant_credit.market.applicants import Applicants
from instant_credit.market.world import TERM_MONTHS_MAX
from instant_credit.units import MONTHS_PER_YEAR, PPM, Ppm

LIMB_BITS: Final = 36
AMOUNT_MAX: Final = 2 ** (62 - LIMB_BITS)
APR_PPM_MAX: Final = PPM

Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Offers:
    """Terms for n applicants.

    Attributes
    ----------
    amounts : int64[n] cents, 1 to 67,108,863 where an offer counts.
    aprs : int64[n] ppm a year, 0 to 1,000,000.
    terms : int64[n] months, 6 to 84.
    """

    amounts: Whole
    aprs: Whole
    terms: Whole

    def __len__(self) -> int:
        return len(self.amounts)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "Offers":
        """Those of `rows`, by place, by mask or as a slice."""
        return Offers(self.amounts[rows], self.aprs[rows], self.terms[rows])


def offer_as_asked(applicants: Applicants, apr: Ppm) -> Offers:
    """To everybody what he asks for, at one price."""
    return Offers(
        amounts=applicants.columns["requested_amount_cents"].astype(np.int64),
        aprs=np.full(len(applicants), apr, dtype=np.int64),
        terms=applicants.columns["term_months"].astype(np.int64),
    )


def find_instalments(offers: Offers) -> Whole:
    """Monthly instalments in cents, int64[n], rounded up.

    Each pair of price and term costs some microseconds the first time, so prices are best those of a grid.
    """
    amounts, aprs, terms = offers.amounts, offers.aprs, offers.terms
    if not len(offers):
        return np.empty(0, dtype=np.int64)
    require(int(amounts.min()) > 0 and int(amounts.max()) < AMOUNT_MAX, "an amount lies between 1 and 67,108,863 cents")
    require(int(aprs.min()) >= 0 and int(aprs.max()) <= APR_PPM_MAX, "an apr lies between 0 and 1,000,000 ppm")
    require(int(terms.min()) >= 1 and int(terms.max()) <= TERM_MONTHS_MAX, "a term lies between 1 and 84 months")
    pairs, places = np.unique(aprs * (TERM_MONTHS_MAX + 1) + terms, return_inverse=True)
    limbs = np.array([_share(*divmod(int(pair), TERM_MONTHS_MAX + 1)) for pair in pairs], dtype=np.int64)
    high, low = limbs[places, 0], limbs[places, 1]
    carried, rest = np.divmod(amounts * low, 2**LIMB_BITS)
    whole, upper = np.divmod(amounts * high + carried, 2**LIMB_BITS)
    instalments: Whole = whole + ((upper > 0) | (rest > 0))
    return instalments


@lru_cache(maxsize=65_536)
def _share(apr: int, term_months: int) -> tuple[int, int]:
    """The instalment of one cent in units of 2^-72, rounded down, as its upper and lower limb."""
    if apr == 0:
        exact = Fraction(1, term_months)
    else:
        growth = (1 + Fraction(apr, PPM * MONTHS_PER_YEAR)) ** term_months
        exact = Fraction(apr, PPM * MONTHS_PER_YEAR) * growth / (growth - 1)
    units = int(exact * 2 ** (2 * LIMB_BITS))
    return units >> LIMB_BITS, units % 2**LIMB_BITS
