"""A retraining as a job: the bundle of `train`, registered once, wherever the job was stopped."""

import asyncio
import functools
from datetime import date
from uuid import UUID

import msgspec
import numpy as np
import pytest

from instant_credit.factory import retraining
from instant_credit.factory.desk import JobDesk, JobStatus
from instant_credit.factory.requests import JudgeArguments, RetrainRequest, decode_arguments
from instant_credit.factory.settling import Asking
from instant_credit.factory.steps import RecordedSteps
from instant_credit.outcome.definition import LabelDefinition, encode_definition
from instant_credit.record.documents import DocumentKind, list_documents, put_document
from instant_credit.record.queue import JobEventKind, JobState, read_job
from instant_credit.record.queue_taking import Taking
from instant_credit.training import workshop
from instant_credit.training.dataset import Rejects, gather_training_set
from instant_credit.training.fitting import choice
from instant_credit.training.fitting.search import Searching
from instant_credit.training.plans import ByFolds
from instant_credit.training.selection_bias import Inference, Variant
from instant_credit.training.tapes.importing import import_tape
from instant_credit.training.workshop import build_training
from instant_credit.worker import shift
from instant_credit.worker.shift import Shift
from tests.training.fitting.searching import TINY
from tests.training.loans import QUICK
from tests.training.tapes.test_importing import PRODUCT, job, row, write_tape
from tests.training.test_dataset import import_rows
from tests.training.test_train_command import invent_rows

pytestmark = pytest.mark.anyio

KNOWN_ON = date(2024, 3, 1)
ASKED = RetrainRequest(book="small", folds=2, preset="steady", known_on=KNOWN_ON)
FAST = msgspec.structs.replace(QUICK, iterations=5)


@pytest.fixture(autouse=True)
def quick_presets(monkeypatch):
    monkeypatch.setattr(shift, "_LIVES", float("inf"))
    monkeypatch.setattr(choice, "list_presets", lambda *_: {"steady": FAST, "plain": FAST})


class Floor:
    """A record with a book, and shifts that work on its jobs one by one."""

    def __init__(self, record, settings, actor) -> None:
        self.record, self.settings, self.actor = record, settings, actor
        self.desk = JobDesk(record)

    async def ask(self, request: RetrainRequest = ASKED) -> UUID:
        return (await self.desk.request(request, self.actor)).job_id

    async def run(self, job_id: UUID) -> JobStatus:
        worker = Shift(self.record, self.settings, stop=asyncio.Event(), taking=Taking())
        if await worker.run(job_id) is None:
            # What the library does with the row of a job that ended.
            async with self.record.connection() as connection:
                await connection.execute("DELETE FROM pgqueuer")
        return await self.desk.read(job_id)

    async def train(self) -> str:
        training_set = await gather_training_set(self.record, book="small", product=PRODUCT, known_on=KNOWN_ON)
        return build_training(training_set, ByFolds(folds=2), "steady").bundle_hash

    async def list_models(self) -> list[str]:
        return [one.content_hash for one in await list_documents(self.record, "model")]


@pytest.fixture
async def floor(record, settings, actor, tmp_path) -> Floor:
    await import_rows(record, actor, tmp_path, invent_rows(400))
    return Floor(record, settings, actor)


async def test_a_retraining_registers_the_bundle_that_train_makes(floor):
    status = await floor.run(await floor.ask())
    assert status.state is JobState.SUCCEEDED, status.error
    bundle_hash = await floor.train()
    assert await floor.list_models() == [bundle_hash]
    assert bundle_hash in status.result
    assert [step.name for step in status.steps] == [
        "read", "prepare fold 1", "model fold 1", "prepare fold 2", "model fold 2", "model calibration", "prepare final", "model final",
        "scorecard fold 1", "scorecard fold 2", "scorecard calibration", "scorecard final", "test", "bundle", "register",
    ]  # fmt: skip
    again = await floor.run(await floor.ask())
    assert again.result == status.result
    assert len(await floor.list_models()) == 1


YEAR = LabelDefinition(name="year", title="Bad within a year of the application", window_months=12, starts="as_of")


@pytest.fixture
def declined(monkeypatch) -> None:
    """Books that hold declined applicants, too: loans of theirs once more, without an outcome."""

    async def gather(record, *, with_rejects=False, propensity=None, **told):
        found = await gather_training_set(record, **told)
        if propensity is not None:
            chances = np.where(np.arange(found.loans) % 3, 1.0, 0.25)
            found = msgspec.structs.replace(found, propensities=chances)
        if not with_rejects:
            return found
        rejects = Rejects(matrix=found.matrix[::20].copy(), days=found.days[::20], weights=found.weights[::20])
        return msgspec.structs.replace(found, rejects=rejects)

    monkeypatch.setattr(retraining, "gather_training_set", gather)
    monkeypatch.setattr(workshop, "gather_training_set", gather)


@pytest.mark.parametrize(
    ("told", "inference"),
    [
        ({"inference": "parcelling", "prudence": 2.0}, Inference(variant=Variant.PARCELLING, prudence=2.0)),
        (
            {"inference": "exploration-weighted", "propensity": "chance"},
            Inference(variant=Variant.EXPLORATION_WEIGHTED, propensity="chance"),
        ),
    ],
)
async def test_a_retraining_with_labels_inference_and_trust_is_what_train_makes_with_them(
    floor, declined, tmp_path, told, inference
):
    await import_rows(floor.record, floor.actor, tmp_path, invent_rows(900))
    labels = await put_document(floor.record, DocumentKind.LABELS, encode_definition(YEAR), floor.actor)
    asked = msgspec.structs.replace(ASKED, labels=labels, trusted=("revolving_use",), **told)
    status = await floor.run(await floor.ask(asked))
    assert status.state is JobState.SUCCEEDED, status.error
    assert [step.name for step in status.steps][:2] == ["read", "read declined"]
    trained = await workshop.train(
        floor.record,
        book="small",
        product=PRODUCT,
        plan=ByFolds(folds=2),
        parameters="steady",
        known_on=KNOWN_ON,
        actor=floor.actor,
        definition=YEAR,
        trusted=("revolving_use",),
        inference=inference,
    )
    assert trained.bundle_hash in status.result
    assert trained.training_hash in status.result
    assert trained.manifest.labels == labels
    assert trained.manifest.inference == inference
    assert await floor.list_models() == [trained.bundle_hash]


async def test_a_retraining_asks_for_its_models_judgement_once_however_often_it_was_stopped(floor, monkeypatch):
    asked = msgspec.structs.replace(ASKED, judged_by="standard")
    job_id = (await floor.desk.request(asked, floor.actor, Asking(trigger="learning", reasons="due"))).job_id
    ask = retraining._ask_for_judgement

    async def ask_and_die(*told):
        await ask(*told)
        raise Died

    with monkeypatch.context() as dying:
        dying.setattr(retraining, "_ask_for_judgement", ask_and_die)
        with pytest.raises(Died):
            await floor.run(job_id)
    status = await floor.run(job_id)
    assert status.state is JobState.SUCCEEDED, status.error
    (judgement,) = [one for one in (await floor.desk.list()).jobs if one.kind == "judge"]
    assert status.result.endswith(f"; its judgement is job {judgement.job_id}")
    assert judgement.trigger == "learning"
    assert judgement.reasons == f"retraining {job_id} registered the model"
    arguments = decode_arguments((await read_job(floor.record, judgement.job_id)).arguments, JudgeArguments)
    assert (arguments.model, arguments.champion) == ((await floor.list_models())[0], None)
    assert (arguments.book, arguments.known_on) == ("small", KNOWN_ON)


async def test_other_declined_applicants_fail_a_job_that_is_taken_up_again(floor, declined, monkeypatch):
    job_id = await floor.ask(msgspec.structs.replace(ASKED, inference="parcelling"))
    with monkeypatch.context() as dying:
        dying.setattr(retraining, "build_training", raise_died)
        with pytest.raises(Died):
            await floor.run(job_id)
    gather = retraining.gather_training_set

    async def gather_fewer(record, **told):
        found = await gather(record, **told)
        rejects = found.rejects
        fewer = Rejects(matrix=rejects.matrix[1:], days=rejects.days[1:], weights=rejects.weights[1:])
        return msgspec.structs.replace(found, rejects=fewer)

    monkeypatch.setattr(retraining, "gather_training_set", gather_fewer)
    status = await floor.run(job_id)
    assert status.state is JobState.FAILED
    assert "its declined applicants are others" in status.error


async def test_a_variable_that_tells_the_outcome_stops_the_job_unless_it_is_trusted(floor, tmp_path):
    telling = [row(n, label="bad" if n % 9 == 0 else "good", util=90 if n % 9 == 0 else 10) for n in range(400)]
    await import_tape(floor.record, job(write_tape(tmp_path / "other.csv", telling), book="telling"), floor.actor)
    asked = msgspec.structs.replace(ASKED, book="telling")
    status = await floor.run(await floor.ask(asked))
    assert (status.state, status.steps) == (JobState.FAILED, ())
    assert "--trust" in status.error
    status = await floor.run(await floor.ask(msgspec.structs.replace(asked, trusted=("revolving_use",))))
    assert status.steps[0].name == "read"
    assert "--trust" not in (status.error or "")


class Died(BaseException):
    """The worker's process ends between two steps; nothing of it catches that."""


def raise_died(*_: object, **__: object) -> None:
    raise Died


async def test_a_retraining_that_dies_after_every_step_makes_none_twice(floor, monkeypatch):
    finish = RecordedSteps._finish

    async def finish_and_die(self: RecordedSteps, name: str, kept: bytes) -> None:
        await finish(self, name, kept)
        if name != "register":
            raise Died

    job_id = await floor.ask()
    with monkeypatch.context() as dying:
        dying.setattr(RecordedSteps, "_finish", finish_and_die)
        for _ in range(14):
            with pytest.raises(Died):
                await floor.run(job_id)
    status = await floor.run(job_id)
    assert status.state is JobState.SUCCEEDED, status.error
    events = (await read_job(floor.record, job_id)).events
    for kind in (JobEventKind.STEP_BEGUN, JobEventKind.STEP_FINISHED):
        named = [event.step for event in events if event.kind is kind]
        assert len(named) == len(set(named)) == 15
    assert await floor.list_models() == [await floor.train()]


async def test_a_book_that_changed_meanwhile_fails_the_job_with_what_changed(floor, monkeypatch, tmp_path):
    job_id = await floor.ask()
    finish = RecordedSteps._finish

    async def finish_and_die(self: RecordedSteps, name: str, kept: bytes) -> None:
        await finish(self, name, kept)
        raise Died

    with monkeypatch.context() as dying:
        dying.setattr(RecordedSteps, "_finish", finish_and_die)
        with pytest.raises(Died):
            await floor.run(job_id)
    await import_rows(floor.record, floor.actor, tmp_path, [*invent_rows(400), row(400, label="good")])
    status = await floor.run(job_id)
    assert status.state is JobState.FAILED
    assert "changed while the job was stopped: it holds 401 resolved loans, 1 more" in status.error
    assert await floor.list_models() == []


async def test_a_search_is_a_part_of_a_step(floor, monkeypatch, tmp_path):
    await import_rows(floor.record, floor.actor, tmp_path, invent_rows(900))
    monkeypatch.setattr(retraining, "Searching", functools.partial(Searching, space=TINY))
    asked = RetrainRequest(book="small", folds=2, search_trials=2, known_on=KNOWN_ON, select_most=3)
    status = await floor.run(await floor.ask(asked))
    assert status.state is JobState.SUCCEEDED, status.error
    assert (floor.settings.home / "searches").is_dir()


async def test_a_segment_that_is_no_category_fails_the_job_in_words(floor):
    asked = RetrainRequest(book="small", folds=2, preset="steady", segment="nothing")
    status = await floor.run(await floor.ask(asked))
    assert (status.state, status.result) == (JobState.FAILED, None)
    assert "nothing is no category variable" in status.error
