"""How often alerts are false, and how soon true ones come, in simulated years.

Over quiet years a rule finds more than chance in no more windows than it says, give or take the simulation's own spread. A change of a known
size is flagged in every year, and within a stated number of windows in all but one of twenty.
"""

from datetime import timedelta

import msgspec
import numpy as np
import pytest

from instant_credit.outcome.alerts import FIRST_WINDOW_ON, RIPE_METRICS, AlertRules, is_over, judge_window, load_rules
from instant_credit.outcome.measures import Measurement, Metric, measure_ripened, measure_window
from instant_credit.outcome.sketches import SketchReference
from instant_credit.record.shipped import read_starter
from tests.budget import IS_PROVING
from tests.outcome.drifting import QUIET, Applicants, World, draw, forget, refer, ripen, sketch

# Twelve months are thirteen windows of four weeks.
WINDOWS_A_YEAR = 13
QUIET_YEARS = 600 if IS_PROVING else 12
CHANGED_YEARS = 100 if IS_PROVING else 2
# Four standard deviations of a count of independent windows, and half as much again: windows of one year share their reference.
SPREADS = 6.0
BARE_SHARE = 0.05
CHANGE_AT = 3
LATE_SHARE_MAX = 0.05
# Labels have 180 days: the windows between a loan's own and the one in which its label is looked at.
RIPE_AFTER = 7


@pytest.fixture(scope="module")
def rules() -> AlertRules:
    return load_rules(read_starter("alerts", "standard"))


def measure(reference: SketchReference, applicants: Applicants, ripe: Applicants | None) -> tuple[Measurement, ...]:
    told = measure_window(reference, sketch(reference, applicants))
    return told if ripe is None else (*told, *measure_ripened(ripen(ripe), "180"))


def live(rules: AlertRules, seed: list[int], worlds: list[World]) -> list[tuple[int, str, str]]:
    """The alerts that open while worlds follow each other, one a window: number of the window, rule, subject."""
    chance = np.random.default_rng(seed)
    reference = refer(chance)
    states, opened, lived = (), [], []
    for number, world in enumerate(worlds):
        lived.append(draw(world, chance))
        ripe = lived[number - RIPE_AFTER] if number >= RIPE_AFTER else None
        last_on = FIRST_WINDOW_ON + timedelta(days=28 * (number + 1) - 1)
        judged = judge_window(rules, states, measure(reference, lived[-1], ripe), last_on)
        states = judged.states
        opened += [(number, event.rule, event.subject) for event in judged.events if event.kind == "opened"]
    return opened


@pytest.mark.prove
def test_over_quiet_years_no_rule_finds_more_than_chance_in_more_windows_than_it_says(rules: AlertRules) -> None:
    bare = [
        msgspec.structs.replace(rule, on=1e-12, off=0.0, false_alarm_share=BARE_SHARE, cases_min=1)
        for rule in rules.rules
    ]
    over = {rule.name: 0 for rule in bare}
    windows = QUIET_YEARS * WINDOWS_A_YEAR
    for year in range(QUIET_YEARS):
        chance = np.random.default_rng([101, year])
        reference = refer(chance)
        for _ in range(WINDOWS_A_YEAR):
            applicants = draw(QUIET, chance)
            told = measure(reference, applicants, applicants)
            for rule in bare:
                chosen = [one for one in told if one.metric is rule.metric]
                over[rule.name] += any(is_over(rule, one, len(chosen)) for one in chosen)
    most = windows * BARE_SHARE + SPREADS * np.sqrt(windows * BARE_SHARE * (1.0 - BARE_SHARE))
    assert all(count <= most for count in over.values()), (over, most, windows)


@pytest.mark.prove
def test_over_quiet_years_alerts_open_no_more_often_than_the_shipped_rules_say(rules: AlertRules) -> None:
    opened = [one for year in range(QUIET_YEARS) for one in live(rules, [102, year], [QUIET] * WINDOWS_A_YEAR)]
    said = QUIET_YEARS * WINDOWS_A_YEAR * sum(rule.false_alarm_share for rule in rules.rules)
    assert len(opened) <= said + SPREADS * np.sqrt(said), opened


# World after the change, the rules of which one must flag it with which subject, and within how many windows from the change on.
CHANGES: dict[str, tuple[World, set[tuple[str, str]], int]] = {
    "a variable half a standard deviation higher": (World(moved=0.5), {("variable_shifted", "utilisation")}, 2),
    "a score that follows it": (World(moved=0.5), {("score_shifted", "")}, 2),
    "approvals that follow a variable": (World(moved=0.7), {("approvals_moved", "")}, 2),
    "a quarter of a variable missing": (World(missing=0.25), {("values_missing", "income")}, 1),
    "five in a hundred of a category never seen": (World(unseen=0.05), {("category_unseen", "purpose")}, 1),
    "applicants twice as alike": (World(spread=0.5), {("expected_auc_fell", "")}, 2),
    "odds of default up by 80 per cent": (World(odds=1.8), {("bad_rate_off", "180")}, RIPE_AFTER + 3),
    "a strong variable that tells nothing any more": (
        forget(QUIET, 1),
        {("auc_fell", "180"), ("bands_off", "180")},
        RIPE_AFTER + 3,
    ),
}


@pytest.mark.prove
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_known_size_is_flagged_within_the_stated_windows(rules: AlertRules, name: str) -> None:
    world, wanted, within = CHANGES[name]
    late = 0
    for year in range(CHANGED_YEARS):
        opened = live(rules, [103, year], [QUIET] * CHANGE_AT + [world] * (RIPE_AFTER + 4))
        flagged = [number for number, rule, subject in opened if (rule, subject) in wanted and number >= CHANGE_AT]
        assert flagged, (year, opened)
        late += flagged[0] >= CHANGE_AT + within
    assert late <= LATE_SHARE_MAX * CHANGED_YEARS


def test_a_change_of_what_no_variable_shows_is_seen_by_labels_alone(rules: AlertRules) -> None:
    ripe = {rule.name for rule in rules.rules if rule.metric in RIPE_METRICS}
    opened = live(rules, [104], [QUIET] * CHANGE_AT + [World(odds=2.5)] * (RIPE_AFTER + 4))
    assert opened
    assert {rule for _, rule, _ in opened} <= ripe


def test_every_metric_of_the_simulation_is_told() -> None:
    chance = np.random.default_rng(1)
    applicants = draw(QUIET, chance)
    told = measure(refer(chance), applicants, applicants)
    assert {one.metric for one in told} == set(Metric)
    assert all(one.value is not None and 0.0 <= one.chance <= 1.0 for one in told)
