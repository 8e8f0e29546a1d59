"""The mapping document: what a tape's columns mean. Edge.

A mapping is written in TOML for one kind of tape and one product. It says which column tells which attribute, on which day the
facts were known (`as_of`), how a row is recognised again, and which repayment events a row tells. The attribute's type says how a
cell is read: cents from amounts, codes from texts, days from dates.

Two lists guard the past. `leaks` are columns that were filled after the decision: events may read them and nothing else may. And
the other way round, what an event reads must be listed there, so that a column which tells the outcome can't be made a fact later by
mistake. `withheld` are columns that were known in time and still may not be used, such as the lender's own price.
"""

import tomllib
from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from instant_credit.application.product import AttributeType, Legal, Name, Product
from instant_credit.errors import Refused
from instant_credit.outcome.events import EventKind

ColumnName = Annotated[str, Meta(min_length=1, max_length=200)]
ColumnNames = Annotated[tuple[ColumnName, ...], Meta(max_length=2000)]
CellText = Annotated[str, Meta(max_length=200)]


class FactColumn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where one attribute is told.

    `values` replaces texts before the cell is read (categories by name, numbers as numbers); with it, any other text is
    `otherwise` or, without that, a reject. `null` are texts that mean missing, beside the mapping's own. `unit_cents` is what one
    unit of an amount is worth, `divide_by` turns percents into ratios, `suffix` is cut off, `lowercase` folds case (both
    before `values`), `format` is for dates (strptime).

    With `over` an amount is what `column` tells divided by the number in column `over`: a limit out of balance and utilisation. Where
    that number is missing or below `over_min`, the fact is missing, since a division by next to nothing tells nothing.
    """

    column: ColumnName
    values: Annotated[dict[CellText, str | int | float], Meta(max_length=5000)] = {}
    otherwise: str | int | float | None = None
    null: Annotated[tuple[CellText, ...], Meta(max_length=100)] = ()
    unit_cents: Annotated[int, Meta(ge=1, le=10**9)] = 100
    divide_by: Annotated[float, Meta(gt=0)] = 1.0
    suffix: CellText = ""
    lowercase: bool = False
    format: CellText = "%Y-%m-%d"
    over: ColumnName | None = None
    over_min: Annotated[float, Meta(gt=0)] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the fact is read from."""
        return (self.column,) if self.over is None else (self.column, self.over)


class AsOf(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The day on which the facts were known: a column, or one day for the whole tape."""

    column: ColumnName | None = None
    constant: date | None = None
    format: CellText = "%Y-%m-%d"


class RowKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a row is recognised when the tape is imported again.

    `key` are the columns that name a loan for ever. Without them a row is its content: all columns but the `ignore`d ones and the
    leaks, which change while the loan is the same; the k-th of equal rows is its own loan.
    """

    key: ColumnNames = ()
    ignore: ColumnNames = ()


class PersonKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The columns that name the borrower; without them every row is its own person."""

    columns: ColumnNames = ()


class Condition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Holds when the column's text is one of `is_one_of`, or its number is above `above`."""

    column: ColumnName
    is_one_of: Annotated[tuple[CellText, ...], Meta(max_length=100)] = ()
    above: float | None = None


class EventAmount(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An amount, less another one when `minus` is given; missing counts as 0, and so does less than 0."""

    column: ColumnName
    minus: ColumnName | None = None
    unit_cents: Annotated[int, Meta(ge=1, le=10**9)] = 100


class EventDay(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A day: the column, or `as_of` where the column is empty or not given, or a constant; moved by months, then by days."""

    column: ColumnName | None = None
    constant: date | None = None
    format: CellText = "%Y-%m-%d"
    add_months: Annotated[int, Meta(ge=0, le=1200)] = 0
    add_days: Annotated[int, Meta(ge=0, le=36500)] = 0


class EventRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event that a row tells when `when` holds; each rule tells at most one event a row."""

    kind: EventKind
    when: Condition
    amount: EventAmount | None = None
    event_on: EventDay
    known_on: EventDay


class FileForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a csv file is written; parquet needs nothing."""

    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    skip_lines: Annotated[int, Meta(ge=0, le=1000)] = 0


class TapeMapping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole document."""

    schema_version: Literal[1] = 1
    name: Name
    title: Annotated[str, Meta(min_length=1, max_length=200)]
    source: Annotated[str, Meta(max_length=2000)] = ""
    product: Name
    file: FileForm = FileForm()
    null: Annotated[tuple[CellText, ...], Meta(max_length=100)] = ()
    leaks: ColumnNames = ()
    withheld: ColumnNames = ()
    row: RowKey = RowKey()
    as_of: AsOf
    person: PersonKey = PersonKey()
    facts: Annotated[dict[Name, FactColumn], Meta(min_length=1, max_length=2000)]
    events: Annotated[tuple[EventRule, ...], Meta(max_length=100)] = ()

    @property
    def needed_columns(self) -> tuple[str, ...]:
        """Every column that the tape must have, sorted."""
        named = {column for fact in self.facts.values() for column in fact.columns}
        named |= set(self.row.key) | set(self.person.columns)
        named |= self.event_columns
        if self.as_of.column is not None:
            named.add(self.as_of.column)
        return tuple(sorted(named))

    @property
    def event_columns(self) -> set[str]:
        """Every column that an event reads."""
        named: set[str] = set()
        for rule in self.events:
            named.add(rule.when.column)
            named.update(day.column for day in (rule.event_on, rule.known_on) if day.column is not None)
            if rule.amount is not None:
                named.add(rule.amount.column)
                named.update(() if rule.amount.minus is None else (rule.amount.minus,))
        return named


def read_product_name(text: str) -> str:
    """The name of the product that a mapping document is for, before anything else of it is checked.

    Raises
    ------
    Refused : the text is no mapping.
    """
    try:
        return msgspec.convert(tomllib.loads(text), _ProductName).product
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Refused(f"mapping: {error}") from error


class _ProductName(Struct, frozen=True, kw_only=True):
    product: Name


def load_mapping(text: str, product: Product) -> TapeMapping:
    """The mapping written in `text`, checked against the product it names.

    Raises
    ------
    Refused : names every place that is wrong, all at once.
    """
    try:
        mapping = msgspec.convert(tomllib.loads(text), TapeMapping)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Refused(f"mapping: {error}") from error
    problems = [*_find_fact_problems(mapping, product), *_find_leak_problems(mapping), *_find_event_problems(mapping)]
    if (mapping.as_of.column is None) == (mapping.as_of.constant is None):
        problems.append("as_of: give either `column` or `constant`")
    if mapping.row.key and mapping.row.ignore:
        problems.append("row: `ignore` is for rows without a `key`")
    if problems:
        raise Refused(f"mapping {mapping.name}: " + "; ".join(problems))
    return mapping


def _find_fact_problems(mapping: TapeMapping, product: Product) -> list[str]:
    problems = []
    if mapping.product != product.name:
        problems.append(f"product: it is for {mapping.product}, not for {product.name}")
    attributes = {attribute.name: attribute for attribute in product.attributes}
    for name, fact in mapping.facts.items():
        attribute = attributes.get(name)
        if attribute is None:
            problems.append(f"facts.{name}: the product has no such attribute")
            continue
        if attribute.legal is Legal.PROHIBITED:
            problems.append(f"facts.{name}: the attribute is prohibited and can't be a fact of a Case")
        targets = [*fact.values.values(), *(() if fact.otherwise is None else (fact.otherwise,))]
        if attribute.type is AttributeType.CATEGORY:
            problems += [
                f"facts.{name}: {target!r} is not one of the attribute's categories"
                for target in targets
                if target not in attribute.categories
            ]
        elif attribute.type is not AttributeType.DATE and any(isinstance(target, str) for target in targets):
            problems.append(f"facts.{name}: `values` of a number are numbers")
        if fact.otherwise is not None and not fact.values:
            problems.append(f"facts.{name}: `otherwise` needs `values`")
        if (fact.over is None) != (fact.over_min is None):
            problems.append(f"facts.{name}: `over` and `over_min` come together")
        if fact.over is not None and (attribute.type is not AttributeType.CENTS or fact.values):
            problems.append(f"facts.{name}: `over` is for amounts in cents without `values`")
    told = set(mapping.facts)
    problems += [
        f"facts.{attribute.name}: the product requires it and no column tells it"
        for attribute in product.case_attributes
        if attribute.is_required and attribute.name not in told
    ]
    return problems


def _find_leak_problems(mapping: TapeMapping) -> list[str]:
    readers = {f"facts.{name}": fact.column for name, fact in mapping.facts.items()}
    readers |= {f"facts.{name}.over": fact.over for name, fact in mapping.facts.items() if fact.over is not None}
    problems = [
        f"{place}: column {column} is withheld, and no fact may be read from it"
        for place, column in readers.items()
        if column in mapping.withheld
    ]
    readers |= {f"person.columns[{place}]": column for place, column in enumerate(mapping.person.columns)}
    readers |= {f"row.key[{place}]": column for place, column in enumerate(mapping.row.key)}
    readers |= {} if mapping.as_of.column is None else {"as_of": mapping.as_of.column}
    problems += [
        f"{place}: column {column} is a leak: it was filled after the decision, and only events may read it"
        for place, column in readers.items()
        if column in mapping.leaks
    ]
    open_columns = mapping.event_columns - set(mapping.leaks) - {mapping.as_of.column}
    problems += [
        f"events: column {column} tells the outcome and is not listed in `leaks`" for column in sorted(open_columns)
    ]
    return problems


def _find_event_problems(mapping: TapeMapping) -> list[str]:
    problems = []
    for place, rule in enumerate(mapping.events):
        if bool(rule.when.is_one_of) == (rule.when.above is not None):
            problems.append(f"events[{place}].when: give either `is_one_of` or `above`")
        problems += [
            f"events[{place}].{name}: give `column` or `constant`, not both"
            for name, day in (("event_on", rule.event_on), ("known_on", rule.known_on))
            if day.column is not None and day.constant is not None
        ]
    return problems
