"""Training on real loans: the LendingClub loans issued before 2011, tested on those of the last quarter of 2010.

Later loans are left out of the book on purpose: a test that is run every day must not become what choices are made by.
"""

from datetime import date

import msgspec
import numpy as np
import polars as pl
import pytest

from instant_credit.application.document import load_product
from instant_credit.record.pool import open_record
from instant_credit.record.shipped import read_starter
from instant_credit.score.bundle import encode_bundle
from instant_credit.training.dataset import gather_training_set
from instant_credit.training.fitting.fit import FitParameters, fit_model
from instant_credit.training.plans import ByDate
from instant_credit.training.report.basis import make_basis
from instant_credit.training.report.contents import encode_report, make_report
from instant_credit.training.report.page import render_page
from instant_credit.training.tapes.importing import TapeImport, import_tape
from instant_credit.training.tapes.mapping import load_mapping
from instant_credit.training.workshop import build_training
from instant_credit.units import days_from_date
from tests.budget import IS_PROVING
from tests.tapes import LENDING_CLUB_2007_2011, require_tape

NAME = "lending_club_2007_2011"
# The suite takes trees that are a third as many and learn three times as fast.
PARAMETERS = FitParameters() if IS_PROVING else FitParameters(iterations=333, learning_rate=0.06)


@pytest.mark.tapes
@pytest.mark.prove
@pytest.mark.long
@pytest.mark.anyio
async def test_a_model_of_real_loans_beats_the_scorecard_and_can_be_made_again(other_settings, clock, actor, tmp_path):
    tape = pl.read_parquet(require_tape(LENDING_CLUB_2007_2011)).filter(pl.col("issue_d") < date(2011, 1, 1))
    tape.write_parquet(tmp_path / "early.parquet")
    product = load_product(read_starter("products", "personal_loan"))
    job = TapeImport(
        path=tmp_path / "early.parquet",
        mapping=load_mapping(read_starter("mappings", NAME), product),
        product=product,
        book=NAME,
        rejects_path=tmp_path / "rejects.ndjson",
    )
    async with open_record(other_settings, clock=clock) as record:
        await import_tape(record, job, actor)
        training_set = await gather_training_set(record, book=NAME, product=product, known_on=date(2018, 1, 1))
    plan = ByDate(test_from=date(2010, 10, 1))
    training = build_training(training_set, plan, PARAMETERS)
    assert training.model.quality.auc.value > 0.71
    assert training.auc_difference.value > 0
    assert training.model.quality.expected_to_observed == pytest.approx(1.0, abs=0.15)
    before = int(np.searchsorted(training_set.days, days_from_date(plan.test_from)))
    again = fit_model(training_set.matrix[:before], training_set.labels[:before], training_set.columns, PARAMETERS)
    assert encode_bundle(msgspec.structs.replace(training.bundle, tables=again.tables)) == training.bundle_raw
    basis = make_basis(training)
    report = make_report(basis)
    page = render_page(report, basis) + encode_report(report).decode()
    for column in ("desc", "title", "emp_title"):
        texts = {text for text in tape[column].drop_nulls().to_list() if len(text) > 30}
        assert not any(text in page for text in texts), column
