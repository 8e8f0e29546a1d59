from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.decision.gate_report import (
    NEVER_WAIVED,
    Gate,
    GateReport,
    GateResult,
    Verdict,
    Waiver,
    check_waiver,
    decode_gate_report,
    encode_gate_report,
    find_standing,
)
from instant_credit.errors import Refused
from tests.decision.gate_reports import make_report

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
REPORT_HASH = "e" * 64
FAILED = make_report({Gate.COST: Verdict.FAILED, Gate.PROFIT: Verdict.NOT_ENOUGH})


def waiver_of(
    gate: Gate, until_on: date = date(2026, 7, 1), *, is_approved: bool = True, report: str = REPORT_HASH
) -> Waiver:
    return Waiver(
        waiver_id="00000000-0000-7000-8000-000000000001",
        report_hash=report,
        gate=gate,
        reason="The machine it runs on has room.",
        until_on=until_on,
        proposed_by=Actor(kind=ActorKind.PERSON, id="p-1"),
        proposed_at=NOW - timedelta(days=1),
        approved_by=Actor(kind=ActorKind.PERSON, id="p-2") if is_approved else None,
        approved_at=NOW - timedelta(hours=1) if is_approved else None,
    )


def test_a_report_passes_when_every_gate_does() -> None:
    assert make_report().passes
    assert not make_report({Gate.OVERFIT: Verdict.FAILED}).passes


def test_not_enough_stops_unless_the_gate_may_lack_it() -> None:
    lacking = {Gate.FAIRNESS: Verdict.NOT_ENOUGH}
    assert make_report(lacking).stopped_by == (Gate.FAIRNESS,)
    assert make_report(lacking, may_lack=(Gate.FAIRNESS,)).passes


def test_a_gate_that_may_lack_data_stops_when_it_fails() -> None:
    assert make_report({Gate.FAIRNESS: Verdict.FAILED}, may_lack=(Gate.FAIRNESS,)).stopped_by == (Gate.FAIRNESS,)


def test_an_approved_waiver_lifts_its_own_gate_alone() -> None:
    standing = find_standing(REPORT_HASH, FAILED, [waiver_of(Gate.COST)], NOW)
    assert standing.stopped_by == (Gate.PROFIT,)
    assert [one.gate for one in standing.waivers] == [Gate.COST]
    assert find_standing(REPORT_HASH, FAILED, [waiver_of(Gate.COST), waiver_of(Gate.PROFIT)], NOW).passes


def test_a_waiver_counts_until_the_end_of_its_last_day() -> None:
    one = waiver_of(Gate.COST, date(2026, 6, 20))
    assert one.counts_at(datetime(2026, 6, 20, 23, 59, tzinfo=UTC))
    assert not one.counts_at(datetime(2026, 6, 21, tzinfo=UTC))


def test_a_waiver_of_another_report_or_without_a_second_person_does_not_count() -> None:
    others = [waiver_of(Gate.COST, report="f" * 64), waiver_of(Gate.COST, is_approved=False)]
    assert find_standing(REPORT_HASH, FAILED, others, NOW).stopped_by == FAILED.stopped_by


@pytest.mark.parametrize("gate", sorted(NEVER_WAIVED))
def test_some_gates_are_never_waived(gate: Gate) -> None:
    report = make_report({gate: Verdict.FAILED})
    assert find_standing(REPORT_HASH, report, [waiver_of(gate)], NOW).stopped_by == (gate,)
    with pytest.raises(Refused, match="never waived"):
        check_waiver(report, gate, NOW.date(), NOW.date())


def test_a_gate_that_stops_nobody_needs_no_waiver() -> None:
    with pytest.raises(Refused, match="does not stop this candidate; of its gates cost, profit"):
        check_waiver(FAILED, Gate.OVERFIT, NOW.date(), NOW.date())


@pytest.mark.parametrize("days", [-1, 91])
def test_a_waiver_ends_within_the_days_that_the_thresholds_allow(days: int) -> None:
    with pytest.raises(Refused, match="90 days from now"):
        check_waiver(FAILED, Gate.COST, NOW.date() + timedelta(days=days), NOW.date())
    check_waiver(FAILED, Gate.COST, NOW.date() + timedelta(days=90), NOW.date())


def test_a_report_survives_its_canonical_form() -> None:
    assert decode_gate_report(encode_gate_report(FAILED)) == FAILED
    assert encode_gate_report(decode_gate_report(encode_gate_report(FAILED))) == encode_gate_report(FAILED)


def test_a_report_in_which_a_gate_said_nothing_is_no_report() -> None:
    document = msgspec.json.decode(encode_gate_report(FAILED))
    document["results"].pop()
    with pytest.raises(Refused, match="one result of every gate"):
        decode_gate_report(msgspec.json.encode(document))
    with pytest.raises(ValueError, match="in order"):
        replace(FAILED, results=FAILED.results[::-1])


def test_each_result_is_found_by_its_gate() -> None:
    assert isinstance(FAILED.result_of(Gate.COST), GateResult)
    assert FAILED.result_of(Gate.COST).verdict is Verdict.FAILED
    assert isinstance(FAILED, GateReport)
