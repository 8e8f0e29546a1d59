"""Metro 2 base segments by their fields."""

from datetime import date
from typing import Any

from instant_credit.outcome import metro2
from instant_credit.outcome.metro2 import BASE_LENGTH, Field

FIELDS: dict[str, Field] = {
    "account": metro2.ACCOUNT_NUMBER,
    "opened": metro2.DATE_OPENED,
    "original": metro2.ORIGINAL_AMOUNT,
    "scheduled": metro2.SCHEDULED_PAYMENT,
    "paid": metro2.ACTUAL_PAYMENT,
    "status": metro2.ACCOUNT_STATUS,
    "rating": metro2.PAYMENT_RATING,
    "history": metro2.PAYMENT_HISTORY,
    "comment": metro2.SPECIAL_COMMENT,
    "condition": metro2.COMPLIANCE_CONDITION,
    "balance": metro2.CURRENT_BALANCE,
    "past_due": metro2.AMOUNT_PAST_DUE,
    "charged_off": metro2.CHARGE_OFF_AMOUNT,
    "information": metro2.INFORMATION_DATE,
    "first_delinquency": metro2.FIRST_DELINQUENCY,
    "closed": metro2.DATE_CLOSED,
    "last_payment": metro2.LAST_PAYMENT,
    "ecoa": metro2.ECOA_CODE,
}
BASE: dict[str, Any] = {
    "account": "row 1", "opened": date(2011, 6, 1), "original": 5000, "scheduled": 161, "status": "11",
    "history": "0" * 3 + "B" * 21, "balance": 4000, "information": date(2012, 6, 30), "ecoa": "1",
}  # fmt: skip


def write_report(length: int = BASE_LENGTH, **changes: Any) -> bytes:
    """A record of so many characters; amounts in dollars, days as dates, texts as they are."""
    text = list(f"{length:04d}1".ljust(length))
    for name, value in {**BASE, **changes}.items():
        field = FIELDS[name]
        width = field.last - field.first + 1
        cell = _write_cell(value, width)
        assert len(cell) <= width, name
        text[field.first - 1 : field.last] = cell.ljust(width)
    return "".join(text).encode("latin-1")


PERSON = {233: "HOPPER", 258: "GRACE", 299: "078051120", 308: "12091906", 330: "1 NAVY WAY", 394: "ARLINGTON"}
"""What a record tells of a person, by the column, and what an appended segment tells of another one."""


def name_person(record: bytes) -> bytes:
    """The record with a person in the columns that are not read."""
    text = bytearray(record)
    for column, told in PERSON.items():
        text[column - 1 : column - 1 + len(told)] = told.encode()
    return bytes(text)


def _write_cell(value: date | int | str, width: int) -> str:
    if isinstance(value, date):
        return f"{value:%m%d%Y}"
    return f"{value:0{width}d}" if isinstance(value, int) else value
