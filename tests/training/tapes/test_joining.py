import random
from datetime import date, timedelta

import duckdb
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from instant_credit.errors import Refused
from instant_credit.outcome.events import EventKind
from instant_credit.training.tapes.keys import JoinCount
from tests.budget import examples
from tests.naive.joining import choose_rows, take
from tests.training.tapes.joins import MAPPING, read_joined, told, write_files

DAYS = st.dates(date(2009, 1, 1), date(2010, 12, 31))
CENTS = st.one_of(st.none(), st.integers(-(10**12), 10**12))
RATES = st.one_of(st.none(), st.floats(-1e9, 1e9).map(lambda rate: rate + 0.0))
MOVE = st.tuples(
    st.sampled_from(["x", "y", "z", None]),
    st.one_of(st.none(), DAYS),
    CENTS,
    RATES,
    st.sampled_from(["in", "out", None]),
)
LOANS = st.lists(st.tuples(st.sampled_from(["p", "q", "r", None]), DAYS), min_size=1, max_size=6)
BUREAU = [("p", "x", "a"), ("q", "y", "b"), ("s", "z", "a")]
ACCOUNT_OF = {"p": "x", "q": "y"}
TAKEN = {
    "moves": ("count", "", None),
    "moves_recent": ("count", "", 3),
    "spent_cents": ("sum", "spent", None),
    "spent_mean_cents": ("mean", "spent", None),
    "spent_last_cents": ("last", "spent", None),
    "rate_sum": ("sum", "rate", None),
    "rate_min": ("min", "rate", None),
    "first_on": ("min", "on", None),
    "last_kind": ("last", "kind", None),
}


def loans_of(pairs):
    return [(place, person, on, 100, "paid", "F", 40) for place, (person, on) in enumerate(pairs)]


def values_of(files, **options):
    return [told(row).values for row in read_joined(files, **options)[0]]


def dollars(cents):
    return (
        None
        if cents is None
        else f"{cents // 100}.{cents % 100:02d}"
        if cents >= 0
        else f"-{-cents // 100}.{-cents % 100:02d}"
    )


def write_moves(folder, loans, moves):
    rows = [(account, on, dollars(spent), rate, kind) for account, on, spent, rate, kind in moves]
    return write_files(folder, loans=loans_of(loans), bureau=BUREAU, moves=rows or [("nobody", None, None, None, None)])


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(loans=LOANS, moves=st.lists(MOVE, max_size=12))
def test_what_is_taken_from_many_rows_equals_the_naive_twin(tmp_path, loans, moves):
    found = values_of(write_moves(tmp_path, loans, moves))
    rows = [dict(zip(("key", "on", "spent", "rate", "kind"), move, strict=True)) for move in moves]
    for values, (person, on) in zip(found, loans, strict=True):
        key = ACCOUNT_OF.get(person)
        for name, (how, column, within) in TAKEN.items():
            assert values[name] == take(how, choose_rows(rows, key, on, within), column), name
        mine = choose_rows(rows, key, on, None)
        assert values["moves_out"] == sum(1.0 for row in mine if row["kind"] == "out")
        mean = take("mean", mine, "rate")
        assert (
            values["rate_mean"] == pytest.approx(mean, rel=1e-12) if mean is not None else values["rate_mean"] is None
        )


@examples(30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(loans=LOANS, moves=st.lists(MOVE, max_size=12), seed=st.integers(0, 9))
def test_neither_the_order_of_rows_nor_the_cut_into_chunks_changes_anything(tmp_path, loans, moves, seed):
    first = values_of(write_moves(tmp_path, loans, moves))
    shuffled = random.Random(seed).sample(moves, len(moves))
    assert values_of(write_moves(tmp_path, loans, shuffled), chunk_rows=1) == first


def test_sums_counts_and_extremes_equal_duckdb(tmp_path):
    chance = random.Random(7)
    start = date(2009, 1, 1)
    loans = [(chance.choice(["p", "q", "r"]), start + timedelta(days=chance.randrange(700))) for _ in range(200)]
    moves = [
        (
            chance.choice(["x", "y", "w"]),
            start + timedelta(days=chance.randrange(700)),
            chance.randrange(10**6),
            i / 7,
            "in",
        )
        for i in range(3_000)
    ]
    files = write_moves(tmp_path, loans, moves)
    found = values_of(files)
    asked = duckdb.sql(
        f"""
        SELECT count(m.account), sum(CAST(m.spent * 100 AS BIGINT)), min(m.rate), min(m."on")
        FROM '{files["loans"]}' AS l
        LEFT JOIN '{files["bureau"]}' AS b ON b.client = l.person
        LEFT JOIN '{files["moves"]}' AS m ON m.account = b.account AND m."on" < l.issued
        GROUP BY l.id ORDER BY l.id
        """  # noqa: S608 paths of the test's own files
    ).fetchall()
    assert [(v["moves"], v["spent_cents"], v["rate_min"], v["first_on"]) for v in found] == asked


def test_one_row_of_a_file_stands_beside_the_loan_and_leads_to_the_next_file(tmp_path):
    files = write_files(tmp_path, bureau=[("p", "x", "b")], moves=[("x", "2010-05-31", 5, 0.5, "out")])
    (row,), joined = read_joined(files)
    values = told(row).values
    assert (values["grade"], values["moves"], values["spent_cents"]) == ("b", 1, 500)
    assert joined.count() == (
        JoinCount(file="bureau", loans_matched=1, loans_unmatched=0, rows=1, rows_unmatched=0),
        JoinCount(file="moves", loans_matched=1, loans_unmatched=0, rows=1, rows_unmatched=0),
        JoinCount(file="late", loans_matched=0, loans_unmatched=1, rows=1, rows_unmatched=1),
    )


def test_a_row_of_the_day_itself_does_not_count_for_facts(tmp_path):
    files = write_files(
        tmp_path, bureau=[("p", "x", "b")], moves=[("x", "2010-06-01", 5, 0.5, "out"), ("x", None, 5, 0.5, "out")]
    )
    (row,), _ = read_joined(files)
    assert (told(row).values["moves"], told(row).values["spent_cents"]) == (0, None)


def test_a_row_tells_an_event_when_it_happened_on_the_day_or_later(tmp_path):
    rows = [
        (1, "2010-05-31", "2010-05-31", 120),
        (1, "2010-06-01", "2010-06-02", 90),
        (1, "2011-01-01", "2011-03-01", 400),
        (1, "2012-01-01", "2012-01-01", 3),
        (2, "2012-01-01", "2012-01-01", 300),
    ]
    (row,), _ = read_joined(write_files(tmp_path, late=rows))
    assert [(event.kind, event.event_on, event.known_on) for event in told(row).events] == [
        (EventKind.DELINQUENT, date(2010, 6, 1), date(2010, 6, 2)),
        (EventKind.DELINQUENT, date(2011, 1, 1), date(2011, 3, 1)),
    ]


@pytest.mark.parametrize(
    ("tables", "column", "code", "reason"),
    [
        ({"moves": [("y", "soon", 1, 1, "in"), ("x", "soon", 1, 1, "in")]}, "moves.on", "DATE_EXPECTED", "row 2 of moves: "),
        ({"moves": [("x", "2009-01-01", "much", 1, "in")]}, "moves.spent", "NUMBER_EXPECTED", "row 1 of moves: "),
        ({"moves": [("x", "2009-01-01", 9e12, 1, "in")] * 2}, "spent_cents", "NUMBER_TOO_LARGE", "the number is larger"),
        ({"late": [(1, "soon", "2011-01-01", 100)]}, "late.paid_on", "DATE_EXPECTED", "row 1 of late: "),
        ({"late": [(1, "", "2011-01-01", 100)]}, "late.paid_on", "EVENT_DATE_MISSING", "row 1 of late: "),
        ({"late": [(1, "2012-01-01", "2011-01-01", 100)]}, "late.told_on", "EVENT_KNOWN_TOO_EARLY", "row 1 of late: "),
        ({"late": [(1, "2012-01-01", "2012-01-01", "many")]}, "late.days", "NUMBER_EXPECTED", "row 1 of late: "),
    ],
)  # fmt: skip
def test_a_row_that_can_not_be_read_is_named_with_its_file(tmp_path, tables, column, code, reason):
    (rejects,), _ = read_joined(write_files(tmp_path, **{"bureau": [("p", "x", "a")], **tables}))
    assert (column, code) in [(reject.column, reject.code) for reject in rejects]
    assert any(reject.reason.startswith(reason) for reject in rejects)
    assert not any("much" in reject.reason or "soon" in reject.reason for reject in rejects)


def test_an_unreadable_row_after_the_day_rejects_nothing(tmp_path):
    files = write_files(tmp_path, bureau=[("p", "x", "a")], moves=[("x", "2010-06-01", "much", 1, "in")])
    told(read_joined(files)[0][0])


def test_sums_beyond_what_64_bits_hold_are_exact(tmp_path):
    text = MAPPING.replace('take = "sum"\ncolumn = "spent"', 'take = "mean"\ncolumn = "spent"')
    moves = [("x", "2009-01-01", "9999999999999.99", 1, "in")] * 20_000
    (row,), _ = read_joined(write_files(tmp_path, bureau=[("p", "x", "a")], moves=moves), text=text)
    assert told(row).values["spent_cents"] == 999_999_999_999_999


def test_a_loan_with_too_many_events_is_rejected(tmp_path):
    rows = [(1, date(2010, 6, 1) + timedelta(days=i), "2019-01-01", 100) for i in range(1_001)]
    (rejects,), _ = read_joined(write_files(tmp_path, late=rows))
    assert [reject.code for reject in rejects] == ["EVENTS_TOO_MANY"]


def test_two_rows_of_one_key_are_refused_with_their_numbers_and_without_their_key(tmp_path):
    rows = [("secret", "x", "a"), ("q", "y", "a"), ("secret", "z", "b")]
    with pytest.raises(Refused, match=r"bureau.csv: rows 1 and 3 have the same client, .* keep one of them") as refused:
        read_joined(write_files(tmp_path, bureau=rows))
    assert "secret" not in str(refused.value)


def test_of_many_rows_of_one_key_the_first_ones_are_named(tmp_path):
    with pytest.raises(Refused, match="5 and 6 and 4 more have the same"):
        read_joined(write_files(tmp_path, bureau=[("p", "x", "a")] * 10))


def test_rows_that_where_leaves_out_are_no_rows(tmp_path):
    text = MAPPING.replace('on = ["person"]', 'on = ["person"]\nwhere = { column = "grade", is_one_of = ["a"] }')
    files = write_files(tmp_path, bureau=[("p", "x", "b"), ("p", "y", "a"), (None, "z", "a")])
    (row,), joined = read_joined(files, text=text)
    assert told(row).values["grade"] == "a"
    assert joined.count()[0].rows == 1


def test_a_condition_on_a_file_that_can_not_be_read_is_refused(tmp_path):
    text = MAPPING.replace('on = ["person"]', 'on = ["person"]\nwhere = { column = "grade", above = 1 }')
    with pytest.raises(Refused, match=r"bureau.csv: row 1, column grade: expected a number"):
        read_joined(write_files(tmp_path), text=text)


def test_a_broken_row_of_a_joined_file_is_refused(tmp_path):
    files = write_files(tmp_path)
    files["moves"].write_text("account,on,spent,rate,kind\nx,2009-01-01,1,1,in\nx,2009\n")
    with pytest.raises(Refused, match=r"moves.csv: row 2 can't be joined: lines 3 to 3: expected 5 fields"):
        read_joined(files)


def test_a_joined_file_that_is_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("instant_credit.training.tapes.keys.CELLS_MAX", 10)
    with pytest.raises(Refused, match=r"moves.csv: more than 10 cells in the 5 columns"):
        read_joined(write_files(tmp_path, moves=[("x", "2009-01-01", 1, 1, "in")] * 3))


def test_a_column_of_the_tape_that_is_named_like_a_joined_one_is_refused(tmp_path):
    files = write_files(tmp_path)
    text = files["loans"].read_text().splitlines()
    files["loans"].write_text(f"{text[0]},bureau.grade\n{text[1]},a\n")
    with pytest.raises(Refused, match=r"bureau.grade is named like a column of a joined file"):
        read_joined(files)


def test_weight_person_and_prohibited_attributes_are_read_apart_from_the_facts(tmp_path):
    loans = [
        (1, "p", "2010-06-01", 100, "paid", "F", 29),
        (2, "p", "2010-07-01", 100, "lost", "X", 30),
        (3, "q", "2010-07-01", 100, "lost", None, 61),
    ]
    rows, _ = read_joined(write_files(tmp_path, loans=loans, bureau=[("p", "x", "a")]))
    first, second, third = map(told, rows)
    assert [row.sampling_weight for row in (first, second, third)] == [10.0, 2.5, 2.5]
    assert [row.monitoring for row in (first, second, third)] == [(0, 0), (-1, 1), (-1, 2)]
    assert first.person_key == second.person_key != third.person_key
    assert not {"sex", "age_group"} & set(first.values)


@pytest.mark.parametrize(
    ("status", "code"), [("", "WEIGHT_MISSING"), ("late", "VALUE_NOT_MAPPED")]
)  # fmt: skip
def test_a_row_without_a_weight_is_rejected(tmp_path, status, code):
    (rejects,), _ = read_joined(write_files(tmp_path, loans=[(1, "p", "2010-06-01", 100, status, "F", 29)]))
    assert [(reject.column, reject.code) for reject in rejects] == [("status", code)]


@pytest.mark.parametrize(
    ("told_weight", "code"), [("0", "WEIGHT_OUT_OF_RANGE"), ("2e9", "WEIGHT_OUT_OF_RANGE"), ("x", "NUMBER_EXPECTED")]
)
def test_a_weight_out_of_range_is_rejected(tmp_path, told_weight, code):
    text = MAPPING.replace(
        '[weight]\ncolumn = "status"\nvalues = { lost = 2.5, paid = 10 }', '[weight]\ncolumn = "age"'
    )
    loans = [(1, "p", "2010-06-01", 100, "paid", "F", told_weight), (2, "p", "2010-06-01", 100, "paid", "F", "1.5")]
    (rejects, row), _ = read_joined(write_files(tmp_path, loans=loans), text=text)
    assert [(reject.column, reject.code) for reject in rejects] == [("age", code)]
    assert told(row).sampling_weight == 1.5


def test_a_later_joined_file_tells_of_the_same_loans(tmp_path):
    text = MAPPING.replace('[row]\nkey = ["id"]\n', "")
    before = read_joined(write_files(tmp_path), text=text)[0]
    after = read_joined(write_files(tmp_path, bureau=[("p", "x", "b")]), text=text)[0]
    assert told(before[0]).natural_key == told(after[0]).natural_key
    assert told(before[0]).values != told(after[0]).values
