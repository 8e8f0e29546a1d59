"""Reading experiments out: what was frozen of one until a day, out of the record, and the readout and memo that it gives. Edge.

    plan and events of the life ─┐
    frozen sums, counts, hazards ┴─► Frozen ─► `experiment.readout` (pure) ─► Readout ─► Memo: with plan, life and hashes, and how to make it again

The categories of segments are those of the product as it was live when the experiment started, so that a later version of it changes no readout.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final, TypeVar

from msgspec import Struct

from instant_credit.application.document import decode_product
from instant_credit.canonical import ContentHash, encode_canonical, hash_content
from instant_credit.decision.release import decode_manifest
from instant_credit.errors import require
from instant_credit.experiment.frozen import Closing, DayCounts, DaySums, Frozen, Hazard
from instant_credit.experiment.plan import Plan
from instant_credit.experiment.readout import Readout, read_experiment
from instant_credit.experiment.verdict import ExperimentVerdict
from instant_credit.record.documents import get_document
from instant_credit.record.experiment_statistics import (
    CellCounts,
    CellSums,
    MonthHazard,
    list_counts,
    list_frozen_days,
    list_hazards,
    list_sums,
)
from instant_credit.record.pool import Record, within
from instant_credit.record.release_life import read_release_events
from instant_credit.underwriting.experiment_life import ExperimentDesk
from instant_credit.underwriting.experiment_moves import ExperimentConflict
from instant_credit.underwriting.experiment_resources import ToldMove, tell_move
from instant_credit.underwriting.experiment_states import ExperimentLife
from instant_credit.underwriting.release_states import tell_life

FREEZING_SECONDS: Final = 30.0
"""Within which the sums of some experiments are read; a year of one by segments are tens of thousands of rows."""
CATEGORIES_HELD_MAX: Final = 1_000
# Experiments whose sums are in memory together.
_AT_ONCE: Final = 50


class Memo(Struct, frozen=True, kw_only=True):
    """What is decided on: the plan as it was locked, what happened, every number that was read, and the hash of each thing.

    Attributes
    ----------
    plan_hash, frozen_hash, readout_hash : of the plan, of what was read, and of the readout.
    releases : by hash, the releases that arms take parts from.
    planned_by, events : who did what when, and why, until the day that is read.
    command : makes the same memo again.
    """

    schema_version: int = 1
    experiment: int
    plan_hash: ContentHash
    frozen_hash: ContentHash
    readout_hash: ContentHash
    releases: tuple[ContentHash, ...]
    planned_by: str
    planned_on: date
    plan: Plan
    events: tuple[ToldMove, ...]
    readout: Readout
    command: str

    @property
    def hash(self) -> str:
        """Names the memo."""
        return hash_content(encode_canonical(self))


class OpenReadout(Struct, frozen=True, kw_only=True):
    """What an experiment says, in short."""

    experiment: int
    product: str
    name: str
    until: date | None
    ripe: int
    exposed: int
    verdict: ExperimentVerdict
    readout_hash: ContentHash


class ReadoutDesk:
    """Reads experiments out.

    Parameters
    ----------
    record : the open system of record; it is only read.

    Every reading raises `NotFound` for an experiment that was not planned, `ExperimentConflict` for one that was never started, and
    `Unavailable` when the record does not answer.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._desk = ExperimentDesk(record)
        self._categories: dict[str, dict[str, tuple[str, ...]]] = {}

    async def read(self, experiment: int, until: date | None = None) -> Readout:
        """The readout as of the end of a day, the last frozen one by default; a later day reads what there is."""
        life = await self._desk.read_life(experiment)
        return await asyncio.to_thread(read_experiment, life.plan, await self.freeze(life, until))

    async def write_memo(self, experiment: int, until: date | None = None) -> Memo:
        """The memo as of the same; twice the same days are the same bytes."""
        life = await self._desk.read_life(experiment)
        readout = await asyncio.to_thread(read_experiment, life.plan, await self.freeze(life, until))
        return make_memo(life, readout)

    async def read_open(self) -> tuple[OpenReadout, ...]:
        """What every experiment without a verdict says as of its last frozen day, in order of numbers; few of them in memory at once."""
        told: list[OpenReadout] = []
        lives = await self._desk.read_open()
        for first in range(0, len(lives), _AT_ONCE):
            some = lives[first : first + _AT_ONCE]
            told += await asyncio.to_thread(_read_some, some, await self.freeze_many(some))
        return tuple(told)

    async def freeze(self, life: ExperimentLife, until: date | None = None) -> Frozen:
        """What was frozen of an experiment until a day."""
        (frozen,) = await self.freeze_many([life], until)
        return frozen

    async def freeze_many(self, lives: Sequence[ExperimentLife], until: date | None = None) -> tuple[Frozen, ...]:
        """The same of several, in their order, by one statement a table."""
        if any(life.started_at is None for life in lives):
            raise ExperimentConflict("it was never started, so there is nothing to read out")
        numbers, shown = [life.planned.experiment for life in lives], until or date.max
        async with within(FREEZING_SECONDS):
            lasts = await list_frozen_days(self._record)
            sums = _group(await list_sums(self._record, numbers, until=shown, is_daily=True))
            counts = _group(await list_counts(self._record, numbers, until=shown, is_daily=True))
            hazards = _group(await list_hazards(self._record, numbers, until=shown))
            categories = [await self._read_categories(life) for life in lives]
        return tuple(
            _freeze(
                life,
                _find_last(lasts.get(number), until),
                told,
                (sums.get(number, []), counts.get(number, []), hazards.get(number, [])),
            )
            for life, number, told in zip(lives, numbers, categories, strict=True)
        )

    async def _read_categories(self, life: ExperimentLife) -> tuple[tuple[str, ...], ...]:
        """The categories of each segment of the plan, as the product was live when the experiment started."""
        started_at = life.started_at
        assert started_at is not None
        if not life.plan.segments:
            return ()
        before = [
            event
            for event in await read_release_events(self._record, life.plan.product)
            if event.recorded_at <= started_at
        ]
        champion = tell_life(life.plan.product, before, started_at).champion
        require(champion is not None, "an experiment starts on a live release")
        assert champion is not None
        if champion not in self._categories:
            manifest = decode_manifest(await get_document(self._record, champion))
            product = decode_product(await get_document(self._record, manifest.product_hash))
            if len(self._categories) >= CATEGORIES_HELD_MAX:
                self._categories.clear()
            self._categories[champion] = {one.name: one.categories for one in product.case_attributes}
        known = self._categories[champion]
        return tuple(known[segment.attribute] for segment in life.plan.segments)


def make_memo(life: ExperimentLife, readout: Readout) -> Memo:
    """The memo of a readout, with what happened until its day."""
    shown = readout.until
    until = "" if shown is None else f" --until {shown}"
    return Memo(
        experiment=life.planned.experiment,
        plan_hash=life.planned.plan_hash,
        frozen_hash=readout.frozen,
        readout_hash=readout.hash,
        releases=tuple(sorted({release for arm in life.plan.arms for release in arm.overlay.values()})),
        planned_by=life.planned.signature.actor.id,
        planned_on=life.planned.recorded_at.date(),
        plan=life.plan,
        events=tuple(tell_move(event) for event in life.events if shown is None or event.recorded_at.date() <= shown),
        readout=readout,
        command=f"instant-credit experiment memo {life.planned.experiment}{until}",
    )


_COUNTED: Final = frozenset(DayCounts.__struct_fields__) - {"day_on"}
R = TypeVar("R", CellSums, CellCounts, MonthHazard)


def _read_some(lives: Sequence[ExperimentLife], frozen: Sequence[Frozen]) -> list[OpenReadout]:
    return [_shorten(life, read_experiment(life.plan, one)) for life, one in zip(lives, frozen, strict=True)]


def _shorten(life: ExperimentLife, readout: Readout) -> OpenReadout:
    primary = next(reading for reading in readout.metrics if reading.is_primary)
    return OpenReadout(
        experiment=readout.experiment,
        product=life.plan.product,
        name=life.plan.name,
        until=readout.until,
        ripe=sum(arm.ripe for arm in primary.arms),
        exposed=sum(arm.exposed for arm in primary.arms),
        verdict=readout.verdict,
        readout_hash=readout.hash,
    )


def _group(rows: Iterable[R]) -> dict[int, list[R]]:
    """Rows by experiment, in their order."""
    found: dict[int, list[R]] = {}
    for row in rows:
        found.setdefault(row.experiment, []).append(row)
    return found


def _find_last(last: date | None, until: date | None) -> date | None:
    return last if until is None or last is None else min(until, last)


def _freeze(
    life: ExperimentLife,
    until: date | None,
    categories: tuple[tuple[str, ...], ...],
    rows: tuple[Sequence[CellSums], Sequence[CellCounts], Sequence[MonthHazard]],
) -> Frozen:
    sums, counts, hazards = rows
    assert life.started_at is not None
    # A process whose clock is behind may have exposed somebody on the day before.
    started_on = min([life.started_at.date(), *(_day_of(one.day_on) for one in counts)])
    until = None if until is None or until < started_on else until
    shown = date.min if until is None else until
    ended_on = None if life.stop is None else life.stop.recorded_at.date()
    return Frozen(
        experiment=life.planned.experiment,
        plan_hash=life.planned.plan_hash,
        started_on=started_on,
        until=until,
        ended_on=None if ended_on is None or ended_on > shown else ended_on,
        closings=_find_closings(life, shown),
        categories=categories,
        sums=tuple(
            DaySums(
                metric=one.metric,
                segment=one.segment,
                category=one.category,
                arm=one.arm,
                ripe_on=_day_of(one.ripe_on),
                sums=one.sums,
                hits=one.hits,
            )
            for one in sums
        ),
        counts=tuple(
            DayCounts(day_on=_day_of(one.day_on), **{name: getattr(one, name) for name in _COUNTED}) for one in counts
        ),
        hazards=tuple(
            Hazard(metric=one.metric, arm=one.arm, month=one.month, at_risk=one.at_risk, defaults=one.defaults)
            for one in hazards
        ),
    )


def _find_closings(life: ExperimentLife, until: date) -> tuple[Closing, ...]:
    """Arms that were closed by the day."""
    return tuple(
        Closing(arm=arm, closed_on=event.recorded_at.date(), guardrail=event.guardrail)
        for arm, event in life.closed.items()
        if event.recorded_at.date() <= until
    )


def _day_of(day: date | None) -> date:
    require(day is not None, "sums and counts are read by day")
    assert day is not None
    return day
