"""The memo of an experiment as a page: everything that was read is on it, and nothing is loaded."""

import json
import re
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.four_eyes import Signature
from instant_credit.canonical import hash_content
from instant_credit.experiment.frozen import Frozen
from instant_credit.experiment.plan import Plan, encode_plan
from instant_credit.experiment.readout import read_experiment
from instant_credit.record.experiments import ExperimentEvent, ExperimentEventKind, PlannedExperiment
from instant_credit.training.memos.page import render_memo, write_memo
from instant_credit.underwriting.experiment_readouts import Memo, make_memo
from instant_credit.underwriting.experiment_states import tell_experiment
from tests.experiment import plans
from tests.experiment.readings import START, close, freeze

BY = Signature(actor=Actor(kind=ActorKind.PERSON, id="staff-1"))
METRICS = [
    {"name": "bad", "kind": "default", "direction": "lower", "window_days": 20},
    {"name": "late", "kind": "early_delinquency", "direction": "lower", "window_days": 10},
    {"name": "profit", "kind": "profit", "direction": "higher", "window_days": 20, "cents_max": 1_000},
]
LOOKS = {"kind": "group_sequential", "looks_units": [2_000, 4_000, 6_000]}


def make(plan: Plan, frozen: Frozen, reason: str = "It is enough.") -> Memo:
    started = datetime.combine(START, time(9), UTC)
    told: dict[str, Any] = {"experiment": 1, "signature": BY, "recorded_at": started}
    planned = PlannedExperiment(plan_hash=hash_content(encode_plan(plan)), product=plan.product, name=plan.name, **told)
    kinds = ExperimentEventKind
    events = (
        ExperimentEvent(number=1, kind=kinds.STARTED, reach_from_ppm=0, reach_to_ppm=10, coverage_ppm=500_000, **told),
        ExperimentEvent(number=2, kind=kinds.STOPPED, reason=reason, guardrail="loss_budget", **told),
    )
    return make_memo(tell_experiment(planned, plan, events), read_experiment(plan, frozen))


def looked(**changes: Any) -> Plan:
    return plans.plan(**({"metrics": METRICS, "stopping": LOOKS, "units_max": 6_000, "entry_days_max": 70} | changes))


def test_the_page_tells_verdict_people_looks_and_hashes_and_loads_nothing() -> None:
    memo = make(looked(), freeze(looked(), days=90, rates=(0.12, 0.04)))
    page = render_memo(memo)
    assert "Verdict: promote" in page
    assert "Promote challenger." in page
    for told in (memo.hash, memo.plan_hash, memo.frozen_hash, memo.readout_hash, plans.RELEASE, memo.command):
        assert told in page
    assert "It is enough." in page
    assert "by guardrail loss_budget" in page
    assert page.count("<svg") >= 6
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert "nan" not in page.lower().replace("finance", "")


def test_what_people_wrote_is_escaped() -> None:
    page = render_memo(make(looked(), freeze(looked(), days=40), reason="<script>alert(1)</script>"))
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("days", [0, 15, 40])
def test_a_memo_is_made_at_any_time_of_an_experiment(days: int) -> None:
    for plan in (looked(), looked(stopping={"kind": "confidence_sequence"}, segments=[], guardrails=[], early=None)):
        assert "Not enough yet." in render_memo(make(plan, freeze(plan, days=days)))


def test_a_blocked_memo_tells_no_effect() -> None:
    frozen = freeze(looked(), days=40)
    counts = tuple(msgspec.structs.replace(one, units=0, unit_offers=0) if one.arm else one for one in frozen.counts)
    page = render_memo(make(looked(), msgspec.structs.replace(frozen, counts=counts, sums=())))
    assert "Verdict: blocked" in page
    assert "adjusted p" not in page


def test_several_arms_are_told_apart() -> None:
    plan = looked(arms=plans.split(400_000, 300_000, 300_000))
    frozen = freeze(plan, days=90, rates=(0.12, 0.04, 0.12), closings=(close("arm_2", 30, "loss_budget"),))
    page = render_memo(make(plan, frozen))
    assert "stopped by guardrail loss_budget" in page or "Verdict: blocked" in page


def test_the_same_experiment_gives_the_same_bytes(tmp_path: Path) -> None:
    bytes_of = []
    for folder in ("one", "two"):
        paths = write_memo(make(looked(), freeze(looked(), days=60)), tmp_path / folder)
        bytes_of.append((paths.html.read_bytes(), paths.json.read_bytes()))
    assert bytes_of[0] == bytes_of[1]
    told = msgspec.json.decode(bytes_of[0][1], type=Memo)
    assert told.hash in bytes_of[0][0].decode()
    assert json.loads(bytes_of[0][1])["plan_hash"] == told.plan_hash
