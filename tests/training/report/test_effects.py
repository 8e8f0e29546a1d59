import json
import math
import re

import msgspec
import numpy as np
import pytest

from instant_credit.training.report.contents import encode_report
from instant_credit.training.report.directions import count_trees, tell_directions
from instant_credit.training.report.effects import tell_variables, value_text
from instant_credit.training.report.page import render_page
from tests.training.loans import PRODUCT
from tests.training.report.told import BASIS, REPORT
from tests.training.test_workshop import SET, TRAINING


def test_a_loan_told_adds_up_to_its_score():
    for case in REPORT.cases_told:
        total = case.expected_log_odds + sum(part.contribution for part in case.parts)
        rounded = 2 + len(PRODUCT.model_variables)
        assert total == pytest.approx(case.raw, abs=0.0005 * rounded)
        sizes = [abs(part.contribution) for part in case.parts]
        assert sizes == sorted(sizes, reverse=True)


def test_the_three_loans_stand_by_risk():
    raws = [case.raw for case in REPORT.cases_told]
    assert raws == sorted(raws)
    assert len(raws) == 3


def test_no_loan_is_told_with_more_than_two_figures():
    for case in REPORT.cases_told:
        for part in case.parts:
            digits = re.sub(r"[^0-9]", "", part.value.removesuffix(".00")).lstrip("0")
            assert len(digits.rstrip("0")) <= 2, part


def test_the_json_tells_no_loan_and_no_end_of_the_reference_to_more_than_three_decimals():
    told = json.loads(encode_report(REPORT))
    cases, reference = told["cases_told"], told["reasons"]["reference"]
    numbers = [case[name] for case in cases for name in ("pd", "raw", "expected_log_odds")]
    numbers += [part["contribution"] for case in cases for part in case["parts"]]
    numbers += [reference["raw_from"], reference["raw_to"]]
    assert len(numbers) > 20
    assert [number for number in numbers if number != round(number, 3)] == []


def test_values_are_told_in_words():
    by_name = {variable.name: variable for variable in PRODUCT.model_variables}
    assert value_text(PRODUCT, by_name["purpose"], 1.0) == "home"
    assert value_text(PRODUCT, by_name["purpose"], -1.0) == "not known"
    assert value_text(PRODUCT, by_name["inquiries_seen"], math.nan) == "not known"
    assert value_text(PRODUCT, by_name["amount"], 1_234_500.0) == "1,200,000"


def test_importance_is_the_mean_size_of_contributions():
    by_name = {told.name: told for told in tell_variables(BASIS)}
    position = SET.columns.names.index("income")
    assert by_name["income"].importance == pytest.approx(np.abs(BASIS.contributions[:, position]).mean())


def test_the_effect_of_missing_is_told_where_it_occurs():
    by_name = {told.name: told for told in REPORT.variables}
    assert by_name["inquiries_seen"].missing_contribution > 0.0
    assert by_name["default_age"].missing_contribution < 0.0
    assert by_name["income"].missing_contribution is None


def test_trees_are_counted_once_a_variable():
    tables = TRAINING.bundle.tables
    expected = [0] * tables.feature_count
    for t in range(tables.tree_count):
        for feature in set(tables.split_features[tables.split_offsets[t] : tables.split_offsets[t + 1]].tolist()):
            expected[feature] += 1
    assert count_trees(tables) == expected


def test_every_direction_of_the_fit_is_proven_on_its_trees():
    told = {one.name: one for one in REPORT.directions}
    assert set(told) == {variable.name for variable in REPORT.variables}
    assert all(one.is_proven == (one.direction != "free") for one in told.values())


def test_a_broken_direction_is_told_and_shown():
    tables = msgspec.structs.replace(TRAINING.bundle.tables, leaf_values=-TRAINING.bundle.tables.leaf_values)
    broken = msgspec.structs.replace(TRAINING, bundle=msgspec.structs.replace(TRAINING.bundle, tables=tables))
    directions = tell_directions(broken)
    assert any(one.faults and not one.is_proven for one in directions)
    page = render_page(msgspec.structs.replace(REPORT, directions=directions), BASIS)
    assert re.search(r"broken in \d+ of \d+ trees", page)
