"""Which column is the outcome, and which of its texts are bad."""

from collections.abc import Mapping, Sequence

import polars as pl
import pytest

from instant_credit.errors import Refused
from instant_credit.outcome.events import EventKind
from instant_credit.training.drafting.loans.outcome import Outcome, find_outcome, list_candidates, tell_lonely
from instant_credit.training.drafting.reading.profile import Column


def find(
    columns: Mapping[str, Sequence[str | None]], told: str | None = None, bad: tuple[str, ...] = ()
) -> Outcome | None:
    made = [
        Column(name, pl.Series([*texts] * 10, dtype=pl.String), place)
        for place, (name, texts) in enumerate(columns.items())
    ]
    return find_outcome(made, told, bad)


@pytest.mark.parametrize(
    ("name", "texts", "bad"),
    [
        ("default.payment.next.month", ["0", "1", "0"], {"1"}),
        ("SeriousDlqin2yrs", ["0", "1"], {"1"}),
        ("RiskPerformance", ["Bad", "Good"], {"Bad"}),
        ("MIS_Status", ["P I F", "CHGOFF"], {"CHGOFF"}),
        ("loan_status", ["Fully Paid", "Charged Off", "Current"], {"Charged Off"}),
        ("class", ["1", "1", "2"], {"2"}),
        ("creditability", ["1", "1", "0"], {"0"}),
        ("not.fully.paid", ["0", "0", "1"], {"1"}),
        ("TARGET", ["0", "0", "1"], {"1"}),
        ("y", ["no", "yes", "no"], {"yes"}),
        ("good_bad", ["good", "bad"], {"bad"}),
        ("deny", ["no", "yes"], {"yes"}),
        ("approve", ["0", "1", "1"], {"0"}),
        ("approved", ["Y", "N", "Y"], {"N"}),
        ("reject", ["0", "1"], {"1"}),
        ("rejected", ["no", "yes"], {"yes"}),
        ("accepted", ["1", "1", "0"], {"0"}),
        ("Bankrupt?", ["0", "0", "1"], {"1"}),
        ("Ausfall", ["nein", "ja"], {"ja"}),
        ("TARGET_LABEL_BAD=1", ["0", "1", "0"], {"1"}),
        ("LoanStatus", ["Completed", "Chargedoff", "Defaulted"], {"Chargedoff", "Defaulted"}),
        ("is_default", ["false", "true"], {"true"}),
        (
            "loan_status",
            [
                *(
                    "Does not meet the credit policy. Status:Fully Paid",
                    "Does not meet the credit policy. Status:Charged Off",
                ),
                *("Fully Paid", "Late (31-120 days)", "Default", "In Grace Period"),
            ],
            {"Does not meet the credit policy. Status:Charged Off", "Late (31-120 days)", "Default"},
        ),
    ],
)
def test_the_outcome_and_its_bad_texts_are_found(name: str, texts: list[str | None], bad: set[str]) -> None:
    found = find({"amount": ["1", "2", "3"][: len(texts)] * 1, name: texts} if len(texts) == 3 else {name: texts})
    assert found is not None
    assert found.column == name
    assert found.is_told
    assert {one.text for one in found.texts if one.is_bad} == bad


def test_a_history_of_defaults_is_not_the_outcome() -> None:
    found = find({"cb_person_default_on_file": ["Y", "N"], "loan_status": ["0", "1"]})
    assert found is not None
    assert found.column == "loan_status"


def test_letters_are_left_to_a_person() -> None:
    found = find({"status": ["A", "B", "C", "D"]})
    assert found is not None
    assert not found.is_told
    assert "--bad" in found.doubts[0]


def test_a_person_says_what_is_bad() -> None:
    found = find({"status": ["A", "B", "C", "D"]}, bad=("B", "D"))
    assert found is not None
    assert {one.text for one in found.texts if one.is_bad} == {"B", "D"}
    assert set(found.labels.tolist()) == {0, 1}


def test_what_is_still_open_is_neither_good_nor_bad() -> None:
    found = find({"loan_status": ["Fully Paid", "Charged Off", "Current", None]})
    assert found is not None
    assert found.labels[:4].tolist() == [0, 1, -1, -1]
    assert {one.kind for one in found.texts} == {EventKind.PAID, EventKind.CHARGED_OFF, None}


def test_where_nothing_is_paid_yet_current_is_good_with_a_doubt() -> None:
    found = find({"loan_status": ["Current", "Late (31-120 days)", "Current"]})
    assert found is not None
    assert found.labels[:3].tolist() == [0, 1, 0]
    assert "may still turn bad" in found.doubts[0]


def test_half_bad_looks_like_a_balanced_sample() -> None:
    found = find({"default": ["0", "1"] * 20})
    assert found is not None
    assert "balanced" in found.doubts[0]


def test_a_lenders_own_decision_is_a_doubt() -> None:
    found = find({"result": ["approved", "denied", "approved"]})
    assert found is not None
    assert "own decision" in " ".join(found.doubts)


def test_a_decision_is_the_outcome_only_where_nothing_tells_repayment() -> None:
    decided = {"approved": ["1", "0", "1"], "reject": ["0", "1", "0"]}
    found = find(decided)
    assert found is not None
    assert "own decision" in " ".join(found.doubts)
    repaid = find({**decided, "loan_flag": ["0", "1", "0"]})
    assert repaid is not None
    assert (repaid.column, repaid.others) == ("loan_flag", ("approved", "reject"))
    named = find({**decided, "default": ["0", "1", "0"]}, told="approved")
    assert named is not None
    assert {one.text for one in named.texts if one.is_bad} == {"0"}


def test_letters_of_a_status_are_left_to_a_person() -> None:
    found = find({"Loan_Status": ["Y", "N", "Y"]})
    assert found is not None
    assert not found.is_told
    assert "may tell an approval or a default" in found.doubts[0]


def test_a_status_of_one_kind_says_that_a_model_needs_both() -> None:
    found = find({"loan_status": ["Fully Paid", "Current", "Fully Paid"]})
    assert found is not None
    assert not found.is_told
    assert "none of its texts is bad" in found.doubts[0]


def test_an_outcome_that_says_one_thing_only_is_told_as_such() -> None:
    column = Column("default", pl.Series(["0"] * 30), 0)
    assert find_outcome([column], None, ()) is None
    assert [
        name for name, told in tell_lonely([column, Column("home", pl.Series(["own"] * 30), 1)]) if "says 0" in told
    ] == ["default"]


def test_columns_of_few_texts_are_candidates_and_persons_are_none() -> None:
    made = [
        Column(name, pl.Series(texts * 10), place)
        for place, (name, texts) in enumerate(
            {"grp": ["0", "1", "0"], "male": ["0", "1", "0"], "amount": ["1", "2", "3"]}.items()
        )
    ]
    assert list_candidates(made) == ("grp",)


def test_a_tape_without_an_outcome_has_none() -> None:
    assert find({"amount": ["1", "2", "3"], "home": ["rent", "own", "rent"]}) is None


@pytest.mark.parametrize(
    ("told", "bad", "message"),
    [
        ("nothing", (), "no such column"),
        ("status", ("X",), "no such text"),
        (None, ("X",), "no likely outcome column"),
        ("amount", (), "different texts"),
    ],
)
def test_an_outcome_that_is_not_there_is_refused(told: str | None, bad: tuple[str, ...], message: str) -> None:
    columns = {"status": ["A", "B"] * 20, "amount": [str(one) for one in range(40)]}
    with pytest.raises(Refused, match=message):
        find(columns, told, bad)


@pytest.mark.parametrize(
    ("texts", "bad"),
    [
        (["gekündigt", "bezahlt"], {"gekündigt"}),
        (["Ausfall", "kein Ausfall"], {"Ausfall"}),
        (["ausgefallen", "Inkasso", "nicht ausgefallen"], {"ausgefallen", "Inkasso"}),
        (["abgeschrieben", "laufend"], {"abgeschrieben"}),
        (["défaut", "pas de défaut"], {"défaut"}),
        (["contentieux", "impayé", "payé"], {"contentieux", "impayé"}),
        (["impago", "moroso", "fallido", "pagado"], {"impago", "moroso", "fallido"}),
        (["Default", "No default"], {"Default"}),
        (["delinquent", "not delinquent"], {"delinquent"}),
        (["performing", "non performing"], {"non performing"}),
    ],
)
def test_german_french_and_spanish_texts_are_bad_unless_a_word_denies_them(texts: list[str], bad: set[str]) -> None:
    found = find({"status": texts})
    assert found is not None
    assert {one.text for one in found.texts if one.is_bad} == bad
