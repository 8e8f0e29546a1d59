"""Prices by what loans of a segment lose: the grid's price for the loss that it was drawn up with, another for each segment of a table.

    price = base_apr_ppm + loss_apr_ppm of the band x what the segment loses / lost_ppm,  rounded up to apr_step_ppm, at most apr_ppm_max

all in whole numbers. A segment without figures of its own (no row in the table, or too few loans for one) is priced by those of all loans,
and so is an applicant who does not tell the attribute; the trace of a decision says which it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from msgspec import UNSET, Struct
from msgspec.structs import replace

from instant_credit.application.facts import Facts
from instant_credit.application.product import AttributeType, Legal
from instant_credit.policy.document import Band, Policy
from instant_credit.policy.operands import Catalogue
from instant_credit.policy.verdict import RuleResult, RuleTrace
from instant_credit.units import Ppm

LOSS_TRACE: Final = "priced_by_losses_of_own_segment"


class LossShares(Struct, frozen=True, kw_only=True):
    """Parts of the amount lent that are lost when a loan goes bad.

    Attributes
    ----------
    attribute : the category attribute whose categories are the segments; None without any.
    total_ppm : over all loans.
    by_category : of the segments that have figures of their own.
    """

    attribute: str | None
    total_ppm: Ppm
    by_category: Mapping[str, Ppm]


@dataclass(frozen=True, slots=True)
class PricesByLosses:
    """Bands as each segment is priced: by code of its category, and over all loans.

    Attributes
    ----------
    position : of the segments' code among the codes of the facts; None without segments.
    by_code : by code; None where the category has no figures of its own.
    overall : for those, and for who does not tell the attribute.
    """

    position: int | None
    by_code: tuple[tuple[Band, ...] | None, ...]
    overall: tuple[Band, ...]

    def choose(self, facts: Facts) -> tuple[Band, ...]:
        """The bands of the applicant's segment."""
        return self._find_own(facts) or self.overall

    def tell(self, facts: Facts) -> RuleTrace:
        """Hit: priced by its own segment; clear: the segment has no figures of its own; unknown: which it is was not told."""
        return _TRACES[
            RuleResult.UNKNOWN
            if self._find_code(facts) < 0
            else RuleResult.CLEAR
            if self._find_own(facts) is None
            else RuleResult.HIT
        ]

    def _find_code(self, facts: Facts) -> int:
        return -1 if self.position is None else facts.codes[self.position]

    def _find_own(self, facts: Facts) -> tuple[Band, ...] | None:
        code = self._find_code(facts)
        return None if code < 0 else self.by_code[code]


_TRACES: Final = {result: RuleTrace(rule=LOSS_TRACE, result=result) for result in RuleResult}


def price_band(policy: Policy, band: Band, lost_ppm: int) -> int:
    """The APR of a band, in ppm, for loans that lose `lost_ppm` of the amount lent when they go bad.

    Source: the expected loss over the mean balance is proportional to the loss, so the part of the price that earns it is too.
    """
    losses = policy.losses
    assert losses is not UNSET
    assert band.loss_apr_ppm is not UNSET
    scaled = losses.base_apr_ppm * losses.lost_ppm + band.loss_apr_ppm * lost_ppm
    price = -(-scaled // (losses.lost_ppm * losses.apr_step_ppm)) * losses.apr_step_ppm
    return price if policy.apr_ppm_max is None else min(price, policy.apr_ppm_max)


def compile_prices(policy: Policy, catalogue: Catalogue, shares: LossShares | None) -> PricesByLosses | None:
    """The bands of every segment; None where the policy does not price losses, or nothing is known of them."""
    if policy.losses is UNSET or shares is None:
        return None
    position: int | None = None
    categories: tuple[str, ...] = ()
    if shares.attribute is not None:
        operand = catalogue.attribute_operand(shares.attribute)
        position, categories = operand.positions[0], operand.categories
    return PricesByLosses(
        position=position,
        by_code=tuple(
            _price_bands(policy, shares.by_category[name]) if name in shares.by_category else None
            for name in categories
        ),
        overall=_price_bands(policy, shares.total_ppm),
    )


def find_unfit(shares: LossShares, catalogue: Catalogue) -> str | None:
    """Why nobody can be priced by `shares`: their segments are by no category of the product. None when everybody can."""
    if shares.attribute is None:
        return None
    held = catalogue.attributes.get(shares.attribute)
    if held is None or held[0].type is not AttributeType.CATEGORY:
        return f"the losses are by {shares.attribute}, which is no category of the product's Cases"
    if held[0].legal is not Legal.FREE:
        return f"the losses are by {shares.attribute}, which may not price a loan by its category (legal = {held[0].legal})"
    return None


def check_losses(policy: Policy) -> list[str]:
    """What is wrong with the prices of a policy as prices of losses: the grid's are those of `lost_ppm`, and no lower pd loses more."""
    told = [band.loss_apr_ppm is not UNSET for band in policy.grid]
    if policy.losses is UNSET:
        return [
            f"grid band {number}: loss_apr_ppm stands beside [losses] only"
            for number, is_told in enumerate(told, start=1)
            if is_told
        ]
    if not policy.grid:
        return ["losses: leave it out; nothing is priced"]
    problems = [
        f"grid band {number}: loss_apr_ppm is due, because the policy has [losses]"
        for number, is_told in enumerate(told, start=1)
        if not is_told
    ]
    if problems:
        return problems
    former = 0
    for number, band in enumerate(policy.grid, start=1):
        assert band.loss_apr_ppm is not UNSET
        price = price_band(policy, band, policy.losses.lost_ppm)
        if band.apr_ppm != price:
            problems.append(
                f"grid band {number}: apr_ppm is {band.apr_ppm}, and base_apr_ppm with its loss_apr_ppm make {price}"
            )
        if band.loss_apr_ppm < former:
            problems.append(f"grid band {number}: loss_apr_ppm falls while pd rises")
        former = band.loss_apr_ppm
    return problems


def _price_bands(policy: Policy, lost_ppm: int) -> tuple[Band, ...]:
    return tuple(replace(band, apr_ppm=price_band(policy, band, lost_ppm)) for band in policy.grid)
