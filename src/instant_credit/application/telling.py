"""The way back: Facts as the body of an application tells them. What the door read from it is what it was made of, but for facts
that only tapes tell.
"""

from collections.abc import Mapping

from instant_credit.application.facts import Facts, Monitoring
from instant_credit.application.product import AttributeType, Product, Source
from instant_credit.units import date_from_days


def tell_facts(product: Product, facts: Facts, *, with_tape: bool = False) -> Mapping[str, int | float | str]:
    """Attribute values by name as they stand under ``facts`` in a JSON body; missing ones are left out.

    Dates are ISO 8601 days, categories their names, money integer cents.

    Parameters
    ----------
    with_tape : also those that only tapes tell, which no body may hold.
    """
    columns = {
        AttributeType.CENTS: iter(facts.cents),
        AttributeType.INTEGER: iter(facts.integers),
        AttributeType.REAL: iter(facts.reals),
        AttributeType.CATEGORY: iter(facts.codes),
        AttributeType.DATE: iter(facts.days),
    }
    told: dict[str, int | float | str] = {}
    for attribute in product.case_attributes:
        value = next(columns[attribute.type])
        if value is None or (attribute.type is AttributeType.CATEGORY and value < 0):
            continue
        if attribute.source is Source.TAPE and not with_tape:
            continue
        if attribute.type is AttributeType.CATEGORY:
            told[attribute.name] = attribute.categories[int(value)]
        elif attribute.type is AttributeType.DATE:
            told[attribute.name] = date_from_days(int(value)).isoformat()
        else:
            told[attribute.name] = value
    return told


def tell_monitoring(product: Product, monitoring: Monitoring) -> Mapping[str, str]:
    """Categories by name as they stand under ``monitoring`` in a JSON body; those not told are left out."""
    pairs = zip(product.monitoring_attributes, monitoring.codes, strict=True)
    return {attribute.name: attribute.categories[code] for attribute, code in pairs if code >= 0}
