"""Stability of reasons: would applicants hear another principal reason, from one model to the next or after a change of a thousandth?

Looked at are the riskiest fifth of the test loans, as a lender would decline them. Both models are explained as decisions are, against
loans of the fit near the cut-off (`report/basis.find_reference`). A principal reason that goes when every known number moves by a
thousandth says where a border lies, not what is wrong with the applicant.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from instant_credit.decision.gate_report import Figure, Gate, GateResult, Verdict
from instant_credit.score.model import CompiledModel, compile_model, explain_rows, leaf_counts
from instant_credit.training.gates.contest import Contender, Contest
from instant_credit.training.gates.figures import conclude, lacks, tell, with_interval
from instant_credit.training.intervals import Measured, measure_bad_rate
from instant_credit.training.report.basis import DECLINED_SHARE, find_reference
from instant_credit.training.report.reasons import NUDGES, measure_nudges, rank_all

APPLICANTS_MAX: Final = 4_000
JUDGED_NUDGE: Final = NUDGES[1]
_SEED: Final = 20_261_123

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]


def judge_reasons(contest: Contest) -> GateResult:
    """How many principal reasons change, against the champion and under small changes."""
    limits = contest.thresholds.reasons
    rows = pick_riskiest(contest.test_scored.raws)
    if len(rows) < limits.applicants_min:
        return lacks(
            Gate.REASONS,
            f"The riskiest fifth of the test are {len(rows):,} applicants; at least {limits.applicants_min:,} are needed.",
        )
    matrix, weights = np.ascontiguousarray(contest.test.matrix[rows]), contest.test.weights[rows]
    model = explain_against_fit(contest.candidate, contest.fit.matrix, contest.fit.weights, contest.test.matrix)
    families = [variable.family for variable in contest.loans.product.model_variables]
    figures: list[Figure] = []
    told: list[str] = []
    faults: list[str] = []
    for nudge in measure_nudges(model, matrix, contest.loans.columns.is_category, families, weights):
        changed = _others(nudge.principal_same)
        is_judged = nudge.amount == JUDGED_NUDGE
        limit = limits.nudged_change_share_max if is_judged else None
        figures.append(
            tell(f"principal reason changes with {nudge.amount:.2%} of each number", changed, "share", at_most=limit)
        )
        if limit is not None:
            text = f"a change of a thousandth changes the principal reason of {with_interval(changed)} of them (at most {limit:.3f})"
            (faults if changed.low > limit else told).append(text)
    if contest.champion is not None:
        differs, change = compare_principals(contest, model, matrix, rows)
        limit = limits.new_reason_share_max
        figures.append(tell("principal reason is another than the champion's", differs, "share"))
        figures.append(tell("principal reason is none of the champion's", change, "share", at_most=limit))
        text = f"the principal reason of {with_interval(change)} of them is none of those under the champion (at most {limit:.3f})"
        (faults if change.low > limit else told).append(text)
    head = f"Of the {len(rows):,} riskiest applicants: "
    if faults:
        return conclude(Gate.REASONS, Verdict.FAILED, f"{head}{'; '.join(faults)}.", figures)
    return conclude(Gate.REASONS, Verdict.PASSED, f"{head}{'; '.join(told)}.", figures)


def pick_riskiest(raws: Floats) -> NDArray[np.int64]:
    """Positions of the riskiest fifth of raw scores float64[n], in a seeded order, at most `APPLICANTS_MAX`."""
    riskiest = np.sort(np.argsort(-raws, kind="stable")[: round(DECLINED_SHARE * len(raws))])
    return np.random.Generator(np.random.PCG64(_SEED)).permutation(riskiest)[:APPLICANTS_MAX]


def explain_against_fit(contender: Contender, fit: Matrix, weights: Floats, test: Matrix) -> CompiledModel:
    """The model with attributions against the reference among float32[n, m] loans of the fit; of the test where there are none."""
    if not len(fit):
        fit, weights = test, np.ones(len(test))
    fit = np.ascontiguousarray(fit)
    raws, _ = contender.estimate(fit)
    counts = leaf_counts(contender.model, np.ascontiguousarray(fit[find_reference(raws, weights)]))
    return compile_model(contender.bundle.tables, counts)


def compare_principals(
    contest: Contest, model: CompiledModel, matrix: Matrix, rows: NDArray[np.int64]
) -> tuple[Measured, Measured]:
    """Shares of applicants whose principal reason under the candidate is another than under the champion, and is none of its up to four."""
    assert contest.champion is not None
    assert contest.champion_fit is not None
    assert contest.champion_test is not None
    champion = explain_against_fit(contest.champion, contest.champion_fit, contest.fit.weights, contest.champion_test)
    families = {variable.name: variable.family for variable in contest.loans.product.model_variables}
    own = name_reasons(model, contest.candidate, matrix, families)
    former = name_reasons(champion, contest.champion, np.ascontiguousarray(contest.champion_test[rows]), families)
    weights = contest.test.weights[rows]
    pairs = list(zip(own, former, strict=True))
    differs = np.array([one[:1] != other[:1] for one, other in pairs], dtype=np.int8)
    is_new = np.array([not set(one[:1]) <= set(other) for one, other in pairs], dtype=np.int8)
    return measure_bad_rate(differs, weights), measure_bad_rate(is_new, weights)


def name_reasons(
    model: CompiledModel, contender: Contender, matrix: Matrix, families: dict[str, str]
) -> list[tuple[str, ...]]:
    """The families of each row's reasons, the principal one first; none where nothing speaks against it."""
    variables = contender.bundle.variables
    _, contributions = explain_rows(model, matrix)
    ranked = rank_all(contributions, np.zeros(len(variables)), [families.get(name, name) for name in variables])
    return [tuple(families.get(variables[place], variables[place]) for place in rank) for rank in ranked]


def _others(same: Measured) -> Measured:
    return Measured(value=1.0 - same.value, low=1.0 - same.high, high=1.0 - same.low)
