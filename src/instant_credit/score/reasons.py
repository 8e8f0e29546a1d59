"""Ranking of adverse reasons: which variables hurt an applicant most, against a reference population.

A variable is adverse by as much as its contribution to the log-odds of default exceeds the reference population's mean
contribution. Variables of one family (utilisation and balance, say) tell one story: the family's net sum decides its place, its
worst variable speaks for it, and a family that helped on the whole gives no reason. When the row's raw score exceeds the
reference mean, some family is adverse, so at least one reason is found.

Source: 12 CFR 1002 Supplement I, 9(b)(2)-5 (the factors on which the applicant fell furthest below the average).
"""

from collections.abc import Sequence

from instant_credit.errors import require

REASONS_MAX = 4


def rank_adverse(
    contributions: Sequence[float],
    reference_contributions: Sequence[float],
    families: Sequence[str],
    most: int = REASONS_MAX,
) -> tuple[int, ...]:
    """Positions of the variables that speak for the most adverse families.

    Parameters
    ----------
    contributions : m log-odds of default of one row, as a list, a tuple or (slower) float64[m].
    reference_contributions : m mean log-odds of the reference population.
    families : m reason families.
    most : how many at most.

    Returns
    -------
    Positions of at most `most` variables, one per family, by falling net sum of the family; each has an excess above 0 and so has
    its family. Equal sums keep the order of the variables, equal variables the first.
    """
    require(len(contributions) == len(reference_contributions) == len(families), "one reference and family a variable")
    sums: dict[str, float] = {}
    worst: dict[str, tuple[float, int]] = {}
    for i, (family, own, mean) in enumerate(zip(families, contributions, reference_contributions, strict=True)):
        excess = own - mean
        sums[family] = sums.get(family, 0.0) + excess
        if family not in worst or excess > worst[family][0]:
            worst[family] = (excess, i)
    adverse = [(-total, worst[family][1]) for family, total in sums.items() if total > 0.0]
    adverse.sort()
    return tuple(i for _, i in adverse[:most])
