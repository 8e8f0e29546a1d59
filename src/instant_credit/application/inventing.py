"""An invented application: facts within a product's ranges, the same ones every time, so that examples need no real person.

Every fact that an application may tell is told. What is better when lower is as low as it may be, what is better when higher lies in
the middle of its orders of magnitude, a category is its first one. Prohibited attributes are voluntary and left out.
"""

import math
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from instant_credit.application.fields import bounds, years_before
from instant_credit.application.product import Attribute, AttributeType, Better, Legal, Product

Invented = int | float | str

APPLICANT: Final = {
    "name": "Invented Applicant",
    "identity_number": "000-00-0001",
    "address": "1 Invented Street, Springfield",
}
ADULT_YEARS: Final = 40
HISTORY_YEARS: Final = 10
TERM_MONTHS: Final = 24
# Yearly income over the amount asked for, so that the instalment is a small part of it.
INCOME_OVER_AMOUNT: Final = 6


def invent_body(product: Product, as_of: date, wanted: Mapping[str, float] | None = None) -> dict[str, Any]:
    """The body of an application that the product's door accepts on `as_of`, ready to be written as JSON."""
    return {"applicant": dict(APPLICANT), "facts": invent_facts(product, as_of, wanted)}


def invent_facts(product: Product, as_of: date, wanted: Mapping[str, float] | None = None) -> dict[str, Invented]:
    """Facts by attribute name as an application tells them: money in cents, categories by name, dates as ISO text.

    Parameters
    ----------
    as_of : day of the application; dates lie before it.
    wanted : numbers by attribute name, brought within the attribute's range.
    """
    roles = product.roles
    numbers = dict(wanted or {})
    attributes = {a.name: a for a in product.told_attributes}
    if roles.term is not None:
        numbers.setdefault(roles.term, TERM_MONTHS)
    if roles.amount is not None:
        numbers.setdefault(roles.amount, _middle(attributes[roles.amount]))
        if roles.income_annual is not None:
            numbers.setdefault(roles.income_annual, INCOME_OVER_AMOUNT * numbers[roles.amount])
    return {name: _invent(attribute, as_of, numbers.get(name)) for name, attribute in attributes.items()}


def _invent(attribute: Attribute, as_of: date, wanted: float | None) -> Invented:
    if attribute.type is AttributeType.CATEGORY:
        return attribute.categories[0]
    if attribute.type is AttributeType.DATE:
        return _day(attribute, as_of)
    value = _within(attribute, _plausible(attribute) if wanted is None else wanted)
    return value if attribute.type is AttributeType.REAL else int(value)


def _day(attribute: Attribute, as_of: date) -> str:
    years = ADULT_YEARS if attribute.legal is Legal.AGE else HISTORY_YEARS
    return years_before(as_of, int(_within(attribute, years))).isoformat()


def _plausible(attribute: Attribute) -> float:
    return 0.0 if attribute.better is Better.LOWER else _middle(attribute)


def _middle(attribute: Attribute) -> float:
    """The middle of the orders of magnitude of a range, with one significant digit; 0 for a range that goes below 0."""
    low, high = bounds(attribute)
    if low < 0 or high <= 0:
        return 0.0
    middle = math.sqrt(max(low, min(1.0, high)) * high)
    scale = 10.0 ** math.floor(math.log10(middle))
    return round(middle / scale) * scale


def _within(attribute: Attribute, value: float) -> float:
    low, high = bounds(attribute)
    return min(max(value, low), high)
