"""The journey: month by month through a book, twice, hiding what nobody could know and seeing all. Edge.

    each day with applications, and each month's first ─► learn what is known by then ─► on training days train, judge, promote
                                                       ─► decide the day's applications ─► learn what is known the same day
    at the end ─► Decisions and truth in figures ─► the record's canonical export

A life has a record of its own, with a simulated clock; the lender's own record is only read.
"""

from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from shutil import rmtree
from typing import Final

from msgspec import Struct

from instant_credit.application.product import Product
from instant_credit.factory.timemachine.clock import SimulatedClock
from instant_credit.factory.timemachine.learning import Attempt, begin, learn_anew
from instant_credit.factory.timemachine.lender import Lender
from instant_credit.factory.timemachine.loans import Loan
from instant_credit.factory.timemachine.quarters import LastYear, Quarter, measure_last_year, measure_quarters
from instant_credit.factory.timemachine.route import Route, day_before, quarter_of
from instant_credit.factory.timemachine.seen import read_seen
from instant_credit.record.embedded import destroy_cluster
from instant_credit.record.home import make_home
from instant_credit.record.pool import open_record
from instant_credit.settings import Settings
from instant_credit.underwriting.books import export_book
from instant_credit.underwriting.course import BOOK
from instant_credit.units import add_months

HIDING: Final = "hiding"
SEEING: Final = "seeing"


class Progress(Struct, frozen=True, kw_only=True):
    """How far a life is: months `done` of `total`, and what is going on."""

    life: str
    done: int
    total: int
    stage: str


class Life(Struct, frozen=True, kw_only=True):
    """One life in figures.

    Attributes
    ----------
    name : `HIDING` or `SEEING`: whether what became of loans that were declined is hidden or seen.
    expert_hash : release of the expert's scorecard, which decided first.
    frozen_hash : release of the first promoted model; None where none was.
    """

    name: str
    expert_hash: str
    frozen_hash: str | None
    attempts: tuple[Attempt, ...]
    quarters: tuple[Quarter, ...]
    last_year: LastYear | None


class Lived(Struct, frozen=True, kw_only=True):
    """A life, and its record's canonical export, line by line."""

    life: Life
    lines: tuple[bytes, ...]


async def live(
    settings: Settings,
    route: Route,
    product: Product,
    loans: Sequence[Loan],
    *,
    name: str,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Lived:
    """Live through the route once, in an embedded record below ``settings.home``, which is deleted at the end.

    Parameters
    ----------
    settings : of the life: a home of its own, and no database. What a life that was cut short left there is deleted first.
    loans : of the source before the route's end, in order of their day.
    name : `HIDING` or `SEEING`.

    Raises
    ------
    NotFound, Refused : the journey can't be made; the message says why.
    Conflict : another journey lives in that home.
    """
    clock = SimulatedClock(day_before(route.first))
    destroy_cluster(settings.home)
    rmtree(settings.home, ignore_errors=True)
    make_home(settings.home)
    try:
        async with open_record(settings, clock=clock) as record:
            lender = Lender(record, clock, product, loans, sees_all=name == SEEING)
            life = await _live(lender, route, name, progress)
            lines = tuple(await export_book(record, BOOK))
        return Lived(life=life, lines=lines)
    finally:
        destroy_cluster(settings.home)
        rmtree(settings.home, ignore_errors=True)


async def _live(lender: Lender, route: Route, name: str, progress: Callable[[Progress], None]) -> Life:
    months = list(route.list_months())
    attempts: list[Attempt] = []

    def tell(done: int, stage: str) -> None:
        progress(Progress(life=name, done=done, total=len(months), stage=stage))

    tell(0, "take over the loans of before")
    await lender.take_over(route.first)
    await lender.learn()
    lender.clock.move_to(route.first)
    expert_hash = await begin(lender, route)
    for done, month in enumerate(months):
        for day, places in _list_days(lender.loans, month):
            lender.clock.move_to(day)
            await lender.learn()
            if day == month and route.trains_on(day):
                attempts.append(await learn_anew(lender, route, day, partial(tell, done)))
            tell(done, f"decide {month:%Y-%m}")
            await lender.apply(places)
            await lender.learn()
    await lender.drain()
    tell(len(months), "measure")
    first = next((one for one in attempts if one.release_hash is not None), None)
    frozen_from = None if first is None else _first_whole_quarter(first.day)
    seen = await read_seen(lender, route, None if first is None else first.release_hash, frozen_from)
    cost_ppm = route.thresholds.profit.cost_ppm
    quarters = measure_quarters(seen, cost_ppm)
    return Life(
        name=name,
        expert_hash=expert_hash,
        frozen_hash=None if first is None else first.release_hash,
        attempts=tuple(attempts),
        quarters=quarters,
        last_year=measure_last_year(seen, quarters, cost_ppm),
    )


def _list_days(loans: Sequence[Loan], month: date) -> list[tuple[date, list[int]]]:
    """The month's first day and every other one on which somebody applies, with who does."""
    days: dict[date, list[int]] = {month: []}
    until = add_months(month, 1)
    for place, loan in enumerate(loans):
        if month <= loan.as_of < until:
            days.setdefault(loan.as_of, []).append(place)
    return sorted(days.items())


def _first_whole_quarter(day: date) -> date:
    quarter = quarter_of(day)
    return quarter if day == quarter else add_months(quarter, 3)
