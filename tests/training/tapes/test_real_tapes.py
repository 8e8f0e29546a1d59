"""The shipped mappings on the real tapes: every row counted, prohibited attributes apart, leaks out."""

from collections import Counter
from datetime import date

import polars as pl
import pytest

from instant_credit.application.document import load_product
from instant_credit.application.door import Door
from instant_credit.application.facts import Facts
from instant_credit.outcome.labels import Label, label_outcome
from instant_credit.record.reads import iterate_cases
from instant_credit.record.shipped import read_starter
from instant_credit.training.dataset import gather_training_set
from instant_credit.training.fitting.fit import FitParameters
from instant_credit.training.plans import ByFolds
from instant_credit.training.tapes.files import read_tape
from instant_credit.training.tapes.importing import TapeImport, import_tape
from instant_credit.training.tapes.mapping import load_mapping, read_product_name
from instant_credit.training.tapes.rows import RowReader, TapeRow
from instant_credit.training.workshop import build_training
from tests.tapes import CREDIT_DATA_ES, SBA_NATIONAL_BALANCED, UCI_CREDIT_CARD_DEFAULT, require_tape

TAPES = {
    "uci_credit_card_default": (UCI_CREDIT_CARD_DEFAULT, 23_364, 6_636),
    "sba_national_balanced": (SBA_NATIONAL_BALANCED, 15_000, 15_000),
    "credit_data_es": (CREDIT_DATA_ES, 3_200, 1_254),
}


def read_rows(name):
    text = read_starter("mappings", name)
    product = load_product(read_starter("products", read_product_name(text)))
    mapping = load_mapping(text, product)
    reader = RowReader(mapping, product, date(2024, 1, 1))
    chunks = read_tape(require_tape(TAPES[name][0]), mapping.file, mapping.needed_columns)
    rows = [row for chunk in chunks for row in reader.read_chunk(chunk)]
    return product, mapping, rows, reader


@pytest.mark.tapes
@pytest.mark.parametrize("name", TAPES)
def test_every_row_of_the_tape_is_a_case_with_the_published_outcome(name):
    product, mapping, rows, reader = read_rows(name)
    door = Door(product)
    assert all(isinstance(row, TapeRow) for row in rows)
    assert all(isinstance(door.check_facts(row.values, row.as_of), Facts) for row in rows)
    labels = Counter(label_outcome(row.events, known_on=date(2024, 1, 1)) for row in rows)
    assert labels == {Label.GOOD: TAPES[name][1], Label.BAD: TAPES[name][2]}
    assert len({row.natural_key for row in rows}) == len(rows)
    assert not any(reader.monitoring_unread.values())
    prohibited = {attribute.name for attribute in product.monitoring_attributes}
    assert prohibited == set(mapping.monitoring)
    assert not prohibited & set(mapping.facts)


@pytest.mark.tapes
def test_the_weights_of_the_balanced_tape_give_the_published_bad_rate():
    _, _, rows, _ = read_rows("sba_national_balanced")
    bad = sum(row.sampling_weight for row in rows if label_outcome(row.events, known_on=date(2024, 1, 1)) is Label.BAD)
    assert bad / sum(row.sampling_weight for row in rows) == pytest.approx(0.1756, abs=1e-4)
    assert max(event.event_on for row in rows for event in row.events) == date(2014, 12, 31)


@pytest.mark.tapes
@pytest.mark.anyio
@pytest.mark.long
async def test_a_model_of_consumer_loans_ranks_them_without_age_and_marital_status(record, actor, tmp_path):
    text = read_starter("mappings", "credit_data_es")
    product = load_product(read_starter("products", "consumer_loan"))
    job = TapeImport(
        path=require_tape(CREDIT_DATA_ES),
        mapping=load_mapping(text, product),
        product=product,
        book="credit_data_es",
        rejects_path=tmp_path / "rejects.ndjson",
    )
    summary = await import_tape(record, job, actor)
    assert (summary.rows_in, summary.recorded, summary.rejected) == (4_454, 4_454, 0)
    tape = pl.read_parquet(job.path)
    cases = [case.case async for case in iterate_cases(record, "credit_data_es")]
    assert not any(status.encode() in raw for raw in cases for status in tape["Marital"].drop_nulls().unique())
    training_set = await gather_training_set(record, book="credit_data_es", product=product, known_on=date(2024, 1, 1))
    training = build_training(training_set, ByFolds(folds=3), FitParameters(iterations=300))
    assert training.model.quality.auc.value > 0.82
