"""The report is a function of what is judged; without a champion, Cases or later loans it says so."""

from datetime import date

import numpy as np
import pytest
from msgspec.structs import replace

from instant_credit.decision.gate_report import Gate, Verdict, encode_gate_report
from instant_credit.errors import Refused
from instant_credit.score.calibration import Calibration
from instant_credit.training.gates.contest import Contender, Seen, count_seen, enter_contest, find_windows
from instant_credit.training.gates.cost import ROUNDS, ROWS, time_rows
from instant_credit.training.gates.fairness import judge_fairness
from instant_credit.training.gates.gathering import require_layout
from instant_credit.training.gates.judging import judge_candidate
from instant_credit.training.gates.profit import judge_profit
from instant_credit.training.gates.redeciding import (
    Grouping,
    RecordedCases,
    Redecided,
    answer_all,
    compose_candidate,
)
from instant_credit.training.plans import ByFolds, ByShare
from instant_credit.training.workshop import build_training
from instant_credit.units import days_from_date
from tests.training.gates.worlds import (
    PRODUCT,
    QUICK,
    STANDARD,
    TEST_FROM,
    bend,
    judge,
    make_better,
    make_champion,
    make_champion_release,
    make_policy,
    make_world,
    record_cases,
    take,
    tick_by_itself,
)

SEEN = "loans judged that the champion was fitted on"


def find_figure(result, name):
    return next(figure.value for figure in result.figures if figure.name == name)


def judge_alone(candidate=None, world=None, **more):
    """Against absolute floors, without Cases."""
    loans = (world or make_world()).loans
    given = {"thresholds": STANDARD, "test_from": TEST_FROM, "stopwatch": tick_by_itself()} | more
    return judge_candidate(candidate or make_better(), None, loans, **given)


def test_judging_twice_gives_the_same_bytes():
    assert encode_gate_report(judge(make_better())) == encode_gate_report(judge(make_better()))


def test_the_gates_speak_in_order_and_are_told_as_they_begin():
    told = []
    report = judge_alone(progress=lambda stage, _: told.append(stage))
    assert [one.gate for one in report.results] == list(Gate)
    assert told == [f"gate {gate}" for gate in Gate]


def test_without_a_champion_floors_hold():
    report = judge_alone()
    assert report.champion_hash is None
    assert report.result_of(Gate.DISCRIMINATION).verdict is Verdict.PASSED
    high = replace(STANDARD, discrimination=replace(STANDARD.discrimination, auc_min=0.95))
    assert judge_alone(thresholds=high).result_of(Gate.DISCRIMINATION).verdict is Verdict.FAILED


def test_without_cases_nothing_is_known_of_groups_and_profit():
    report = judge_alone()
    assert {gate: report.result_of(gate).verdict for gate in (Gate.FAIRNESS, Gate.PROFIT)} == {
        Gate.FAIRNESS: Verdict.NOT_ENOUGH,
        Gate.PROFIT: Verdict.NOT_ENOUGH,
    }
    assert report.stopped_by == (Gate.PROFIT,)
    assert report.may_lack == (Gate.FAIRNESS,)


def test_without_a_champion_profit_is_held_against_nothing():
    report = judge_alone(policy=make_policy(), recorded=record_cases(make_world()))
    assert "interval must lie above 0" in report.result_of(Gate.PROFIT).sentence


def test_groups_that_are_too_small_are_not_enough():
    recorded = record_cases(make_world())
    few = replace(
        recorded, groupings=(Grouping(attribute="sex", names=("f", "m"), codes=np.full(len(recorded.cases), -1)),)
    )
    report = judge(make_better(), recorded=few)
    assert report.result_of(Gate.FAIRNESS).verdict is Verdict.NOT_ENOUGH
    assert report.passes


def test_a_champion_needs_its_release_where_cases_are_decided_again():
    with pytest.raises(Refused, match="champion's release"):
        judge(make_better(), champion_release=None)


def test_the_windows_are_those_of_the_trainings_plan():
    report = judge_alone(test_from=None)
    assert report.test_from == TEST_FROM
    assert report.fit is not None
    assert report.fit.last_on < TEST_FROM <= report.test.first_on
    loans = make_world().loans
    assert report.fit.loans + report.test.loans == loans.loans
    assert report.test.bads == int(loans.labels[loans.days >= days_from_date(TEST_FROM)].sum())


def test_a_model_fitted_in_folds_needs_a_day():
    loans = make_world().loans
    training = build_training(loans, ByFolds(folds=2), replace(QUICK, iterations=5))
    with pytest.raises(Refused, match="--test-from"):
        find_windows(loans, training.manifest, None)
    windows = find_windows(loans, training.manifest, TEST_FROM)
    assert windows.overlapping == len(windows.test_rows)


def test_a_share_of_persons_is_judged_only_on_the_same_book():
    world = make_world()
    training = build_training(world.loans, ByShare(test_share=0.3), replace(QUICK, iterations=5))
    windows = find_windows(world.loans, training.manifest, None)
    assert windows.test_rows.tolist() == training.test_rows.tolist()
    fewer = take(world, np.arange(1, world.loans.loans)).loans
    with pytest.raises(Refused, match="other loans now"):
        find_windows(fewer, training.manifest, None)


def test_a_champion_that_was_fitted_on_loans_judged_says_on_how_many():
    loans = make_world().loans
    training = build_training(loans, ByFolds(folds=2), replace(QUICK, iterations=5))
    knowing = Contender(training.bundle_raw, training.manifest)
    told = judge(make_better(), champion=knowing, policy=None, recorded=None).result_of(Gate.DISCRIMINATION)
    judged = int((loans.days >= days_from_date(TEST_FROM)).sum())
    assert find_figure(told, SEEN) == judged
    assert f"The champion was fitted on {judged:,} of the {judged:,} loans judged" in told.sentence
    blind = judge(make_better(), policy=None, recorded=None).result_of(Gate.DISCRIMINATION)
    assert find_figure(blind, SEEN) == 0
    assert "fitted on" not in blind.sentence
    unknown = judge(make_better(), champion=Contender(training.bundle_raw), policy=None, recorded=None)
    assert SEEN not in {figure.name for figure in unknown.result_of(Gate.DISCRIMINATION).figures}


def test_what_a_champion_saw_of_a_share_is_counted_by_loan_or_bounded_by_days():
    world = make_world()
    training = build_training(world.loans, ByShare(test_share=0.3), replace(QUICK, iterations=5))
    champion = Contender(training.bundle_raw, training.manifest)
    every_row = np.arange(world.loans.loans)
    fitted = len(every_row) - len(training.test_rows)
    assert count_seen(champion, world.loans, every_row) == Seen(loans=fitted, is_exact=True)
    assert count_seen(champion, world.loans, training.test_rows) == Seen(loans=0, is_exact=True)
    fewer = take(world, every_row[1:]).loans
    seen = count_seen(champion, fewer, np.arange(fewer.loans))
    assert training.manifest is not None
    reached = int((fewer.days <= days_from_date(training.manifest.parts[0].last_on)).sum())
    assert seen == Seen(loans=reached, is_exact=False)
    elsewhere = replace(world.loans, book="another")
    assert count_seen(champion, elsewhere, every_row) == Seen(loans=0, is_exact=True)
    told = judge(make_better(), world=take(world, every_row[1:]), champion=champion, policy=None, recorded=None)
    assert "The champion was fitted on up to " in told.result_of(Gate.DISCRIMINATION).sentence


def test_loans_judged_are_called_later_only_where_they_are():
    world = make_world()
    training = build_training(world.loans, ByShare(test_share=0.3), replace(QUICK, iterations=5))
    shared = judge_alone(Contender(training.bundle_raw, training.manifest), test_from=None)
    dated = judge_alone()
    for report, word in ((shared, "other"), (dated, "later")):
        told = report.result_of(Gate.OVERFIT)
        assert f"exceeds that on {word} ones" in told.sentence
        assert f"AUC on {word} loans" in {figure.name for figure in told.figures}


def test_labels_known_later_than_the_judging_are_a_leak():
    world = make_world()
    early = replace(world.loans, known_on=date(2023, 12, 31))
    report = judge_candidate(
        make_better(), None, early, thresholds=STANDARD, test_from=TEST_FROM, stopwatch=tick_by_itself()
    )
    assert report.result_of(Gate.LEAKAGE).verdict is Verdict.FAILED
    assert "later than those that it is judged by" in report.result_of(Gate.LEAKAGE).sentence


def test_what_does_not_fit_together_is_refused():
    loans = make_world().loans
    better = make_better()
    assert better.manifest is not None
    with pytest.raises(Refused, match="training manifest is of bundle"):
        Contender(make_champion().bundle_raw, better.manifest)
    with pytest.raises(Refused, match="needs its training manifest"):
        judge_alone(Contender(better.bundle_raw))
    with pytest.raises(Refused, match="holds no loan with a known outcome from"):
        judge_alone(test_from=date(2030, 1, 1))
    other = replace(loans, columns=replace(loans.columns, names=("other", *loans.columns.names[1:])))
    with pytest.raises(Refused, match="variables are not those of product"):
        judge_candidate(better, None, other, thresholds=STANDARD, test_from=TEST_FROM)
    with pytest.raises(Refused, match="give that product document"):
        compose_candidate(better, make_policy(), replace(PRODUCT, title="Other"), record_cases(make_world()).cases)


def test_few_cases_are_not_enough_for_a_profit():
    recorded = record_cases(make_world())
    few = RecordedCases(cases=recorded.cases[:50], labels=recorded.labels[:50], weights=recorded.weights[:50])
    assert judge(make_better(), recorded=few).result_of(Gate.PROFIT).verdict is Verdict.NOT_ENOUGH


def test_models_are_timed_row_by_row_in_turn():
    matrix = np.ascontiguousarray(make_world().loans.matrix[:3])
    models = [make_better().model, make_champion().model]
    reads = iter(range(10**6))
    medians = time_rows(models, [matrix, matrix], lambda: next(reads))
    assert medians == [1.0, 1.0]
    assert next(reads) == 2 * len(models) * len(matrix) * (ROUNDS + 1)
    assert ROWS >= 100


def test_loans_count_by_their_sampling_weights():
    world = make_world()
    weights = np.where(world.loans.labels == 1, 1.0, 3.0)
    told = judge_alone(world=type(world)(loans=replace(world.loans, weights=weights), sexes=world.sexes))
    assert told.test.bad_rate < judge_alone().test.bad_rate
    assert told.result_of(Gate.CALIBRATION).verdict is Verdict.FAILED
    assert told.result_of(Gate.DISCRIMINATION).verdict is Verdict.PASSED


def test_a_book_without_the_loans_of_the_fit_cannot_tell_of_overfit_or_shifts():
    world = make_world()
    late = take(world, np.flatnonzero(world.loans.days >= days_from_date(TEST_FROM)))
    report = judge_alone(world=late)
    assert report.fit is None
    lacking = {gate for gate in Gate if report.result_of(gate).verdict is Verdict.NOT_ENOUGH}
    assert {Gate.LEAKAGE, Gate.OVERFIT, Gate.STABILITY} <= lacking
    assert report.result_of(Gate.REASONS).verdict is Verdict.PASSED


def test_a_candidate_that_makes_no_release_under_the_policy_earns_nothing():
    own = make_better().bundle.calibration
    hopeless = bend(make_better(), calibration=Calibration(slope=own.slope, intercept=own.intercept + 9.0))
    report = judge(hopeless)
    assert report.result_of(Gate.PROFIT).verdict is Verdict.FAILED
    assert "makes no release" in report.result_of(Gate.PROFIT).sentence
    assert report.result_of(Gate.FAIRNESS).verdict is Verdict.NOT_ENOUGH


def test_a_policy_that_prices_nothing_leaves_no_profit_to_count():
    contest = enter_contest(make_better(), None, make_world().loans, STANDARD, test_from=TEST_FROM)
    recorded = record_cases(make_world())
    answers = answer_all(make_champion_release(), recorded.cases)
    unpriced = Redecided(
        recorded=recorded,
        policy_hash="a" * 64,
        is_priced=False,
        asked=np.full(len(recorded.cases), np.nan),
        candidate=answers,
        champion=None,
    )
    assert "prices nothing" in judge_profit(contest, unpriced).sentence
    nobody = replace(unpriced, candidate=replace(answers, is_offered=np.zeros(len(recorded.cases), dtype=np.bool_)))
    assert "Nobody is offered" in judge_fairness(contest, nobody).sentence


def test_a_release_of_other_columns_is_no_champion_of_the_candidate():
    other = replace(PRODUCT, attributes=(*PRODUCT.attributes, replace(PRODUCT.attributes[1], name="more")))
    with pytest.raises(Refused, match="other columns"):
        require_layout(make_champion_release(), other)
    require_layout(make_champion_release(), PRODUCT)
