"""Readouts of frozen days on a real record, and what a verdict may lead to."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import asdict, replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.canonical import encode_canonical
from instant_credit.experiment.frozen import Frozen
from instant_credit.experiment.plan import Plan
from instant_credit.experiment.readout import read_experiment
from instant_credit.record.experiment_statistics import CellCounts, CellSums, DayStatistics, MonthHazard, add_day
from instant_credit.record.experiments import Conclusion
from instant_credit.record.pool import Record
from instant_credit.underwriting.experiment_life import ExperimentDesk
from instant_credit.underwriting.experiment_moves import ExperimentConflict
from instant_credit.underwriting.experiment_promoting import promote
from instant_credit.underwriting.experiment_readouts import ReadoutDesk
from instant_credit.underwriting.overlaying import Overlays
from instant_credit.underwriting.release_life import ReleaseDesk
from instant_credit.underwriting.release_moves import ReleaseConflict
from instant_credit.underwriting.releases import list_release_documents, live_releases, load_live_release
from tests.clock import FixedClock
from tests.experiment.plans import plan
from tests.experiment.readings import freeze
from tests.lending import Documents, install_release, vary, with_other_model
from tests.releasing import make_terms
from tests.underwriting.test_experiment_life import approve

pytestmark = pytest.mark.anyio

ONE, TWO = (Signature(actor=Actor(kind=ActorKind.PERSON, id=name)) for name in ("staff-1", "staff-2"))
PRODUCT = "personal_loan"
METRICS = [
    {"name": "bad", "kind": "default", "direction": "lower", "window_days": 20},
    {"name": "late", "kind": "early_delinquency", "direction": "lower", "window_days": 10},
]
DAYS = 50


@pytest.fixture(scope="module")
def other(documents: Documents) -> Documents:
    return make_other(documents)


def make_other(documents: Documents) -> Documents:
    """The release whose policy is tried."""
    return with_other_model(vary(documents, "Another policy"))


@pytest.fixture
async def own(record: Record, documents: Documents) -> Plan:
    """The plan of experiment 1, which runs on the policy of `other` over `documents`."""
    await install_release(record, documents)
    return await start_experiment(record, documents)


async def start_experiment(record: Record, documents: Documents) -> Plan:
    """Plan and start experiment 1, on the policy of another release than `documents`, which is live."""
    other = make_other(documents)
    await approve(record, other)
    desk = ExperimentDesk(record)
    told = plan(
        arms=[
            {"name": "control", "share_ppm": 500_000},
            {"name": "challenger", "share_ppm": 500_000, "overlay": {"policy": other.release_hash}},
        ],
        metrics=METRICS,
        stopping={"kind": "confidence_sequence"},
    )
    await desk.plan(told, ONE)
    await desk.start(1, 1_000_000, 400_000, TWO)
    return told


async def write_days(record: Record, own: Plan, **changes: Any) -> Frozen:
    """Invented days of experiment 1, frozen in the record, and the same as they are in memory."""
    frozen = freeze(own, days=DAYS, start=record.clock.now().date(), **changes)
    days = sorted({one.day_on for one in frozen.counts})
    for day in days:
        sums = [asdict(one) for one in frozen.sums if one.ripe_on == day]
        counts = [asdict(one) for one in frozen.counts if one.day_on == day]
        hazards = [asdict(one) for one in frozen.hazards if day == days[-1]]
        statistics = DayStatistics(
            sums=tuple(CellSums(experiment=1, **one) for one in sums),
            hazards=tuple(MonthHazard(experiment=1, known_on=day, **one) for one in hazards),
            counts=tuple(CellCounts(experiment=1, **one) for one in counts),
        )
        assert await add_day(record, statistics, ONE.actor)
    return frozen


async def test_what_was_frozen_is_read_as_it_was_written(record: Record, own: Plan) -> None:
    written = await write_days(record, own)
    desk = ReadoutDesk(record)
    read = await desk.freeze(await ExperimentDesk(record).read_life(1))
    assert len(read.categories) == 1
    assert "rent" in read.categories[0]
    assert sorted(map(encode_canonical, read.sums)) == sorted(map(encode_canonical, written.sums))
    assert sorted(map(encode_canonical, read.counts)) == sorted(map(encode_canonical, written.counts))
    assert set(read.hazards) == set(written.hazards)
    assert (read.until, read.started_on, read.ended_on) == (written.until, written.started_on, None)
    found = await desk.read(1)
    direct = read_experiment(own, replace(written, categories=read.categories))
    assert (found.verdict, found.metrics, found.segments) == (direct.verdict, direct.metrics, direct.segments)


async def test_a_day_is_read_as_it_was_whenever_it_is_read(record: Record, own: Plan, clock: FixedClock) -> None:
    frozen = await write_days(record, own)
    clock.advance(timedelta(days=DAYS))
    desk = ReadoutDesk(record)
    day = frozen.day(29)
    before = await desk.write_memo(1, day)
    await ExperimentDesk(record).stop(1, ONE, "Enough is known.")
    assert encode_canonical(await desk.write_memo(1, day)) == encode_canonical(before)
    assert before.readout.until == day
    assert [event.kind for event in before.events] == ["started"]
    assert before.command == f"instant-credit experiment memo 1 --until {day}"
    assert (await desk.read(1, day + timedelta(days=1_000))).until == frozen.until


async def test_an_experiment_that_was_not_started_has_no_readout(record: Record, own: Plan) -> None:
    await ExperimentDesk(record).plan(replace(own, name="later"), ONE)
    with pytest.raises(ExperimentConflict, match="never started"):
        await ReadoutDesk(record).read(2)
    assert (await ReadoutDesk(record).read(1)).until is None


async def test_all_that_have_no_verdict_yet_are_read_as_each_one_is(record: Record, own: Plan) -> None:
    await write_days(record, own)
    await ExperimentDesk(record).plan(replace(own, name="later"), ONE)
    desk = ReadoutDesk(record)
    readout = await desk.read(1)
    (told,) = await desk.read_open()
    assert (told.experiment, told.readout_hash, told.verdict) == (1, readout.hash, readout.verdict)
    assert (told.ripe, told.exposed) == (sum(arm.ripe for arm in readout.metrics[0].arms), DAYS * 100)
    await ExperimentDesk(record).stop(1, ONE, "Enough is known.")
    assert len(await desk.read_open()) == 1
    await ExperimentDesk(record).conclude(1, Conclusion.KEEP, TWO, "Nothing was found.")
    assert await desk.read_open() == ()


async def test_a_better_arm_is_proposed_and_goes_live_by_two_persons_alone(
    record: Record, own: Plan, other: Documents, documents: Documents
) -> None:
    await write_days(record, own, rates=(0.12, 0.03))
    terms = make_terms(record.clock.now().date())
    made = await promote(record, 1, "challenger", terms, ONE)
    assert (made.experiment.state, made.experiment.verdict) == ("concluded", "promote")
    assert made.release.waiting is not None
    assert made.release.release not in (other.release_hash, documents.release_hash)
    assert (await live_releases(record))[PRODUCT] == documents.release_hash
    assert (await promote(record, 1, "challenger", terms, ONE)).release == made.release
    releases = ReleaseDesk(record)
    with pytest.raises(ReleaseConflict, match="second"):
        await releases.approve(made.release.release, ONE)
    await releases.approve(made.release.release, TWO)
    await releases.activate(made.release.release, TWO)
    assert (await live_releases(record))[PRODUCT] == made.release.release


async def test_an_arm_that_was_composed_for_deciding_is_listed_once_it_is_proposed(
    record: Record, own: Plan, documents: Documents
) -> None:
    live = await load_live_release(record, PRODUCT)
    composed = await Overlays(record).compose(live, own.arms[1].overlay)
    assert len(await list_release_documents(record)) == 2
    await write_days(record, own, rates=(0.12, 0.03))
    made = await promote(record, 1, "challenger", make_terms(record.clock.now().date()), ONE)
    assert made.release.release == composed.hash
    listed = [one.release for one in (await ReleaseDesk(record).list_releases(PRODUCT)).releases]
    assert len(listed) == 3
    assert {composed.hash, documents.release_hash} <= set(listed)


async def test_an_arm_that_is_not_better_is_not_promoted(record: Record, own: Plan) -> None:
    await write_days(record, own)
    terms = make_terms(record.clock.now().date())
    with pytest.raises(ExperimentConflict, match="does not promote challenger"):
        await promote(record, 1, "challenger", terms, ONE)
    assert (await ExperimentDesk(record).read(1)).state == "running"
    assert len(await list_release_documents(record)) == 2
