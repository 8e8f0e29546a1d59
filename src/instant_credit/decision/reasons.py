"""The reasons a Decision gives: the policy's own first, then the model's, at most four, one per family.

Knock-outs bind whatever the score, so they lead; what the score says follows in the order of how much it hurt. "Score too low" is
never among them (12 CFR 1002.9(b)(2)).
"""

from collections.abc import Sequence

from instant_credit.application.product import Product, Variable
from instant_credit.application.wording import reason_text
from instant_credit.decision.decision import REASONS_MAX, Reason
from instant_credit.decision.release import Release
from instant_credit.errors import require
from instant_credit.policy.program import SHOWN_MAX
from instant_credit.policy.verdict import Verdict


def variable_reason(product: Product, variable: Variable, value: float) -> Reason:
    """What is said when model variable `variable` counts against the applicant.

    Parameters
    ----------
    value : float64 as `features.build` made it; NaN, or -1 for a category, = missing.
    """
    shown = min(max(value, -SHOWN_MAX), SHOWN_MAX)
    number, code = variable.reason_number, variable.reason
    require(number is not None and code is not None, "every variable of the model has a reason with its number")
    assert number is not None
    assert code is not None
    return Reason(
        number=number,
        code=code,
        family=variable.family,
        text=reason_text(product, variable, shown),
    )


def merge_reasons(
    verdict: Verdict,
    values: Sequence[float],
    adverse: Sequence[int],
    release: Release,
) -> tuple[Reason, ...]:
    """At most four reasons for `verdict`.

    Parameters
    ----------
    values : m model variables of the applicant as float64; NaN or -1 (categories) = missing.
    adverse : positions of the variables that speak for the (at most four) most adverse families, the worst first.
    release : names the families and the texts of the m model variables.
    """
    chosen: dict[str, Reason] = {}
    for reason in verdict.reasons:
        chosen.setdefault(reason.family, reason)
    if verdict.has_model_reasons and len(chosen) < REASONS_MAX:
        # Of four families at most as many are spoken for as the policy gave reasons, so what is left fills up to four.
        for i in adverse:
            if release.families[i] not in chosen:
                reason = variable_reason(release.product, release.variables[i], values[i])
                chosen[reason.family] = reason
    if not chosen and verdict.fallback is not None:
        return (verdict.fallback,)
    return tuple(chosen.values())[:REASONS_MAX]
