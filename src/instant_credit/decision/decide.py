"""decide(): one Case and one Release give one Decision. Pure and total.

The steps, for n Cases of v variables, m of them in the model::

    Cases -> packed facts        float64[n, a + 1]
          -> variables           float64[n, v], float32[n, m]
          -> raw score           float64[n], contributions float64[n, m]   (log-odds of default), as the release's engine tells them
          -> pd                  float64[n] -> pd_ppm          by the calibration of the row's segment
          -> policy              Verdict by row: rules, exits, terms
          -> exploration, caps   as the Case holds them
          -> reasons             at most four by row
          -> Decision by row

n = 1 runs the same calls as n = 1,000,000 and gives the same bytes: no step looks at another row.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from instant_credit.decision.case import Case, build_case_features
from instant_credit.decision.decision import Decision, Outcome, Reason, RuleResult, RuleTrace
from instant_credit.decision.exploring import CAP, explore
from instant_credit.decision.reasons import merge_reasons
from instant_credit.decision.release import Release
from instant_credit.errors import require
from instant_credit.experiment.caps import ClosedCap
from instant_credit.features.build import count_known
from instant_credit.policy.evaluate import evaluate
from instant_credit.policy.verdict import Verdict
from instant_credit.score.calibration import calibrate_matrix, pd_to_ppm
from instant_credit.score.engine_1 import ModelOfEngine1, explain_engine_1
from instant_credit.score.model import explain_row, explain_rows, rank_rows
from instant_credit.score.points import points_at
from instant_credit.score.reasons import rank_adverse


def decide(case: Case, release: Release) -> Decision:
    """The Decision on one Case; see `decide_many`."""
    return decide_many((case,), release)[0]


def decide_many(cases: Sequence[Case], release: Release) -> list[Decision]:
    """Decisions on `cases`, in order.

    Parameters
    ----------
    cases : n Cases whose columns mean what those of the release's product mean.

    Raises
    ------
    BrokenInvariant
        When a Case has another layout than the release's product or does not have its columns: no application can cause that.
    """
    layout_hash = release.layout_hash
    for case in cases:
        require(case.layout_hash == layout_hash, "the Case has other columns than the release's product")
    if not cases:
        return []
    matrix = build_case_features(release.features, cases)
    raw_scores, contributions, adverse = explain_matrix(release, matrix.model)
    log_odds, pds = calibrate_matrix(release.calibrations, release.segment_position, raw_scores, matrix.model)
    has_evidence = count_known(release.features, matrix.model) >= release.policy.model_variables_known_min
    return [
        _decide_row(case, release, _Row(*row))
        for case, *row in zip(
            cases,
            matrix.values.tolist(),
            has_evidence.tolist(),
            log_odds.tolist(),
            pds.tolist(),
            contributions.tolist(),
            adverse,
            strict=True,
        )
    ]


def explain_matrix(
    release: Release, matrix: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64], Sequence[tuple[int, ...]]]:
    """Raw scores float64[n], contributions float64[n, m] and each row's most adverse variables, as the release's engine tells them.

    Parameters
    ----------
    matrix : float32[n, m] of the release's model variables, C-contiguous; NaN, or -1 for a category, = missing.
    """
    model = release.model
    if isinstance(model, ModelOfEngine1):
        raw_scores, contributions = explain_engine_1(model, matrix)
        ranked = [rank_adverse(row, release.reference, release.families) for row in contributions.tolist()]
        return raw_scores, contributions, ranked
    if len(matrix) == 1:
        one = explain_row(model, matrix[0])
        return np.array([one.raw]), one.contributions[None, :], (one.adverse,)
    raw_scores, contributions = explain_rows(model, matrix)
    return raw_scores, contributions, rank_rows(model, contributions)


class _Row(NamedTuple):
    """One row of the arrays: `values` float64[v], whether enough is known for a score to mean anything, calibrated `log_odds`, `pd` in
    [0, 1], `contributions` float64[m] to the raw score, and the places of the most `adverse` of them.
    """

    values: list[float]
    has_evidence: bool
    log_odds: float
    pd: float
    contributions: list[float]
    adverse: tuple[int, ...]


def _decide_row(case: Case, release: Release, row: _Row) -> Decision:
    values, has_evidence, log_odds, pd, contributions, adverse = row
    is_scored = has_evidence and math.isfinite(log_odds)
    pd_ppm = pd_to_ppm(pd) if is_scored else None
    verdict = evaluate(release.policy, case.facts, values, pd_ppm, None if case.history is UNSET else case.history)
    verdict = explore(verdict, case, release.policy, values, pd_ppm)
    if case.closed_caps and verdict.outcome in (Outcome.APPROVE, Outcome.COUNTER_OFFER):
        verdict = _refer_by_caps(verdict, case.closed_caps)
    reasons: tuple[Reason, ...] = ()
    if verdict.outcome is not Outcome.APPROVE:
        seen = [values[position] for position in release.model_positions]
        reasons = merge_reasons(verdict, seen, adverse, release)
    return Decision(
        release_hash=release.hash,
        product_hash=release.manifest.product_hash,
        as_of=case.as_of,
        outcome=verdict.outcome,
        terms=verdict.terms,
        pd_ppm=pd_ppm,
        points=points_at(release.scale, log_odds) if is_scored else None,
        reasons=reasons,
        trace=verdict.trace,
        expected_log_odds=release.model.expected_log_odds if is_scored else None,
        contributions=tuple(contributions) if is_scored else (),
        assignment=case.assignment,
    )


def _refer_by_caps(verdict: Verdict, closed: Sequence[ClosedCap]) -> Verdict:
    """What the policy would offer, referred since portfolio caps have no room left for it; each cap stands in the trace."""
    return Verdict(
        outcome=Outcome.REFER,
        terms=None,
        reasons=(closed[0].reason,),
        has_model_reasons=False,
        fallback=None,
        trace=(*verdict.trace, *(RuleTrace(rule=f"{CAP}{cap.name}", result=RuleResult.HIT) for cap in closed)),
    )
