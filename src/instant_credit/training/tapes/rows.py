"""Rows of a tape: from cells to values by attribute, keys, weights and events. Edge.

The steps for one chunk of n rows:

1. every cell becomes its text or None (`cells.cell_text`), column by column;
2. each row gets its key: SHA-256 over the key columns, or over its content but the leaks, and then the count of equal rows before it;
3. joined files are looked up (`joining.py`): columns "NAME.column" stand beside the row's own;
4. facts, `as_of`, weight, monitoring and events are read from the texts; each distinct text of a column is read once;
5. a row comes out as a `TapeRow`, or as the list of everything that is wrong with it.

A key depends on the tape's content alone, so the same tape gives the same keys on any machine and after any interruption. What
happened to a loan (the leaks) has no part in it, so a newer tape of the same loans gives the same keys too. Nor have joined files: what a
loan is, its row says, and the columns that join them are always part of a row's content. Rows must be read from the first one
on, because equal rows are counted.

A prohibited attribute decides nothing, not even whether a row is recorded: a text that is none of its categories counts as not told, and
how often that happened is counted.
"""

import hashlib
from collections import Counter
from datetime import date
from typing import Final

from msgspec import Struct

from instant_credit.application.fields import CODE_MISSING
from instant_credit.application.product import Product
from instant_credit.outcome.events import RepaymentEvent, order_events
from instant_credit.training.tapes.cells import Unreadable, cell_text, read_day
from instant_credit.training.tapes.files import TapeChunk
from instant_credit.training.tapes.joining import Evidence, JoinedFiles
from instant_credit.training.tapes.keys import netstring
from instant_credit.training.tapes.parts import TapeMapping
from instant_credit.training.tapes.readers import (
    DATE_MISSING,
    EARLIEST_ON,
    CellRules,
    Fact,
    FactReader,
    Misread,
    Texts,
    read_event,
    read_weight,
)

KEY_LENGTH: Final = 32


class Reject(Struct, frozen=True, kw_only=True, gc=False):
    """Why a row was not recorded: the row's number (1 is the first row of data), the column, the condition and what is expected."""

    row: int
    column: str
    code: str
    reason: str


class TapeRow(Struct, frozen=True, kw_only=True):
    """One readable row; `values` by attribute name, None = missing, not yet checked against the product's ranges.

    `monitoring` are codes of the product's prohibited attributes in its order, -1 = not told.
    """

    row: int
    natural_key: str
    person_key: str
    as_of: date
    values: dict[str, Fact | None]
    events: tuple[RepaymentEvent, ...]
    sampling_weight: float = 1.0
    monitoring: tuple[int, ...] = ()


class _Chunk(Struct, frozen=True):
    """What was read of a chunk, each with one entry a row."""

    chunk: TapeChunk
    texts: Texts
    keys: list[bytes]
    as_of: list[date | Unreadable]
    facts: dict[str, list[Fact | Misread | None]]
    monitoring: list[tuple[int, ...]]
    joined_events: list[list[list[RepaymentEvent] | Misread]]


class RowReader:
    """Reads the chunks of one tape in order; keeps the count of equal rows between them.

    Parameters
    ----------
    mapping, product : the mapping and the product it was checked against.
    latest_on : no row may be as of a later day.
    joined : the mapping's joined files; None for a mapping without any.
    """

    def __init__(
        self, mapping: TapeMapping, product: Product, latest_on: date, joined: JoinedFiles | None = None
    ) -> None:
        attributes = {attribute.name: attribute for attribute in product.attributes}
        self.monitoring_unread: Counter[str] = Counter()
        self._mapping = mapping
        self._latest_on = latest_on
        self._joined = joined or JoinedFiles(mapping, product, {})
        self._rules = CellRules(mapping)
        own = {name: fact for name, fact in mapping.facts.items() if fact.file is None}
        self._facts = {name: FactReader(fact, attributes[name], self._rules) for name, fact in own.items()}
        self._apart = [
            None if (told := mapping.monitoring.get(a.name)) is None else FactReader(told, a, self._rules)
            for a in product.monitoring_attributes
        ]
        self._codes = [{name: code for code, name in enumerate(a.categories)} for a in product.monitoring_attributes]
        self._apart_names = [a.name for a in product.monitoring_attributes]
        self._seen: dict[bytes, int] = {}

    def read_chunk(self, chunk: TapeChunk) -> list[TapeRow | list[Reject]]:
        """The n rows of `chunk`, in order."""
        own = {column: [cell_text(cell) for cell in cells] for column, cells in chunk.columns.items()}
        keys = self._key_rows(own, chunk)
        evidence = self._joined.look_up(own)
        texts = evidence.texts
        as_of = [self._read_as_of(place, texts) for place in range(chunk.row_count)]
        told = _Chunk(
            chunk,
            texts,
            keys,
            as_of,
            {name: reader.read(texts) for name, reader in self._facts.items()} | self._take_facts(evidence, as_of),
            self._read_monitoring(texts, chunk.row_count),
            evidence.list_events([None if isinstance(day, Unreadable) else day for day in as_of]),
        )
        return [self._read_row(place, told) for place in range(chunk.row_count)]

    @staticmethod
    def _take_facts(evidence: Evidence, as_of: list[date | Unreadable]) -> dict[str, list[Fact | Misread | None]]:
        return evidence.take_facts([None if isinstance(day, Unreadable) else day for day in as_of])

    def _read_row(self, place: int, told: _Chunk) -> TapeRow | list[Reject]:
        row = told.chunk.first_row + place
        if place in told.chunk.broken:
            return [Reject(row=row, column="", code="ROW_BROKEN", reason=told.chunk.broken[place])]
        misread: list[Misread] = []
        natural_key = self._count_key(told.keys[place])
        if natural_key is None:
            misread.append(
                (", ".join(self._mapping.row.key), Unreadable("KEY_REPEATED", "an earlier row has the same key"))
            )
        values: dict[str, Fact | None] = {}
        for name, column_values in told.facts.items():
            value = column_values[place]
            if isinstance(value, tuple):
                misread.append(value)
            else:
                values[name] = value
        weight = self._read_weight(place, told.texts)
        if isinstance(weight, tuple):
            misread.append(weight)
        as_of = told.as_of[place]
        events: list[RepaymentEvent] = []
        if isinstance(as_of, Unreadable):
            misread.append((self._mapping.as_of.column or "", as_of))
        else:
            events = self._read_events(place, told, as_of, misread)
        if misread or natural_key is None or isinstance(as_of, Unreadable) or isinstance(weight, tuple):
            return [
                Reject(row=row, column=column, code=why.code, reason=why.reason)
                for column, why in dict.fromkeys(misread)
            ]
        return TapeRow(
            row=row,
            natural_key=natural_key,
            person_key=self._read_person(place, told.texts, natural_key),
            as_of=as_of,
            values=values,
            events=order_events(tuple(dict.fromkeys(events))),
            sampling_weight=weight,
            monitoring=told.monitoring[place],
        )

    def _read_events(self, place: int, told: _Chunk, as_of: date, misread: list[Misread]) -> list[RepaymentEvent]:
        events: list[RepaymentEvent] = []
        for rule in self._mapping.events:
            if rule.file is not None:
                continue
            found = read_event(rule, place, told.texts, as_of, self._rules)
            if isinstance(found, RepaymentEvent):
                events.append(found)
            elif found is not None:
                misread.append(found)
        for by_loan in told.joined_events:
            joined = by_loan[place]
            if isinstance(joined, tuple):
                misread.append(joined)
            else:
                events += joined
        return events

    def _key_rows(self, texts: Texts, chunk: TapeChunk) -> list[bytes]:
        row_key = self._mapping.row
        if len(row_key.key) == 1:
            # A number alone, so that whoever tells what became of a loan can name it (`outcome.inbound.name_account`).
            return [
                hashlib.sha256((text or "").encode("utf-8", "surrogateescape")).digest()[: KEY_LENGTH // 2]
                for text in texts[row_key.key[0]]
            ]
        columns = sorted(row_key.key or set(texts) - set(row_key.ignore) - set(self._mapping.leaks))
        hashes = [hashlib.sha256() for _ in range(chunk.row_count)]
        for column in columns:
            name = netstring(column)
            for place, text in enumerate(texts[column]):
                if text is not None:
                    hashes[place].update(name + netstring(text))
        return [digest.digest()[: KEY_LENGTH // 2] for digest in hashes]

    def _count_key(self, key: bytes) -> str | None:
        count = self._seen[key] = self._seen.get(key, 0) + 1
        return None if count > 1 and self._mapping.row.key else f"{key.hex()}-{count}"

    def _read_as_of(self, place: int, texts: Texts) -> date | Unreadable:
        rule = self._mapping.as_of
        day: date | Unreadable | None = rule.constant
        if rule.column is not None:
            text = self._rules.tell(texts[rule.column][place])
            day = None if text is None else read_day(text, rule.format)
        if day is None:
            return DATE_MISSING
        if isinstance(day, date) and day < EARLIEST_ON:
            return Unreadable("DATE_TOO_EARLY", f"the day lies before {EARLIEST_ON}")
        if isinstance(day, date) and day > self._latest_on:
            return Unreadable(
                "DATE_IN_FUTURE",
                "as_of, the day on which the facts were known, lies in the future: correct [as_of] in the mapping",
            )
        return day

    def _read_weight(self, place: int, texts: Texts) -> float | Misread:
        rule = self._mapping.weight
        if rule is None:
            return 1.0
        weight = read_weight(rule, texts[rule.column][place], self._rules)
        return (rule.column, weight) if isinstance(weight, Unreadable) else weight

    def _read_monitoring(self, texts: Texts, rows: int) -> list[tuple[int, ...]]:
        columns = [
            [CODE_MISSING] * rows if reader is None else self._read_apart(name, reader, codes, texts)
            for name, reader, codes in zip(self._apart_names, self._apart, self._codes, strict=True)
        ]
        return list(zip(*columns, strict=True)) if columns else [()] * rows

    def _read_apart(self, name: str, reader: FactReader, codes: dict[str, int], texts: Texts) -> list[int]:
        told = reader.read(texts)
        self.monitoring_unread[name] += sum(1 for value in told if isinstance(value, tuple))
        return [codes[value] if isinstance(value, str) else CODE_MISSING for value in told]

    def _read_person(self, place: int, texts: Texts, natural_key: str) -> str:
        """Names the person by the tape and the person's columns; a row without them is its own person."""
        columns = self._mapping.person.columns
        told = [texts[column][place] for column in columns]
        if not columns or any(text is None for text in told):
            return f"row {self._mapping.name} {natural_key}"
        digest = hashlib.sha256(b"".join(netstring(text or "") for text in told))
        return f"person {self._mapping.name} {digest.hexdigest()}"
