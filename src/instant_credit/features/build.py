"""The door to the feature kernel: checks what the kernel trusts, allocates what it fills."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import require
from instant_credit.features.kernels import run_program
from instant_credit.features.program import FeatureProgram


class FeatureMatrix(Struct, frozen=True, eq=False):
    """Every variable of n applications.

    Attributes
    ----------
    values : float64[n, v], all variables in product order; NaN = missing, for category codes -1.
    model : float32[n, m], C-contiguous, the model's variables in order, with the same missing rule.
    """

    values: NDArray[np.float64]
    model: NDArray[np.float32]


def build_features(program: FeatureProgram, packed: NDArray[np.float64]) -> FeatureMatrix:
    """Compute all variables of every packed row; n = 1 and n = many give the same bytes.

    Parameters
    ----------
    program : compiled from the product that the rows were packed with.
    packed : float64[n, a + 1], C-contiguous, from `pack_facts`.

    Returns
    -------
    `FeatureMatrix` of n rows.

    Raises
    ------
    BrokenInvariant
        When `packed` has another type, layout or width.
    """
    require(packed.dtype == np.float64, "packed rows are float64")
    require(packed.ndim == 2 and packed.shape[1] == program.columns, "packed rows do not have the program's columns")
    require(packed.flags.c_contiguous, "packed rows are C-contiguous")
    rows = packed.shape[0]
    values = np.empty((rows, len(program.variables)), dtype=np.float64)
    model = np.empty((rows, len(program.model_names)), dtype=np.float32)
    run_program(
        packed,
        program.instructions,
        program.operands,
        program.parameters,
        program.model_variables,
        values,
        model,
    )
    return FeatureMatrix(values, model)


def count_known(program: FeatureProgram, matrix: NDArray[np.float32]) -> NDArray[np.int64]:
    """How many of its model variables each row knows, int64[n].

    Parameters
    ----------
    matrix : float32[n, m] as `FeatureMatrix.model`.
    """
    known: NDArray[np.int64] = np.where(program.is_category, matrix >= 0.0, ~np.isnan(matrix)).sum(axis=1)
    return known
