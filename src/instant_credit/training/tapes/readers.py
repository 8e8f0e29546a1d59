"""What a mapping's parts read from the texts of one row: facts, conditions, weights and events. Edge.

A reader is made once for a part and keeps what each distinct text means, so that a text which comes a million times is worked out
once. What can't be read comes back as the column and why, never with the text itself, which may be personal.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Final

from instant_credit.application.product import Attribute, AttributeType
from instant_credit.outcome.events import RepaymentEvent
from instant_credit.training.tapes.cells import (
    VALUE_NOT_MAPPED,
    Unreadable,
    read_cents,
    read_cents_over,
    read_day,
    read_decimal,
    read_real,
    read_whole,
)
from instant_credit.training.tapes.parts import (
    WEIGHT_MAX,
    CellTest,
    Condition,
    EventAmount,
    EventDay,
    EventRule,
    FactColumn,
    NumberForm,
    TapeMapping,
    WeightColumn,
)
from instant_credit.units import Cents, add_months

Fact = int | float | str | date
Texts = Mapping[str, Sequence[str | None]]
Misread = tuple[str, Unreadable]

EARLIEST_ON: Final = date(1970, 1, 1)
_NUMBER_TYPES: Final = frozenset({AttributeType.CENTS, AttributeType.INTEGER, AttributeType.REAL})
_REMEMBERED_MAX: Final = 20_000

DATE_MISSING: Final = Unreadable("DATE_MISSING", "the day on which the facts were known is missing")
EVENT_DATE_MISSING: Final = Unreadable("EVENT_DATE_MISSING", "the day on which the event happened is missing")
WEIGHT_MISSING: Final = Unreadable("WEIGHT_MISSING", "the sampling weight is missing; every row needs one")
WEIGHT_OUT_OF_RANGE: Final = Unreadable(
    "WEIGHT_OUT_OF_RANGE", f"a sampling weight is above 0 and at most {WEIGHT_MAX:.0e}"
)


class CellRules:
    """What holds for every cell of a mapping: the texts that mean missing and how a number is written."""

    def __init__(self, mapping: TapeMapping) -> None:
        self.null = frozenset(mapping.null)
        self._remove = mapping.numbers.remove
        self._is_plain = mapping.numbers == NumberForm()
        self._decimal = mapping.numbers.decimal

    def tell(self, text: str | None) -> str | None:
        """The text, or None when it means missing."""
        return None if text is None or text in self.null else text

    def write_number(self, text: str) -> str:
        """A number's text with a point as its only sign: "$1,234.50" is "1234.50" where the mapping removes "$" and ","."""
        if self._is_plain:
            return text
        for sign in self._remove:
            text = text.replace(sign, "")
        return text.replace(self._decimal, ".").strip()


class FactReader:
    """Reads one attribute from its column, or two; what a text means is worked out once.

    Parameters
    ----------
    fact, attribute : where it is told and what it is.
    rules : of the mapping.
    place : the column's name in a reject; the fact's own column when not given.
    """

    def __init__(self, fact: FactColumn, attribute: Attribute, rules: CellRules, place: str | None = None) -> None:
        self._fact = fact
        self._place = place or fact.column or ""
        self._rules = rules
        self._null = rules.null | frozenset(fact.null)
        self._read_text = _choose_reader(fact, attribute)
        self._is_number = attribute.type in _NUMBER_TYPES or bool(fact.edges)
        self._remembered: dict[tuple[str | None, ...], Fact | Misread | None] = {}

    def read(self, texts: Texts) -> list[Fact | Misread | None]:
        """The attribute's n values; one that can't be read is its column and why."""
        remembered = self._remembered
        if len(remembered) > _REMEMBERED_MAX:
            remembered.clear()
        found = []
        for told in zip(*(texts[column] for column in self._fact.columns), strict=True):
            if told not in remembered:
                remembered[told] = self._read_one(*told)
            found.append(remembered[told])
        return found

    def _read_one(self, told: str | None, over: str | None = None) -> Fact | Misread | None:
        text = self._clean(told)
        if text is None:
            return None
        fact = self._fact
        if fact.over is not None:
            return self._read_over(text, over)
        if fact.values:
            mapped = fact.values.get(text, fact.otherwise)
            if mapped is None:
                return self._place, VALUE_NOT_MAPPED
            value = self._read_text(str(mapped))
        else:
            value = self._read_text(self._rules.write_number(text) if self._is_number else text)
        return (self._place, value) if isinstance(value, Unreadable) else value

    def _read_over(self, text: str, over: str | None) -> Fact | Misread | None:
        """The amount over the second column's number; missing where that is missing or too small to divide by."""
        fact = self._fact
        assert fact.over is not None
        assert fact.over_min is not None
        below = self._rules.tell(over)
        if below is None:
            return None
        divisor = read_decimal(self._rules.write_number(below))
        if isinstance(divisor, Unreadable):
            return fact.over, divisor
        value = read_cents_over(self._rules.write_number(text), divisor, fact.unit_cents, fact.over_min)
        return (self._place, value) if isinstance(value, Unreadable) else value

    def _clean(self, text: str | None) -> str | None:
        if text is None or text in self._null:
            return None
        if self._fact.suffix:
            text = text.removesuffix(self._fact.suffix).strip()
        return text.lower() if self._fact.lowercase else text


def _choose_reader(fact: FactColumn, attribute: Attribute) -> Callable[[str], Fact | Unreadable]:
    match attribute.type:
        case AttributeType.CENTS:
            return partial(read_cents, unit_cents=fact.unit_cents)
        case AttributeType.INTEGER:
            return read_whole
        case AttributeType.REAL:
            return partial(read_real, divide_by=fact.divide_by)
        case AttributeType.DATE:
            return partial(read_day, layout=fact.format)
        case AttributeType.CATEGORY if fact.edges:
            return partial(_cut_number, edges=fact.edges, categories=attribute.categories)
        case AttributeType.CATEGORY:
            categories = frozenset(attribute.categories)
            return lambda text: text if text in categories else VALUE_NOT_MAPPED


def _cut_number(text: str, edges: tuple[float, ...], categories: tuple[str, ...]) -> str | Unreadable:
    """The category at the place of the number among the rising edges; an edge belongs to the category above it."""
    number = read_real(text, 1.0)
    return number if isinstance(number, Unreadable) else categories[bisect_right(edges, number)]


def check_condition(condition: Condition, texts: Texts, place: int, rules: CellRules) -> bool | Misread:
    """Whether the condition holds for row `place` of `texts`; tests after one that does not hold are not made."""
    for test in (condition, *condition.also):
        holds = _check_test(test, texts[test.column][place], rules)
        if isinstance(holds, Unreadable):
            return test.column, holds
        if not holds:
            return False
    return True


def _check_test(condition: CellTest, told: str | None, rules: CellRules) -> bool | Unreadable:
    text = rules.tell(told)
    if condition.is_told is not None:
        return condition.is_told == (text is not None)
    if text is None:
        return False
    if condition.is_one_of:
        return text in condition.is_one_of
    number = read_real(rules.write_number(text), 1.0)
    if isinstance(number, Unreadable):
        return number
    return (condition.above is None or number > condition.above) and (
        condition.below is None or number < condition.below
    )


def read_weight(weight: WeightColumn, told: str | None, rules: CellRules) -> float | Unreadable:
    """The sampling weight that the column's text tells."""
    text = rules.tell(told)
    if text is None:
        return WEIGHT_MISSING
    if weight.values:
        return weight.values.get(text, VALUE_NOT_MAPPED)
    number = read_real(rules.write_number(text), 1.0)
    if isinstance(number, Unreadable):
        return number
    return number if 0 < number <= WEIGHT_MAX else WEIGHT_OUT_OF_RANGE


def read_event(
    rule: EventRule, place: int, texts: Texts, as_of: date | None, rules: CellRules
) -> RepaymentEvent | Misread | None:
    """The event that row `place` of `texts` tells, None when it tells none, or the column that can't be read and why.

    `as_of` None: rows of a joined file, each dated by itself; whoever asks compares their days with the loan's.
    """
    holds = check_condition(rule.when, texts, place, rules)
    if isinstance(holds, tuple):
        return holds
    if not holds:
        return None
    amount = _read_amount(rule.amount, place, texts, rules)
    if isinstance(amount, tuple):
        return amount
    days = []
    for day_rule in (rule.event_on, rule.known_on):
        day = _read_event_day(day_rule, place, texts, as_of, rules)
        if isinstance(day, Unreadable):
            return day_rule.column or rule.when.column, day
        days.append(day)
    event_on, known_on = days
    if as_of is not None and event_on < as_of:
        reason = f"the event {rule.kind} lies before the day on which the facts were known"
        return rule.event_on.column or rule.when.column, Unreadable("EVENT_TOO_EARLY", reason)
    if known_on < event_on:
        reason = f"the event {rule.kind} would be known before it happened"
        return rule.known_on.column or rule.when.column, Unreadable("EVENT_KNOWN_TOO_EARLY", reason)
    return RepaymentEvent(
        kind=rule.kind,
        amount_cents=amount,
        event_on=event_on,
        known_on=known_on,
        days_past_due=rule.days_past_due,
    )


def _read_amount(rule: EventAmount | None, place: int, texts: Texts, rules: CellRules) -> Cents | Misread:
    total = 0
    for column, sign in () if rule is None else ((rule.column, 1), (rule.minus, -1)):
        text = None if column is None else rules.tell(texts[column][place])
        if rule is None or column is None or text is None:
            continue
        cents = read_cents(rules.write_number(text), rule.unit_cents)
        if isinstance(cents, Unreadable):
            return column, cents
        total += sign * cents
    return Cents(max(total, 0))


def _read_event_day(
    rule: EventDay, place: int, texts: Texts, as_of: date | None, rules: CellRules
) -> date | Unreadable:
    day: date | Unreadable | None = as_of if rule.constant is None else rule.constant
    text = None if rule.column is None else rules.tell(texts[rule.column][place])
    if text is not None:
        day = read_day(text, rule.format)
    if day is None:
        return EVENT_DATE_MISSING
    if isinstance(day, Unreadable):
        return day
    try:
        return add_months(day, rule.add_months) + timedelta(days=rule.add_days)
    except (ValueError, OverflowError):
        return Unreadable("DATE_TOO_LATE", "the day lies beyond the calendar")
