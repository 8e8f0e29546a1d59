"""Facts of many applications laid out as one matrix.

`Facts` hold typed tuples; the kernel wants one float64 row per application: the case attributes in product order, then
``as_of``. Missing is NaN, for categories -1. Cents stay exact up to 2**53, which the product's checks guarantee.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instant_credit.application.facts import Facts
from instant_credit.errors import require
from instant_credit.features.program import FeatureProgram


def pack_facts(program: FeatureProgram, facts: Sequence[Facts], as_of_days: NDArray[np.int32]) -> NDArray[np.float64]:
    """Lay `facts` out as rows.

    Parameters
    ----------
    program : compiled from the product that `facts` follow.
    facts : n applications.
    as_of_days : int32[n], days since 1970-01-01.

    Returns
    -------
    float64[n, a + 1], C-contiguous: case attributes in product order (cents, whole numbers, reals, codes with -1 = missing,
    days; NaN = missing), then the day of `as_of_days`.

    Raises
    ------
    BrokenInvariant
        When the facts do not have the product's columns or the lengths differ.
    """
    require(as_of_days.shape == (len(facts),), "one as_of day is due per application")
    require(as_of_days.dtype == np.int32, "as_of days are int32")
    widths = program.widths
    laid = []
    for one in facts:
        found = len(one.cents), len(one.integers), len(one.reals), len(one.codes), len(one.days)
        require(found == widths, "facts do not have the product's columns")
        laid.append(one.cents + one.integers + one.reals + one.codes + one.days)
    packed = np.empty((len(laid), program.columns), dtype=np.float64)
    if laid:
        # numpy reads None as NaN.
        np.take(np.array(laid, dtype=np.float64), program.order, axis=1, out=packed[:, :-1])
        packed[:, -1] = as_of_days
    return packed
