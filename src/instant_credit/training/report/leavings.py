"""What was left out of the score, and why: variables that no tree asks for, attributes that reach no variable."""

from typing import Final

from instant_credit.application.product import Legal, Product
from instant_credit.training.fitting.selection import Dropped
from instant_credit.training.report.basis import Basis
from instant_credit.training.report.effects import NotUsed, find_missing

_NO_LOAN: Final = "no loan of the book has it"
_ONE_VALUE: Final = "the same for every loan of the book that has it"
_NO_TREE: Final = "no tree asked for it"
_NO_VARIABLE: Final = "no variable of the model uses it"
_PROHIBITED: Final = "prohibited basis: sealed apart for fairness measurement"


def list_variables_not_used(basis: Basis) -> tuple[NotUsed, ...]:
    """Model variables without a split, in the order of the product; the selection's reason comes first where it has one."""
    training = basis.training
    matrix = training.training_set.matrix
    asked = set(training.bundle.tables.split_features.tolist())
    dropped = {} if training.selection is None else {one.name: one for one in training.selection.dropped}
    told = []
    for j, variable in enumerate(training.training_set.product.model_variables):
        if j in asked:
            continue
        known = matrix[~find_missing(basis, j, matrix), j]
        if not len(known):
            reason = _NO_LOAN
        elif bool((known == known[0]).all()):
            reason = _ONE_VALUE
        else:
            reason = _selection_text(dropped[variable.name]) if variable.name in dropped else _NO_TREE
        told.append(NotUsed(name=variable.name, reason=reason))
    return tuple(told)


def list_attributes_not_used(product: Product) -> tuple[NotUsed, ...]:
    """Attributes that reach no variable of the model."""
    by_name = {variable.name: variable for variable in product.variables}
    reached: set[str] = set()
    pending = [name for variable in product.model_variables for name in variable.of]
    while pending:
        name = pending.pop()
        if name not in reached:
            reached.add(name)
            pending.extend(by_name[name].of if name in by_name else ())
    return tuple(
        NotUsed(name=a.name, reason=_PROHIBITED if a.legal is Legal.PROHIBITED else _NO_VARIABLE)
        for a in product.attributes
        if a.name not in reached
    )


def _selection_text(dropped: Dropped) -> str:
    """Why the selection left a variable out, with what was measured."""
    if dropped.step == "unstable":
        return f"unstable: PSI {dropped.measured:.2f} between two halves of the loans, above {dropped.limit:.2f}"
    if dropped.step == "correlated":
        rival = f" with {dropped.rival}" if dropped.rival else ""
        return f"tells the same: rank correlation {dropped.measured:.2f}{rival}, above {dropped.limit:.2f}"
    if dropped.step == "unimportant":
        return "too little importance in the selection's own fit"
    return "unusable: nearly always missing or the same among the loans fitted on"
