"""Selection: which variables of many a model may split on."""

from typing import Literal

from msgspec import Struct

Step = Literal["unusable", "unstable", "correlated", "unimportant"]


class SelectOptions(Struct, frozen=True, kw_only=True):
    """Limits of the three steps.

    Attributes
    ----------
    most : how many variables are kept at most.
    psi_max : population stability index between the two halves of the loans, above which a variable is dropped.
    correlation_max : absolute rank correlation with a better variable, above which a variable is dropped.
    importance_share : variables are kept, the most important first, until they hold this share of all importance.
    """

    most: int = 250
    psi_max: float = 0.25
    correlation_max: float = 0.95
    importance_share: float = 0.999


class Dropped(Struct, frozen=True, kw_only=True):
    """A variable that was left out: at which step, what was measured, beside what limit, and in whose favour (correlated only)."""

    name: str
    step: Step
    measured: float
    limit: float
    rival: str | None = None


class Selection(Struct, frozen=True, kw_only=True):
    """Names of the kept variables in matrix order, and of the dropped ones in matrix order with the reason."""

    options: SelectOptions
    kept: tuple[str, ...]
    dropped: tuple[Dropped, ...]
