"""Alert rules: what opens and closes an alert, window by window."""

from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import Refused
from instant_credit.outcome.alerts import (
    AlertEventKind,
    AlertRules,
    AlertState,
    decode_rules,
    encode_rules,
    judge_window,
    load_rules,
    window_of,
)
from instant_credit.outcome.measures import Measurement, Metric
from instant_credit.record.shipped import list_starters, read_starter
from tests.budget import examples

RULE = """
schema_version = 1
name = "test"
window_days = 28
[[rules]]
name = "score_shifted"
metric = "score_psi"
on = 0.1
off = 0.05
windows_in_row = 2
cool_down_days = 28
cases_min = 100
owner = "credit-risk"
runbook = "docs/runbooks.md"
"""
FIRST = date(2026, 1, 25)


def score(value: float | None, *, chance: float = 0.0, cases: int = 1_000, subject: str = "") -> Measurement:
    return Measurement(metric=Metric.SCORE_PSI, subject=subject, cases=cases, value=value, chance=chance)


def live(rules: AlertRules, windows: list[tuple[Measurement, ...]]) -> list[tuple[int, str, str]]:
    """What happens in windows that follow each other: number of the window, kind, subject."""
    states: tuple[AlertState, ...] = ()
    told = []
    for number, measurements in enumerate(windows):
        judged = judge_window(rules, states, measurements, FIRST + timedelta(days=28 * number))
        states = judged.states
        told += [(number, event.kind.value, event.subject) for event in judged.events]
    return told


def kinds(values: list[float | None], **changes: int | float) -> list[tuple[int, str]]:
    rules = load_rules(RULE)
    rules = msgspec.structs.replace(rules, rules=(msgspec.structs.replace(rules.rules[0], **changes),))
    return [(number, kind) for number, kind, _ in live(rules, [(score(value),) for value in values])]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0.2], []),
        ([0.2, 0.2], [(1, "opened")]),
        ([0.2, 0.0, 0.2, 0.0], []),
        ([0.1, 0.1], [(1, "opened")]),
        ([0.0999, 0.0999], []),
        ([0.2, 0.2, 0.05, 0.05], [(1, "opened"), (3, "closed")]),
        ([0.2, 0.2, 0.07, 0.07, 0.07], [(1, "opened")]),
        ([0.2, 0.2, 0.0, 0.07, 0.0], [(1, "opened")]),
        ([0.2, None, 0.2], [(2, "opened")]),
        ([0.2, 0.2, 0.0, None, 0.0], [(1, "opened"), (4, "closed")]),
    ],
)
def test_windows_in_a_row_open_and_close(values: list[float | None], told: list[tuple[int, str]]) -> None:
    assert kinds(values) == told


def test_an_alert_rests_after_its_end_and_opens_then_if_it_still_should() -> None:
    values = [0.2, 0.2, 0.0, 0.0, 0.2, 0.2, 0.2]
    assert kinds(values, cool_down_days=0)[2:] == [(5, "opened")]
    assert kinds(values, cool_down_days=56)[2:] == [(6, "opened")]
    assert kinds(values, cool_down_days=55)[2:] == [(5, "opened")]


def test_what_chance_may_bring_opens_nothing_and_many_subjects_share_the_rate() -> None:
    rules = load_rules(RULE)
    for chance, subjects, is_open in ((0.01, 1, True), (0.0101, 1, False), (0.005, 2, True), (0.0051, 2, False)):
        window = tuple(score(0.3, chance=chance, subject=f"v{number}") for number in range(subjects))
        assert bool(live(rules, [window, window])) == is_open


def test_the_value_counts_by_what_it_exceeds_chance() -> None:
    rules = load_rules(RULE)
    noisy = msgspec.structs.replace(score(0.15), expected=0.06)
    assert live(rules, [(noisy,), (noisy,)]) == []
    assert live(rules, [(score(0.15),), (score(0.15),), (noisy,), (noisy,)]) == [(1, "opened", "")]


def test_too_few_cases_tell_nothing() -> None:
    rules = load_rules(RULE)
    few = (score(0.9, cases=99),)
    assert live(rules, [few, few, few]) == []
    assert live(rules, [(score(0.9),), few, (score(0.9),)]) == [(2, "opened", "")]


def test_an_alert_whose_subject_or_rule_is_gone_closes() -> None:
    rules = load_rules(RULE)
    window = (score(0.3, subject="a"), score(0.3, subject="b"))
    assert live(rules, [window, window, window[:1]])[2:] == [(2, "closed", "b")]
    states = judge_window(rules, judge_window(rules, (), window, FIRST).states, window, FIRST + timedelta(28)).states
    other = msgspec.structs.replace(rules, rules=(msgspec.structs.replace(rules.rules[0], name="other"),))
    events = judge_window(other, states, window, FIRST + timedelta(56)).events
    assert [(event.kind, event.rule, event.value) for event in events] == [
        (AlertEventKind.CLOSED, "score_shifted", None)
    ] * 2


def test_a_rule_may_look_at_some_subjects_only() -> None:
    rules = load_rules(RULE)
    rules = msgspec.structs.replace(rules, rules=(msgspec.structs.replace(rules.rules[0], subjects=("a",)),))
    window = (score(0.3, chance=0.01, subject="a"), score(0.3, subject="b"))
    assert live(rules, [window, window]) == [(1, "opened", "a")]


@examples(100)
@given(st.lists(st.sampled_from([0.0, 0.05, 0.07, 0.1, 0.3, None]), max_size=30), st.integers(1, 3), st.integers(0, 90))
def test_openings_and_ends_take_turns_and_states_say_what_events_said(values, in_row: int, rest: int) -> None:
    rules = load_rules(RULE)
    rule = msgspec.structs.replace(rules.rules[0], windows_in_row=in_row, cool_down_days=rest)
    rules = msgspec.structs.replace(rules, rules=(rule,))
    states: tuple[AlertState, ...] = ()
    is_open, ended_on = False, None
    for number, value in enumerate(values):
        last_on = FIRST + timedelta(days=28 * number)
        judged = judge_window(rules, states, (score(value),), last_on)
        assert len(judged.events) <= 1
        for event in judged.events:
            assert (event.kind is AlertEventKind.OPENED) != is_open
            is_open = not is_open
            if is_open:
                assert ended_on is None or (last_on - ended_on).days > rest
                assert value is not None
                assert value >= 0.1
            else:
                ended_on = last_on
                assert value is not None
                assert value <= 0.05
        assert [state.is_open for state in judged.states] in ([is_open], [] if not is_open else [True])
        states = judged.states


def test_windows_follow_each_other_from_a_monday_on() -> None:
    assert window_of(date(2026, 11, 23), 7) == (date(2026, 11, 23), date(2026, 11, 29))
    assert window_of(date(1970, 1, 4), 7) == (date(1969, 12, 29), date(1970, 1, 4))
    first, last = window_of(date(2026, 11, 23), 28)
    assert window_of(last + timedelta(days=1), 28)[0] == last + timedelta(days=1)
    assert (last - first).days == 27


@pytest.mark.parametrize("name", list_starters("alerts"))
def test_shipped_rules_are_read_and_come_back_from_their_bytes(name: str) -> None:
    rules = load_rules(read_starter("alerts", name))
    assert decode_rules(encode_rules(rules)) == rules
    assert rules.name == name
    assert {rule.metric for rule in rules.rules} == set(Metric)


@pytest.mark.parametrize(
    ("former", "now", "what"),
    [
        ("off = 0.05", "off = 0.1", "off must lie below on"),
        ('"score_psi"', '"psi"', "allowed are score_psi"),
        ('"score_psi"', '"auc"', "name maturities_days"),
        ("window_days = 28", "window_days = 0", "window_days"),
        ("window_days = 28", "windows = 28", "allowed are"),
        ("window_days = 28", "maturities_days = [360, 180]", "they rise"),
        ("window_days = 28", "window_days = ", "alert rules"),
    ],
)
def test_rules_that_make_no_sense_are_refused_with_the_place(former: str, now: str, what: str) -> None:
    with pytest.raises(Refused, match=what):
        load_rules(RULE.replace(former, now))


def test_rules_of_one_name_and_endless_ones_are_refused() -> None:
    head, _, rule = RULE.partition("[[rules]]")
    with pytest.raises(Refused, match="two of one name"):
        load_rules(f"{head}[[rules]]{rule}[[rules]]{rule}")
    with pytest.raises(Refused, match="longer than"):
        load_rules("#" * 200_001)
    with pytest.raises(Refused, match="alert rules"):
        decode_rules(b"{}")
