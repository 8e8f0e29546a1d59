"""A first policy out of a book's risk and stated assumptions. It loads, passes its checks and holds its own examples."""

from collections.abc import Callable
from math import inf
from typing import Final

from msgspec import UNSET, Struct

from instant_credit.application.product import Product
from instant_credit.errors import Refused, require
from instant_credit.policy.checks import load_policy
from instant_credit.policy.document import Affordability, LossPricing, Policy
from instant_credit.policy.drafting.assumptions import PRICE_STEP_PPM, Assumptions
from instant_credit.policy.drafting.book import BookRisk, weighted_quantile
from instant_credit.policy.drafting.cut_offs import ChosenCutOffs, choose_cut_offs
from instant_credit.policy.drafting.examples import with_examples
from instant_credit.policy.drafting.grid import PricedBand, choose_amounts, make_bands
from instant_credit.policy.drafting.reasons import draft_reasons
from instant_credit.policy.drafting.text import write_policy

THIN_SHARE_MAX: Final = 0.02
APPROVE_PPM_MAX: Final = 200_000


class Draft(Struct, frozen=True, kw_only=True):
    """The policy, its TOML with a comment beside each line, and what whoever edits it should look at first."""

    policy: Policy
    text: str
    doubts: tuple[str, ...]


def draft_policy(
    product: Product, risk: BookRisk, assumptions: Assumptions, decline_ppm_min: Callable[[int], int]
) -> Draft:
    """The draft, the same for the same book.

    Parameters
    ----------
    decline_ppm_min : the lowest decline_from_ppm with which a release can give reasons, for an approve_below_ppm.

    Raises
    ------
    Refused : no policy for this product can come out of this book.
    """
    attributes = {a.name: a for a in product.attributes}
    roles = product.roles
    is_priced = roles.amount is not None and roles.term is not None
    term = weighted_quantile(risk.terms_months, risk.weights, 0.5) if is_priced else 0
    chosen = choose_cut_offs(
        risk,
        assumptions,
        pd_ppm_at_cap=assumptions.pd_ppm_at_cap(term) if is_priced else inf,
        decline_ppm_min=decline_ppm_min,
    )
    amounts, bands = None, tuple[PricedBand, ...]()
    if roles.amount is not None and roles.term is not None:
        amount = attributes[roles.amount]
        amounts = choose_amounts(risk, amount, attributes[roles.term])
        bands = make_bands(risk, assumptions, amounts, chosen.cut_offs.approve_below_ppm, amount)
    drafted = draft_reasons(product)
    policy = Policy(
        name=product.name,
        product=product.name,
        title=product.title,
        apr_ppm_max=assumptions.apr_ppm_max if is_priced else None,
        model_variables_known_min=_known_min(risk, chosen.cut_offs.approve_below_ppm),
        cut_offs=chosen.cut_offs,
        amounts=amounts,
        affordability=(
            Affordability(instalment_to_income_ppm_max=assumptions.instalment_to_income_ppm_max)
            if product.has_affordability
            else None
        ),
        exits=drafted.exits,
        grid=tuple(one.band for one in bands),
        rules=drafted.rules,
        reasons=drafted.reasons,
        examples=(),
        losses=_price_losses(assumptions) if bands and assumptions.prices_segments else UNSET,
    )
    policy = with_examples(policy, product, risk.latest_on)
    text = write_policy(policy, product, risk, assumptions, bands)
    require(load_policy(text, product) == policy, "the draft's text says what the draft says")
    return Draft(policy=policy, text=text, doubts=tuple(_doubts(risk, policy, chosen, bands, assumptions)))


def _price_losses(assumptions: Assumptions) -> LossPricing:
    return LossPricing(
        base_apr_ppm=assumptions.base_apr_ppm,
        lost_ppm=assumptions.loss_given_default_ppm,
        apr_step_ppm=PRICE_STEP_PPM,
    )


def _known_min(risk: BookRisk, approve_below_ppm: int) -> int:
    """Half of what the middle Case of the book tells, and at least 1: below that a score means little.

    Silence must not pay: where the model would have an application that tells nothing approved, more must be known than of it.
    """
    middle = weighted_quantile(risk.known, risk.weights, 0.5)
    least = max(1, -(-middle // 2))
    if risk.silent is None or risk.silent.pd_ppm >= approve_below_ppm or risk.silent.known < least:
        return least
    if risk.silent.known >= middle:
        raise Refused(
            f"policy draft: an application that tells nothing would be approved, with a pd of {risk.silent.pd_ppm / 10_000:.1f}%, and "
            f"knows {risk.silent.known} variables of the model, as many as the middle Case of book {risk.book}, because missing facts "
            'count as 0; let the product ask for the facts that must be told (missing = "refuse"), import and train again'
        )
    return risk.silent.known + 1


def _doubts(
    risk: BookRisk,
    policy: Policy,
    chosen: ChosenCutOffs,
    bands: tuple[PricedBand, ...],
    assumptions: Assumptions,
) -> list[str]:
    doubts = []
    thin = float(risk.weights[risk.known < policy.model_variables_known_min].sum() / risk.weights.sum())
    if thin > THIN_SHARE_MAX:
        doubts.append(
            f"{thin:.1%} of the book tells fewer than {policy.model_variables_known_min} variables of the model and is referred unscored: "
            "see whether such loans belong into the book"
        )
    if policy.cut_offs.approve_below_ppm > APPROVE_PPM_MAX:
        doubts.append(
            f"approve_below_ppm stands at {policy.cut_offs.approve_below_ppm / 10_000:.1f}%, which is high: so many of the loans approved near "
            "it would go bad; lower --approve-share unless the book says otherwise than the applicants to come"
        )
    if chosen.is_lowered_by_cap:
        doubts.append("fewer are approved than the share asked for: beyond this pd the price would pass apr_ppm_max")
    capped = sum(one.unbounded_ppm > assumptions.apr_ppm_max for one in bands)
    if capped:
        doubts.append(
            f"{capped} of {len(bands)} bands are priced at apr_ppm_max, which does not earn their expected loss: "
            "raise the cap, lower the costs, or approve fewer"
        )
    if chosen.is_raised_by_reference:
        doubts.append(
            "decline_from_ppm is above the share asked for: below it a decline might have no reason against the reference population"
        )
    return doubts
