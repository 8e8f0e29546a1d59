"""When a retraining is proposed, and when it is not yet."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.errors import Refused
from instant_credit.outcome.alerts import AlertState, Retraining, load_rules
from instant_credit.outcome.triggers import Standing, Trigger, propose_retraining
from instant_credit.record.shipped import read_starter
from tests.budget import examples
from tests.outcome.test_alerts import RULE

TRAINED_ON = date(2026, 1, 1)
RULES = Retraining(every_days=90, labels_min=500, alerts=("score_shifted", "auc_fell"), cool_down_days=30)
QUIET = Standing(product="loan", today=TRAINED_ON, trained_on=TRAINED_ON, labels_then=1_000, labels_now=1_000)


def after(days: int, **changes: object) -> Standing:
    return replace(QUIET, today=TRAINED_ON + timedelta(days=days), **changes)


def opened(rule: str, metric: str, subject: str = "") -> AlertState:
    return AlertState(rule=rule, metric=metric, subject=subject, is_open=True, opened_on=date(2026, 2, 1))


def triggers(standing: Standing, rules: Retraining = RULES) -> list[Trigger] | None:
    proposal = propose_retraining(rules, standing)
    return None if proposal is None else [one.trigger for one in proposal.reasons]


@pytest.mark.parametrize(
    ("standing", "wanted"),
    [
        (after(89), None),
        (after(90), [Trigger.SCHEDULE]),
        (after(30, labels_now=1_499), None),
        (after(30, labels_now=1_500), [Trigger.LABEL_VOLUME]),
        (after(29, labels_now=9_000), None),
        (after(30, alerts=(opened("score_shifted", "score_psi"),)), [Trigger.DRIFT]),
        (after(30, alerts=(opened("auc_fell", "auc", "180"),)), [Trigger.DISCRIMINATION]),
        (after(30, alerts=(opened("values_missing", "missing_share", "income"),)), None),
        (after(30, alerts=(AlertState(rule="score_shifted", metric="score_psi"),)), None),
        (after(119, proposed_on=TRAINED_ON + timedelta(days=90)), None),
        (after(120, proposed_on=TRAINED_ON + timedelta(days=90)), [Trigger.SCHEDULE]),
        (
            after(90, labels_now=2_000, alerts=(opened("score_shifted", "score_psi"),)),
            [Trigger.SCHEDULE, Trigger.LABEL_VOLUME, Trigger.DRIFT],
        ),
    ],
)
def test_each_trigger_fires_at_its_threshold_and_not_before(standing: Standing, wanted: list[Trigger] | None) -> None:
    assert triggers(standing) == wanted


def test_a_first_training_is_asked_for_by_labels_that_are_known() -> None:
    never = replace(QUIET, trained_on=None, labels_then=0, labels_now=499)
    assert triggers(never) == [Trigger.SCHEDULE]
    assert triggers(never, replace(RULES, every_days=None)) is None
    assert triggers(replace(never, labels_now=500)) == [Trigger.SCHEDULE, Trigger.LABEL_VOLUME]
    assert triggers(replace(never, labels_now=0)) is None
    assert triggers(replace(never, proposed_on=TRAINED_ON - timedelta(days=29))) is None


def test_a_proposal_says_what_it_saw() -> None:
    proposal = propose_retraining(RULES, after(95, alerts=(opened("auc_fell", "auc", "180"),)))
    assert proposal is not None
    assert (proposal.product, proposal.proposed_on) == ("loan", TRAINED_ON + timedelta(days=95))
    assert [one.words for one in proposal.reasons] == [
        "trained 95 days ago, and every 90 days are asked for",
        "alert auc_fell of 180 is open since 2026-02-01",
    ]


def test_rules_that_ask_for_nothing_propose_nothing() -> None:
    alerts = (opened("score_shifted", "score_psi"),)
    assert triggers(after(5_000, labels_now=10**9, alerts=alerts), Retraining()) is None


@examples(50)
@given(st.integers(0, 60), st.lists(st.integers(0, 2_000), min_size=1, max_size=200))
def test_proposals_keep_the_cool_down_between_them(rest: int, labels: list[int]) -> None:
    rules = replace(RULES, cool_down_days=rest)
    proposed: list[int] = []
    for day, more in enumerate(labels):
        last = TRAINED_ON + timedelta(days=proposed[-1]) if proposed else None
        if propose_retraining(rules, after(day, labels_now=1_000 + more, proposed_on=last)) is not None:
            proposed.append(day)
    assert all(later - former >= rest for former, later in zip([0, *proposed], proposed, strict=False))


def test_the_shipped_rules_propose_and_name_rules_that_there_are() -> None:
    rules = load_rules(read_starter("alerts", "standard"))
    assert rules.retraining is not None
    assert set(rules.retraining.alerts) <= {rule.name for rule in rules.rules}
    with pytest.raises(Refused, match="no rule score_moved"):
        load_rules(f'{RULE}\n[retraining]\nalerts = ["score_moved"]\n')
