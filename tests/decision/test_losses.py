"""A release whose policy prices losses prices each segment by its loss table."""

from datetime import date
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.canonical import encode_canonical, hash_content
from instant_credit.decision.case import Case
from instant_credit.decision.decide import decide, decide_many
from instant_credit.decision.release import Release, compose_release
from instant_credit.errors import Refused
from instant_credit.outcome.losses import LossTable, SegmentLosses, Share, encode_losses
from instant_credit.policy.document import Policy, encode_policy
from instant_credit.policy.losses import LOSS_TRACE
from instant_credit.policy.verdict import RuleResult
from instant_credit.units import PPM
from tests.decision.world import documents, invented_cases, manifest, release
from tests.policy.documents import fact_of, with_fact
from tests.policy.test_losses import BASE, LOST, SEGMENTS, priced


def row(segment: str, lost: float | None, *, is_own: bool = True) -> SegmentLosses:
    share = None if lost is None else Share(value=lost, low=0.0, high=1.0)
    return SegmentLosses(
        segment=segment,
        charged_off=40,
        ripe=40,
        young=0,
        paid_out_cents=100,
        charged_off_cents=100,
        ripe_cents=100,
        recovered_cents=0,
        later_cents=0,
        exposure=Share(value=1.0, low=1.0, high=1.0),
        loss=share,
        is_own=is_own,
    )


TOTAL = row("all", 0.5)
TABLE = LossTable(
    book="lent",
    product="personal_loan",
    known_on=date(2026, 1, 1),
    recovery_months=24,
    lag_days=0,
    attribute="purpose",
    total=TOTAL,
    segments=(row(SEGMENTS[0], 0.8), row(SEGMENTS[1], 0.1), row(SEGMENTS[2], 0.5, is_own=False)),
)


def compose(policy: Policy | None, table: LossTable | None) -> Release:
    named: dict[str, Any] = {}
    held = dict(documents().by_hash)
    for field, raw in (
        ("policy_hash", None if policy is None else encode_policy(policy)),
        ("losses_hash", None if table is None else encode_losses(table)),
    ):
        if raw is not None:
            named[field] = hash_content(raw)
            held[named[field]] = raw
    return compose_release(msgspec.structs.replace(manifest(), **named), held)


@cache
def by_losses() -> Release:
    return compose(priced(), TABLE)


@given(st.lists(invented_cases(), min_size=1, max_size=12))
def test_one_case_and_many_are_priced_alike(cases: list[Case]) -> None:
    alone = [encode_canonical(decide(case, by_losses())) for case in cases]
    assert [encode_canonical(decision) for decision in decide_many(cases, by_losses())] == alone


@given(invented_cases())
def test_a_case_is_priced_by_its_segment_and_the_trace_says_so(case: Case) -> None:
    plain = decide(case, release())
    for code, lost, said in (
        (0, 0.8, RuleResult.HIT),
        (1, 0.1, RuleResult.HIT),
        (2, 0.5, RuleResult.CLEAR),
        (3, 0.5, RuleResult.CLEAR),
        (-1, 0.5, RuleResult.UNKNOWN),
    ):
        told = msgspec.structs.replace(case, facts=with_fact(case.facts, "purpose", code))
        decision = decide(told, by_losses())
        assert (decision.trace[-1].rule, decision.trace[-1].result) == (LOSS_TRACE, said)
        assert decision.pd_ppm == plain.pd_ppm or fact_of(case.facts, "purpose") != code
        if decision.terms is None or decision.pd_ppm is None:
            continue
        band = next(b for b in priced().grid if decision.pd_ppm < b.pd_below_ppm)
        exact = BASE + (band.apr_ppm - BASE) * round(lost * PPM) / LOST
        assert decision.terms.apr_ppm == min(-(-int(exact) // 100) * 100, priced().apr_ppm_max or 0)


@given(invented_cases())
def test_a_table_beside_a_policy_that_prices_no_losses_decides_nothing(case: Case) -> None:
    named = compose(None, TABLE)
    one, other = decide(case, named), decide(case, release())
    assert named.losses == TABLE
    assert msgspec.structs.replace(one, release_hash=other.release_hash) == other


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (None, "names no loss table"),
        (msgspec.structs.replace(TABLE, total=row("all", None)), "every charge-off in it is young"),
        (msgspec.structs.replace(TABLE, attribute="sex"), "the losses are by sex, which is no category"),
        (msgspec.structs.replace(TABLE, product="other_loan"), "the losses are of product other_loan"),
    ],
)
def test_a_policy_that_prices_losses_without_a_table_that_tells_them_is_refused(
    table: LossTable | None, why: str
) -> None:
    with pytest.raises(Refused, match=why):
        compose(priced(), table)
