"""Invented lives of loans: possible ones, told in the order in which they happened."""

from collections.abc import Iterator
from datetime import date, timedelta
from random import Random
from typing import Any
from uuid import UUID


def invent_life(chance: Random, started_on: date, events: int) -> Iterator[dict[str, Any]]:
    """So many events of a loan as they are sent, without the loan's name: each with a name, known on the day."""
    day, days_past_due, is_over = started_on, 0, False
    for number in range(events):
        event: dict[str, Any] = {"event_id": str(UUID(int=chance.getrandbits(128), version=4))}
        if number == 0:
            kind = "disbursed"
        elif is_over:
            kind = "recovered"
        else:
            kind = chance.choice(["instalment_due", "payment", "missed", "days_past_due", "dispute"])
        passed = chance.randrange(1, 31) if number else 0
        day += timedelta(days=passed)
        if number and not is_over and number > events * 0.8 and chance.random() < 0.2:
            kind, is_over = "charged_off", True
        if kind == "days_past_due":
            days_past_due = min(days_past_due + passed, (day - started_on).days) if chance.random() < 0.6 else 0
            event["days_past_due"] = days_past_due
        elif number:
            # What is not observed may have been paid: the next observation starts anew.
            days_past_due = 0
        event |= {"kind": kind, "amount_cents": chance.randrange(1, 10**6)}
        event |= {"event_on": day.isoformat(), "known_on": day.isoformat()}
        yield event
