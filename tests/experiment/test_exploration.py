"""Who is explored, under which terms, with what probability, and when it ends."""

import re
from datetime import date, timedelta

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from msgspec import UNSET
from msgspec.structs import replace

from instant_credit.application.facts import Facts
from instant_credit.canonical import encode_canonical, hash_content
from instant_credit.errors import BrokenInvariant, Refused
from instant_credit.experiment.exploration import (
    DAYS_MAX,
    DOCUMENT_CHARACTERS_MAX,
    Ending,
    Ledger,
    Programme,
    check_programme,
    decode_programme,
    encode_programme,
    explore_by,
    find_ending,
    find_propensity,
    find_terms,
    is_in_zone,
    read_programme,
    reserve_cents,
    tell_programme,
)
from instant_credit.policy.evaluate import evaluate
from instant_credit.policy.examples import run_example
from instant_credit.policy.verdict import Outcome, RuleResult, Terms, Verdict
from instant_credit.record.shipped import list_starters, read_starter
from instant_credit.units import PPM, Cents, Ppm
from tests.budget import examples
from tests.policy.documents import changed, compiled, invented_facts, product, shipped, variables_of
from tests.policy.shapes import policy_of

TEXT = read_starter("explorations", "personal_loan")
FLOOR = 450_000


def programme(**fields: object) -> Programme:
    return replace(read_programme(TEXT), **fields)


def judge(facts: Facts, pd: int | None) -> Verdict:
    return evaluate(compiled(), facts, variables_of(facts), None if pd is None else Ppm(pd))


def explore(facts: Facts, pd: int | None, **fields: object) -> Terms | None:
    last = judge(facts, shipped().cut_offs.approve_below_ppm - 1)
    return find_terms(programme(**fields), shipped(), None if pd is None else Ppm(pd), judge(facts, pd), last)


pds = st.one_of(st.none(), st.integers(1, 999_999), st.sampled_from([289_999, 290_000, 449_999, 450_000]))


@examples(60)
@given(invented_facts(), pds)
def test_nobody_is_explored_but_who_is_declined_by_the_score_alone_below_the_floor(facts, pd):
    terms = explore(facts, pd)
    if pd is None or not 290_000 <= pd < FLOOR:
        assert terms is None
        return
    verdict = judge(facts, pd)
    ids = {rule.id for rule in shipped().rules}
    speaks_against = any(one.rule in ids and one.result is RuleResult.HIT for one in verdict.trace)
    assert verdict.outcome is Outcome.DECLINE
    assert terms is None or not (speaks_against or verdict.reasons)


def ask(pd: int, **facts: int | float) -> Verdict:
    """The verdict on an ordinary applicant of the shipped policy's examples who differs in a few facts."""
    ordinary = shipped().examples[0]
    found = run_example(replace(ordinary, pd_ppm=pd, facts=ordinary.facts | facts), compiled(), product())
    assert isinstance(found, Verdict)
    return found


asked = st.fixed_dictionaries(
    {
        "requested_amount_cents": st.integers(50_000, 5_000_000),
        "term_months": st.sampled_from([12, 36, 48, 60]),
        "income_annual_cents": st.integers(3_000_000, 9_000_000),
        "debt_to_income_percent": st.floats(0, 38),
    }
)


@examples(40)
@given(asked, st.integers(290_000, FLOOR - 1), st.sampled_from([50_000, 132_500, 500_001, 10_000_000]))
def test_an_explored_loan_has_the_terms_of_the_last_band_and_no_larger_amount(facts, pd, amount_max):
    last = ask(259_999, **facts)
    terms = find_terms(programme(amount_cents_max=amount_max), shipped(), Ppm(pd), ask(pd, **facts), last)
    event(last.outcome)
    assert (terms is None) == (last.terms is None)
    if terms is None or last.terms is None:
        return
    assert terms.amount_cents <= min(amount_max, last.terms.amount_cents)
    assert (terms.term_months, terms.apr_ppm) == (last.terms.term_months, last.terms.apr_ppm)
    assert terms.instalment_cents <= last.terms.instalment_cents
    assert terms.amount_cents == last.terms.amount_cents or amount_max - terms.amount_cents < 2_500


@pytest.mark.parametrize(
    "facts", [{"accounts_now_delinquent": 3}, {"income_annual_cents": 1_000}, {"debt_to_income_percent": 59.0}]
)
def test_what_else_speaks_against_somebody_is_never_overruled(facts):
    assert find_terms(programme(), shipped(), Ppm(300_000), ask(300_000), ask(259_999)) is not None
    assert find_terms(programme(), shipped(), Ppm(300_000), ask(300_000, **facts), ask(259_999, **facts)) is None


def test_a_loan_below_the_least_offer_is_not_given():
    verdict = Verdict(outcome=Outcome.DECLINE, terms=None, reasons=(), has_model_reasons=True, fallback=None, trace=())
    large = Terms(amount_cents=Cents(900_000), term_months=36, apr_ppm=Ppm(274_900), instalment_cents=Cents(37_000))
    offered = replace(verdict, outcome=Outcome.APPROVE, terms=large)
    pd = Ppm(300_000)
    assert find_terms(programme(amount_cents_max=49_999), shipped(), pd, verdict, offered) is None
    assert find_terms(programme(amount_cents_max=50_000), shipped(), pd, verdict, offered) is not None
    assert find_terms(programme(), shipped(), pd, offered, offered) is None
    assert find_terms(programme(), policy_of("none"), pd, verdict, offered) is None


@pytest.mark.parametrize(
    ("pd", "is_in"), [(None, False), (289_999, False), (290_000, True), (449_999, True), (450_000, False)]
)
def test_the_zone_reaches_from_the_cut_off_to_the_floor(pd, is_in):
    assert is_in_zone(programme(), pd, Ppm(290_000)) is is_in


PERSONS = [bytes([n % 256, n // 256]) * 16 for n in range(20_000)]


def test_the_share_of_persons_is_drawn_and_always_the_same_ones():
    told = programme()
    explore_one, again = explore_by("salt", told), explore_by("salt", told)
    drawn = [explore_one(person).is_drawn for person in PERSONS]
    assert drawn == [again(person).is_drawn for person in reversed(PERSONS)][::-1]
    # Six standard deviations of 20,000 draws.
    assert abs(sum(drawn) - 600) < 6 * (20_000 * 0.03 * 0.97) ** 0.5
    assert {explore_one(person).propensity_ppm for person in PERSONS[:200]} == {30_000}
    assert {explore_one(person).programme for person in PERSONS[:200]} == {hash_content(encode_programme(told))}


def test_a_larger_share_of_another_programme_draws_others():
    three, five = (explore_by("salt", programme(share_ppm=share)) for share in (30_000, 50_000))
    both = [person for person in PERSONS if three(person).is_drawn and five(person).is_drawn]
    # By chance 30 are drawn by both; whoever was to keep his draw would be all 600.
    assert len(both) < 70


def test_probabilities_of_what_may_be_done_add_up_to_one():
    told = programme()
    assert find_propensity(told, is_explorable=True, is_approved=True) == 30_000
    assert find_propensity(told, is_explorable=True, is_approved=False) == 970_000
    assert find_propensity(told, is_explorable=False, is_approved=False) == PPM
    with pytest.raises(BrokenInvariant, match="outside the zone"):
        find_propensity(told, is_explorable=False, is_approved=True)


@given(st.integers(1, 10**12), st.integers(1, PPM))
def test_what_is_reserved_carries_the_loss(amount, lost):
    told = programme(lost_ppm=lost, cap_cents=10**14)
    reserved = reserve_cents(told, Cents(amount))
    assert 0 <= reserved * PPM - amount * lost < PPM


@given(st.lists(st.integers(1, 500_000), max_size=200), st.integers(450_000, 30_000_000))
def test_loans_that_are_approved_while_it_is_open_never_reserve_more_than_the_cap(amounts, cap):
    told, ledger = programme(cap_cents=cap), Ledger()
    for amount in amounts:
        if find_ending(told, ledger, told.starts_on) is not None:
            break
        reserved = Cents(ledger.reserved_cents + reserve_cents(told, Cents(amount)))
        ledger = replace(ledger, approvals=ledger.approvals + 1, reserved_cents=reserved)
    report = tell_programme(told, ledger, told.starts_on)
    assert report.spent_cents + report.left_cents == cap
    assert report.left_cents >= 0
    assert report.is_open == (report.left_cents >= 450_000)


@pytest.mark.parametrize(
    ("on", "ledger", "ended", "words"),
    [
        (date(2027, 1, 3), Ledger(), None, "not begun: it starts on 2027-01-04"),
        (date(2027, 1, 4), Ledger(), None, "open until 2028-01-02"),
        (date(2028, 1, 2), Ledger(), None, "open until 2028-01-02"),
        (date(2028, 1, 3), Ledger(), Ending.PERIOD_OVER, "2028-01-02 was its last day"),
        (date(2027, 5, 1), Ledger(reserved_cents=Cents(24_550_000)), None, "open until"),
        (date(2027, 5, 1), Ledger(reserved_cents=Cents(24_550_001)), Ending.CAP_REACHED, "does not carry one more"),
        (date(2028, 5, 1), Ledger(reserved_cents=Cents(25_000_000)), Ending.CAP_REACHED, "does not carry one more"),
        (date(2027, 5, 1), Ledger(is_stopped=True), Ending.STOPPED, "stopped"),
    ],
)
def test_it_ends_by_itself(on, ledger, ended, words):
    report = tell_programme(programme(), ledger, on)
    assert report.ended is ended
    assert words in report.words
    assert report.is_open == (ended is None and on >= date(2027, 1, 4))


def test_the_report_says_what_was_spent_and_what_share_was_approved():
    ledger = Ledger(approvals=31, declines=969, reserved_cents=Cents(9_000_000), lost_cents=Cents(1_200_000))
    report = tell_programme(programme(), ledger, date(2027, 6, 1))
    assert (report.approvals, report.declines, report.approved_ppm) == (31, 969, 31_000)
    assert (report.spent_cents, report.left_cents, report.lost_cents) == (9_000_000, 16_000_000, 1_200_000)
    assert tell_programme(programme(), Ledger(), date(2027, 6, 1)).approved_ppm is None


def test_a_ledger_over_the_cap_breaks():
    with pytest.raises(BrokenInvariant, match="more is reserved"):
        tell_programme(programme(), Ledger(reserved_cents=Cents(25_000_001)), date(2027, 6, 1))


@pytest.mark.parametrize("name", list_starters("explorations"))
def test_shipped_programmes_fit_the_shipped_policies(name):
    told = read_programme(read_starter("explorations", name))
    check_programme(told, shipped())
    assert decode_programme(encode_programme(told)) == told
    assert told.book is UNSET
    assert b"book" not in encode_programme(told)


@given(st.integers(10_000, 50_000), st.integers(1, PPM), st.sampled_from([UNSET, "north"]))
def test_canonical_bytes_are_read_back(share, floor, book):
    told = programme(share_ppm=share, pd_floor_ppm=floor, book=book)
    assert decode_programme(encode_programme(told)) == told


def written(name: str, value: str) -> str:
    return re.sub(rf"^{name} = .*$", f"{name} = {value}", TEXT, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("share_ppm", "9_999", ">= 10000 - at `$.share_ppm`"),
        ("share_ppm", "50_001", "<= 50000 - at `$.share_ppm`"),
        ("pd_floor_ppm", "0", "at `$.pd_floor_ppm`"),
        ("amount_cents_max", '"much"', "at `$.amount_cents_max`"),
        ("lost_ppm", "1_000_001", "at `$.lost_ppm`"),
        ("cap_cents", "449_999", "cap_cents: one loan of amount_cents_max reserves 450000"),
        ("starts_on", '"soon"', "Expected `date`, got `str` - at `$.starts_on`"),
        ("ends_on", "2027-01-03", "ends_on: it lies before starts_on"),
        ("ends_on", "2031-01-01", "ends_on: a programme runs at most 1100 days"),
        ("name", '"A B"', "write a-z, 0-9 and _"),
        ("lost_ppm", "1\nlosses = 2", "allowed are schema_version, name"),
        ("title", "", "exploration programme: Invalid value"),
    ],
)
def test_a_document_that_is_none_is_refused_by_the_name_of_its_field(name, value, message):
    with pytest.raises(Refused, match=re.escape(message)):
        read_programme(written(name, value))


def test_the_longest_programme_runs_its_days():
    last = date(2027, 1, 4) + timedelta(days=DAYS_MAX - 1)
    assert read_programme(written("ends_on", str(last))).ends_on == last


def test_a_document_is_not_read_without_end():
    with pytest.raises(Refused, match="longer than 100000 characters"):
        read_programme(TEXT + "#" * DOCUMENT_CHARACTERS_MAX)


def test_bytes_that_are_no_programme_are_refused():
    with pytest.raises(Refused, match="exploration programme"):
        decode_programme(encode_canonical({"name": "x"}))


def test_everything_that_does_not_fit_the_policy_is_named():
    wrong = programme(product="credit_card", pd_floor_ppm=290_000, amount_cents_max=49_999)
    with pytest.raises(Refused) as refused:
        check_programme(wrong, shipped())
    told = str(refused.value)
    assert told.startswith("programme personal_loan is refused:\n- product: ")
    assert "- pd_floor_ppm: the policy personal_loan declines from 290000 ppm on" in told
    assert "- amount_cents_max: the policy personal_loan offers no less than 50000 cents" in told
    check_programme(programme(pd_floor_ppm=290_001, amount_cents_max=50_000), shipped())
    check_programme(programme(), changed(lambda document: document.update(name="another")))


def test_without_amounts_no_money_could_be_reserved():
    with pytest.raises(Refused, match="no amounts and prices, so no money could be reserved"):
        check_programme(programme(), policy_of("none"))
