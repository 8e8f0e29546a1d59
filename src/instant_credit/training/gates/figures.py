"""Figures and results as the gates write them down, and in which words."""

from typing import Literal

from instant_credit.decision.gate_report import Figure, Gate, GateResult, Verdict
from instant_credit.training.intervals import Measured

Bound = Literal["at_most", "at_least"]


def tell(
    name: str, value: float | Measured, unit: str, *, at_most: float | None = None, at_least: float | None = None
) -> Figure:
    """A figure, with its interval where it has one and its limit where it is judged by one."""
    limit = at_most if at_least is None else at_least
    bound: Bound | None = None if limit is None else "at_least" if at_most is None else "at_most"
    if isinstance(value, Measured):
        return Figure(
            name=name,
            value=float(value.value),
            unit=unit,
            low=float(value.low),
            high=float(value.high),
            limit=None if limit is None else float(limit),
            bound=bound,
        )
    return Figure(name=name, value=float(value), unit=unit, limit=None if limit is None else float(limit), bound=bound)


def conclude(gate: Gate, verdict: Verdict, sentence: str, figures: list[Figure]) -> GateResult:
    """The result of a gate."""
    return GateResult(gate=gate, verdict=verdict, sentence=sentence, figures=tuple(figures))


def lacks(gate: Gate, sentence: str, figures: list[Figure] | None = None) -> GateResult:
    """The result of a gate that has not enough to tell by."""
    return conclude(gate, Verdict.NOT_ENOUGH, sentence, figures or [])


def passes_if(is_right: bool) -> Verdict:
    """Pass or fail."""
    return Verdict.PASSED if is_right else Verdict.FAILED


def with_interval(measured: Measured, digits: int = 3) -> str:
    """The figure in words with its interval: "0.701 (0.682 to 0.720)"."""
    return f"{measured.value:.{digits}f} ({measured.low:.{digits}f} to {measured.high:.{digits}f})"


def name_all(names: list[str], most: int = 5) -> str:
    """The first names as a list in words, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
