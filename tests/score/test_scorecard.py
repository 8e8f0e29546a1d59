"""A scorecard drawn up by hand scores as its document says, and is a bundle like any other."""

import math
import tomllib
from copy import deepcopy
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import Refused
from instant_credit.record.shipped import read_starter
from instant_credit.score.bundle import Bundle, decode_bundle, encode_bundle
from instant_credit.score.model import compile_model, explain_rows, score_rows
from instant_credit.score.proof import check_proof
from instant_credit.score.scorecard import ExpertScorecard, Factor, build_scorecard, read_scorecard
from instant_credit.training.dataset import list_columns
from tests.lending import personal_loan

TEXT = read_starter("scorecards", "personal_loan")


@cache
def shipped() -> Bundle:
    return build_scorecard(read_scorecard(TEXT), personal_loan())


def changed(**factor: Any) -> ExpertScorecard:
    """The shipped document with one factor alone."""
    document = deepcopy(tomllib.loads(TEXT))
    document["factors"] = [factor]
    return msgspec.convert(document, ExpertScorecard)


def say(factor: Factor, value: float, codes: tuple[str, ...]) -> float:
    """What a factor says of a value, looked through from the first range on."""
    if factor.codes:
        return factor.codes.get(codes[int(value)], 0.0) if value >= 0 else 0.0
    if math.isnan(value):
        return max(factor.log_odds[0], factor.log_odds[-1])
    place = 0
    while place < len(factor.borders) and value > np.float32(factor.borders[place]):
        place += 1
    return factor.log_odds[place]


@given(st.data())
def test_the_score_is_the_sum_of_what_the_factors_say(data: st.DataObject) -> None:
    scorecard = read_scorecard(TEXT)
    if data.draw(st.booleans()):
        home = Factor(variable="home", codes={"rent": 0.3, "own": -0.2})
        scorecard = msgspec.structs.replace(scorecard, factors=(*scorecard.factors, home))
    bundle = build_scorecard(scorecard, personal_loan())
    columns = list_columns(personal_loan())
    edges = {f.variable: f.borders for f in scorecard.factors}
    row = []
    for name, codes in zip(columns.names, columns.categories, strict=True):
        if codes:
            row.append(float(data.draw(st.integers(-1, len(codes) - 1))))
        else:
            near = [float(np.float32(border)) for border in edges.get(name, ())]
            row.append(
                data.draw(st.one_of(st.just(math.nan), st.sampled_from([*near, 0.0]), st.floats(-1e6, 1e7, width=32)))
            )
    expected = math.log(scorecard.pd_ppm / (1_000_000 - scorecard.pd_ppm)) + math.fsum(
        say(factor, row[columns.names.index(factor.variable)], columns.categories[columns.names.index(factor.variable)])
        for factor in scorecard.factors
    )
    raw = score_rows(compile_model(bundle.tables), np.array([row], dtype=np.float32))
    assert raw[0] == pytest.approx(expected, abs=1e-9)


def test_it_is_a_bundle_like_any_other() -> None:
    again = decode_bundle(encode_bundle(shipped()))
    check_proof(again)
    matrix = np.zeros((3, len(again.variables)), dtype=np.float32)
    raws, contributions = explain_rows(compile_model(again.tables), matrix)
    assert raws == pytest.approx(compile_model(again.tables).expected_log_odds + contributions.sum(axis=1), abs=1e-8)
    assert encode_bundle(build_scorecard(read_scorecard(TEXT), personal_loan())) == encode_bundle(shipped())


@pytest.mark.parametrize(
    ("factor", "why"),
    [
        ({"variable": "shoe_size", "borders": [1.0], "log_odds": [0.0, 1.0]}, "shoe_size is no variable"),
        ({"variable": "debt_to_income", "borders": [1.0], "log_odds": [1.0, 0.0]}, "debt_to_income"),
        ({"variable": "debt_to_income", "codes": {"rent": 1.0}}, "a number: give borders"),
        ({"variable": "home", "borders": [1.0], "log_odds": [1.0, 0.0]}, "a category: give codes"),
        ({"variable": "home", "codes": {"tent": 1.0}}, "tent is no code"),
    ],
)
def test_what_the_product_does_not_allow_is_refused_by_name(factor: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused, match=why):
        build_scorecard(changed(**factor), personal_loan())


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("borders = [8.0, 15.0, 22.0]", "borders = [8.0, 8.0, 22.0]", "rise"),
        ("borders = [8.0, 15.0, 22.0]", "borders = [8.0, 22.0]", "one entry for each range"),
        ('variable = "term"', 'variable = "debt_to_income"', "more than one factor"),
        ("pd_ppm = 65_000", "pd_ppm = 0", "pd_ppm"),
        ("pd_ppm = 65_000", "pd_ppm = 65_000\ncolour = 1", "colour"),
        ('title = "', "title = ", "scorecard document"),
    ],
)
def test_a_document_that_is_not_one_is_refused(old: str, new: str, why: str) -> None:
    assert old in TEXT
    with pytest.raises(Refused, match=why):
        read_scorecard(TEXT.replace(old, new))


def test_a_scorecard_of_another_product_is_refused() -> None:
    with pytest.raises(Refused, match="is for product card"):
        build_scorecard(read_scorecard(TEXT.replace('product = "personal_loan"', 'product = "card"')), personal_loan())
