"""Monotonicity: does the candidate keep every direction of the product, provably and not on a sample?

`score/proof.py` walks every neighbouring pair of leaves along every directed variable and checks the golden rows bit by bit. The
tolerance is 0, so there is no threshold. The directions must be the product's: a bundle that calls a directed variable free would prove
nothing.
"""

from instant_credit.application.product import Direction
from instant_credit.decision.gate_report import Gate, GateResult, Verdict
from instant_credit.errors import Refused
from instant_credit.score.proof import check_proof, find_direction_faults
from instant_credit.training.gates.contest import Contest
from instant_credit.training.gates.figures import conclude, name_all, tell


def judge_monotonicity(contest: Contest) -> GateResult:
    """Directions as the product says, no fault in any tree, and the bundle's own proof."""
    bundle = contest.candidate.bundle
    wanted = contest.loans.columns.directions
    others = [
        name for name, own, due in zip(bundle.variables, bundle.directions, wanted, strict=True) if own is not due
    ]
    faults = find_direction_faults(bundle.tables, wanted)
    directed = sum(direction is not Direction.FREE for direction in wanted)
    names = list(dict.fromkeys(bundle.variables[fault.variable] for fault in faults))
    figures = [
        tell("variables with a direction", directed, "variables"),
        tell("trees that break one", len({fault.tree for fault in faults}), "trees", at_most=0),
        tell("variables declared otherwise than in the product", len(others), "variables", at_most=0),
    ]
    told = []
    if names:
        worst = max(fault.by for fault in faults)
        told.append(f"the pd moves the wrong way with {name_all(names)}, by up to {worst:.3g} log-odds")
    if others:
        told.append(f"{name_all(others)} has not the direction that the product gives it")
    if not told:
        try:
            check_proof(bundle, contest.candidate.model)
        except Refused as refusal:
            told.append(f"{refusal}"[:800])
    if told:
        return conclude(Gate.MONOTONICITY, Verdict.FAILED, f"It is not proved: {'; '.join(told)}.", figures)
    return conclude(
        Gate.MONOTONICITY,
        Verdict.PASSED,
        f"Proved: no step of any of {bundle.tables.tree_count:,} trees moves the pd against the direction of a variable, of which {directed} "
        "have one.",
        figures,
    )
