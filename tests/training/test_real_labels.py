"""Labels of the real LendingClub tape as known on days of its past."""

from datetime import date
from functools import cache

import numpy as np
import pytest

from instant_credit.application.document import load_product
from instant_credit.outcome.courses import trace_courses
from instant_credit.outcome.definition import AS_LAST_SEEN, load_definition
from instant_credit.outcome.events import EventKind
from instant_credit.outcome.histories import Histories, lay_out_histories, name_months
from instant_credit.outcome.labels import Label, label_outcomes
from instant_credit.outcome.losses import measure_losses
from instant_credit.outcome.vintages import count_first_payments, draw_vintages
from instant_credit.record.shipped import read_starter
from instant_credit.training.tapes.files import read_tape
from instant_credit.training.tapes.mapping import load_mapping
from instant_credit.training.tapes.rows import RowReader, TapeRow
from instant_credit.units import days_from_date
from tests.tapes import LENDING_CLUB_2007_2011, require_tape

pytestmark = [pytest.mark.tapes, pytest.mark.long]

TWELVE = load_definition(read_starter("labels", "bad_90_in_12"))
END_OF_2009 = date(2009, 12, 31)
LAST_SEEN = date(2017, 10, 31)


@cache
def read_book() -> tuple[Histories, np.ndarray]:
    """Histories of the tape's loans, and the days of their Cases."""
    product = load_product(read_starter("products", "personal_loan"))
    mapping = load_mapping(read_starter("mappings", "lending_club_2007_2011"), product)
    reader = RowReader(mapping, product, LAST_SEEN)
    chunks = read_tape(require_tape(LENDING_CLUB_2007_2011), mapping.file, mapping.needed_columns)
    rows = [row for chunk in chunks for row in reader.read_chunk(chunk)]
    assert all(isinstance(row, TapeRow) for row in rows)
    days = np.array([days_from_date(row.as_of) for row in rows], dtype=np.int32)
    return lay_out_histories([row.events for row in rows]), days


def label(known_on, definition):
    histories, days = read_book()
    return label_outcomes(histories, known_on_days=days_from_date(known_on), as_of_days=days, definition=definition)


def bad_rate(labels):
    return float((labels == Label.BAD).sum()) / float((labels >= Label.GOOD).sum())


def test_at_the_end_of_2009_half_of_the_resolved_loans_are_bad_and_ripe_labels_are_those_of_today():
    """Of the loans resolved by then 45% are bad, of all made by then 17% will be; labels that are ripe don't change any more."""
    histories, days = read_book()
    is_made = days <= days_from_date(END_OF_2009)
    resolved = label(END_OF_2009, AS_LAST_SEEN)[is_made]
    assert (int(is_made.sum()), int((resolved >= Label.GOOD).sum())) == (8_277, 973)
    assert bad_rate(resolved) == pytest.approx(0.450, abs=1e-3)
    told = histories.select(~histories.is_kind(EventKind.DAYS_PAST_DUE))
    ended = label_outcomes(told, known_on_days=days_from_date(END_OF_2009), as_of_days=days)[is_made]
    assert bad_rate(ended) == pytest.approx(0.385, abs=1e-3)
    assert bad_rate(label(LAST_SEEN, AS_LAST_SEEN)[is_made]) == pytest.approx(0.166, abs=1e-3)
    then, now = label(END_OF_2009, TWELVE), label(LAST_SEEN, TWELVE)
    ripe = then >= Label.GOOD
    assert ripe.sum() > 2_000
    assert (then[ripe] == now[ripe]).all()
    assert set(np.unique(then[is_made & ~ripe])) == {Label.IMMATURE}
    assert bad_rate(then) == bad_rate(now[ripe]) == pytest.approx(0.0525, abs=1e-4)


@pytest.mark.parametrize("year", [2008, 2010, 2011])
def test_a_ripe_label_never_changes_afterwards(year):
    then, now = label(date(year, 12, 31), TWELVE), label(LAST_SEEN, TWELVE)
    ripe = then >= Label.GOOD
    assert ripe.any()
    assert (then[ripe] == now[ripe]).all()


def test_vintage_curves_as_known_then_are_the_beginnings_of_those_known_today():
    histories, days = read_book()
    codes, names = name_months(days, 3)
    curves = {}
    for known_on in (END_OF_2009, LAST_SEEN):
        known = days_from_date(known_on)
        courses = trace_courses(histories, as_of_days=days, known_on_days=known, definition=TWELVE)
        curves[known_on] = draw_vintages(courses, codes, names, known_on_days=known, definition=TWELVE, months_max=60)
    for then, now in zip(curves[END_OF_2009], curves[LAST_SEEN], strict=True):
        assert now.bads[: len(then.bads)] == then.bads or then.loans < now.loans
    assert all(len(curve.bads) == 61 for curve in curves[LAST_SEEN])
    whole = sum(curve.bads[60] for curve in curves[LAST_SEEN])
    assert whole / len(days) == pytest.approx(6_431 / 42_535, abs=0.002)
    shares = [sum(curve.bads[month] for curve in curves[LAST_SEEN]) / whole for month in (12, 18)]
    assert shares == pytest.approx([0.22, 0.42], abs=0.01)


def test_loans_that_never_paid_are_first_payment_defaults():
    histories, days = read_book()
    known = days_from_date(LAST_SEEN)
    courses = trace_courses(histories, as_of_days=days, known_on_days=known, definition=TWELVE)
    (counted,) = count_first_payments(
        courses, np.zeros(len(days), dtype=np.int64), ("all",), known_on_days=known, definition=TWELVE
    )
    assert counted.loans == len(days)
    assert counted.defaults == 83


def test_a_tape_that_dates_no_recovery_tells_the_exposure_and_not_the_loss():
    """Its recoveries are known by the day on which it was read, so that only a span beyond that day would hold all of them."""
    histories, days = read_book()
    known = days_from_date(LAST_SEEN)
    courses = trace_courses(histories, as_of_days=days, known_on_days=known, definition=TWELVE)
    table = measure_losses(
        courses,
        np.full(len(days), -1, dtype=np.int64),
        (),
        book="lending_club",
        product="personal_loan",
        attribute=None,
        known_on_days=known,
        recovery_months=120,
    )
    assert (table.total.charged_off, table.total.young, table.total.loss) == (6_431, 6_431, None)
    assert table.total.exposure.value == pytest.approx(0.66, abs=0.005)
