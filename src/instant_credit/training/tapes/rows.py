"""Rows of a tape: from cells to values by attribute, keys and events. Edge.

The steps for one chunk of n rows:

1. every cell becomes its text or None (`cells.cell_text`), column by column;
2. each row gets its key: SHA-256 over the key columns, or over its content but the leaks, and then the count of equal rows before it;
3. facts, `as_of` and events are read from the texts; each distinct text of a column is read once;
4. a row comes out as a `TapeRow`, or as the list of everything that is wrong with it.

A key depends on the file's content alone, so the same tape gives the same keys on any machine and after any interruption. What
happened to a loan (the leaks) has no part in it, so a newer tape of the same loans gives the same keys too. Rows must be read from
the first one on, because equal rows are counted.
"""

import hashlib
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Final

from msgspec import Struct

from instant_credit.application.product import Attribute, AttributeType, Product
from instant_credit.outcome.events import RepaymentEvent, order_events
from instant_credit.training.tapes.cells import (
    VALUE_NOT_MAPPED,
    Unreadable,
    cell_text,
    read_cents,
    read_cents_over,
    read_day,
    read_decimal,
    read_real,
    read_whole,
)
from instant_credit.training.tapes.files import TapeChunk
from instant_credit.training.tapes.parts import Condition, EventAmount, EventDay, EventRule, FactColumn, TapeMapping
from instant_credit.units import Cents, add_months

Fact = int | float | str | date
Texts = dict[str, list[str | None]]
_Misread = tuple[str, Unreadable]

KEY_LENGTH: Final = 32
EARLIEST_ON: Final = date(1970, 1, 1)
_REMEMBERED_MAX: Final = 200_000


class Reject(Struct, frozen=True, kw_only=True, gc=False):
    """Why a row was not recorded: the row's number (1 is the first row of data), the column, the condition and what is expected."""

    row: int
    column: str
    code: str
    reason: str


class TapeRow(Struct, frozen=True, kw_only=True):
    """One readable row; `values` by attribute name, None = missing, not yet checked against the product's ranges."""

    row: int
    natural_key: str
    person_key: str
    as_of: date
    values: dict[str, Fact | None]
    events: tuple[RepaymentEvent, ...]


class RowReader:
    """Reads the chunks of one tape in order; keeps the count of equal rows between them.

    Arguments
    ---------
    mapping, product : the mapping and the product it was checked against.
    latest_on : no row may be as of a later day.
    """

    def __init__(self, mapping: TapeMapping, product: Product, latest_on: date) -> None:
        attributes = {attribute.name: attribute for attribute in product.attributes}
        self._mapping = mapping
        self._latest_on = latest_on
        self._null = frozenset(mapping.null)
        self._facts = {name: _FactReader(fact, attributes[name], self._null) for name, fact in mapping.facts.items()}
        self._seen: dict[bytes, int] = {}

    def read_chunk(self, chunk: TapeChunk) -> list[TapeRow | list[Reject]]:
        """The n rows of `chunk`, in order."""
        texts = {column: [cell_text(cell) for cell in cells] for column, cells in chunk.columns.items()}
        keys = self._key_rows(texts, chunk)
        facts = {name: reader.read(texts) for name, reader in self._facts.items()}
        return [self._read_row(place, chunk, texts, keys[place], facts) for place in range(chunk.row_count)]

    def _read_row(
        self,
        place: int,
        chunk: TapeChunk,
        texts: Texts,
        key: bytes,
        facts: dict[str, list[Fact | _Misread | None]],
    ) -> TapeRow | list[Reject]:
        row = chunk.first_row + place
        if place in chunk.broken:
            return [Reject(row=row, column="", code="ROW_BROKEN", reason=chunk.broken[place])]
        rejects: list[Reject] = []

        def reject(column: str, unreadable: Unreadable) -> None:
            rejects.append(Reject(row=row, column=column, code=unreadable.code, reason=unreadable.reason))

        natural_key = self._count_key(key)
        if natural_key is None:
            reject(", ".join(self._mapping.row.key), Unreadable("KEY_REPEATED", "an earlier row has the same key"))
        values: dict[str, Fact | None] = {}
        for name, column_values in facts.items():
            value = column_values[place]
            if isinstance(value, tuple):
                reject(*value)
            else:
                values[name] = value
        as_of = self._read_as_of(place, texts)
        events: list[RepaymentEvent] = []
        if isinstance(as_of, Unreadable):
            reject(self._mapping.as_of.column or "", as_of)
        else:
            for rule in self._mapping.events:
                found = _read_event(rule, place, texts, as_of, self._null)
                if isinstance(found, RepaymentEvent):
                    events.append(found)
                elif found is not None:
                    reject(*found)
        if rejects or natural_key is None or isinstance(as_of, Unreadable):
            return rejects
        return TapeRow(
            row=row,
            natural_key=natural_key,
            person_key=self._read_person(place, texts, natural_key),
            as_of=as_of,
            values=values,
            events=order_events(tuple(dict.fromkeys(events))),
        )

    def _key_rows(self, texts: Texts, chunk: TapeChunk) -> list[bytes]:
        row_key = self._mapping.row
        columns = sorted(row_key.key or set(texts) - set(row_key.ignore) - set(self._mapping.leaks))
        hashes = [hashlib.sha256() for _ in range(chunk.row_count)]
        for column in columns:
            name = _netstring(column)
            for place, text in enumerate(texts[column]):
                if text is not None:
                    hashes[place].update(name + _netstring(text))
        return [digest.digest()[: KEY_LENGTH // 2] for digest in hashes]

    def _count_key(self, key: bytes) -> str | None:
        count = self._seen[key] = self._seen.get(key, 0) + 1
        return None if count > 1 and self._mapping.row.key else f"{key.hex()}-{count}"

    def _read_as_of(self, place: int, texts: Texts) -> date | Unreadable:
        rule = self._mapping.as_of
        day: date | Unreadable | None = rule.constant
        if rule.column is not None:
            text = texts[rule.column][place]
            day = None if text is None or text in self._null else read_day(text, rule.format)
        if day is None:
            return Unreadable("DATE_MISSING", "the day on which the facts were known is missing")
        if isinstance(day, date) and day < EARLIEST_ON:
            return Unreadable("DATE_TOO_EARLY", f"the day lies before {EARLIEST_ON}")
        if isinstance(day, date) and day > self._latest_on:
            return Unreadable("DATE_IN_FUTURE", "the day lies in the future")
        return day

    def _read_person(self, place: int, texts: Texts, natural_key: str) -> str:
        """Names the person by the tape and the person's columns; a row without them is its own person."""
        columns = self._mapping.person.columns
        told = [texts[column][place] for column in columns]
        if not columns or any(text is None for text in told):
            return f"row {self._mapping.name} {natural_key}"
        digest = hashlib.sha256(b"".join(_netstring(text or "") for text in told))
        return f"person {self._mapping.name} {digest.hexdigest()}"


class _FactReader:
    """Reads one attribute's column, or two; what a text means is worked out once."""

    def __init__(self, fact: FactColumn, attribute: Attribute, null: frozenset[str]) -> None:
        self._fact = fact
        self._place = fact.column or ""
        self._null = null | frozenset(fact.null)
        self._read_text = _choose_reader(fact, attribute)
        self._remembered: dict[tuple[str | None, ...], Fact | _Misread | None] = {}

    def read(self, texts: Texts) -> list[Fact | _Misread | None]:
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

    def _read_one(self, told: str | None, over: str | None = None) -> Fact | _Misread | None:
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
            text = str(mapped)
        value = self._read_text(text)
        return (self._place, value) if isinstance(value, Unreadable) else value

    def _read_over(self, text: str, over: str | None) -> Fact | _Misread | None:
        """The amount over the second column's number; missing where that is missing or too small to divide by."""
        fact = self._fact
        assert fact.over is not None
        assert fact.over_min is not None
        if over is None or over in self._null:
            return None
        divisor = read_decimal(over)
        if isinstance(divisor, Unreadable):
            return fact.over, divisor
        value = read_cents_over(text, divisor, fact.unit_cents, fact.over_min)
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
        case AttributeType.CATEGORY:
            categories = frozenset(attribute.categories)
            return lambda text: text if text in categories else VALUE_NOT_MAPPED


def _read_event(
    rule: EventRule, place: int, texts: Texts, as_of: date, null: frozenset[str]
) -> RepaymentEvent | tuple[str, Unreadable] | None:
    """The event that the row tells, None when it tells none, or the column that can't be read and why."""
    holds = _check_condition(rule.when, texts[rule.when.column][place], null)
    if isinstance(holds, Unreadable):
        return rule.when.column, holds
    if not holds:
        return None
    amount = _read_amount(rule.amount, place, texts, null)
    if isinstance(amount, tuple):
        return amount
    days = []
    for day_rule in (rule.event_on, rule.known_on):
        day = _read_event_day(day_rule, place, texts, as_of, null)
        if isinstance(day, Unreadable):
            return day_rule.column or rule.when.column, day
        days.append(day)
    event_on, known_on = days
    if event_on < as_of:
        reason = f"the event {rule.kind} lies before the day on which the facts were known"
        return rule.event_on.column or rule.when.column, Unreadable("EVENT_TOO_EARLY", reason)
    if known_on < event_on:
        reason = f"the event {rule.kind} would be known before it happened"
        return rule.known_on.column or rule.when.column, Unreadable("EVENT_KNOWN_TOO_EARLY", reason)
    return RepaymentEvent(kind=rule.kind, amount_cents=amount, event_on=event_on, known_on=known_on)


def _check_condition(condition: Condition, text: str | None, null: frozenset[str]) -> bool | Unreadable:
    if text is None or text in null:
        return False
    if condition.above is None:
        return text in condition.is_one_of
    number = read_real(text, 1.0)
    return number if isinstance(number, Unreadable) else number > condition.above


def _read_amount(
    rule: EventAmount | None, place: int, texts: Texts, null: frozenset[str]
) -> Cents | tuple[str, Unreadable]:
    total = 0
    for column, sign in () if rule is None else ((rule.column, 1), (rule.minus, -1)):
        text = None if column is None else texts[column][place]
        if rule is None or column is None or text is None or text in null:
            continue
        cents = read_cents(text, rule.unit_cents)
        if isinstance(cents, Unreadable):
            return column, cents
        total += sign * cents
    return Cents(max(total, 0))


def _read_event_day(rule: EventDay, place: int, texts: Texts, as_of: date, null: frozenset[str]) -> date | Unreadable:
    day: date | Unreadable = as_of if rule.constant is None else rule.constant
    if rule.column is not None:
        text = texts[rule.column][place]
        if text is not None and text not in null:
            day = read_day(text, rule.format)
    if isinstance(day, Unreadable):
        return day
    try:
        return add_months(day, rule.add_months) + timedelta(days=rule.add_days)
    except (ValueError, OverflowError):
        return Unreadable("DATE_TOO_LATE", "the day lies beyond the calendar")


def _netstring(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    return b"%d:%b," % (len(raw), raw)
