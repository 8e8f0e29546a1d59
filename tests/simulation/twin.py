"""A naive twin of the record's statements on the commit path: tables are lists of rows, and every rule is looked through.

Which columns an insert fills is read from the statement's own text, so that it writes what Postgres would write; what a look-up answers is
told anew here, as plainly as it can be.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import asyncpg

from instant_credit.record.shipped import read_sql
from tests.simulation.rules import Rules

Row = dict[str, Any]
NUMBERS = "instant_credit.person_applications"

_INSERT = re.compile(
    r"INSERT INTO (?P<table>[\w.]+) \((?P<columns>[^)]*)\)\s*SELECT(?P<values>[^()]*?)FROM (?P<source>entries|unnest\([^)]*\))"
    r"\s*AS row(?: \((?P<names>[^)]*)\))?(?:\s*WHERE row\.(?P<needed>\w+) IS NOT NULL)?",
    re.DOTALL,
)
_ENTRIES = re.compile(r"WITH entries AS.*?FROM (?P<source>unnest\([^)]*\))\s*AS row \((?P<names>[^)]*)\)", re.DOTALL)
_INSERT_ONE = re.compile(r"INSERT INTO (?P<table>[\w.]+) \((?P<columns>[^)]*)\)\s*VALUES \((?P<arguments>[^)]*)\)")


class InsertOne:
    """One INSERT of a single row: its table, and of every column the argument (from 0)."""

    def __init__(self, found: re.Match[str]) -> None:
        self.table = f"instant_credit.{found['table']}"
        arguments = _numbers(found["arguments"])
        self.columns = list(zip(_words(found["columns"]), arguments, strict=True))

    def rows(self, arguments: Sequence[Any]) -> list[Row]:
        return [{column: arguments[number] for column, number in self.columns}]


class Insert:
    """One INSERT of a statement: its table, and of every column the argument (from 0) and how it is read.

    `entries` are the names and the source of the arrays that several INSERTs read.
    """

    def __init__(self, found: re.Match[str], entries: re.Match[str]) -> None:
        table = found["table"]
        self.table = table if "." in table else f"instant_credit.{table}"
        columns = _words(found["columns"])
        values = [value.strip() for value in found["values"].split(",")]
        told = entries if found["source"] == "entries" else found
        arguments = _numbers(told["source"])
        place = dict(zip(_words(told["names"]), arguments, strict=True))
        self.needed = found["needed"]
        self.columns: list[tuple[str, int, Callable[[Any], Any]]] = []
        self.constants: list[tuple[str, int]] = []
        for column, value in zip(columns, values, strict=True):
            name, _, cast = value.partition("::")
            if name.startswith("$"):
                self.constants.append((column, int(name[1:]) - 1))
            else:
                self.columns.append((column, place[name.removeprefix("row.")], _CASTS[cast]))

    def rows(self, arguments: Sequence[Any]) -> list[Row]:
        named = [(column, read, arguments[number]) for column, number, read in self.columns]
        constant = {column: arguments[number] for column, number in self.constants}
        needed = self.columns[0] if self.needed is None else next(one for one in self.columns if one[0] == self.needed)
        there = [at for at, value in enumerate(arguments[needed[1]]) if self.needed is None or value is not None]
        return [{column: read(values[at]) for column, read, values in named} | constant for at in there]


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",")]


def _numbers(text: str) -> list[int]:
    """Places of the parameters in `text`, from 0."""
    return [int(number) - 1 for number in re.findall(r"\$(\d+)", text)]


def _read_array(literal: str) -> list[int]:
    return [int(number) for number in literal.strip("{}").split(",") if number]


_CASTS: dict[str, Callable[[Any], Any]] = {"": lambda value: value, "bigint[]": _read_array, "smallint[]": _read_array}


@cache
def inserts_of(name: str) -> list[Insert | InsertOne]:
    """Every INSERT of the statement `name`."""
    text = "\n".join(line for line in read_sql(name).splitlines() if not line.startswith("--"))
    entries = _ENTRIES.search(text)
    assert entries is not None
    many = [Insert(match, entries) for match in _INSERT.finditer(text)]
    found = [*many, *(InsertOne(match) for match in _INSERT_ONE.finditer(text))]
    assert len(found) == text.count("INSERT INTO"), f"{name} holds an INSERT that the twin does not understand"
    return found


class Twin:
    """The rows of one database. Every method is one statement, done whole at one instant."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.tables: dict[str, list[Row]] = {name: [] for name in rules.required}
        self._taken: dict[tuple[str, tuple[str, ...]], set[tuple[Any, ...]]] = {}

    def run(self, name: str, arguments: Sequence[Any]) -> Any:
        """What Postgres would answer to the statement `name`."""
        assert hasattr(self, name), f"the commit path runs {name}: tell the twin what it answers"
        return getattr(self, name)(arguments)

    def insert_entries(self, arguments: Sequence[Any]) -> None:
        fresh = [(insert.table, insert.rows(arguments)) for insert in inserts_of("insert_entries")]
        taken: dict[tuple[str, tuple[str, ...]], set[tuple[Any, ...]]] = {}
        for table, rows in fresh:
            for row in rows:
                missing = [column for column in self._rules.required[table] if row.get(column) is None]
                assert not missing, f"{table} without {missing}"
            for columns in self._rules.unique.get(table, ()):
                keys = [key for row in rows if None not in (key := tuple(row.get(column) for column in columns))]
                if len(set(keys)) < len(keys) or not self._taken.get((table, columns), set()).isdisjoint(keys):
                    raise asyncpg.UniqueViolationError(f"{table} {columns}")
                taken[table, columns] = set(keys)
        for table, columns, other, others in self._rules.references:
            rows = [row for name, some in fresh if name == table for row in some]
            there = [row for name, some in fresh if name == other for row in some] + self.tables[other]
            keys = {tuple(row[column] for column in others) for row in there} if rows else set()
            assert all(tuple(row[column] for column in columns) in keys for row in rows), f"{table} without {other}"
        for table, rows in fresh:
            self.tables[table].extend(rows)
        for name, keys in taken.items():
            self._taken.setdefault(name, set()).update(keys)

    def count_caps(self, arguments: Sequence[Any]) -> int:
        """Nobody put any."""
        return 0

    def count_explorations(self, arguments: Sequence[Any]) -> int:
        """Nobody put any."""
        return 0

    def look_up_entries(self, arguments: Sequence[Any]) -> list[Row]:
        buckets, persons, clients, keys, books, natural_keys, numbers = arguments
        assert not any(natural_keys), "an application has no natural key"
        return [self._look_up(asked) for asked in zip(buckets, persons, clients, keys, books, numbers, strict=True)]

    def _look_up(self, asked: tuple[Any, ...]) -> Row:
        bucket, person, client, key, book, number = asked
        own = self._one("sealed_keys.person_keys", bucket=bucket, person_id=person)
        first_key = None if key is None else self._first_key(client, key)
        numbered = self._one(NUMBERS, bucket=bucket, person_id=person, book=book, number=number)
        return {
            **_take(own, "", "person_id", "key_id", "master_key_id", "wrapped_key"),
            **_take(first_key, "first_", "bucket", "decision_id"),
            **_take(first_key, "standing_", "body_mac"),
            "row_case_id": None,
            **_take(numbered, "number_", "case_id"),
        }

    def read_histories(self, arguments: Sequence[Any]) -> list[Row]:
        buckets, persons, books, least, least_of_all, most = arguments
        assert least_of_all == min(least)
        return [self._read_history(*asked, most) for asked in zip(buckets, persons, books, least, strict=True)]

    def _read_history(self, bucket: int, person: bytes, book: str, least: Any, most: int) -> Row:
        named = {"bucket": bucket, "person_id": person, "book": book}
        cases = {row["case_id"] for row in self._all("instant_credit.cases", **named) if row["case_id"] >= least}
        decided = [row for row in self.tables["instant_credit.decisions"] if row["case_id"] in cases]
        latest = sorted(decided, key=lambda row: row["case_id"], reverse=True)[:most]
        assert not self.tables["instant_credit.application_events"], "no offer is accepted in the simulation"
        return {
            "last_number": max((row["number"] for row in self._all(NUMBERS, **named)), default=0),
            "recorded_ats": [row["recorded_at"] for row in latest],
            "outcomes": [row["outcome"] for row in latest],
            "are_accepted": [False] * len(latest),
        }

    def find_cases(self, arguments: Sequence[Any]) -> list[Row]:
        buckets, cases, least, greatest = arguments
        assert all(least <= case_id <= greatest for case_id in cases)
        found = [
            self._one("instant_credit.cases", bucket=bucket, case_id=case_id)
            for bucket, case_id in zip(buckets, cases, strict=True)
        ]
        return [_take(case, "", "case_id") for case in found if case is not None]

    def read_standing(self, arguments: Sequence[Any]) -> list[Row]:
        buckets, decisions, cases, least, greatest = arguments
        found = []
        for bucket, decision_id, case_id in zip(buckets, decisions, cases, strict=True):
            wanted = {"case_id": case_id} if decision_id is None else {"decision_id": decision_id}
            decision = self._one("instant_credit.decisions", bucket=bucket, **wanted)
            case = self._one(
                "instant_credit.cases", bucket=bucket, case_id=case_id if decision is None else decision["case_id"]
            )
            assert case is not None
            assert least <= case["case_id"] <= greatest
            person_key = self._one("sealed_keys.person_keys", bucket=bucket, key_id=case["key_id"])
            found.append(
                {
                    **_take(case, "", "case_id", "person_id", "key_id", "recorded_at"),
                    **_take(decision, "", "decision_id", "sealed_answer"),
                    **_take(person_key, "", "master_key_id", "wrapped_key"),
                }
            )
        return found

    def find_first_key(self, arguments: Sequence[Any]) -> Row | None:
        first_key = self._first_key(*arguments)
        return None if first_key is None else _take(first_key, "", "decision_id", "body_mac")

    def _first_key(self, client: str | None, key: str) -> Row | None:
        return self._one("instant_credit.idempotency_keys", client_id=client, idempotency_key=key)

    def _one(self, table: str, **wanted: Any) -> Row | None:
        found = self._all(table, **wanted)
        assert len(found) <= 1, f"{table} holds two rows of one {sorted(wanted)}"
        return found[0] if found else None

    def _all(self, table: str, **wanted: Any) -> list[Row]:
        return [row for row in self.tables[table] if all(row[name] == value for name, value in wanted.items())]


def _take(row: Row | None, prefix: str, *columns: str) -> Row:
    return {prefix + column: None if row is None else row[column] for column in columns}
