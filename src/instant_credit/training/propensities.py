"""Where a book tells by which chance an application was approved: in an attribute of its Cases that the model never sees.

A lender that approves some applications by chance writes the probability down with them, and a tape brings it in like any other column. The
chance follows from how a former policy judged, so no variable of the model may be made of it.
"""

import math

from instant_credit.application.facts import Facts
from instant_credit.application.product import AttributeType, Product
from instant_credit.errors import Refused


def find_propensity(product: Product, name: str) -> int:
    """The place of the attribute among the reals of a Case's facts.

    Raises
    ------
    Refused : it is no real of the product's Cases in the unit ratio, or a variable of the model is made of it.
    """
    reals = [one for one in product.case_attributes if one.type is AttributeType.REAL]
    place = next((place for place, one in enumerate(reals) if one.name == name), None)
    if place is None or reals[place].unit != "ratio":
        raise Refused(
            f"--propensity {name}: product {product.name} has no such attribute of type real in the unit ratio; write the chance of each "
            "approval into one, by a column of the tape's mapping"
        )
    if name in _find_behind_model(product):
        raise Refused(
            f"--propensity {name}: a variable of the model is made of it, and a model must not see how it was chosen"
        )
    return place


def read_propensity(facts: Facts, place: int) -> float:
    """The probability that was written down; NaN = not told."""
    told = facts.reals[place]
    return math.nan if told is None else told


def _find_behind_model(product: Product) -> frozenset[str]:
    """Names of all that the model's variables are made of; a variable is made of attributes and earlier variables."""
    behind: set[str] = set()
    for variable in reversed(product.variables):
        if variable.in_model or variable.name in behind:
            behind.update(variable.of)
    return frozenset(behind)
