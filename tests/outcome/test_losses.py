from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from instant_credit.canonical import hash_content
from instant_credit.errors import BrokenInvariant, Refused
from instant_credit.outcome.courses import trace_courses
from instant_credit.outcome.definition import LabelDefinition
from instant_credit.outcome.events import EventKind
from instant_credit.outcome.histories import lay_out_histories
from instant_credit.outcome.losses import (
    RECOVERY_MONTHS,
    SEGMENT_MIN,
    Share,
    decode_losses,
    encode_losses,
    measure_losses,
    measure_share,
)
from instant_credit.units import days_from_date
from tests.outcome.histories import FIRST, event

YEAR = LabelDefinition(name="year", title="90 days within a year", window_months=12, lag_days=31)
RIPE = date(2013, 1, 1)


def lost(day=200, owed=600, back=(), paid_out=1_000):
    """A loan of 10.00, charged off on a day, with recoveries (day, cents)."""
    return [
        event(EventKind.DISBURSED, 0, cents=paid_out),
        event(EventKind.CHARGED_OFF, day, cents=owed),
        *(event(EventKind.RECOVERED, on, cents=cents) for on, cents in back),
    ]


def measure(book, codes=None, names=(), known_on=RIPE, **more):
    known = days_from_date(known_on)
    days = np.full(len(book), days_from_date(FIRST), dtype=np.int32)
    courses = trace_courses(lay_out_histories(book), as_of_days=days, known_on_days=known, definition=YEAR)
    segments = np.array([-1] * len(book) if codes is None else codes, dtype=np.int64)
    attribute = "purpose" if names else None
    told = {"book": "b", "product": "p", "attribute": attribute, "known_on_days": known, **more}
    return measure_losses(courses, segments, names, **told)


def test_exposure_and_loss_are_ratios_of_sums():
    table = measure([lost(owed=600, back=[(300, 60)]), lost(owed=200), [event(EventKind.DISBURSED, 0)]])
    assert table.total.charged_off == table.total.ripe == 2
    assert table.total.exposure.value == pytest.approx(0.4)
    assert table.total.loss.value == pytest.approx(1 - 60 / 800)
    assert (table.total.ripe_cents, table.total.recovered_cents, table.total.paid_out_cents) == (800, 60, 2_000)


def test_a_young_charge_off_tells_its_exposure_and_not_its_loss():
    known_on = FIRST + timedelta(days=200 + 365)
    table = measure([lost(back=[(210, 599)])], known_on=known_on)
    assert (table.total.ripe, table.total.young, table.total.loss) == (0, 1, None)
    assert table.total.exposure.value == pytest.approx(0.6)


def test_a_charge_off_is_ripe_when_its_months_of_recovery_and_the_lag_have_passed():
    # 200 days after the last of January 2010 is the 19th of August.
    told = {"recovery_months": 12, "lag_days": 30}
    assert measure([lost()], known_on=date(2011, 9, 17), **told).total.ripe == 0
    assert measure([lost()], known_on=date(2011, 9, 18), **told).total.ripe == 1


def test_recoveries_after_their_months_do_not_count():
    inside, outside = date(2012, 8, 19) - FIRST, date(2012, 8, 20) - FIRST
    assert measure([lost(back=[(inside.days, 60)])]).total.recovered_cents == 60
    assert measure([lost(back=[(outside.days, 60)])]).total.recovered_cents == 0
    assert RECOVERY_MONTHS == 24


def test_what_is_not_yet_known_does_not_count():
    late = [*lost(), event(EventKind.RECOVERED, 300, delay=2_000, cents=500)]
    assert measure([late]).total.recovered_cents == 0


def test_a_small_segment_takes_the_figures_of_all_and_keeps_its_counts():
    book = [lost(owed=600) for _ in range(SEGMENT_MIN)] + [lost(owed=200)]
    table = measure(book, [0] * SEGMENT_MIN + [1], ("large", "small"))
    large, small = table.segments
    assert (large.is_own, small.is_own) == (True, False)
    assert large.exposure.value == pytest.approx(0.6)
    assert (small.exposure, small.loss) == (table.total.exposure, table.total.loss)
    assert small.charged_off_cents == 200


def test_a_book_without_a_charge_off_that_tells_its_amounts_is_refused():
    for book in ([[]], [lost(owed=0)], [lost()[1:]]):
        with pytest.raises(Refused, match="disbursed and charged_off"):
            measure(book)


def test_a_table_comes_back_from_its_bytes_and_equal_tables_have_one_hash():
    table = measure([lost(), lost(owed=200, back=[(300, 30)])])
    assert decode_losses(encode_losses(table)) == table
    assert hash_content(encode_losses(table)) == hash_content(encode_losses(decode_losses(encode_losses(table))))
    with pytest.raises(Refused, match="loss table"):
        decode_losses(b"[]")


def test_each_loan_has_its_segment():
    with pytest.raises(BrokenInvariant, match="its segment"):
        measure([lost()], [0, 0], ("a",))


def test_the_interval_of_a_ratio_is_that_of_a_bootstrap():
    chance = np.random.default_rng(4)
    wholes = chance.lognormal(9, 0.8, 900)
    parts = wholes * chance.beta(0.4, 2.0, 900)
    share = measure_share(parts, wholes)
    drawn = bootstrap(
        (parts, wholes),
        lambda part, whole, axis: part.sum(axis=axis) / whole.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=4_000,
        method="percentile",
        rng=np.random.default_rng(5),
    ).confidence_interval
    assert (share.low, share.high) == pytest.approx((drawn.low, drawn.high), abs=0.004)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(1, 1e9)), max_size=40))
def test_an_interval_holds_its_figure_and_stays_between_nothing_and_everything(told):
    wholes = np.array([whole for _, whole in told])
    share = measure_share(np.array([part for part, _ in told]) * wholes, wholes)
    if not told:
        assert share is None
    else:
        assert min(0.0, share.value) <= share.low <= share.value <= share.high <= max(1.0, share.value)


def test_one_loan_tells_nothing_of_its_spread():
    assert measure_share(np.array([30.0]), np.array([100.0])) == Share(value=0.3, low=0.0, high=1.0)
