"""How likely chance alone is to bring a figure at least this far. Pure.

Exact upper tails without a statistics library, so that a server can judge drift without loading the workshop:

==============  ==============================================================================================
law             form
==============  ==============================================================================================
normal          complementary error function
chi-square      finite sums over whole degrees of freedom (Abramowitz and Stegun 1972, 26.4.4 and 26.4.5)
hypergeometric  Fisher's exact test, two-sided by adding all tables that are no likelier (Fisher 1935); by the normal law
                where every cell expects many
==============  ==============================================================================================
"""

import math
from functools import lru_cache
from typing import Final

from instant_credit.errors import require

# From so many expected in every cell on the normal law is exact enough, and enumerating tables would take long.
_EXPECTED_EXACT_MAX: Final = 1_000.0
# Tables that differ by rounding alone count as equally likely.
_TIE: Final = 1e-9


def normal_upper(point: float) -> float:
    """Chance that a standard normal reaches `point` or more."""
    return 0.5 * math.erfc(point / math.sqrt(2.0))


def chi_square_upper(value: float, freedom: int) -> float:
    """Chance that a chi-square with `freedom` (at least 1) degrees reaches `value` or more."""
    require(freedom >= 1, "a chi-square has at least one degree of freedom")
    half = value / 2.0
    if half <= 0.0:
        return 1.0
    is_odd = freedom % 2 == 1
    total = math.erfc(math.sqrt(half)) if is_odd else 0.0
    shift = 0.5 if is_odd else 0.0
    for term in range(1 if is_odd else 0, (freedom + 1) // 2):
        power = term - shift
        total += math.exp(power * math.log(half) - half - math.lgamma(power + 1.0))
    return min(total, 1.0)


@lru_cache(maxsize=4096)
def chi_square_point(upper: float, freedom: int) -> float:
    """The value that a chi-square reaches with the chance `upper` in (0, 1): the inverse of `chi_square_upper`."""
    require(0.0 < upper < 1.0, "a chance lies between 0 and 1")
    low, high = 0.0, 1.0
    while chi_square_upper(high, freedom) > upper:
        low, high = high, 2.0 * high
    while low < (middle := (low + high) / 2.0) < high:
        low, high = (middle, high) if chi_square_upper(middle, freedom) > upper else (low, middle)
    return high


def shares_chance(hits: int, trials: int, base_hits: int, base_trials: int) -> float:
    """Chance that two shares of one population differ at least so much (Fisher's exact test, two-sided).

    Parameters
    ----------
    hits, trials, base_hits, base_trials : `hits` of `trials` in the one sample, `base_hits` of `base_trials` in the other.
    """
    total, wanted = trials + base_trials, hits + base_hits
    least, most = max(0, wanted - base_trials), min(trials, wanted)
    if least == most:
        return 1.0

    expected = min(trials, base_trials) * (min(wanted, total - wanted) / total)
    if expected >= _EXPECTED_EXACT_MAX:
        spread = math.sqrt(wanted / total * (1.0 - wanted / total) * (1.0 / trials + 1.0 / base_trials))
        return 2.0 * normal_upper(abs(hits / trials - base_hits / base_trials) / spread)

    def weigh(count: int) -> float:
        return _log_choose(trials, count) + _log_choose(base_trials, wanted - count) - _log_choose(total, wanted)

    observed = weigh(hits)
    # The law has one mode and falls on both sides of it, so that each tail is added from its end inwards.
    chance = 0.0
    for counts in (range(least, most + 1), range(most, least - 1, -1)):
        for count in counts:
            weight = weigh(count)
            if weight > observed + _TIE:
                break
            chance += math.exp(weight)
        else:
            return 1.0
    return min(chance, 1.0)


def _log_choose(total: int, count: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(count + 1) - math.lgamma(total - count + 1)
