"""Judging a candidate: every gate over one contest, and the report of what they said.

    candidate, champion, training set, thresholds, recorded Cases -> contest -> gates, each by itself -> GateReport

A gate never stops the others: the report always says all of it. The report is a function of its arguments and the stopwatch.
"""

import time
from collections.abc import Callable
from datetime import date

import numpy as np
from numpy.typing import NDArray

from instant_credit.canonical import hash_content
from instant_credit.decision.gate_report import Gate, GateReport, GateResult, VariableTold, Verdict
from instant_credit.decision.release import Release
from instant_credit.errors import Refused
from instant_credit.outcome.losses import LossTable
from instant_credit.policy.document import Policy
from instant_credit.training.dataset import Loans, TrainingSet
from instant_credit.training.gates.calibrating import judge_calibration, judge_segment_calibration
from instant_credit.training.gates.contest import Contender, Contest, enter_contest, tell_window
from instant_credit.training.gates.cost import Stopwatch, judge_cost
from instant_credit.training.gates.directions import judge_monotonicity
from instant_credit.training.gates.discrimination import judge_discrimination
from instant_credit.training.gates.fairness import judge_fairness
from instant_credit.training.gates.figures import conclude
from instant_credit.training.gates.leakage import judge_leakage, judge_overfit
from instant_credit.training.gates.profit import judge_profit
from instant_credit.training.gates.reasons import judge_reasons
from instant_credit.training.gates.redeciding import RecordedCases, Redecided, redecide
from instant_credit.training.gates.stability import judge_stability
from instant_credit.training.gates.thresholds import Thresholds, hash_thresholds
from instant_credit.training.manifest import encode_training
from instant_credit.training.report.directions import count_trees

Progress = Callable[[str, int], None]


def judge_candidate(
    candidate: Contender,
    champion: Contender | None,
    loans: TrainingSet,
    *,
    thresholds: Thresholds,
    test_from: date | None = None,
    champion_matrix: NDArray[np.float32] | None = None,
    policy: Policy | None = None,
    champion_release: Release | None = None,
    recorded: RecordedCases | None = None,
    losses: LossTable | None = None,
    stopwatch: Stopwatch = time.perf_counter_ns,
    progress: Progress = lambda _stage, _done: None,
) -> GateReport:
    """What every gate says.

    Parameters
    ----------
    candidate : with its training manifest.
    champion : None = the candidate is held to absolute floors.
    loans : of the candidate's product, labels by the definition that it was trained by, as known on the day of judging.
    test_from : loans from this day on are judged; None = as the candidate's training tested.
    champion_matrix : float32[n, m'] of the champion's variables over `loans`; None = they are the candidate's.
    policy, recorded : under which Cases are decided again; either None = nothing is known of groups and profit.
    champion_release : the champion under that policy; needed with both, where there is a champion.
    losses : what bad loans lose, where there is no champion; otherwise the champion's release names it, or none.
    stopwatch : nanoseconds, for the gate of cost.
    progress : told the name of each gate.

    Raises
    ------
    Refused : the parts do not fit together, or nothing is left to judge.
    """
    contest = enter_contest(
        candidate, champion, loans, thresholds, test_from=test_from, champion_matrix=champion_matrix
    )
    redecided, refusal = None, None
    if policy is not None and recorded is not None and recorded.cases:
        progress("decide Cases again", len(recorded.cases))
        redecided, refusal = _redecide(contest, champion_release, policy, recorded, losses)
    gates: dict[Gate, Callable[[], GateResult]] = {
        Gate.LEAKAGE: lambda: judge_leakage(contest),
        Gate.OVERFIT: lambda: judge_overfit(contest),
        Gate.DISCRIMINATION: lambda: judge_discrimination(contest),
        Gate.CALIBRATION: lambda: judge_calibration(contest),
        Gate.SEGMENT_CALIBRATION: lambda: judge_segment_calibration(contest),
        Gate.STABILITY: lambda: judge_stability(contest),
        Gate.MONOTONICITY: lambda: judge_monotonicity(contest),
        Gate.REASONS: lambda: judge_reasons(contest),
        Gate.FAIRNESS: lambda: judge_fairness(contest, redecided),
        Gate.COST: lambda: judge_cost(contest, stopwatch),
        Gate.PROFIT: lambda: _judge_profit(contest, redecided, refusal),
    }
    results = []
    for gate, judge in gates.items():
        progress(f"gate {gate}", 0)
        results.append(judge())
    return _write(contest, policy, redecided, recorded, tuple(results))


def _redecide(
    contest: Contest,
    release: Release | None,
    policy: Policy,
    recorded: RecordedCases,
    losses: LossTable | None,
) -> tuple[Redecided | None, str | None]:
    """The Cases decided again, or why the candidate makes no release."""
    _require_release(contest.champion, release)
    try:
        return redecide(contest.candidate, release, policy, contest.loans.product, recorded, losses=losses), None
    except Refused as refused:
        return None, str(refused)


def _require_release(champion: Contender | None, release: Release | None) -> None:
    """Cases that are decided again are decided by the champion too."""
    if champion is None:
        return
    if release is None or release.manifest.model_hash != champion.bundle_hash:
        raise Refused("deciding Cases again takes the champion's release, whose model the champion is")


def _judge_profit(contest: Contest, redecided: Redecided | None, refusal: str | None) -> GateResult:
    """A candidate that makes no release with the policy can earn nothing under it."""
    if refusal is not None:
        sentence = f"Under the policy in force the candidate makes no release: {refusal}"[:1_500]
        return conclude(Gate.PROFIT, Verdict.FAILED, sentence, [])
    return judge_profit(contest, redecided)


def _write(
    contest: Contest,
    policy: Policy | None,
    redecided: Redecided | None,
    recorded: RecordedCases | None,
    results: tuple[GateResult, ...],
) -> GateReport:
    candidate, loans = contest.candidate, contest.loans
    assert candidate.manifest is not None
    test = tell_window(contest.test)
    assert test is not None
    is_decided = policy is not None and redecided is not None
    return GateReport(
        candidate_hash=candidate.bundle_hash,
        champion_hash=None if contest.champion is None else contest.champion.bundle_hash,
        training_hash=hash_content(encode_training(candidate.manifest)),
        policy_hash=redecided.policy_hash if redecided is not None else None,
        thresholds_hash=hash_thresholds(contest.thresholds),
        thresholds_name=contest.thresholds.name,
        labels_hash=loans.labels_hash,
        book=loans.book,
        product=loans.product.name,
        product_hash=loans.product_hash,
        known_on=loans.known_on,
        test_from=contest.windows.test_from,
        fit=tell_window(contest.fit),
        test=test,
        cases=len(recorded.cases) if recorded is not None and is_decided else 0,
        labelled_cases=int((recorded.labels >= 0).sum()) if recorded is not None and is_decided else 0,
        variables=_tell_variables(contest),
        may_lack=contest.thresholds.may_lack,
        waiver_days_max=contest.thresholds.waiver_days_max,
        results=results,
    )


def _tell_variables(contest: Contest) -> tuple[VariableTold, ...]:
    asked = count_trees(contest.candidate.bundle.tables)
    return tuple(
        VariableTold(
            name=name,
            trees=asked[j],
            missing_share_fit=_missing_share(contest.fit, j),
            missing_share_test=_missing_share(contest.test, j),
        )
        for j, name in enumerate(contest.loans.columns.names)
    )


def _missing_share(loans: Loans, position: int) -> float:
    """Share of the loans, by weight, without this variable; 0 of none."""
    if not loans.loans:
        return 0.0
    values = loans.matrix[:, position]
    is_missing = values < 0 if loans.columns.categories[position] else np.isnan(values)
    return float(np.average(is_missing, weights=loans.weights))
