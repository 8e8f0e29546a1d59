"""How well models of two real tapes rank loans that they never saw. Long, and run by `make prove` alone: what is looked at every day
becomes what choices are made by."""

from datetime import date

import pytest

from instant_credit.application.document import load_product
from instant_credit.record.shipped import read_starter
from instant_credit.training.dataset import TrainingSet, gather_training_set
from instant_credit.training.plans import ByDate, ByFolds
from instant_credit.training.tapes.importing import TapeImport, import_tape
from instant_credit.training.tapes.mapping import load_mapping
from instant_credit.training.workshop import build_training
from tests.budget import IS_PROVING
from tests.tapes import LENDING_CLUB_2007_2011, UCI_CREDIT_CARD_DEFAULT, require_tape

pytestmark = [
    pytest.mark.tapes,
    pytest.mark.prove,
    pytest.mark.anyio,
    pytest.mark.skipif(not IS_PROVING, reason="a look at a test period, which only `make prove` takes"),
]


async def read_set(record, actor, tmp_path, tape: str, product_name: str) -> TrainingSet:
    """All loans of a tape by its shipped mapping."""
    product = load_product(read_starter("products", product_name))
    book = tape.removesuffix(".parquet")
    mapping = load_mapping(read_starter("mappings", book), product)
    rejects = tmp_path / "rejects.ndjson"
    job = TapeImport(path=require_tape(tape), mapping=mapping, product=product, book=book, rejects_path=rejects)
    await import_tape(record, job, actor)
    return await gather_training_set(record, book=book, product=product, known_on=date(2024, 1, 1))


async def test_card_holders_are_ranked_in_five_folds_without_sex_age_and_marital_status(record, actor, tmp_path):
    training = build_training(
        await read_set(record, actor, tmp_path, UCI_CREDIT_CARD_DEFAULT, "credit_card"), ByFolds(folds=5)
    )
    assert training.model.quality.auc.value >= 0.782


async def test_loans_of_2011_are_ranked_by_a_model_of_those_before(record, actor, tmp_path):
    """The bound is a standard error below what was measured once."""
    loans = await read_set(record, actor, tmp_path, LENDING_CLUB_2007_2011, "personal_loan")
    training = build_training(loans, ByDate(test_from=date(2011, 1, 1)))
    assert training.model.quality.auc.value >= 0.691
    assert training.auc_difference.low > 0
