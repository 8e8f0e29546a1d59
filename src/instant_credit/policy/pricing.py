"""Terms out of a band: the term, the price, the largest amount within the limit and the applicant's means.

The law: at a given band nothing but integers is compared. A cheaper, wider band never gives less (checked in `checks.py`), more
income or less debt never gives less, so the terms are monotone in everything the applicant can improve.
"""

from bisect import bisect_right
from collections.abc import Callable

from msgspec import Struct

from instant_credit.application.facts import Facts
from instant_credit.policy.document import Band
from instant_credit.policy.program import Pricing
from instant_credit.policy.verdict import Terms
from instant_credit.units import Cents, Ppm, floor_to_step, instalment_ceil, monthly_share_floor


class Asked(Struct, frozen=True, kw_only=True, gc=False):
    """What is asked for and what bears on it; income by the year, `debt_ppm` of it already bound by other debt.

    Income is None where the policy holds nothing against it.
    """

    amount_cents: Cents
    term_months: int
    income_annual_cents: Cents | None = None
    debt_ppm: Ppm = Ppm(0)


class Quote(Struct, frozen=True, kw_only=True, gc=False):
    """What a band offers to a request.

    `terms` is None when not even the smallest offer is affordable. The flags say which limits bound the offer;
    `instalment_cents_requested` is the instalment of the requested amount at the offered term and price.
    """

    terms: Terms | None
    is_amount_above_limit: bool
    is_term_above_limit: bool
    is_term_not_offered: bool
    is_instalment_above: bool
    is_debt_above: bool
    instalment_cents_requested: Cents


def band_of(pricing: Pricing, pd: Ppm | None, facts: Facts) -> Band:
    """The band that prices `pd` for the applicant's segment; the last one for a pd beyond the grid or unknown."""
    bands = pricing.bands if pricing.by_losses is None else pricing.by_losses.choose(facts)
    if pd is None:
        return bands[-1]
    return bands[bisect_right(pricing.band_ends, pd)]


def choose_term(pricing: Pricing, requested: int, term_months_max: int) -> int:
    """The longest offered term within the request and the band; the shortest offered one when the request is shorter."""
    ceiling = min(requested, term_months_max)
    chosen = pricing.terms_months[0]
    for term in pricing.terms_months:
        if term > ceiling:
            break
        chosen = term
    return chosen


def quote(pricing: Pricing, band: Band, asked: Asked) -> Quote:
    """The best offer of `band` for what is asked."""
    amount, term = asked.amount_cents, asked.term_months
    offered_term = choose_term(pricing, term, band.term_months_max)
    apr = Ppm(band.apr_ppm)
    cap, is_debt_tighter = _cap_instalment(pricing, asked)
    step = pricing.offer_step
    limit = Cents(band.amount_cents_max)
    requested_instalment = instalment_ceil(amount, apr, offered_term)
    is_above_limit = amount > limit
    candidate = floor_to_step(limit, step) if is_above_limit else amount
    instalment = instalment_ceil(candidate, apr, offered_term) if is_above_limit else requested_instalment
    is_above_cap = False
    if cap is not None and instalment > cap:
        is_above_cap = True
        guess = floor_to_step(Cents(candidate * cap // instalment), step)
        candidate, instalment = largest_affordable(
            guess, candidate, cap, step, lambda c: instalment_ceil(c, apr, offered_term)
        )
    terms = None
    if not is_above_cap or candidate >= max(pricing.offer_min, 1):
        terms = Terms(amount_cents=candidate, term_months=offered_term, apr_ppm=apr, instalment_cents=instalment)
    return Quote(
        terms=terms,
        is_amount_above_limit=is_above_limit,
        is_term_above_limit=term > band.term_months_max,
        is_term_not_offered=term <= band.term_months_max and offered_term != term,
        is_instalment_above=is_above_cap and not is_debt_tighter,
        is_debt_above=is_above_cap and is_debt_tighter,
        instalment_cents_requested=requested_instalment,
    )


def _cap_instalment(pricing: Pricing, asked: Asked) -> tuple[Cents | None, bool]:
    """The highest instalment that income can carry, and whether other debt is what caps it; None where nothing does."""
    means, income = pricing.means, asked.income_annual_cents
    if means is None or income is None:
        return None, False
    by_share = monthly_share_floor(income, means.instalment_share)
    if means.read_debt is None:
        return by_share, False
    by_debt = monthly_share_floor(income, Ppm(means.debt_share - asked.debt_ppm))
    return min(by_share, by_debt), by_debt < by_share


def largest_affordable(
    guess: Cents, below: Cents, cap: Cents, step: Cents, price: Callable[[Cents], Cents]
) -> tuple[Cents, Cents]:
    """The largest multiple of `step` below `below` whose instalment by `price` stays within `cap`, with that instalment; else 0.

    The instalment is proportional to the amount but for its rounding up, so a proportional `guess` is near; its neighbours are
    tried with the exact instalment.
    """
    candidate, instalment = guess, price(guess)
    while instalment > cap and candidate > 0:
        candidate = Cents(candidate - step)
        instalment = price(candidate)
    while candidate + step < below and (following := price(Cents(candidate + step))) <= cap:
        candidate, instalment = Cents(candidate + step), following
    return candidate, instalment
