"""What a joined file of many rows tells of a loan, row by row, without arrays."""

from collections.abc import Callable, Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from instant_credit.units import add_months

Row = dict[str, Any]


def choose_rows(rows: Sequence[Row], key: object, as_of: date, within_months: int | None) -> list[Row]:
    """The rows with this key that are dated strictly before the day, and not too long before it."""
    chosen = [
        row for row in rows if key is not None and row["key"] == key and row["on"] is not None and row["on"] < as_of
    ]
    if within_months is not None:
        chosen = [row for row in chosen if row["on"] >= add_months(as_of, -within_months)]
    return chosen


def take(name: str, rows: Sequence[Row], column: str) -> Any:
    """`name` of the told values of `column`; None where there is none to take it from."""
    if name == "count":
        return len(rows)
    told = [(row["on"], row[column]) for row in rows if row[column] is not None]
    if not told:
        return None
    values = [value for _, value in told]
    total: Callable[[], Fraction] = lambda: sum((Fraction(value) for value in values), Fraction(0))  # noqa: E731 it is needed twice below
    match name:
        case "sum":
            return float(total()) if isinstance(values[0], float) else int(total())
        case "mean":
            mean = total() / len(values)
            return float(mean) if isinstance(values[0], float) else round(mean)
        case "last":
            last_on = max(on for on, _ in told)
            return max(value for on, value in told if on == last_on)
        case _:
            return min(values) if name == "min" else max(values)
