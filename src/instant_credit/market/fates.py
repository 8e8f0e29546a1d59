"""Fates: what was drawn for a loan before its first month. Pure.

One uniform number held against multiples of the true pd says whether and when a loan defaults. Those of the months 4 to 12 add up to the pd exactly,
so that the pd is the chance of default within twelve months of a loan that runs so long. Later months bring more, ever less
(`World.default_tail_share`). Under a higher pd the same loan never defaults later: two arms differ by what they do, not by luck.

To default in month d is to pay nothing from the instalment of month d - 3 on; on the day of month d it is 90 days late, and written off.
Whoever repays early does so on the day of an instalment, with nothing overdue, and is nobody who would default within twelve months or who has
fallen silent before.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from instant_credit.market.chances import Stream, draw_halves, draw_uniforms
from instant_credit.market.world import TERM_MONTHS_MAX, Chances, Numbers, World

NEVER: Final = -1
MONTHS_LATE_AT_DEFAULT: Final = 3
FIRST_DEFAULT_MONTH: Final = MONTHS_LATE_AT_DEFAULT + 1
PD_MONTHS: Final = 12
FIRST_PREPAY_MONTH: Final = 3
DISBURSING_DAYS_MAX: Final = 3
# Of the defaults of the first twelve months those of months 4 to 12: a hump in the middle of the first year.
_SHARES: Final = (0.08, 0.10, 0.12, 0.13, 0.13, 0.12, 0.12, 0.10, 0.10)
_TAIL_FALL: Final = 0.93
# A month's half word: 20 bits for what the borrower does, 6 for the day, 6 for when it is known.
CLASS_BITS: Final = 20
DAY_BITS: Final = 6
LATE_DAYS_MAX: Final = 25


@dataclass(frozen=True, slots=True, eq=False)
class Fates:
    """What is drawn beforehand of n loans.

    Attributes
    ----------
    default_months : int16[n], month on book of the default, -1 = never; of a loan that is repaid before, nothing comes of it.
    prepay_months : int16[n], month on book in which everything is repaid if nothing is overdue, -1 = never.
    recovery_shares : float64[n], of what is written off.
    disbursed_after : int16[n], days from the application to the disbursement.
    late_below, slip_below : int64[n], of 2^20: a month late, or late within the month, is whose month's class is below.
    months : uint32[n, TERM_MONTHS_MAX + 4], the half word of month m at place m - 1.
    """

    default_months: NDArray[np.int16]
    prepay_months: NDArray[np.int16]
    recovery_shares: Chances
    disbursed_after: NDArray[np.int16]
    late_below: NDArray[np.int64]
    slip_below: NDArray[np.int64]
    months: NDArray[np.uint32]


def draw_fates(world: World, numbers: Numbers, pds: Chances, terms: NDArray[np.int64]) -> Fates:
    """The fates of loans.

    Parameters
    ----------
    numbers : int64[n], the applicants' numbers.
    pds : float64[n], true pd under the terms lent at.
    terms : int64[n], months.
    """
    own = draw_uniforms(world, Stream.LOAN, numbers)
    default_months = FIRST_DEFAULT_MONTH + np.searchsorted(_default_ends(world), own[0] / pds, side="right")
    default_months = np.where(default_months <= np.minimum(terms, TERM_MONTHS_MAX), default_months, NEVER)
    prepay_months = FIRST_PREPAY_MONTH + np.searchsorted(_prepay_ends(world), own[1], side="right")
    is_silent_first = (default_months <= PD_MONTHS) | (prepay_months >= default_months - MONTHS_LATE_AT_DEFAULT)
    is_prepaid = (prepay_months < terms) & ~((default_months != NEVER) & is_silent_first)
    prepay_months = np.where(is_prepaid, prepay_months, NEVER)
    late = np.minimum(world.late_base + world.late_pd_effect * pds, 1.0)
    slip = np.minimum(late + world.slip_base + world.slip_pd_effect * pds, 1.0)
    return Fates(
        default_months=default_months.astype(np.int16),
        prepay_months=prepay_months.astype(np.int16),
        recovery_shares=own[2] * world.recovery_share_max,
        disbursed_after=np.floor(own[3] * (DISBURSING_DAYS_MAX + 1)).astype(np.int16),
        late_below=np.floor(late * 2**CLASS_BITS).astype(np.int64),
        slip_below=np.floor(slip * 2**CLASS_BITS).astype(np.int64),
        months=draw_halves(world, Stream.MONTHS, numbers),
    )


def cure_below(world: World) -> int:
    """Of 2^20: who is a month late pays everything in a month whose class is below."""
    return int(world.cure_share * 2**CLASS_BITS)


def _default_ends(world: World) -> Chances:
    """Multiples of the pd at which the months from 4 to `TERM_MONTHS_MAX` end; that of month 12 is 1."""
    early = np.cumsum(_SHARES)
    early[-1] = 1.0
    later = np.cumprod(np.full(TERM_MONTHS_MAX - PD_MONTHS, _TAIL_FALL))
    return np.concatenate([early, 1.0 + world.default_tail_share * (1.0 - later)])


def _prepay_ends(world: World) -> Chances:
    """Chances at which the months from 3 on end."""
    kept = np.cumprod(np.full(TERM_MONTHS_MAX, 1.0 - world.prepay_monthly))
    return 1.0 - kept
