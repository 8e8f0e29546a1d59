"""Sketches equal counting one Case at a time, add up, and are what a database counts."""

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.errors import BrokenInvariant, Refused
from instant_credit.outcome.sketches import (
    GRID_PPM,
    OUTCOMES,
    UNSCORED,
    Decided,
    Sketch,
    VariableBins,
    count_sketch,
    decode_reference,
    empty_sketch,
    encode_reference,
    merge_sketches,
)
from instant_credit.policy.verdict import Outcome
from tests.budget import examples
from tests.naive import sketches as naive
from tests.outcome.drifting import NAMES, QUIET, draw, refer, sketch

VARIABLES = (
    VariableBins(name="income", borders=(0.0, 1.5, 10.0)),
    VariableBins(name="flat"),
    VariableBins(name="home", categories=("own", "rent")),
)
BORDERS_PPM = (20_000, 80_000)
numbers = st.sampled_from([-1.0, 0.0, 0.5, 1.5, 2.0, 10.0, 1e9, float("nan")])
cases = st.tuples(
    st.tuples(numbers, numbers, st.sampled_from([-1.0, 0.0, 1.0])),
    st.sampled_from([UNSCORED, 1, 911, 20_000, 20_001, 80_000, 500_000, 999_999]),
    st.integers(0, 3),
    st.sampled_from(["", "INCOME", "HOME"]),
)


def decide(rows: list[tuple[tuple[float, ...], int, int, str]]) -> Decided:
    return Decided(
        matrix=np.array([values for values, *_ in rows], dtype=np.float32).reshape(len(rows), len(VARIABLES)),
        pds_ppm=np.array([pd_ppm for _, pd_ppm, *_ in rows], dtype=np.int64),
        outcomes=np.array([outcome for *_, outcome, _ in rows], dtype=np.int64),
        reasons=[reason for *_, reason in rows],
    )


def count(rows: list[tuple[tuple[float, ...], int, int, str]]) -> Sketch:
    return count_sketch(VARIABLES, BORDERS_PPM, decide(rows))


@examples(100)
@given(st.lists(cases, max_size=30))
def test_a_sketch_equals_counting_one_case_at_a_time(rows) -> None:
    found = count(rows)
    counts, scores, outcomes, reasons, grids = naive.count_sketch(VARIABLES, BORDERS_PPM, GRID_PPM, rows)
    assert [list(one) for one in found.variables] == counts
    assert (list(found.scores), list(found.outcomes), list(found.reasons)) == (scores, outcomes, reasons)
    assert [list(one) for one in (found.grid, found.grid_pds_ppm, found.offered, found.offered_pds_ppm)] == grids


@examples(100)
@given(st.lists(cases, max_size=20), st.lists(cases, max_size=20), st.lists(cases, max_size=20))
def test_the_sketch_of_parts_is_their_sum_in_any_order(one, other, third) -> None:
    whole = count([*one, *other, *third])
    assert merge_sketches(count(one), merge_sketches(count(other), count(third))) == whole
    assert merge_sketches(merge_sketches(count(third), count(one)), count(other)) == whole
    assert merge_sketches(whole, empty_sketch(VARIABLES, BORDERS_PPM)) == whole


def test_a_database_counts_the_same() -> None:
    reference = refer(np.random.default_rng(11), cases=500)
    applicants = draw(QUIET, np.random.default_rng(12), 700)
    found = sketch(reference, applicants)
    connection = duckdb.connect()
    columns = ", ".join(f"{name} FLOAT" for name in NAMES)
    connection.execute(f"CREATE TABLE cases ({columns}, pd_ppm BIGINT, outcome BIGINT)")
    rows = [
        (*(None if np.isnan(value) else float(value) for value in values), int(pd_ppm), int(outcome))
        for values, pd_ppm, outcome in zip(
            applicants.decided.matrix, applicants.decided.pds_ppm, applicants.decided.outcomes, strict=True
        )
    ]
    table = connection.table("cases")
    for row in rows:
        table.insert(row)
    for one, counts in zip(reference.variables, found.variables, strict=True):
        if one.categories:
            wheres = [f"{one.name} = {code}" for code in range(len(one.categories))] + [f"{one.name} < 0"]
        else:
            lows = ["TRUE", *(f"CAST({one.name} AS DOUBLE) > {border!r}" for border in one.borders)]
            highs = [
                *(f"CAST({one.name} AS DOUBLE) <= {border!r}" for border in one.borders),
                f"{one.name} IS NOT NULL",
            ]
            wheres = [f"{low} AND {high}" for low, high in zip(lows, highs, strict=True)] + [f"{one.name} IS NULL"]
        told = [table.filter(where).count("*").fetchall()[0][0] for where in wheres]
        assert list(counts) == told, one.name
    offered = connection.execute("SELECT count(*), sum(pd_ppm) FROM cases WHERE outcome < 2").fetchone()
    assert (sum(found.offered), sum(found.offered_pds_ppm)) == (offered[0], int(offered[1]))
    assert found.offers == offered[0]


def test_the_reference_fills_its_own_tenths_alike() -> None:
    reference = refer(np.random.default_rng(3), cases=5_000)
    income, *_ = reference.sketch.variables
    assert len(income) == 11
    assert max(income[:-1]) - min(income[:-1]) <= 2
    assert reference.sketch.scores[:-1] == (500,) * 10
    assert decode_reference(encode_reference(reference)) == reference


def test_outcomes_are_the_policys_in_its_order() -> None:
    assert [outcome.value for outcome in Outcome] == list(OUTCOMES)


def test_bins_that_do_not_fit_are_refused() -> None:
    reference = refer(np.random.default_rng(3), cases=200)
    with pytest.raises(ValueError, match="borders rise"):
        VariableBins(name="a", borders=(1.0, 1.0))
    with pytest.raises(ValueError, match="borders or categories"):
        VariableBins(name="a", borders=(1.0,), categories=("b",))
    with pytest.raises(ValueError, match="holds somebody"):
        replace(reference, sketch=empty_sketch(reference.variables, reference.score_borders_ppm))
    for field, what in (("variables", "each bin"), ("scores", "of the score"), ("grid", "steps of the grid")):
        short = replace(reference.sketch, **{field: getattr(reference.sketch, field)[:-1]})
        with pytest.raises(ValueError, match=what):
            replace(reference, sketch=short)
    with pytest.raises(BrokenInvariant, match="other bins"):
        merge_sketches(reference.sketch, count([]))
    with pytest.raises(BrokenInvariant, match="bins for each variable"):
        count_sketch(VARIABLES[:1], BORDERS_PPM, decide([]))
    with pytest.raises(BrokenInvariant, match="one of the bins"):
        count([((0.0, 0.0, 7.0), 1, 0, "")])
    with pytest.raises(Refused, match="monitoring reference"):
        decode_reference(b"{}")
