"""What may happen to an experiment next: each move judges the experiment's life and gives the event to add, or None where it stands already.

A move that is impossible raises `ExperimentConflict`, and a plan that is wrong in itself `ExperimentRefused`; both say what to do, in words about
plans and releases alone. Moves that were made already are answered as they stand, so that whoever does not know whether a move arrived
repeats it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NoReturn

from msgspec import Struct

from instant_credit.access.four_eyes import Signature, is_seconded
from instant_credit.errors import Conflict, Problem, Refused
from instant_credit.experiment.assignment import find_room
from instant_credit.experiment.layers import Layer
from instant_credit.experiment.plan import Plan
from instant_credit.record.experiments import Conclusion, ExperimentEvent, ExperimentEventKind
from instant_credit.underwriting.experiment_states import ExperimentLife, ExperimentState
from instant_credit.units import PPM

Judge = Callable[[ExperimentLife, datetime], ExperimentEvent | None]

RUNNING_MAX: Final = 2_000
"""Experiments that run at once, of all products: every process that answers holds them."""

# What a complaint about a plan begins with, and the field that it is about.
_FIELDS: Final = {
    "arm": "arms",
    "metric": "metrics",
    "guardrail": "guardrails",
    "segment": "segments",
    "overlay": "arms",
}


class ExperimentConflict(Conflict):
    """The experiment can't be moved so; the message says why and what to do."""


class ExperimentRefused(Refused):
    """What was told of an experiment is wrong; `problems` says where."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        messages = [problem.message for problem in problems]
        super().__init__(
            messages[0] if len(messages) == 1 else "\n".join(["it is refused:", *(f"- {text}" for text in messages)])
        )
        self.problems = problems


class Move(Struct, frozen=True, kw_only=True):
    """What every move has: who makes it, why, and whether one person stands in for the second."""

    by: Signature
    reason: str | None = None
    is_single_person: bool = False

    def write(self, life: ExperimentLife, kind: ExperimentEventKind, at: datetime, **told: Any) -> ExperimentEvent:
        """The event that follows the last one of `life`."""
        values: dict[str, Any] = {
            "experiment": life.planned.experiment,
            "number": life.number + 1,
            "kind": kind,
            "reason": self.reason,
            "is_single_person": self.is_single_person,
            "signature": self.by,
            "recorded_at": at,
        }
        return ExperimentEvent(**(values | told))


def refuse(lines: list[str]) -> NoReturn:
    """Raise `ExperimentRefused` with a problem for each complaint, at the field of the plan that its first word names."""
    raise ExperimentRefused(tuple(Problem(pointer=_point(line), code="PLAN_REFUSED", message=line) for line in lines))


def _point(line: str) -> str:
    word = line.replace(":", " ").partition(" ")[0]
    field = _FIELDS.get(word, word)
    return f"/{field}" if field in Plan.__struct_fields__ else ""


def is_started(move: Move, life: ExperimentLife, coverage_ppm: int, reach_ppm: int) -> bool:
    """Whether this start was made already; else the experiment can be started by this person.

    Raises
    ------
    ExperimentConflict : it was started otherwise, is over, or was planned by the same person.
    ExperimentRefused : a share is none.
    """
    check_shares(coverage_ppm=coverage_ppm, reach_ppm=reach_ppm)
    if life.start is not None and life.reach is not None:
        told = life.reach[1] - life.reach[0], life.start.coverage_ppm, life.start.signature.signer
        if told == (reach_ppm, coverage_ppm, move.by.signer):
            return True
    if life.state is ExperimentState.RUNNING:
        raise ExperimentConflict("it runs already: ramp it to cover more, or stop it")
    if life.state is not ExperimentState.PLANNED:
        raise ExperimentConflict(f"it is {life.state}, and starts once: plan another one under another name")
    if not (move.is_single_person or is_seconded(life.planned.signature, move.by)):
        raise ExperimentConflict("whoever planned an experiment can't start it: a second person is needed")
    return False


def start(
    move: Move,
    life: ExperimentLife,
    now: datetime,
    *,
    others: Sequence[ExperimentLife],
    layer: Layer,
    coverage_ppm: int,
    reach_ppm: int,
) -> ExperimentEvent:
    """The start of a planned experiment on the first free range of its layer.

    Parameters
    ----------
    others : every running experiment, of all products.

    Raises
    ------
    ExperimentConflict : the layer has no such range free, or too many experiments run.
    """
    running = [other.running for other in others if other.planned.product == life.planned.product]
    if len(others) >= RUNNING_MAX:
        raise ExperimentConflict(f"{RUNNING_MAX:,} experiments run already: stop one of them first")
    try:
        reach = find_room(layer, [one for one in running if one is not None], reach_ppm)
    except Refused as full:
        raise ExperimentConflict(str(full)) from full
    told = {"reach_from_ppm": reach[0], "reach_to_ppm": reach[1], "coverage_ppm": coverage_ppm}
    return move.write(life, ExperimentEventKind.STARTED, now, **told)


def ramp(move: Move, coverage_ppm: int) -> Judge:
    """Cover more of the experiment's range. Whoever is in stays in, and in the same arm."""
    check_shares(coverage_ppm=coverage_ppm)

    def judge(life: ExperimentLife, now: datetime) -> ExperimentEvent | None:
        _require_running(life)
        if coverage_ppm == life.coverage_ppm:
            return None
        if coverage_ppm < life.coverage_ppm:
            raise ExperimentConflict(
                f"coverage only grows, and is {life.coverage_ppm} ppm: stop the experiment, or close an arm, to expose fewer"
            )
        return move.write(life, ExperimentEventKind.RAMPED, now, coverage_ppm=coverage_ppm)

    return judge


def close_arm(move: Move, arm: str, guardrail: str | None = None) -> Judge:
    """Have an arm take nobody any more, from the next decision on. Whom it would get are not exposed; the other arms go on."""

    def judge(life: ExperimentLife, now: datetime) -> ExperimentEvent | None:
        if arm not in [one.name for one in life.plan.arms]:
            raise ExperimentConflict(
                f"it has no arm of this name, only {', '.join(one.name for one in life.plan.arms)}"
            )
        if arm == life.plan.control.name:
            raise ExperimentConflict("its first arm is the live release itself: stop the experiment instead")
        if arm in life.closed:
            return None
        _require_running(life)
        return move.write(life, ExperimentEventKind.ARM_CLOSED, now, arm=arm, guardrail=guardrail)

    return judge


def stop(move: Move, guardrail: str | None = None) -> Judge:
    """Expose nobody any more. What was exposed ripens, and is read out."""

    def judge(life: ExperimentLife, now: datetime) -> ExperimentEvent | None:
        if life.stop is not None:
            return None
        _require_running(life)
        return move.write(life, ExperimentEventKind.STOPPED, now, guardrail=guardrail)

    return judge


def conclude(move: Move, verdict: Conclusion) -> Judge:
    """End the experiment with a verdict, and its exposure where it still runs."""

    def judge(life: ExperimentLife, now: datetime) -> ExperimentEvent | None:
        if life.verdict is verdict:
            return None
        if life.verdict is not None:
            raise ExperimentConflict(f"it was concluded with {life.verdict}, for good")
        if life.state is ExperimentState.PLANNED:
            raise ExperimentConflict("it was never started, so there is nothing to conclude")
        return move.write(life, ExperimentEventKind.CONCLUDED, now, verdict=verdict)

    return judge


def check_shares(**shares: int) -> None:
    """Raise `ExperimentRefused` for each share that is not 1 to 1,000,000 ppm."""
    problems = [
        Problem(pointer=f"/{name}", code="SHARE_OUT_OF_RANGE", message=f"{name} is 1 to {PPM} ppm (100%)")
        for name, share in shares.items()
        if not 1 <= share <= PPM
    ]
    if problems:
        raise ExperimentRefused(tuple(problems))


def _require_running(life: ExperimentLife) -> None:
    if life.state is ExperimentState.PLANNED:
        raise ExperimentConflict("it is only planned: start it first, as a second person")
    if life.state is not ExperimentState.RUNNING:
        raise ExperimentConflict(f"it is {life.state} and exposes nobody any more")
