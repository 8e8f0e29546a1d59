"""Triggers on a real record, by a clock that is moved: each asks once however many look, rests, says why, and promotes nothing."""

import asyncio
from datetime import date, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.canonical import encode_canonical
from instant_credit.decision.release import Release
from instant_credit.factory.desk import JobDesk, JobStatus
from instant_credit.factory.requests import MonitorRequest, MonthsRequest, RetrainRequest
from instant_credit.factory.triggers import TriggerDefinition, TriggerDesk, Watch
from instant_credit.outcome.alerts import AlertState, Retraining, encode_rules, load_rules
from instant_credit.outcome.definition import AS_LAST_SEEN, LabelDefinition, encode_definition, hash_definition
from instant_credit.outcome.measures import Metric
from instant_credit.record.documents import DocumentKind, put_document
from instant_credit.record.pool import Record
from instant_credit.record.queue import JobState
from instant_credit.record.queue_taking import Taking
from instant_credit.record.release_life import read_release_events
from instant_credit.record.sketches import WindowRow, add_window
from instant_credit.review.references import fix_reference
from instant_credit.review.windows import WindowReport
from instant_credit.settings import Settings
from instant_credit.training.manifest import encode_training
from instant_credit.underwriting.course import BOOK
from instant_credit.worker.shift import Shift
from tests.clock import FixedClock
from tests.lender import documents
from tests.review.conftest import release, stocked
from tests.review.deciding import invent_cases, record_cases
from tests.review.test_windows import PRODUCT, RULES, record_week
from tests.training.gates.worlds import make_champion

__all__ = ["documents", "release", "stocked"]

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)
DRIFT = Retraining(alerts=("variable_shifted",), cool_down_days=7)
LEARNING = "learning"


class Yard:
    """A record with decided Cases, two workers that watch it, and shifts that run what they ask for."""

    def __init__(self, record: Record, settings: Settings, clock: FixedClock, actor: Actor) -> None:
        self.record, self.clock, self.actor = record, clock, actor
        self.desk, self.triggers = JobDesk(record), TriggerDesk(record)
        self._watches = (Watch(record), Watch(record))
        self.shift = Shift(record, settings, stop=asyncio.Event(), taking=Taking())

    async def put(self, rules: Retraining, **request) -> None:
        """The trigger of a retraining by these rules, looked at every day."""
        whole = replace(load_rules(RULES), retraining=rules)
        rules_hash = await put_document(self.record, DocumentKind.ALERT_RULES, encode_rules(whole), self.actor)
        asked = RetrainRequest(**{"book": BOOK, "folds": 2, **request})
        await self.triggers.put(
            TriggerDefinition(name=LEARNING, every="day", rules=rules_hash, request=asked), self.actor
        )

    async def pass_days(self, days: int) -> None:
        """Days go by; on each the workers look at once, and run everything but the retrainings themselves."""
        for _ in range(days):
            self.clock.advance(DAY)
            await asyncio.gather(*(watch.ask() for watch in self._watches))
            while waiting := [
                one for one in await self.list_asked() if one.state is JobState.QUEUED and one.kind != "retrain"
            ]:
                await self.run(waiting[-1].job_id)

    async def run(self, job_id: UUID) -> JobStatus:
        assert await self.shift.run(job_id) is None
        async with self.record.connection() as connection:
            await connection.execute("DELETE FROM pgqueuer WHERE payload = uuid_send($1)", job_id)
        status = await self.desk.read(job_id)
        assert status.state is JobState.SUCCEEDED, status.error
        return status

    async def list_asked(self, kind: str | None = None) -> list[JobStatus]:
        return [one for one in (await self.desk.list()).jobs if kind in {None, one.kind}]

    async def list_retrainings(self) -> list[JobStatus]:
        """Those that were asked for, the newest first."""
        return await self.list_asked("retrain")

    async def open_alert(self, rule: str, metric: Metric) -> None:
        """A window after which an alert is open."""
        state = AlertState(rule=rule, metric=metric.value, is_open=True, opened_on=date(2024, 2, 25))
        first_on, last_on = date(2024, 2, 19), date(2024, 2, 25)
        report = WindowReport(
            book=BOOK,
            product=PRODUCT,
            first_on=first_on,
            last_on=last_on,
            release_hash="a" * 64,
            reference_hash="b" * 64,
            cases=60,
            other_cases=0,
            erased=0,
            outcomes=(),
            reasons=(),
            measurements=(),
            states=(state,),
        )
        row = WindowRow(
            book=BOOK,
            product=PRODUCT,
            first_on=first_on,
            last_on=last_on,
            rules_hash="c" * 64,
            release_hash="a" * 64,
            reference_hash="b" * 64,
            cases=60,
            report=encode_canonical(report),
        )
        assert await add_window(self.record, row, (), self.actor)

    async def train(self, known_on: date, loans: int) -> None:
        """The manifest of a training of the book by so many labels, as known on a day."""
        manifest = make_champion().manifest
        told = replace(
            manifest,
            book=BOOK,
            product=PRODUCT,
            labels=hash_definition(AS_LAST_SEEN),
            known_on=known_on,
            training_set=replace(manifest.training_set, loans=loans),
        )
        await put_document(self.record, DocumentKind.TRAINING, encode_training(told), self.actor)


@pytest.fixture
async def yard(stocked: Record, settings: Settings, clock: FixedClock, actor: Actor, release: Release) -> Yard:
    """Of 60 applications, 30 have paid their loan back."""
    paid = dict.fromkeys(range(30), (("paid", 30),))
    await record_week(stocked, actor, release, 0, events=paid)
    return Yard(stocked, settings, clock, actor)


def reasons_of(jobs: list[JobStatus]) -> list[str | None]:
    return [one.reasons for one in jobs]


async def test_drift_past_its_bound_asks_for_one_retraining_and_for_none_within_the_cool_down(
    yard: Yard, release: Release
) -> None:
    tape = invent_cases(release, 1, 400)
    await record_cases(yard.record, yard.actor, release, tape, book="tape", is_decided=False)
    await fix_reference(yard.record, release.hash, book="tape", actor=yard.actor)
    weekly = await put_document(yard.record, DocumentKind.ALERT_RULES, encode_rules(load_rules(RULES)), yard.actor)
    monitoring = MonitorRequest(book=BOOK, rules=weekly)
    await yard.triggers.put(TriggerDefinition(name="monitoring", every="day", request=monitoring), yard.actor)
    await yard.put(DRIFT)
    before = await read_release_events(yard.record)
    await yard.pass_days(1)
    assert await yard.list_retrainings() == []
    await record_week(yard.record, yard.actor, release, 1, inquiries_6m=6)
    await yard.pass_days(1)
    (asked,) = await yard.list_retrainings()
    assert (asked.state, asked.trigger) == (JobState.QUEUED, LEARNING)
    assert "alert variable_shifted of inquiries_half_year is open since 2023-01-15" in asked.reasons
    await yard.desk.cancel(asked.job_id, yard.actor)
    await yard.pass_days(6)
    assert len(await yard.list_retrainings()) == 1
    await yard.pass_days(1)
    assert len(await yard.list_retrainings()) == 2
    monitored = await yard.list_asked("monitor")
    assert len(monitored) == 9
    assert {one.trigger for one in monitored} == {"monitoring"}
    assert f"asked for a look of {LEARNING}" in monitored[0].result
    assert await read_release_events(yard.record) == before


async def test_labels_ask_for_a_retraining_once_there_are_enough_more_of_them(yard: Yard) -> None:
    await yard.train(known_on=date(2024, 1, 1), loans=11)
    await yard.put(Retraining(labels_min=20, cool_down_days=0))
    await yard.pass_days(2)
    assert await yard.list_retrainings() == []
    await yard.train(known_on=date(2024, 1, 1), loans=10)
    await yard.pass_days(1)
    assert reasons_of(await yard.list_retrainings()) == ["20 more labels than then, and 20 are asked for"]


async def test_a_first_training_is_asked_for_by_the_labels_that_are_known(yard: Yard) -> None:
    await yard.put(Retraining(every_days=91))
    await yard.pass_days(1)
    assert reasons_of(await yard.list_retrainings()) == ["nothing was trained yet, and 30 labels are known"]


async def test_a_book_that_holds_nothing_yet_is_waited_for(yard: Yard) -> None:
    await yard.put(Retraining(every_days=91), book="later")
    await yard.pass_days(1)
    (look,) = await yard.list_asked("look")
    assert look.result == f"trigger {LEARNING}: nothing asks for a retraining"


async def test_labels_of_another_product_fail_the_look_in_words(yard: Yard) -> None:
    other = LabelDefinition(name="other", title="Of cards", products=("credit_card",), window_months=12)
    labels = await put_document(yard.record, DocumentKind.LABELS, encode_definition(other), yard.actor)
    await yard.put(Retraining(labels_min=1), labels=labels)
    yard.clock.advance(DAY)
    ((asked,),) = [one.job_ids for one in await Watch(yard.record).ask()]
    assert await yard.shift.run(asked) is None
    assert "labels other are for credit_card" in (await yard.desk.read(asked)).error


async def test_a_schedule_asks_so_long_after_the_last_training(yard: Yard) -> None:
    await yard.train(known_on=date(2024, 3, 1), loans=30)
    await yard.put(Retraining(every_days=5, cool_down_days=1))
    await yard.pass_days(4)
    assert await yard.list_retrainings() == []
    await yard.pass_days(1)
    assert reasons_of(await yard.list_retrainings()) == ["trained 5 days ago, and every 5 days are asked for"]


async def test_an_auc_that_is_expected_to_have_fallen_asks_for_a_retraining(yard: Yard) -> None:
    whole = load_rules(RULES)
    fell = replace(whole.rules[0], name="expected_auc_fell", metric=Metric.EXPECTED_AUC)
    raw = encode_rules(replace(whole, rules=(*whole.rules, fell), retraining=Retraining(alerts=("expected_auc_fell",))))
    rules = await put_document(yard.record, DocumentKind.ALERT_RULES, raw, yard.actor)
    request = RetrainRequest(book=BOOK, folds=2)
    await yard.triggers.put(TriggerDefinition(name=LEARNING, every="day", rules=rules, request=request), yard.actor)
    await yard.open_alert("expected_auc_fell", Metric.EXPECTED_AUC)
    await yard.pass_days(3)
    (asked,) = await yard.list_retrainings()
    assert asked.reasons == "alert expected_auc_fell is open since 2024-02-25"
    looks = await yard.list_asked("look")
    assert [f"retraining {asked.job_id}, because" in look.result for look in looks] == [False, False, True]


async def test_a_calendar_asks_once_an_instant_until_it_is_stopped(yard: Yard) -> None:
    await yard.triggers.put(TriggerDefinition(name="upkeep", every="day", request=MonthsRequest()), yard.actor)
    await yard.pass_days(3)
    assert reasons_of(await yard.list_asked("months")) == [
        f"it was due at 2024-03-0{day} 00:00 UTC" for day in (4, 3, 2)
    ]
    stopped = await yard.triggers.stop("upkeep", yard.actor)
    assert (stopped.is_standing, stopped.next_at) == (False, None)
    await yard.pass_days(2)
    assert len(await yard.list_asked("months")) == 3


async def test_a_look_that_ends_after_its_trigger_was_stopped_asks_for_nothing(yard: Yard) -> None:
    await yard.open_alert("variable_shifted", Metric.VARIABLE_PSI)
    await yard.put(DRIFT)
    yard.clock.advance(DAY)
    ((asked,),) = [one.job_ids for one in await Watch(yard.record).ask()]
    await yard.triggers.stop(LEARNING, yard.actor)
    assert "waits for nothing any more" in (await yard.run(asked)).result
    assert await yard.list_retrainings() == []
