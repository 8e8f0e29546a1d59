"""Reading experiments out: what was frozen of one until a day, out of the record, and the readout and memo that it gives. Edge.

    plan and events of the life ─┐
    frozen sums, counts, hazards ┴─► Frozen ─► `experiment.readout` (pure) ─► Readout ─► Memo: with plan, life and hashes, and how to make it again

The categories of segments are those of the product as it was live when the experiment started, so that a later version of it changes no readout.
"""

import asyncio
from datetime import date

from msgspec import Struct
from msgspec.structs import asdict

from instant_credit.application.document import decode_product
from instant_credit.canonical import ContentHash, encode_canonical, hash_content
from instant_credit.decision.release import decode_manifest
from instant_credit.errors import require
from instant_credit.experiment.frozen import Closing, DayCounts, DaySums, Frozen, Hazard
from instant_credit.experiment.plan import Plan
from instant_credit.experiment.readout import Readout, read_experiment
from instant_credit.record.documents import get_document
from instant_credit.record.experiment_statistics import list_counts, list_frozen_days, list_hazards, list_sums
from instant_credit.record.pool import Record, within
from instant_credit.record.release_life import read_release_events
from instant_credit.underwriting.course import APPLICATION_SECONDS
from instant_credit.underwriting.experiment_life import ExperimentDesk
from instant_credit.underwriting.experiment_moves import ExperimentConflict
from instant_credit.underwriting.experiment_resources import ToldMove, tell_move
from instant_credit.underwriting.experiment_states import ExperimentLife
from instant_credit.underwriting.release_states import tell_life


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

    async def read(self, experiment: int, until: date | None = None) -> Readout:
        """The readout as of the end of a day, the last frozen one by default; a later day reads what there is."""
        life = await self._desk.read_life(experiment)
        return await asyncio.to_thread(read_experiment, life.plan, await self.freeze(life, until))

    async def write_memo(self, experiment: int, until: date | None = None) -> Memo:
        """The memo as of the same; twice the same days are the same bytes."""
        life = await self._desk.read_life(experiment)
        readout = await asyncio.to_thread(read_experiment, life.plan, await self.freeze(life, until))
        return make_memo(life, readout)

    async def freeze(self, life: ExperimentLife, until: date | None = None) -> Frozen:
        """What was frozen of an experiment until a day."""
        if life.started_at is None:
            raise ExperimentConflict("it was never started, so there is nothing to read out")
        number, started_on = life.planned.experiment, life.started_at.date()
        async with within(APPLICATION_SECONDS):
            last = (await list_frozen_days(self._record)).get(number)
            day = last if until is None or last is None else min(until, last)
            if day is not None and day < started_on:
                day = None
            shown = date.min if day is None else day
            sums = await list_sums(self._record, [number], until=shown, is_daily=True)
            counts = await list_counts(self._record, [number], until=shown, is_daily=True)
            hazards = await list_hazards(self._record, [number], until=shown)
            categories = await self._read_categories(life)
        ended = None if life.stop is None else life.stop.recorded_at.date()
        return Frozen(
            experiment=number,
            plan_hash=life.planned.plan_hash,
            started_on=started_on,
            until=day,
            ended_on=None if ended is None or ended > shown else ended,
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
                DayCounts(
                    day_on=_day_of(one.day_on),
                    **{name: value for name, value in asdict(one).items() if name in _COUNTED},
                )
                for one in counts
            ),
            hazards=tuple(
                Hazard(metric=one.metric, arm=one.arm, month=one.month, at_risk=one.at_risk, defaults=one.defaults)
                for one in hazards
            ),
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
        manifest = decode_manifest(await get_document(self._record, champion))
        product = decode_product(await get_document(self._record, manifest.product_hash))
        known = {attribute.name: attribute.categories for attribute in product.case_attributes}
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


_COUNTED = frozenset(DayCounts.__struct_fields__) - {"day_on"}


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
