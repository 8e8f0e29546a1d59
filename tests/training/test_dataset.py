from datetime import date

import asyncpg
import msgspec
import numpy as np
import pytest

from instant_credit.decision.case import Case
from instant_credit.errors import Refused
from instant_credit.features.build import build_features
from instant_credit.features.pack import pack_facts
from instant_credit.features.program import compile_features
from instant_credit.outcome.definition import LabelDefinition
from instant_credit.record.pool import open_record
from instant_credit.record.reads import iterate_cases
from instant_credit.training.book_courses import gather_courses
from instant_credit.training.dataset import ERASED, INDETERMINATE, LeftOut, gather_training_set, list_columns
from instant_credit.training.tapes.importing import import_tape
from instant_credit.units import days_from_date
from tests.training.tapes.test_importing import PRODUCT, job, row, write_tape

ROWS = [row(place, label="bad" if place % 9 == 0 else "good") for place in range(90)]
LATE = date(2030, 1, 1)


async def import_rows(record, actor, folder, rows=ROWS):
    return await import_tape(record, job(write_tape(folder / "tape.csv", rows)), actor)


@pytest.mark.anyio
async def test_rows_are_the_features_and_labels_of_the_cases(record, actor, tmp_path):
    await import_rows(record, actor, tmp_path)
    training_set = await gather_training_set(record, book="small", product=PRODUCT, known_on=LATE)
    cases = [
        (stored.natural_key, stored.case, any(event.kind == "delinquent" for event in stored.events))
        async for stored in iterate_cases(record, "small")
    ]
    cases.sort()
    decoded = [msgspec.json.decode(raw, type=Case) for _, raw, _ in cases]
    days = np.array([days_from_date(case.as_of) for case in decoded], dtype=np.int32)
    program = compile_features(PRODUCT)
    matrix = build_features(program, pack_facts(program, [case.facts for case in decoded], days)).model
    assert training_set.matrix.tobytes() == matrix.tobytes()
    assert training_set.days.tolist() == days.tolist()
    assert training_set.labels.tolist() == [int(is_bad) for _, _, is_bad in cases]
    assert training_set.labels.sum() == 10
    assert (training_set.cases, training_set.loans, training_set.left_out) == (90, 90, ())


@pytest.mark.anyio
async def test_the_same_book_in_another_record_is_the_same_training_set(record, other_settings, clock, actor, tmp_path):
    await import_rows(record, actor, tmp_path)
    first = await gather_training_set(record, book="small", product=PRODUCT, known_on=LATE)
    async with open_record(other_settings, clock=clock) as other:
        tape = msgspec.structs.replace(job(write_tape(tmp_path / "again.csv", ROWS[::-1])), book="again")
        await import_tape(other, tape, actor)
        second = await gather_training_set(other, book="again", product=PRODUCT, known_on=LATE)
    assert first.matrix.tobytes() == second.matrix.tobytes()
    assert first.labels.tobytes() == second.labels.tobytes()
    assert first.persons.tolist() == second.persons.tolist()


@pytest.mark.anyio
async def test_a_loan_is_labelled_by_what_was_known_on_the_day(record, actor, tmp_path):
    await import_rows(record, actor, tmp_path)
    known = {event.known_on async for stored in iterate_cases(record, "small") for event in stored.events}
    with pytest.raises(Refused, match="resolved by"):
        await gather_training_set(record, book="small", product=PRODUCT, known_on=date(2010, 1, 1))
    last = await gather_training_set(record, book="small", product=PRODUCT, known_on=max(known))
    left_out = {one.reason: one.count for one in last.left_out}
    assert last.loans + left_out.get(INDETERMINATE, 0) == 90
    assert last.known_on == max(known)


@pytest.mark.anyio
async def test_cases_of_an_earlier_version_with_the_same_attributes_count(record, actor, tmp_path):
    await import_rows(record, actor, tmp_path)
    fewer = msgspec.structs.replace(PRODUCT, variables=PRODUCT.variables[:-1])
    training_set = await gather_training_set(record, book="small", product=fewer, known_on=LATE)
    assert training_set.loans == 90
    assert training_set.columns == list_columns(fewer)
    assert training_set.matrix.shape[1] == len(fewer.model_variables)


@pytest.mark.anyio
async def test_cases_of_a_version_with_other_attributes_are_counted_apart(record, actor, tmp_path):
    await import_rows(record, actor, tmp_path)
    last = PRODUCT.attributes[-1]
    more = msgspec.structs.replace(
        PRODUCT, attributes=(msgspec.structs.replace(PRODUCT.attributes[4], name="newly_asked"), *PRODUCT.attributes)
    )
    assert last.name != "newly_asked"
    with pytest.raises(Refused, match="nothing to train on"):
        await gather_training_set(record, book="small", product=more, known_on=LATE)
    other = msgspec.structs.replace(PRODUCT, name="other_loan")
    with pytest.raises(Refused, match="no loan of other_loan"):
        await gather_training_set(record, book="small", product=other, known_on=LATE)


@pytest.mark.anyio
async def test_an_unknown_book_is_refused_with_what_to_do(record):
    with pytest.raises(Refused, match="import a tape"):
        await gather_training_set(record, book="nothing", product=PRODUCT, known_on=LATE)


@pytest.mark.anyio
@pytest.mark.parametrize("gather", [gather_training_set, gather_courses])
async def test_whoever_was_declined_is_no_good_loan_for_want_of_news(record, gather):
    """An application that was declined has no events; where a window begins with the Case, that reads as repaid."""
    year = LabelDefinition(name="year", title="A year", window_months=12, starts="as_of")
    with pytest.raises(Refused, match="begin with the Case"):
        await gather(record, book="applications", product=PRODUCT, known_on=LATE, definition=year)
    with pytest.raises(Refused, match="holds no Case"):
        await gather(record, book="small", product=PRODUCT, known_on=LATE, definition=year)


@pytest.mark.anyio
async def test_progress_counts_cases(record, actor, tmp_path):
    await import_rows(record, actor, tmp_path)
    seen = []
    await gather_training_set(record, book="small", product=PRODUCT, known_on=LATE, progress=seen.append)
    assert seen[-1] == 90


@pytest.mark.anyio
async def test_an_erased_person_is_counted_and_not_read(record, actor, superuser_url, tmp_path):
    await import_rows(record, actor, tmp_path)
    gone = [stored.person_id async for stored in iterate_cases(record, "small")][3]
    connection = await asyncpg.connect(superuser_url)
    await connection.execute("SET session_replication_role = replica")
    await connection.execute("DELETE FROM sealed_keys.person_keys WHERE person_id = $1", gone)
    await connection.close()
    training_set = await gather_training_set(record, book="small", product=PRODUCT, known_on=LATE)
    assert training_set.left_out == (LeftOut(reason=ERASED, count=1),)
    assert (training_set.cases, training_set.loans) == (90, 89)
