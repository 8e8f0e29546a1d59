"""What may be asked for as a job, and what it becomes."""

from datetime import date
from typing import get_args

import msgspec
import pytest

from instant_credit.errors import Problem
from instant_credit.factory.requests import (
    EXPLORING,
    INFERRING,
    PRUDENCE_MAX,
    AuditRequest,
    InferenceName,
    JobKind,
    Preset,
    RetrainArguments,
    RetrainRequest,
    decode_arguments,
    read_request,
)
from instant_credit.factory.settling import Asking, JobRefused, compose_job, settle_day
from instant_credit.outcome.definition import AS_LAST_SEEN, decode_definition, hash_definition
from instant_credit.record.documents import DocumentKind, get_document, put_document
from instant_credit.record.queue import JobWeight
from instant_credit.training.fitting.choice import PRESETS
from instant_credit.training.fitting.space import TRIALS_MAX
from instant_credit.training.plans import FOLDS_MAX, FOLDS_MIN, SHARE_MAX, SHARE_MIN
from instant_credit.training.selection_bias import INFERRING as VARIANTS_INFERRING
from instant_credit.training.selection_bias import PRUDENCE_MAX as VARIANTS_PRUDENCE_MAX
from instant_credit.training.selection_bias import Variant
from tests.training.test_dataset import import_rows

HASH = "a" * 64


def test_a_request_is_told_apart_by_its_kind():
    assert read_request(b'{"kind":"audit"}') == AuditRequest()
    assert read_request(b'{"kind":"retrain","book":"small","folds":3}') == RetrainRequest(book="small", folds=3)


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (b"", "", "BODY_UNREADABLE"),
        (b"\xff", "", "BODY_UNREADABLE"),
        (b"[]", "", "JOB_FIELD_INVALID"),
        (b"{}", "", "JOB_FIELD_INVALID"),
        (b'{"kind":"erase"}', "/kind", "JOB_FIELD_INVALID"),
        (b'{"kind":"audit","book":"x"}', "", "JOB_FIELD_INVALID"),
        (b'{"kind":"retrain"}', "", "JOB_FIELD_INVALID"),
        (b'{"kind":"retrain","book":""}', "/book", "JOB_FIELD_INVALID"),
        (b'{"kind":"retrain","book":"MARKED book"}', "/book", "JOB_FIELD_INVALID"),
        (b'{"kind":"retrain","book":"small","segment":"MARKED","folds":1}', "/folds", "JOB_FIELD_INVALID"),
        (b'{"kind":"retrain","book":"x","preset":"MARKED"}', "/preset", "JOB_FIELD_INVALID"),
        (b'{"kind":"retrain","book":"x","folds":3,"test_share":0.2}', "", "JOB_FIELD_INVALID"),
        (b'{"kind":"retrain","book":"x","preset":"plain","search_trials":3}', "", "JOB_FIELD_INVALID"),
        (b'{"kind":"retrain","book":"x","labels":"../MARKED"}', "/labels", "JOB_FIELD_INVALID"),
        (b'{"kind":"retrain","book":"x","prudence":2}', "", "JOB_FIELD_INVALID"),
        (b'{"kind":"retrain","book":"x","inference":"approved-only","prudence":2}', "", "JOB_FIELD_INVALID"),
        (b'{"kind":"retrain","book":"x","inference":"parcelling","propensity":"chance"}', "", "JOB_FIELD_INVALID"),
        (b'{"kind":"retrain","book":"x","inference":"parcelling","prudence":21}', "/prudence", "JOB_FIELD_INVALID"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_said_again(body, pointer, code):
    problem = read_request(body)
    assert isinstance(problem, Problem)
    assert (problem.pointer, problem.code) == (pointer, code)
    assert "MARKED" not in problem.message


def test_the_bounds_of_a_request_are_those_of_the_workshop():
    schema = msgspec.json.schema_components([RetrainRequest])[1]["RetrainRequest"]["properties"]

    def bounds(name: str) -> tuple[float, float]:
        found = next(one for one in schema[name]["anyOf"] if "minimum" in one)
        return found["minimum"], found["maximum"]

    assert get_args(Preset) == PRESETS
    assert get_args(InferenceName) == tuple(Variant)
    assert INFERRING == VARIANTS_INFERRING
    assert EXPLORING == Variant.EXPLORATION_WEIGHTED
    assert PRUDENCE_MAX == VARIANTS_PRUDENCE_MAX
    assert bounds("folds") == (FOLDS_MIN, FOLDS_MAX)
    assert bounds("test_share") == (SHARE_MIN, SHARE_MAX)
    assert bounds("search_trials")[1] == TRIALS_MAX


@pytest.mark.anyio
async def test_defaults_are_settled_when_the_job_is_asked_for(record, actor, tmp_path):
    await import_rows(record, actor, tmp_path)
    job = await compose_job(record, RetrainRequest(book="small", folds=3), actor, Asking(natural_key="monday"))
    assert (job.kind, job.weight, job.natural_key) == (JobKind.RETRAIN, JobWeight.HEAVY, "monday")
    arguments = decode_arguments(job.arguments, RetrainArguments)
    assert (arguments.known_on, arguments.folds) == (date(2024, 3, 1), 3)
    assert len(arguments.product) == 64
    assert arguments.labels == hash_definition(AS_LAST_SEEN)
    with pytest.raises(JobRefused, match="lies ahead"):
        settle_day(record, date(2024, 3, 2))
    request = RetrainRequest(book="small", product=arguments.product, known_on=date(2020, 1, 1), labels="bad_90_in_12")
    told = decode_arguments((await compose_job(record, request, actor)).arguments, RetrainArguments)
    assert told.known_on == date(2020, 1, 1)
    assert decode_definition(await get_document(record, told.labels)).name == "bad_90_in_12"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (RetrainRequest(book="other"), ("/book", "BOOK_EMPTY")),
        (RetrainRequest(book="test"), ("/book", "BOOK_OF_TESTS")),
        (RetrainRequest(book="small", product=HASH), ("/product", "PRODUCT_UNKNOWN")),
        (RetrainRequest(book="small", labels=HASH), ("/labels", "DOCUMENT_UNKNOWN")),
        (RetrainRequest(book="small", labels="nothing"), ("/labels", "DOCUMENT_UNKNOWN")),
    ],
)
async def test_a_request_that_can_t_be_run_is_refused_when_it_is_made(record, actor, tmp_path, request_, problem):
    await import_rows(record, actor, tmp_path)
    with pytest.raises(JobRefused) as refusal:
        await compose_job(record, request_, actor)
    assert (refusal.value.problem.pointer, refusal.value.problem.code) == problem


@pytest.mark.anyio
async def test_a_document_that_is_no_product_is_refused(record, actor, tmp_path):
    await import_rows(record, actor, tmp_path)
    model = await put_document(record, DocumentKind.MODEL, b"{}", actor)
    with pytest.raises(JobRefused):
        await compose_job(record, RetrainRequest(book="small", product=model), actor)
    with pytest.raises(JobRefused):
        await compose_job(record, RetrainRequest(book="small", labels=model), actor)
