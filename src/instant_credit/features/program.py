"""A product's variables compiled to tables that one kernel runs.

Compiling happens once per product; the tables are read-only afterwards and may be shared by threads.
"""

from typing import Any, Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.application.operations import AS_OF
from instant_credit.application.product import TYPES_IN_ORDER, Attribute, AttributeType, Product, Variable
from instant_credit.errors import BrokenInvariant
from instant_credit.features import kernels

_OPERATIONS: Final = {
    "value": kernels.VALUE,
    "category": kernels.CATEGORY,
    "ratio": kernels.RATIO,
    "difference": kernels.DIFFERENCE,
    "total": kernels.TOTAL,
    "product": kernels.PRODUCT,
    "span_months": kernels.SPAN_MONTHS,
    "clip": kernels.CLIP,
    "bin": kernels.BIN,
    "instalment": kernels.INSTALMENT,
}


class FeatureProgram(Struct, frozen=True, kw_only=True, eq=False):
    """Compiled variables of one product.

    Attributes
    ----------
    attributes : names of the a case attributes, in product order.
    variables : names of the v variables, in product order.
    model_names : names of the m variables that the model sees, in order.
    widths : how many cents, integers, reals, codes and days a `Facts` holds.
    order : int64[a], position in those five tuples laid end to end, by attribute in product order.
    instructions : int32[v, 5], operands : int32[o], parameters : float64[p], see `kernels`.
    model_variables : int32[m], positions in `variables`.
    is_category : bool[m], whether a model variable holds category codes.
    """

    attributes: tuple[str, ...]
    variables: tuple[str, ...]
    model_names: tuple[str, ...]
    widths: tuple[int, int, int, int, int]
    order: NDArray[np.int64]
    instructions: NDArray[np.int32]
    operands: NDArray[np.int32]
    parameters: NDArray[np.float64]
    model_variables: NDArray[np.int32]
    is_category: NDArray[np.bool_]

    @property
    def columns(self) -> int:
        """Packed columns: every case attribute, then ``as_of``."""
        return len(self.attributes) + 1


def compile_features(product: Product) -> FeatureProgram:
    """Compile the variables of a checked `product`.

    Raises
    ------
    BrokenInvariant
        When the product was not checked by `application.document`: an operand is unknown or comes later.
    """
    attributes = product.case_attributes
    slots = {attribute.name: slot for slot, attribute in enumerate(attributes)}
    slots[AS_OF] = len(attributes)
    categories = {a.name: a.categories for a in attributes if a.type is AttributeType.CATEGORY}
    instructions: list[tuple[int, int, int, int, int]] = []
    operands: list[int] = []
    parameters: list[float] = []
    for position, variable in enumerate(product.variables):
        operation, own = _operation_and_parameters(variable, categories)
        instructions.append((operation, len(operands), len(variable.of), len(parameters), len(own)))
        for name in variable.of:
            if name not in slots:
                raise BrokenInvariant(f"variable {variable.name} uses {name}, which is unknown or comes later")
            operands.append(slots[name])
        parameters.extend(own)
        slots[variable.name] = len(attributes) + 1 + position
    in_model = [position for position, variable in enumerate(product.variables) if variable.in_model]
    return FeatureProgram(
        attributes=tuple(a.name for a in attributes),
        variables=tuple(v.name for v in product.variables),
        model_names=tuple(v.name for v in product.model_variables),
        widths=_widths(attributes),
        order=_read_only(np.array(_order(attributes), dtype=np.int64)),
        instructions=_read_only(np.array(instructions, dtype=np.int32).reshape(len(instructions), 5)),
        operands=_read_only(np.array(operands, dtype=np.int32)),
        parameters=_read_only(np.array(parameters, dtype=np.float64)),
        model_variables=_read_only(np.array(in_model, dtype=np.int32)),
        is_category=_read_only(np.array([v.op == "category" for v in product.model_variables], dtype=np.bool_)),
    )


def _operation_and_parameters(
    variable: Variable, categories: dict[str, tuple[str, ...]]
) -> tuple[int, tuple[float, ...]]:
    """Operation code of the kernel and its parameters, defaults filled in."""
    own = variable.parameters
    if variable.op == "indicator":
        if variable.category is not None:
            return kernels.IS_CATEGORY, (float(categories[variable.of[0]].index(variable.category)),)
        return (kernels.AT_LEAST if len(own) == 1 else kernels.BETWEEN), own
    if variable.op in ("ratio", "product", "total"):
        return _OPERATIONS[variable.op], own or (1.0,)
    return _OPERATIONS[variable.op], own


def _widths(attributes: tuple[Attribute, ...]) -> tuple[int, int, int, int, int]:
    cents, integers, reals, codes, days = (sum(a.type is kind for a in attributes) for kind in TYPES_IN_ORDER)
    return cents, integers, reals, codes, days


def _order(attributes: tuple[Attribute, ...]) -> list[int]:
    """Where each attribute stands when the five tuples of `Facts` are laid end to end."""
    laid = sorted(range(len(attributes)), key=lambda slot: TYPES_IN_ORDER.index(attributes[slot].type))
    order = [0] * len(attributes)
    for place, slot in enumerate(laid):
        order[slot] = place
    return order


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array
