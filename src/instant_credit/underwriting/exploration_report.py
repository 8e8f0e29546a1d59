"""Edge. How an exploration programme stands: what its draw did, by the recorded decisions, and what is out of its cap."""

from collections.abc import Callable
from datetime import date
from typing import Final

from msgspec import UNSET, Struct

from instant_credit.canonical import ContentHash
from instant_credit.decision.decision import Outcome, RuleResult, decode_decision
from instant_credit.decision.exploring import tell_exploration
from instant_credit.experiment.exploration import Ending
from instant_credit.record.budgets import read_budget
from instant_credit.record.pool import Record
from instant_credit.record.reads import iterate_decided
from instant_credit.record.sketches import ids_of_day
from instant_credit.underwriting.course import BOOK
from instant_credit.underwriting.exploring import key_of_programme
from instant_credit.underwriting.programmes import Recorded, find_programme
from instant_credit.units import PPM, Cents, Ppm

SHOWN_EVERY: Final = 1_000


class ExplorationReport(Struct, frozen=True, kw_only=True):
    """How a programme stands on a day.

    Attributes
    ----------
    is_open : whether it draws on that day.
    ended : why it ended; None = it has not.
    why : the same, or until when it runs, for people.
    approvals, declines : of its zone: offered since it drew them, and declined since it did not.
    referred : drawn, and referred since a portfolio cap had no room.
    drawn_ppm : share of the zone that it drew; None while nobody was in the zone. It lies near `share_ppm`.
    erased : decisions of its days that can't be opened since their persons were erased; they are counted nowhere else.
    spent_cents : of the cap: reserved by approvals, or leased to a process that may reserve it.
    left_cents : the rest of the cap.
    """

    programme: ContentHash
    name: str
    product: str
    on: date
    is_open: bool
    ended: Ending | None
    why: str
    approvals: int
    declines: int
    referred: int
    erased: int
    share_ppm: Ppm
    drawn_ppm: Ppm | None
    spent_cents: Cents
    left_cents: Cents


class _Counts(Struct, kw_only=True):
    approvals: int = 0
    declines: int = 0
    referred: int = 0
    erased: int = 0


async def report_programme(
    record: Record, product: str, progress: Callable[[int], None] = lambda _: None
) -> ExplorationReport:
    """How the programme recorded last of a product stands now; reads every decision of its days.

    Parameters
    ----------
    progress : called now and then with how many decisions were read.

    Raises
    ------
    NotFound : the product has none.
    """
    recorded = await find_programme(record, product)
    programme, today = recorded.programme, record.clock.now().date()
    counts = await _count(record, recorded, today, progress)
    out = (await read_budget(record, key_of_programme(recorded.content_hash))).leased_cents
    ended, why = tell_end(recorded, today)
    drawn = counts.approvals + counts.referred
    zone = drawn + counts.declines
    return ExplorationReport(
        programme=recorded.content_hash,
        name=programme.name,
        product=product,
        on=today,
        is_open=ended is None and today >= programme.starts_on,
        ended=ended,
        why=why,
        approvals=counts.approvals,
        declines=counts.declines,
        referred=counts.referred,
        erased=counts.erased,
        share_ppm=Ppm(programme.share_ppm),
        drawn_ppm=Ppm(round(drawn * PPM / zone)) if zone else None,
        spent_cents=out,
        left_cents=Cents(programme.cap_cents - out),
    )


def tell_end(recorded: Recorded, on: date) -> tuple[Ending | None, str]:
    """Why a programme has ended by a day, None = it has not; and that, or its days, in words."""
    programme = recorded.programme
    if recorded.end is not None:
        return recorded.end.ending, recorded.end.why
    if on > programme.ends_on:
        return Ending.PERIOD_OVER, f"{programme.ends_on} was its last day"
    begun = "open" if on >= programme.starts_on else f"starts on {programme.starts_on}, open"
    return None, f"{begun} until {programme.ends_on}"


async def _count(record: Record, recorded: Recorded, today: date, progress: Callable[[int], None]) -> _Counts:
    """What became of those whom the programme met, over the books that applications of its product go to."""
    programme, counts, seen = recorded.programme, _Counts(), 0
    if today < programme.starts_on:
        return counts
    span = (ids_of_day(programme.starts_on)[0], ids_of_day(min(today, programme.ends_on))[1])
    async for stored in iterate_decided(record, BOOK, span):
        seen += 1
        if seen % SHOWN_EVERY == 0:
            progress(seen)
        if stored.product != programme.product:
            continue
        if stored.decision is None:
            counts.erased += 1
            continue
        decision = decode_decision(stored.decision)
        explored = UNSET if decision.assignment is UNSET else decision.assignment.exploration
        if explored is UNSET or explored.programme != recorded.content_hash:
            continue
        result = tell_exploration(decision)
        if result is RuleResult.CLEAR:
            counts.declines += 1
        elif result is RuleResult.HIT and decision.outcome is Outcome.REFER:
            counts.referred += 1
        elif result is RuleResult.HIT:
            counts.approvals += 1
    progress(seen)
    return counts
