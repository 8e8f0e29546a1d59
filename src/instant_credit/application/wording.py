"""How a number is said to a person: units, categories, the texts of reasons.

A reason text shows the applicant's own value, in the unit of its variable. Texts hold no other placeholder than ``{value}``;
the checks of the product see to it.
"""

import math
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from instant_credit.application.product import Attribute, Product, Variable
from instant_credit.errors import require
from instant_credit.units import Cents, money_text

UNKNOWN: Final = "not known"
VALUE_PLACEHOLDER: Final = "{value}"


def format_value(unit: str, value: float, currency: str) -> str:
    """`value` in `unit` for people.

    Parameters
    ----------
    unit : of a variable or an attribute: cents, ratio (1 = 100%), percent, months, years, flag, or anything else, which is
        said as a plain number.
    value : in that unit, cents in minor units; NaN = missing.
    currency : ISO 4217 code, shown before money.

    Returns
    -------
    Text such as "USD 1,234.50", "35.0%", "2 years and 1 month", "yes", "3", "0.25" or "not known".
    """
    if math.isnan(value):
        return UNKNOWN
    if unit == "cents":
        return money_text(Cents(round(value)), currency)
    if unit == "ratio":
        return f"{_rounded(value * 100, '0.1')}%"
    if unit == "percent":
        return f"{_rounded(value, '0.1')}%"
    if unit == "months":
        return _months_text(round(value))
    if unit == "years":
        return _counted(_plain(value), "year")
    if unit == "flag":
        return "yes" if value else "no"
    return _plain(value)


def category_text(attribute: Attribute, code: int) -> str:
    """The category `code` of `attribute` for people: "debt consolidation", or "CA" where the unit is "code"; -1 = "not known"."""
    require(-1 <= code < len(attribute.categories), f"{attribute.name} has no category {code}")
    if code < 0:
        return UNKNOWN
    name = attribute.categories[code]
    return name.upper() if attribute.unit == "code" else name.replace("_", " ")


def reason_text(product: Product, variable: Variable, value: float) -> str:
    """The text of `variable`'s reason with the applicant's own value.

    Parameters
    ----------
    product : names the currency and the categories.
    variable : one that the model sees, with its texts.
    value : float64 as `features.build` made it; NaN, or -1 for a category, = missing, which has a text of its own.
    """
    require(variable.text is not None and variable.text_missing is not None, f"{variable.name} has no reason text")
    text, text_missing = variable.text or "", variable.text_missing or ""
    if variable.op == "category":
        if value < 0:
            return text_missing
        attribute = next(a for a in product.attributes if a.name == variable.of[0])
        return text.replace(VALUE_PLACEHOLDER, category_text(attribute, int(value)))
    if math.isnan(value):
        return text_missing
    return text.replace(VALUE_PLACEHOLDER, format_value(variable.unit, value, product.currency))


def _rounded(value: float, step: str) -> str:
    return f"{Decimal(value).quantize(Decimal(step), ROUND_HALF_EVEN):,}"


def _plain(value: float) -> str:
    """A number with at most two decimals and no trailing zeros."""
    text = _rounded(value, "0.01").rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _counted(number: str, noun: str) -> str:
    return f"{number} {noun}" if number == "1" else f"{number} {noun}s"


def _months_text(months: int) -> str:
    """Months below two years as they are, longer spans as years and months."""
    if abs(months) < 24:
        return _counted(str(months), "month")
    years, rest = divmod(abs(months), 12)
    text = _counted(str(years), "year") + (f" and {_counted(str(rest), 'month')}" if rest else "")
    return text if months > 0 else f"minus {text}"
