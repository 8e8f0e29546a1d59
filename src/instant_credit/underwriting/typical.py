"""Edge. A typical application: what the Cases of a book tell in the middle, fact by fact.

    book -> Cases of the product -> each number's and date's median, each category's commonest -> rounded, within the product's ranges

It is nobody's. Every fact is taken over by itself from at least `CASES_MIN` Cases that tell it, numbers are rounded to few figures, and
the person is invented. What most Cases leave out stays out.
"""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from datetime import date, timedelta
from typing import Final

import numpy as np
from msgspec import Struct

from instant_credit.application.fields import bounds, years_before
from instant_credit.application.inventing import Invented, invent_facts
from instant_credit.application.product import Attribute, AttributeType, Product
from instant_credit.application.telling import tell_facts
from instant_credit.errors import Refused
from instant_credit.policy.document import Policy
from instant_credit.policy.drafting.book import weighted_place
from instant_credit.record.pool import Record
from instant_credit.record.reads import list_books
from instant_credit.underwriting.course import TEST_BOOK
from instant_credit.underwriting.releases import read_cases
from instant_credit.units import round_figures

CASES_MIN: Final = 50
# More Cases would hardly move a median.
CASES_MAX: Final = 4_000
TOLD_SHARE_MIN: Final = 0.5
# Figures that are kept of money, and of other numbers and of days since a date.
_MONEY_FIGURES: Final = 2
_FIGURES: Final = 3


class ToldCase(Struct, frozen=True, kw_only=True):
    """The facts of a Case as its application told them, its day, and how many loans it stands for."""

    facts: Mapping[str, Invented]
    as_of: date
    weight: float


class Typical(Struct, frozen=True, kw_only=True):
    """Facts by attribute name as an application tells them, out of `cases` Cases of `book`."""

    facts: dict[str, Invented]
    book: str
    cases: int


async def find_typical(record: Record, product: Product, as_of: date, policy: Policy | None = None) -> Typical | None:
    """The typical application of the book that holds most Cases of `product`; None when no book holds `CASES_MIN`.

    Parameters
    ----------
    as_of : day of the application; dates lie as long before it as in the Cases.
    policy : of its terms the one nearest to the typical term is asked for.
    """
    listed = [one for one in await list_books(record) if one.book != TEST_BOOK]
    books = [one for one in listed if one.product == product.name and one.cases >= CASES_MIN]
    for book in sorted(books, key=lambda one: (-one.cases, one.book)):
        told = await _read_told(record, book.book, product)
        if len(told) >= CASES_MIN:
            facts = take_middle(product, told, as_of)
            term = product.roles.term
            if policy is not None and policy.amounts is not None and term is not None:
                facts[term] = min(policy.amounts.terms_months, key=lambda months: abs(months - float(facts[term])))
            return Typical(facts=facts, book=book.book, cases=len(told))
    return None


async def _read_told(record: Record, book: str, product: Product) -> list[ToldCase]:
    """At most `CASES_MAX` Cases of the book with the product's columns."""
    told: list[ToldCase] = []
    try:
        async with aclosing(read_cases(record, book, product)) as chunks:
            async for chunk in chunks:
                for stored, case in chunk:
                    facts = tell_facts(product, case.facts)
                    told.append(ToldCase(facts=facts, as_of=case.as_of, weight=stored.sampling_weight))
                if len(told) >= CASES_MAX:
                    break
    except Refused:
        # The book holds the product in another version, with other columns.
        return []
    return told[:CASES_MAX]


def take_middle(product: Product, told: Sequence[ToldCase], as_of: date) -> dict[str, Invented]:
    """The typical facts of these Cases. A required fact that too few tell is invented, any other one left out."""
    invented = invent_facts(product, as_of)
    total = sum(one.weight for one in told)
    facts: dict[str, Invented] = {}
    for attribute in product.told_attributes:
        name = attribute.name
        known = [one for one in told if name in one.facts]
        is_usual = sum(one.weight for one in known) >= TOLD_SHARE_MIN * total
        if len(known) >= CASES_MIN and (is_usual or attribute.is_required):
            facts[name] = _take_middle_of(attribute, known, as_of)
        elif attribute.is_required:
            facts[name] = invented[name]
    return facts


def _take_middle_of(attribute: Attribute, known: Sequence[ToldCase], as_of: date) -> Invented:
    told = [one.facts[attribute.name] for one in known]
    weights = np.array([one.weight for one in known])
    if attribute.type is AttributeType.CATEGORY:
        heavy = dict.fromkeys(attribute.categories, 0.0)
        for category, weight in zip(told, weights.tolist(), strict=True):
            heavy[str(category)] += weight
        return max(heavy, key=lambda category: heavy[category])
    low, high = bounds(attribute)
    if attribute.type is AttributeType.DATE:
        days = [(one.as_of - date.fromisoformat(str(day))).days for one, day in zip(known, told, strict=True)]
        ago = round_figures(days[weighted_place(np.array(days), weights, 0.5)], _FIGURES)
        day = as_of - timedelta(days=int(ago))
        return min(max(day, years_before(as_of, int(high))), years_before(as_of, int(low))).isoformat()
    middle = told[weighted_place(np.array(told, dtype=np.float64), weights, 0.5)]
    figures = _MONEY_FIGURES if attribute.type is AttributeType.CENTS else _FIGURES
    value = min(max(round_figures(float(middle), figures), low), high)
    return value if attribute.type is AttributeType.REAL else int(value)
