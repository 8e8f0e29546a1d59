"""A judgement as a job: the report of `gate judge`, named by the job's end; asked for by a retraining that ends well."""

import asyncio
from uuid import uuid4

import pytest
from msgspec.structs import replace

from instant_credit.errors import NotFound
from instant_credit.factory.desk import JobDesk, JobStatus
from instant_credit.factory.requests import JudgeArguments, JudgeRequest, MonthsRequest, decode_arguments
from instant_credit.factory.settling import JobRefused, compose_job
from instant_credit.record.documents import DocumentKind, list_documents, put_document
from instant_credit.record.queue import JobState
from instant_credit.record.queue_taking import Taking
from instant_credit.record.release_life import read_release_events
from instant_credit.record.waivers import read_gate_report
from instant_credit.training.gates.thresholds import encode_thresholds
from instant_credit.worker.shift import Shift
from tests.releasing import put_live
from tests.training.gates.recording import BOOK
from tests.training.gates.test_recorded import RELAXED, stock
from tests.training.gates.worlds import KNOWN_ON, PRODUCT, TEST_FROM

pytestmark = pytest.mark.anyio

HASH = "a" * 64


async def run(record, settings, request: JudgeRequest, actor) -> JobStatus:
    desk = JobDesk(record)
    job_id = (await desk.request(request, actor)).job_id
    assert await Shift(record, settings, stop=asyncio.Event(), taking=Taking()).run(job_id) is None
    return await desk.read(job_id)


async def test_a_judgement_leaves_its_report_and_promotes_nothing(record, settings, actor):
    candidate, release = await stock(record, actor)
    await put_live(record, PRODUCT.name, release.hash, actor)
    before = await read_release_events(record)
    thresholds = await put_document(record, DocumentKind.GATE_THRESHOLDS, encode_thresholds(RELAXED), actor)
    request = JudgeRequest(
        book=BOOK, model=candidate.bundle_hash, thresholds=thresholds, test_from=TEST_FROM, known_on=KNOWN_ON
    )
    status = await run(record, settings, request, actor)
    assert status.state is JobState.SUCCEEDED, status.error
    report = await read_gate_report(record, status.document)
    assert (report.candidate_hash, report.champion_hash) == (candidate.bundle_hash, release.manifest.model_hash)
    verdict = "every gate lets it pass" if report.passes else f"stopped by {', '.join(report.stopped_by)}"
    assert status.result == (
        f"judged model {candidate.bundle_hash} against release {release.hash[:12]}: {verdict}; report {status.document}"
    )
    assert status.links.report.href == f"/v1/jobs/{status.job_id}/report"
    assert await JobDesk(record).read_report(status.job_id) == report
    assert await read_release_events(record) == before


async def test_a_judgement_that_can_t_be_made_leaves_no_report(record, settings, actor):
    candidate, _ = await stock(record, actor)
    request = JudgeRequest(book="empty", model=candidate.bundle_hash, champion="none")
    status = await run(record, settings, request, actor)
    assert (status.state, status.document, status.links.report) == (JobState.FAILED, None, None)
    assert "holds no Case" in status.error
    assert await list_documents(record, DocumentKind.GATE_REPORT) == ()
    for job_id in (status.job_id, (await JobDesk(record).request(MonthsRequest(), actor)).job_id, uuid4()):
        with pytest.raises(NotFound):
            await JobDesk(record).read_report(job_id)


async def test_the_champion_is_settled_when_the_judgement_is_asked_for(record, actor):
    candidate, release = await stock(record, actor)

    async def settle(champion: str | None) -> str | None:
        request = JudgeRequest(book=BOOK, model=candidate.bundle_hash, champion=champion, policy="personal_loan")
        return decode_arguments((await compose_job(record, request, actor)).arguments, JudgeArguments).champion

    assert [await settle(told) for told in (None, "none", release.hash)] == [None, None, release.hash]
    for told in ("live", HASH):
        with pytest.raises(JobRefused) as refusal:
            await settle(told)
        assert refusal.value.problem.code == "RELEASE_UNKNOWN"
    await put_live(record, PRODUCT.name, release.hash, actor)
    assert [await settle(told) for told in (None, "live", "none")] == [release.hash, release.hash, None]


@pytest.mark.parametrize(
    ("changed", "pointer", "code"),
    [
        ({"book": "test"}, "/book", "BOOK_OF_TESTS"),
        ({"model": HASH}, "/model", "MODEL_UNKNOWN"),
        ({"thresholds": HASH}, "/thresholds", "DOCUMENT_UNKNOWN"),
        ({"policy": "nothing"}, "/policy", "DOCUMENT_UNKNOWN"),
    ],
)
async def test_what_is_wrong_with_a_judgement_is_named(record, actor, changed, pointer, code):
    candidate, _ = await stock(record, actor)
    request = replace(JudgeRequest(book=BOOK, model=candidate.bundle_hash), **changed)
    with pytest.raises(JobRefused) as refusal:
        await compose_job(record, request, actor)
    assert (refusal.value.problem.pointer, refusal.value.problem.code) == (pointer, code)
