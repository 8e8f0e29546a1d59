"""A joined file of many rows a loan: its facts and events as numbers, in the order of the keys. Edge."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Final

import numpy as np
from msgspec.structs import replace

from instant_credit.application.product import Attribute, AttributeType, Legal, Product
from instant_credit.canonical import encode_canonical
from instant_credit.outcome.events import RepaymentEvent
from instant_credit.training.tapes.cells import Unreadable
from instant_credit.training.tapes.keys import Joined, KeptRows
from instant_credit.training.tapes.parts import Condition, EventRule, FactColumn, TapeMapping
from instant_credit.training.tapes.readers import (
    CellRules,
    Fact,
    FactReader,
    Misread,
    Texts,
    check_condition,
    read_event,
)
from instant_credit.training.tapes.taking import (
    EVENTS_MAX,
    EVENTS_TOO_MANY,
    FIRST_REASON,
    MISSING,
    TOLD,
    Found,
    Kept,
    KeptEvents,
    Matched,
    Reasons,
    Taker,
    keep_values,
)
from instant_credit.units import Cents, add_months, date_from_days, days_from_date

_EARLIEST: Final = np.iinfo(np.int64).min
_LATEST: Final = np.iinfo(np.int64).max
_DAY: Final = Attribute(name="day", type=AttributeType.DATE, legal=Legal.FREE, description="The day of a row.")


class ManyFile(Joined):
    """A file of many rows a loan: what its facts and events need, as numbers."""

    def __init__(self, name: str, rows: KeptRows, mapping: TapeMapping, product: Product) -> None:
        rules = CellRules(mapping)
        attributes = {attribute.name: attribute for attribute in product.attributes}
        facts = {fact_name: fact for fact_name, fact in mapping.facts.items() if fact.file == name}
        event_rules = [rule for rule in mapping.events if rule.file == name]
        self.has_events = bool(event_rules)
        self._reasons = Reasons()
        columns = _Columns(self._reasons, rules)
        for fact_name, fact in facts.items():
            columns.add_fact(fact, attributes[fact_name])
        events: list[list[KeptEvents]] = [[] for _ in event_rules]
        for texts in rows:
            columns.grow(texts)
            for rule, parts in zip(event_rules, events, strict=True):
                parts.append(_keep_events(rule, texts, rules, self._reasons))
        super().__init__(name, rows)
        kept = {spec: self._order_kept(parts) for spec, parts in columns.parts.items()}
        self._takers = {one: _make_taker(fact, attributes[one], kept) for one, fact in facts.items()}
        self._within = {one: fact.within_months for one, fact in facts.items()}
        self._events = [self._order_events(parts) for parts in events]

    def _order_kept(self, parts: list[Kept]) -> Kept:
        return Kept(self.order([part.values for part in parts]), self.order([part.states for part in parts]))

    def _order_events(self, parts: list[KeptEvents]) -> KeptEvents:
        return KeptEvents(
            parts[0].kind,
            self.order([part.states for part in parts]),
            self.order([part.event_days for part in parts]),
            self.order([part.known_days for part in parts]),
            self.order([part.amounts for part in parts]),
        )

    def take_facts(self, matched: Matched, as_of: Sequence[date | None]) -> dict[str, list[Fact | Misread | None]]:
        """Each fact of n loans as of their days; a loan without a day has none."""
        before = np.array([_EARLIEST if day is None else days_from_date(day) for day in as_of], dtype=np.int64)
        found = {}
        for name, taker in self._takers.items():
            within = self._within[name]
            earliest = np.array(
                [
                    _EARLIEST if day is None or within is None else days_from_date(add_months(day, -within))
                    for day in as_of
                ],
                dtype=np.int64,
            )
            found[name] = self._tell(name, taker.take(matched, before, earliest))
        return found

    def _tell(self, fact: str, found: Found) -> list[Fact | Misread | None]:
        told: list[Fact | Misread | None] = [
            (fact, value) if isinstance(value, Unreadable) else value for value in found.values
        ]
        for loan, (position, state) in found.misread.items():
            told[loan] = self._blame(position, state)
        return told

    def _blame(self, position: int, state: int) -> Misread:
        """The column and why a row of the file can't be read, with the row's number."""
        column, why = self._reasons.reason_of(state)
        return f"{self.name}.{column}", Unreadable(
            why.code, f"row {self.numbers[position]} of {self.name}: {why.reason}"
        )

    def list_events(self, matched: Matched, as_of: Sequence[date | None]) -> list[list[RepaymentEvent] | Misread]:
        """The events of n loans that happened on their days or later, in no order; a loan without a day has none."""
        found: list[list[RepaymentEvent] | Misread] = [[] for _ in as_of]
        days = np.array([_LATEST if day is None else days_from_date(day) for day in as_of], dtype=np.int64)[
            matched.rows
        ]
        for kept in self._events:
            states = kept.states[matched.positions]
            tells = (states >= FIRST_REASON) | ((states == TOLD) & (kept.event_days[matched.positions] >= days))
            for place in np.flatnonzero(tells & (days < _LATEST)).tolist():
                loan, position = int(matched.rows[place]), int(matched.positions[place])
                told = found[loan]
                if isinstance(told, tuple):
                    continue
                if states[place] >= FIRST_REASON:
                    found[loan] = self._blame(position, int(states[place]))
                elif len(told) == EVENTS_MAX:
                    found[loan] = self.name, EVENTS_TOO_MANY
                else:
                    told.append(
                        RepaymentEvent(
                            kind=kept.kind,
                            amount_cents=Cents(int(kept.amounts[position])),
                            event_on=date_from_days(int(kept.event_days[position])),
                            known_on=date_from_days(int(kept.known_days[position])),
                        )
                    )
        return found


class _Columns:
    """The numbers that facts need of a file's rows, each column once however many facts need it, in parts as the file is read."""

    def __init__(self, reasons: Reasons, rules: CellRules) -> None:
        self.parts: dict[bytes, list[Kept]] = {}
        self._readers: dict[bytes, Callable[[Texts], Kept]] = {}
        self._reasons = reasons
        self._rules = rules

    def add_fact(self, fact: FactColumn, attribute: Attribute) -> None:
        """Whatever the fact needs."""
        if fact.column is not None:
            reader = FactReader(fact, attribute, self._rules)
            self._add(
                _name_values(fact, attribute), lambda texts: keep_values(reader.read(texts), attribute, self._reasons)
            )
        if fact.where is not None:
            where = fact.where
            self._add(_name_where(where), lambda texts: self._read_where(where, texts))
        if fact.before is not None:
            days = FactReader(FactColumn(column=fact.before, format=fact.before_format), _DAY, self._rules)
            self._add(_name_days(fact), lambda texts: keep_values(days.read(texts), _DAY, self._reasons))

    def _add(self, spec: bytes, reader: Callable[[Texts], Kept]) -> None:
        self._readers.setdefault(spec, reader)
        self.parts.setdefault(spec, [])

    def grow(self, texts: Texts) -> None:
        """Read the next rows."""
        for spec, read in self._readers.items():
            self.parts[spec].append(read(texts))

    def _read_where(self, where: Condition, texts: Texts) -> Kept:
        rows = len(texts[where.column])
        values = np.zeros(rows, dtype=np.int64)
        states = np.full(rows, TOLD, dtype=np.uint8)
        for place in range(rows):
            holds = check_condition(where, texts, place, self._rules)
            if isinstance(holds, tuple):
                states[place] = self._reasons.state_of(holds)
            else:
                values[place] = holds
        return Kept(values, states)


def _name_values(fact: FactColumn, attribute: Attribute) -> bytes:
    """Two facts of the same name here read the same numbers from the same column."""
    reading = replace(fact, file=None, take=None, where=None, before=None, before_format="", within_months=None)
    return encode_canonical(("values", reading, attribute.type, attribute.categories))


def _name_where(where: Condition) -> bytes:
    return encode_canonical(("where", where))


def _name_days(fact: FactColumn) -> bytes:
    return encode_canonical(("days", fact.before, fact.before_format))


def _make_taker(fact: FactColumn, attribute: Attribute, kept: Mapping[bytes, Kept]) -> Taker:
    assert fact.take is not None
    return Taker(
        fact.take,
        attribute,
        None if fact.column is None else kept[_name_values(fact, attribute)],
        None if fact.where is None else kept[_name_where(fact.where)],
        None if fact.before is None else kept[_name_days(fact)],
    )


def _keep_events(rule: EventRule, texts: Texts, rules: CellRules, reasons: Reasons) -> KeptEvents:
    rows = len(texts[rule.when.column])
    states = np.full(rows, MISSING, dtype=np.uint8)
    event_days, known_days = np.zeros(rows, dtype=np.int32), np.zeros(rows, dtype=np.int32)
    amounts = np.zeros(rows, dtype=np.int64)
    for place in range(rows):
        event = read_event(rule, place, texts, None, rules)
        if isinstance(event, RepaymentEvent):
            states[place] = TOLD
            event_days[place], known_days[place] = days_from_date(event.event_on), days_from_date(event.known_on)
            amounts[place] = event.amount_cents
        elif event is not None:
            states[place] = reasons.state_of(event)
    return KeptEvents(rule.kind, states, event_days, known_days, amounts)
