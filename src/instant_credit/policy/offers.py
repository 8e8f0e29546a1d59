"""What a band offers at most, as a request that it grants: for worked examples and for invented applications."""

from typing import Final

from instant_credit.application.product import Product
from instant_credit.policy.document import Band, Policy
from instant_credit.units import MONTHS_PER_YEAR, PPM

# Income beyond what the instalment needs, so that rounding can't make it too small.
_HEADROOM: Final = 1.2


def usual_request(policy: Policy, product: Product, band: Band | None = None) -> dict[str, int]:
    """Numbers by attribute name: the largest amount and longest term of `band`, and a yearly income that carries them.

    By default the last band, whose limits every better one contains. Empty where the policy prices nothing.
    """
    roles = product.roles
    chosen = band or (policy.grid[-1] if policy.grid else None)
    if chosen is None or roles.amount is None or roles.term is None:
        return {}
    wanted = {roles.amount: chosen.amount_cents_max, roles.term: chosen.term_months_max}
    if roles.income_annual is not None and policy.affordability is not None:
        # Repaying in equal parts and paying interest on the whole amount costs more than the level instalment does.
        repaid_a_year = chosen.amount_cents_max * MONTHS_PER_YEAR / chosen.term_months_max
        interest = chosen.amount_cents_max * chosen.apr_ppm / PPM
        share = max(policy.affordability.instalment_to_income_ppm_max, 1) / PPM
        wanted[roles.income_annual] = int((repaid_a_year + interest) / share * _HEADROOM)
    return wanted
