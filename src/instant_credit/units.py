"""Money, rates and days: the only place where they are divided or rounded.

Money is `Cents` (integer minor units), rates are `Ppm` (integer parts per million), days are int days since 1970-01-01.
Every division says its rounding in its name.
"""

import math
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from functools import lru_cache
from typing import Annotated, NewType

from msgspec import Meta

Cents = NewType("Cents", int)
Ppm = NewType("Ppm", int)
Instant = Annotated[datetime, Meta(tz=True)]
"""A time with its offset, as a Struct tells it."""

PPM = 1_000_000
EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
MONTHS_PER_YEAR = 12
_EXACT = Context(prec=40, rounding=ROUND_HALF_EVEN)


def days_from_date(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - EPOCH_ORDINAL


def date_from_days(days: int) -> date:
    """The date `days` after 1970-01-01."""
    return date.fromordinal(days + EPOCH_ORDINAL)


def monthly_share_floor(annual: Cents, share: Ppm) -> Cents:
    """`share` of a twelfth of `annual`, rounded down to a whole cent; nothing of a negative amount or share."""
    return Cents(max(0, annual) * max(0, share) // (PPM * MONTHS_PER_YEAR))


def ppm_half_even(rate: float) -> Ppm:
    """A probability or rate as parts per million, half to even."""
    return Ppm(round(rate * PPM))


def floor_to_step(amount: Cents, step: Cents) -> Cents:
    """The largest multiple of `step` (> 0) not above `amount`."""
    return Cents(amount // step * step)


def prorate_floor(amount: Cents, part: Cents, whole: Cents) -> Cents:
    """What falls to `part` of `whole` (> 0) of an amount, rounded down to a whole cent."""
    return Cents(amount * part // whole)


def expected_loss_ceil(amount: Cents, pd: Ppm, lost: Ppm) -> Cents:
    """What `amount` loses in expectation when a bad loan loses the part `lost` of it, rounded up to a whole cent."""
    return Cents(-(-amount * pd * lost // (PPM * PPM)))


def instalment_ceil(amount: Cents, apr: Ppm, term_months: int) -> Cents:
    """Level monthly instalment that repays `amount` over `term_months` at nominal annual rate `apr`, rounded up.

    Source: 12 CFR 1026 Appendix J, unit-period equation with equal monthly periods; no fees are charged, so the annual
    percentage rate is twelve times the monthly rate.
    """
    if term_months < 1:
        raise ValueError("term_months must be at least 1")
    if apr == 0:
        return Cents(-(-amount // term_months))
    monthly, discount = _discount(apr, term_months)
    exact = _EXACT.divide(_EXACT.multiply(Decimal(amount), monthly), discount)
    whole = int(exact)
    return Cents(whole if exact == whole else whole + 1)


@lru_cache(maxsize=4096)
def _discount(apr: Ppm, term_months: int) -> tuple[Decimal, Decimal]:
    """The monthly rate, and what all instalments of its share of the amount are worth at the beginning."""
    with localcontext(_EXACT):
        monthly = Decimal(apr) / (PPM * MONTHS_PER_YEAR)
        return monthly, 1 - (1 + monthly) ** -term_months


def round_figures(value: float, figures: int) -> float:
    """`value` to this many significant figures: to two, 1,234 is 1,200 and 0.0456 is 0.046; whole numbers stay whole."""
    if not value or not math.isfinite(value):
        return value
    return round(value, figures - 1 - math.floor(math.log10(abs(value))))


def percent_text(rate: Ppm) -> str:
    """Parts per million as percent with one decimal, for people: 123456 -> "12.3%"."""
    return f"{(Decimal(rate) / 10_000).quantize(Decimal('0.1'), ROUND_HALF_EVEN)}%"


def money_text(amount: Cents, currency: str) -> str:
    """Cents for people: 1234567, "USD" -> "USD 12,345.67"."""
    sign = "-" if amount < 0 else ""
    whole, part = divmod(abs(amount), 100)
    return f"{currency} {sign}{whole:,}.{part:02d}"


def add_months(day: date, months: int) -> date:
    """The same day of the month `months` later, or the month's last day when it has no such day."""
    month_index = day.year * MONTHS_PER_YEAR + day.month - 1 + months
    first = date(month_index // MONTHS_PER_YEAR, month_index % MONTHS_PER_YEAR + 1, 1)
    next_index = month_index + 1
    next_first = date(next_index // MONTHS_PER_YEAR, next_index % MONTHS_PER_YEAR + 1, 1)
    return min(first + timedelta(days=day.day - 1), next_first - timedelta(days=1))
