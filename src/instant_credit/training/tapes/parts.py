"""The parts of a mapping document and the document itself, as they are decoded. Edge.

A name of a column is the column's own name in the tape, or "NAME.column" for a column of the file that `[files.NAME]` joins with one row
to a loan. Where a part names a joined file itself (`file`, `key`, `where` of a file), its columns stand by their own names.
"""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from instant_credit.application.product import Name
from instant_credit.outcome.events import DAYS_PAST_DUE_MAX, EventKind

ColumnName = Annotated[str, Meta(min_length=1, max_length=200)]
ColumnNames = Annotated[tuple[ColumnName, ...], Meta(max_length=2000)]
CellText = Annotated[str, Meta(max_length=200)]
CellTexts = Annotated[tuple[CellText, ...], Meta(max_length=100)]
Take = Literal["count", "sum", "mean", "min", "max", "last"]

ISO_DAY: Final = "%Y-%m-%d"
WEIGHT_MAX: Final = 1e9


class CellTest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Holds when the column's text is one of `is_one_of`; its number is above `above` and below `below`; it is told or it is missing.

    Exactly one of the three is given: texts, a number's side or both its sides, or `is_told` (true: the cell is not missing). A missing
    cell is neither one of the texts nor above or below anything.
    """

    column: ColumnName
    is_one_of: CellTexts = ()
    above: float | None = None
    below: float | None = None
    is_told: bool | None = None


class Condition(CellTest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A test of one column and, in `also`, of further ones; it holds when all of them do."""

    also: Annotated[tuple[CellTest, ...], Meta(max_length=10)] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are tested."""
        return (self.column, *(test.column for test in self.also))


class FactColumn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where one attribute is told.

    `values` replaces texts before the cell is read (categories by name, numbers as numbers); with it, any other text is
    `otherwise` or, without that, a reject. `null` are texts that mean missing, beside the mapping's own. `unit_cents` is what one
    unit of an amount is worth, `divide_by` turns percents into ratios, `suffix` is cut off, `lowercase` folds case (both
    before `values`), `format` is for dates (strptime, or "sas" and "excel" for day numbers).

    `edges` cut a number into the attribute's categories, one more than there are edges: the category's place is the number of rising
    edges that are not above the number.

    With `over` an amount is what `column` tells divided by the number in column `over`: a limit out of balance and utilisation. Where
    that number is missing or below `over_min`, the fact is missing, since a division by next to nothing tells nothing.

    With `file` and `take` the fact is made of all rows of that joined file that belong to the loan, meet `where`, and are dated
    strictly before `as_of` by the column `before` (of the form `before_format`), at most `within_months` earlier when that is given.
    "count" counts these rows and needs no column. The others take the told values of `column`: their sum, mean, smallest, largest, or
    that of the last day (of several on that day the largest; of texts the last in order). No row counts 0, and nothing else can be
    taken from no row: the fact is missing.
    """

    column: ColumnName | None = None
    values: Annotated[dict[CellText, str | int | float], Meta(max_length=5000)] = {}
    otherwise: str | int | float | None = None
    null: CellTexts = ()
    unit_cents: Annotated[int, Meta(ge=1, le=10**9)] = 100
    divide_by: Annotated[float, Meta(gt=0)] = 1.0
    suffix: CellText = ""
    lowercase: bool = False
    format: CellText = ISO_DAY
    edges: Annotated[tuple[float, ...], Meta(max_length=249)] = ()
    over: ColumnName | None = None
    over_min: Annotated[float, Meta(gt=0)] | None = None
    file: Name | None = None
    take: Take | None = None
    where: Condition | None = None
    before: ColumnName | None = None
    before_format: CellText = ISO_DAY
    within_months: Annotated[int, Meta(ge=1, le=1200)] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a value is read from, of the tape or, with `file`, of that file."""
        return tuple(column for column in (self.column, self.over) if column is not None)

    @property
    def all_columns(self) -> tuple[str, ...]:
        """All columns that the fact looks at, as they stand anywhere else: with `file` as "NAME.column"."""
        if self.file is None:
            return self.columns
        where = () if self.where is None else self.where.columns
        named = (*self.columns, *where, self.before)
        return tuple(f"{self.file}.{column}" for column in named if column is not None)


class AsOf(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The day on which the facts were known: a column, or one day for the whole tape."""

    column: ColumnName | None = None
    constant: date | None = None
    format: CellText = ISO_DAY


class RowKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a row is recognised when the tape is imported again.

    `key` are the columns that name a loan for ever. Without them a row is its content: all columns but the `ignore`d ones and the
    leaks, which change while the loan is the same; the k-th of equal rows is its own loan. Joined files have no part in it: a loan
    is a row of the tape, and a later version of a joined file tells more of the same loan.
    """

    key: ColumnNames = ()
    ignore: ColumnNames = ()


class PersonKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The columns that name the borrower; without them every row is its own person."""

    columns: ColumnNames = ()


class WeightColumn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many loans of the population a row stands for: the column's number, or what `values` says of its text. Above 0.

    It may be read from a leak, for a sample is often drawn by the outcome.
    """

    column: ColumnName
    values: Annotated[dict[CellText, Annotated[float, Meta(gt=0, le=WEIGHT_MAX)]], Meta(max_length=5000)] = {}


class EventAmount(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An amount, less another one when `minus` is given; missing counts as 0, and so does less than 0."""

    column: ColumnName
    minus: ColumnName | None = None
    unit_cents: Annotated[int, Meta(ge=1, le=10**9)] = 100


class EventDay(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A day: the column, or `as_of` where the column is empty or not given, or a constant; moved by months, then by days."""

    column: ColumnName | None = None
    constant: date | None = None
    format: CellText = ISO_DAY
    add_months: Annotated[int, Meta(ge=0, le=1200)] = 0
    add_days: Annotated[int, Meta(ge=0, le=36500)] = 0


class EventRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event that a row tells when `when` holds; each rule tells at most one event a row.

    With `file` each row of that joined file tells one, by its own columns: `event_on` is a column of it, and a row whose event happened
    before `as_of` is history of the borrower and no outcome of the loan. `days_past_due` belongs to the kind of that name: how many days
    the loan was overdue then.
    """

    kind: EventKind
    days_past_due: Annotated[int, Meta(ge=0, le=DAYS_PAST_DUE_MAX)] | None = None
    file: Name | None = None
    when: Condition
    amount: EventAmount | None = None
    event_on: EventDay
    known_on: EventDay

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the event is read from, of the tape or, with `file`, of that file."""
        amount = () if self.amount is None else (self.amount.column, self.amount.minus)
        named = (*self.when.columns, self.event_on.column, self.known_on.column, *amount)
        return tuple(dict.fromkeys(column for column in named if column is not None))


class FileForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a csv file is written; parquet needs nothing."""

    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    skip_lines: Annotated[int, Meta(ge=0, le=1000)] = 0
    encoding: Literal["utf-8", "utf-16", "cp1252", "latin-1"] = "utf-8"


class NumberForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How numbers are written: `remove` are texts cut out of a number ("$" and "," of "$1,234.50"), `decimal` is its decimal sign."""

    remove: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=10)], ...], Meta(max_length=10)] = ()
    decimal: Literal[".", ","] = "."


class JoinedFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A second file, given to the import as ``--file NAME=PATH`` and joined by key.

    `key` are columns of it, `on` the columns of the tape that hold the same (the same names when not given; a column of a file of
    one row declared above is "OTHER.column"). With `rows` "one" it has at most one row for each key, and its columns stand as "NAME.column"
    wherever a column is named. With "many" its rows are taken by facts and events that name the `file`. `where` keeps some rows of it
    and forgets the others. `undated` says that all its rows were known on `as_of`, so that facts need no `before`.
    """

    key: Annotated[tuple[ColumnName, ...], Meta(min_length=1, max_length=20)]
    on: Annotated[tuple[ColumnName, ...], Meta(max_length=20)] = ()
    rows: Literal["one", "many"] = "one"
    form: FileForm = FileForm()
    where: Condition | None = None
    undated: bool = False

    @property
    def tape_columns(self) -> tuple[str, ...]:
        """The columns that hold the key on the tape's side, in the order of `key`."""
        return self.on or self.key


class TapeMapping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole document. `monitoring` tells prohibited attributes, which are sealed apart from the Case."""

    schema_version: Literal[1] = 1
    name: Name
    title: Annotated[str, Meta(min_length=1, max_length=200)]
    source: Annotated[str, Meta(max_length=2000)] = ""
    product: Name
    file: FileForm = FileForm()
    files: Annotated[dict[Name, JoinedFile], Meta(max_length=8)] = {}
    numbers: NumberForm = NumberForm()
    null: CellTexts = ()
    leaks: ColumnNames = ()
    withheld: ColumnNames = ()
    row: RowKey = RowKey()
    as_of: AsOf
    person: PersonKey = PersonKey()
    weight: WeightColumn | None = None
    facts: Annotated[dict[Name, FactColumn], Meta(min_length=1, max_length=2000)]
    monitoring: Annotated[dict[Name, FactColumn], Meta(max_length=100)] = {}
    events: Annotated[tuple[EventRule, ...], Meta(max_length=100)] = ()

    @property
    def cell_columns(self) -> frozenset[str]:
        """Every column that is read as one cell a loan: of the tape or, as "NAME.column", of a joined file of one row."""
        facts = (*self.facts.values(), *self.monitoring.values())
        named = {column for fact in facts if fact.file is None for column in fact.columns}
        named |= {column for rule in self.events if rule.file is None for column in rule.columns}
        named |= {column for one in self.files.values() for column in one.tape_columns}
        named |= {*self.row.key, *self.person.columns}
        if self.as_of.column is not None:
            named.add(self.as_of.column)
        if self.weight is not None:
            named.add(self.weight.column)
        return frozenset(named)

    @property
    def named_columns(self) -> tuple[str, ...]:
        """Every column of the tape and, as "NAME.column", of joined files that the document reads, sorted."""
        named = {*self.cell_columns, *self.event_columns}
        named |= {column for fact in self.facts.values() for column in fact.all_columns}
        for name, one in self.files.items():
            where = () if one.where is None else one.where.columns
            named |= {f"{name}.{column}" for column in (*one.key, *where)}
        return tuple(sorted(named))

    @property
    def needed_columns(self) -> tuple[str, ...]:
        """Every column that the tape itself must have, sorted."""
        return tuple(column for column in self.named_columns if self.find_file(column) is None)

    def list_file_columns(self, name: str) -> tuple[str, ...]:
        """Every column that the joined file `name` must have, by their own names, sorted."""
        mine = (column for column in self.named_columns if self.find_file(column) == name)
        return tuple(column[len(name) + 1 :] for column in mine)

    def find_file(self, column: str) -> str | None:
        """The joined file that a column named in the document is of; None = the tape."""
        name, dot, _ = column.partition(".")
        return name if dot and name in self.files else None

    @property
    def event_columns(self) -> frozenset[str]:
        """Every column that an event reads, of a joined file as "NAME.column"."""
        return frozenset(self._list_event_columns())

    def _list_event_columns(self) -> Iterator[str]:
        for rule in self.events:
            yield from rule.columns if rule.file is None else (f"{rule.file}.{column}" for column in rule.columns)
