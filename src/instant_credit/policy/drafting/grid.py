"""Prices and limits by pd: bands at quantiles of the approved, amounts and terms out of the book's own."""

from typing import Final

import numpy as np
from msgspec import UNSET, Struct
from numpy.typing import NDArray

from instant_credit.application.product import Attribute
from instant_credit.policy.document import Amounts, Band
from instant_credit.policy.drafting.assumptions import BANDS, Assumptions
from instant_credit.policy.drafting.book import BookRisk, weighted_quantile
from instant_credit.policy.drafting.cut_offs import round_pd
from instant_credit.units import Cents, floor_to_step

CENTS_MAX: Final = 10**12
STEP_CENTS_MAX: Final = 10**9
MONTHS_MAX: Final = 600
TERMS_MAX: Final = 24
# A term is offered when it has this share of the book; when few terms have, multiples of a step are offered instead.
TERM_SHARE_MIN: Final = 0.005
TERMS_COVERED_MIN: Final = 0.95
_TERM_STEPS: Final = (1, 3, 6, 12, 24, 60)
# Quantiles of the book that limit the safest band and the riskiest one.
_AMOUNT_SHARES: Final = (0.99, 0.75)
_TERM_SHARES: Final = (1.0, 0.75)
_STEPS_A_MEDIAN: Final = 50


class PricedBand(Struct, frozen=True, kw_only=True):
    """A band, the share of the book in it, its mean pd and the price before the cap."""

    band: Band
    share: float
    pd_ppm_mean: float
    unbounded_ppm: float


def choose_amounts(risk: BookRisk, amount: Attribute, term: Attribute) -> Amounts:
    """Steps and smallest offer that suit the book's amounts, and the terms it knows, within the product's ranges."""
    low, high = max(int(amount.minimum or 0), 1), min(int(amount.maximum or CENTS_MAX), CENTS_MAX)
    median = weighted_quantile(risk.amounts_cents, risk.weights, 0.5)
    steps = [step for step in _nice_steps(median) if -(-low // step) * step <= high]
    step = steps[0] if steps else 1
    small = min(weighted_quantile(risk.amounts_cents, risk.weights, 0.05), high) // step * step
    least = -(-low // step) * step
    return Amounts(
        offer_cents_min=max(small, least), offer_cents_step=step, terms_months=_choose_terms(risk, _months(term))
    )


def make_bands(
    risk: BookRisk, assumptions: Assumptions, amounts: Amounts, approve_below_ppm: int, amount: Attribute
) -> tuple[PricedBand, ...]:
    """Bands from pd 0 to the cut-off with about equal weight; a riskier one costs more and is given less."""
    approved = risk.pds_ppm < approve_below_ppm
    pds, weights = risk.pds_ppm[approved], risk.weights[approved]
    inner = {round_pd(weighted_quantile(pds, weights, k / BANDS) + 1) for k in range(1, BANDS)}
    ends = [*sorted(end for end in inner if 0 < end < approve_below_ppm), approve_below_ppm]
    term = weighted_quantile(risk.terms_months, risk.weights, 0.5)
    highest = min(int(amount.maximum or CENTS_MAX), CENTS_MAX)
    made: list[PricedBand] = []
    for place, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
        inside = (pds >= start) & (pds < end)
        weight = float(weights[inside].sum())
        mean = float((pds[inside] * weights[inside]).sum() / weight) if weight else float(end)
        part = place / max(len(ends) - 1, 1)
        limit = min(weighted_quantile(risk.amounts_cents, risk.weights, _between(_AMOUNT_SHARES, part)), highest)
        longest = weighted_quantile(risk.terms_months, risk.weights, _between(_TERM_SHARES, part))
        band = Band(
            pd_from_ppm=start,
            pd_below_ppm=end,
            apr_ppm=assumptions.price_ppm(mean, term),
            amount_cents_max=max(floor_to_step(Cents(limit), Cents(amounts.offer_cents_step)), amounts.offer_cents_min),
            term_months_max=max((t for t in amounts.terms_months if t <= longest), default=amounts.terms_months[0]),
            loss_apr_ppm=assumptions.loss_apr_ppm(mean, term) if assumptions.prices_segments else UNSET,
        )
        made.append(
            PricedBand(
                band=band,
                share=weight / float(risk.weights.sum()),
                pd_ppm_mean=mean,
                unbounded_ppm=assumptions.unbounded_price_ppm(mean, term),
            )
        )
    return tuple(made)


def _between(ends: tuple[float, float], part: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * part


def _nice_steps(median: int) -> list[int]:
    """1, 2 and 5 times powers of ten up to a fiftieth of the median amount, the largest first."""
    most = min(max(median // _STEPS_A_MEDIAN, 1), STEP_CENTS_MAX)
    return sorted((m * 10**e for e in range(10) for m in (1, 2, 5) if m * 10**e <= most), reverse=True)


def _months(term: Attribute) -> tuple[int, int]:
    """The shortest and longest term that product and policy both allow."""
    return max(int(term.minimum or 1), 1), min(int(term.maximum or MONTHS_MAX), MONTHS_MAX)


def _choose_terms(risk: BookRisk, allowed: tuple[int, int]) -> tuple[int, ...]:
    """Terms in rising order, at most `TERMS_MAX`: the book's own when a few make up nearly all of it, otherwise even steps."""
    low, high = allowed
    told: NDArray[np.int64] = np.clip(risk.terms_months, low, high)
    months, places = np.unique(told, return_inverse=True)
    shares = np.bincount(places, weights=risk.weights) / risk.weights.sum()
    usual = shares >= TERM_SHARE_MIN
    if usual.sum() <= TERMS_MAX and shares[usual].sum() >= TERMS_COVERED_MIN:
        return tuple(int(month) for month in months[usual])
    first = weighted_quantile(told, risk.weights, 0.01)
    last = weighted_quantile(told, risk.weights, 0.99)
    for step in _TERM_STEPS:
        start, end = max(first // step, 1) * step, -(-last // step) * step
        found = sorted({min(max(month, low), high) for month in range(start, end + 1, step)})
        if len(found) <= TERMS_MAX:
            break
    return tuple(found)
