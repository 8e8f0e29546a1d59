import msgspec
import pytest

from instant_credit.training.fitting.selection import Dropped, Selection, SelectOptions
from instant_credit.training.report.basis import make_basis
from instant_credit.training.report.leavings import list_attributes_not_used, list_variables_not_used
from instant_credit.training.workshop import build_training
from tests.training.loans import PRODUCT, QUICK
from tests.training.report.told import REPORT
from tests.training.test_workshop import BY_DATE, SET

# One split in all, so that the other variables are asked for by no tree.
STUMP = build_training(SET, BY_DATE, msgspec.structs.replace(QUICK, iterations=1, depth=1))
(ASKED,) = {STUMP.bundle.variables[j] for j in STUMP.bundle.tables.split_features}


def _told(*dropped):
    selection = Selection(options=SelectOptions(), kept=(), dropped=dropped)
    return {
        one.name: one.reason
        for one in list_variables_not_used(make_basis(msgspec.structs.replace(STUMP, selection=selection)))
    }


def test_variables_without_a_split_are_told_with_their_reason():
    told = _told()
    assert set(told) == set(SET.columns.names) - {ASKED}
    assert told["liens_seen"] == "no loan of the book has it"
    assert told["term"] == "the same for every loan of the book that has it"
    assert told["amount"] == "no tree asked for it"


@pytest.mark.parametrize(
    ("dropped", "text"),
    [
        (Dropped(name="amount", step="unstable", measured=0.412, limit=0.25), "PSI 0.41"),
        (Dropped(name="amount", step="correlated", measured=0.987, limit=0.95, rival="income"), "0.99 with income"),
        (Dropped(name="amount", step="unimportant", measured=0.0, limit=0.0), "too little importance"),
        (Dropped(name="amount", step="unusable", measured=1.0, limit=0.99), "unusable"),
        (Dropped(name="term", step="unusable", measured=1.0, limit=0.99), "the same for every loan"),
    ],
)
def test_what_the_selection_left_out_is_told_with_what_was_measured(dropped, text):
    assert text in _told(dropped)[dropped.name]


def test_every_variable_is_told_once():
    names = [one.name for one in (*REPORT.variables, *REPORT.variables_not_used)]
    assert sorted(names) == sorted(SET.columns.names)


def test_prohibited_attributes_are_told_apart_from_unused_ones():
    told = {one.name: one.reason for one in list_attributes_not_used(PRODUCT)}
    assert told == {
        "town": "no variable of the model uses it",
        "sex": "prohibited basis: sealed apart for fairness measurement",
    }
