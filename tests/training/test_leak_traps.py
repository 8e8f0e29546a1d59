"""Traps: each lays a leak, and the training set either refuses it or does not see it.

The first ten are columns of a lender that were filled after the decision and slipped into the facts, drawn with a seed and with as much
noise as such columns have. The others are leaks through time, persons and copies.
"""

from datetime import date, timedelta

import msgspec
import numpy as np
import pytest

from instant_credit.application.door import Door
from instant_credit.errors import Refused
from instant_credit.outcome.definition import AS_LAST_SEEN, LabelDefinition, decode_definition, hash_definition
from instant_credit.outcome.events import EventKind
from instant_credit.outcome.labels import Label, label_outcome
from instant_credit.record.documents import get_document
from instant_credit.record.reads import iterate_cases
from instant_credit.record.shipped import read_starter
from instant_credit.training.dataset import gather_training_set
from instant_credit.training.fitting.fit import FitParameters
from instant_credit.training.leaks import AUC_TELLING, find_tellers, measure_telling, refuse_tellers
from instant_credit.training.plans import ByFolds, Wish, deal_folds
from instant_credit.training.tapes.importing import import_tape
from instant_credit.training.tapes.mapping import load_mapping
from instant_credit.training.workshop import train
from tests.outcome.histories import FIRST, event, name
from tests.training.loans import invent_set
from tests.training.tapes.joins import MAPPING as JOINED
from tests.training.tapes.joins import PRODUCT as JOINED_PRODUCT
from tests.training.tapes.test_importing import PRODUCT, job, row, write_tape

LOANS = invent_set(2_000)
BAD = LOANS.labels == 1
AMOUNT, PURPOSE = 0, 4
TEXT = read_starter("mappings", "lending_club_2007_2011")
YEAR = LabelDefinition(name="year", title="90 days within a year", window_months=12, lag_days=31)


def missing_for(rows, values):
    return np.where(rows, np.nan, values)


def draw(seed):
    return np.random.default_rng(seed)


LEAKING = {
    "total_paid": (AMOUNT, lambda c: np.where(BAD, c.uniform(0.0, 0.7, 2_000), c.uniform(0.68, 1.3, 2_000))),
    "months_paid": (AMOUNT, lambda c: np.where(BAD, c.integers(0, 30, 2_000), c.integers(29, 61, 2_000))),
    "balance_left": (
        AMOUNT,
        lambda c: np.where(BAD, c.uniform(100, 9_000, 2_000), c.choice([0.0, 0.0, 0.0, 50.0], 2_000)),
    ),
    "recoveries": (AMOUNT, lambda c: np.where(BAD, c.uniform(1, 900, 2_000), 0.0)),
    "collection_fee": (AMOUNT, lambda c: missing_for(~BAD, c.uniform(1, 90, 2_000))),
    "last_payment": (AMOUNT, lambda c: missing_for(BAD & (c.random(2_000) < 0.98), c.uniform(50, 900, 2_000))),
    "days_late_most": (AMOUNT, lambda c: np.where(BAD, c.integers(90, 200, 2_000), c.integers(0, 95, 2_000))),
    "bureau_score_now": (AMOUNT, lambda c: np.where(BAD, c.normal(480, 30, 2_000), c.normal(690, 40, 2_000))),
    "collection_status": (PURPOSE, lambda c: np.where(BAD, c.integers(1, 3, 2_000), 0)),
    "settlement_flag": (PURPOSE, lambda c: np.where(BAD & (c.random(2_000) < 0.99), 2, c.integers(0, 2, 2_000))),
}


@pytest.mark.parametrize("leak", LEAKING)
def test_a_variable_that_tells_the_outcome_alone_is_refused_by_name(leak):
    position, write = LEAKING[leak]
    matrix = LOANS.matrix.copy()
    matrix[:, position] = write(draw(list(LEAKING).index(leak)))
    told = msgspec.structs.replace(LOANS, matrix=matrix)
    variable = LOANS.columns.names[position]
    with pytest.raises(Refused, match=f"alone tell which loans went bad.*{variable} .AUC"):
        refuse_tellers(told)
    assert [one.name for one in find_tellers(told)] == [variable]
    refuse_tellers(told, trusted=(variable,))


def test_honest_variables_are_not_refused_and_a_trusted_one_must_be_there():
    assert find_tellers(LOANS) == ()
    refuse_tellers(LOANS)
    with pytest.raises(Refused, match="no such variable"):
        refuse_tellers(LOANS, trusted=("nothing",))


def test_among_too_few_loans_nothing_is_said():
    few = LOANS.take(np.flatnonzero(BAD)[:19])
    assert find_tellers(msgspec.structs.replace(few, matrix=np.tile(few.labels[:, None], 7).astype(np.float32))) == ()


def test_how_much_a_variable_tells_is_its_area_in_the_better_direction():
    labels = np.array([0, 0, 1, 1], dtype=np.int8)
    assert measure_telling(np.array([1.0, 2.0, 3.0, 4.0]), labels) == 1.0
    assert measure_telling(np.array([4.0, 3.0, 2.0, 1.0]), labels) == 1.0
    assert measure_telling(np.array([1.0, 1.0, 1.0, 1.0]), labels) == 0.5
    assert 0.5 < AUC_TELLING < 1


@pytest.mark.anyio
async def test_training_refuses_a_leaking_book_before_it_fits_anything(record, actor, tmp_path):
    rows = [row(place, label="bad" if place < 60 else "good") for place in range(150)]
    await import_tape(record, job(write_tape(tmp_path / "tape.csv", rows)), actor)
    told = {"book": "small", "product": PRODUCT, "known_on": date(2017, 1, 1), "actor": actor, "plan": Wish()}
    with pytest.raises(Refused, match=r"income_total_floored_cents .AUC 1\.000"):
        await train(record, **told)
    quick = FitParameters(iterations=5, depth=2, learning_rate=0.1, l2_leaf_reg=5, threads=1)
    trusted = tuple(variable.name for variable in PRODUCT.model_variables)
    training = await train(record, **{**told, "plan": ByFolds(folds=2)}, parameters=quick, trusted=trusted)
    assert training.manifest.labels == hash_definition(AS_LAST_SEEN)
    assert decode_definition(await get_document(record, training.manifest.labels)) == AS_LAST_SEEN


@pytest.mark.parametrize(
    ("told", "leaking", "message"),
    [
        (
            '[facts.revolving_balance_cents]\ncolumn = "revol_bal"',
            '[facts.revolving_balance_cents]\ncolumn = "out_prncp"',
            "is a leak",
        ),
        (
            '[facts.debt_to_income_percent]\ncolumn = "dti"',
            '[facts.debt_to_income_percent]\ncolumn = "int_rate"',
            "withheld",
        ),
        ('[as_of]\ncolumn = "issue_d"', '[as_of]\ncolumn = "last_pymnt_d"', "is a leak"),
        ('"total_pymnt", "total_pymnt_inv",', '"total_pymnt_inv",', "total_pymnt tells the outcome and is not listed"),
    ],
    ids=[
        "a leak as a fact",
        "the lender's price as a fact",
        "a day of the end as the day of the facts",
        "an unlisted end",
    ],
)
def test_a_mapping_that_lets_the_outcome_into_a_case_is_refused(told, leaking, message):
    assert told in TEXT
    with pytest.raises(Refused, match=message):
        load_mapping(TEXT.replace(told, leaking), PRODUCT)


def test_rows_of_a_joined_file_without_a_day_before_the_case_are_refused():
    with pytest.raises(Refused, match="dates the rows"):
        load_mapping(
            JOINED.replace('take = "mean"\ncolumn = "spent"\nbefore = "on"', 'take = "mean"\ncolumn = "spent"'),
            JOINED_PRODUCT,
        )


def test_a_fact_dated_after_the_case_is_rejected():
    as_of = date(2016, 3, 31)
    problems = Door(PRODUCT).check_facts({"earliest_credit_on": as_of + timedelta(days=1)}, as_of)
    assert "DATE_TOO_LATE" in {one.code for one in problems}


def test_a_late_correction_does_not_reach_the_label_of_then():
    wrong = event(EventKind.DAYS_PAST_DUE, 100, days=90, event_id=name(1))
    right = event(EventKind.DAYS_PAST_DUE, 100, delay=900, days=0, corrects=name(1))
    history = [event(EventKind.DISBURSED, 0), wrong, right]
    told = {"definition": YEAR, "started_on": FIRST}
    assert label_outcome(history, known_on=FIRST + timedelta(days=500), **told) is Label.BAD
    assert label_outcome(history, known_on=FIRST + timedelta(days=1_000), **told) is Label.GOOD


def test_loans_that_ended_early_do_not_count_before_the_others():
    """Resolved so far, every loan is bad; of those whose window has passed, one in ten is."""
    book = [
        [event(EventKind.DISBURSED, 0), *([event(EventKind.CHARGED_OFF, 150)] if place < 10 else [])]
        for place in range(100)
    ]
    early, ripe = FIRST + timedelta(days=200), FIRST + timedelta(days=400)
    assert {label_outcome(one, known_on=early) for one in book} == {Label.BAD, Label.INDETERMINATE}
    assert {label_outcome(one, known_on=early, definition=YEAR) for one in book} == {Label.IMMATURE}
    assert sum(label_outcome(one, known_on=ripe, definition=YEAR) for one in book) == 10


def test_a_person_is_never_on_both_sides_of_a_fold():
    persons = draw(7).integers(0, 300, 2_000)
    folds = deal_folds(persons, 5)
    assert all(len(np.unique(folds[persons == person])) == 1 for person in np.unique(persons))


@pytest.mark.anyio
async def test_a_tape_imported_twice_gives_each_loan_once(record, actor, tmp_path):
    tape = job(
        write_tape(
            tmp_path / "tape.csv", [row(place, label="bad" if place % 9 == 0 else "good") for place in range(60)]
        )
    )
    await import_tape(record, tape, actor)
    first = await gather_training_set(record, book="small", product=PRODUCT, known_on=date(2017, 1, 1))
    await import_tape(record, tape, actor)
    second = await gather_training_set(record, book="small", product=PRODUCT, known_on=date(2017, 1, 1))
    assert first.matrix.tobytes() == second.matrix.tobytes()
    assert len([one async for one in iterate_cases(record, "small")]) == 60
