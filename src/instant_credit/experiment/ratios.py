"""Sample ratios: whether the arms hold the shares of units that the plan gave them, at every stage, looked at whenever one likes. Pure.

A unit is assigned, then exposed (decided under its arm), then recorded (its exposure lies in the books). What makes a unit drop out may not depend
on its arm: where it does, whoever is left in one arm is no longer comparable with whoever is left in another, and no verdict holds. Hence
at each stage the arms of those who are left, and of those who dropped out just before it, are independent draws with the plan's shares:

    assigned | exposed | unexposed = assigned - exposed | recorded | unrecorded = exposed - recorded     overall and in each segment

One in a hundred exposures lost from one arm hides among those that are left for months and stands out among those that are lost in days.

Counts S of n units over arms with shares p are weighed against a Dirichlet mixture with concentration k around the plan's shares:

    E(S) = G(k) / G(k + n) x product over arms of G(k p + S) / G(k p) / p^S          (G: the gamma function)

E is a martingale with mean 1 while the shares hold (Lindon and Malek 2022, "Anytime-valid inference for multinomial count data", theorem 1),
so that it ever reaches 1/a with a chance of at most a (Ville), however often one looks. The mean over three concentrations keeps
that and sees gross and slight faults alike. The error `alpha` is split over all checks: half over the stages overall and half over those of the
segments, evenly. Stages learn of the same units at different times, hence a split and not one common martingale.

Counts are cumulative over cohorts that are settled: units whose exposure and record would be there by now. Those still under way are no drop-outs.
Three findings need no statistics, since the assignment allows none of them: more exposed than assigned, more recorded than exposed, and a
unit seen in more than one arm. Whatever was once found stays found: `before` hands it on from look to look.
"""

import math
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final

from msgspec import Struct

from instant_credit.errors import Refused

# Spread of the shares around the plan's: about 0.2, 0.02 and 0.002 at equal shares.
CONCENTRATIONS: Final = (4.0, 400.0, 40_000.0)
ALPHA: Final = 0.01
SEGMENTS_MAX: Final = 1_000
_WHOLE_PPM: Final = 1_000_000
_OVERALL: Final = ""


class Stage(StrEnum):
    """Whose arms are counted."""

    ASSIGNED = "assigned"
    EXPOSED = "exposed"
    UNEXPOSED = "unexposed"
    RECORDED = "recorded"
    UNRECORDED = "unrecorded"


class Contradiction(StrEnum):
    """What no chance explains."""

    MORE_EXPOSED_THAN_ASSIGNED = "more_exposed_than_assigned"
    MORE_RECORDED_THAN_EXPOSED = "more_recorded_than_exposed"
    UNIT_IN_TWO_ARMS = "unit_in_two_arms"


class ArmCounts(Struct, frozen=True, kw_only=True):
    """Distinct units of settled cohorts by arm, in the plan's order of arms; and how many were seen in more than one arm."""

    assigned: tuple[int, ...]
    exposed: tuple[int, ...]
    recorded: tuple[int, ...]
    crossed: int = 0


class Check(Struct, frozen=True, kw_only=True):
    """One comparison of counts with the plan's shares.

    Attributes
    ----------
    stage, segment : whose arms are counted; the segment is "" for all units.
    counts : units by arm at this look.
    chance : always-valid p-value, the smallest so far.
    alpha : this check's part of the error; a chance at or below it is a failure.
    """

    stage: Stage
    segment: str
    counts: tuple[int, ...]
    chance: float
    alpha: float

    @property
    def has_failed(self) -> bool:
        """Whether the shares do not hold."""
        return self.chance <= self.alpha


class Finding(Struct, frozen=True, kw_only=True, order=True):
    """One contradiction and where it was seen; the segment is "" for all units."""

    contradiction: Contradiction
    segment: str


class Ratios(Struct, frozen=True, kw_only=True):
    """All checks of one look, and what was found so far without statistics."""

    checks: tuple[Check, ...]
    findings: tuple[Finding, ...]

    @property
    def is_blocked(self) -> bool:
        """Whether no verdict may be given."""
        return bool(self.findings) or any(check.has_failed for check in self.checks)

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.has_failed)


# The stages of a sound experiment hold the same counts, and the next look holds those of many segments again.
@lru_cache(maxsize=4_096)
def weigh_counts(counts: tuple[int, ...], shares: tuple[float, ...]) -> float:
    """Logarithm of the evidence against the shares: a non-negative martingale with mean 1 while they hold.

    Parameters
    ----------
    counts : units by arm.
    shares : their planned shares, positive, summing to 1.
    """
    logs = [_weigh_one(counts, shares, concentration) for concentration in CONCENTRATIONS]
    most = max(logs)
    return most + math.log(math.fsum(math.exp(value - most) for value in logs) / len(logs))


def check_ratios(
    shares_ppm: tuple[int, ...],
    counts: ArmCounts,
    segments: Mapping[str, ArmCounts] | None = None,
    *,
    alpha: float = ALPHA,
    before: Ratios | None = None,
) -> Ratios:
    """Compare the counts of all stages and segments with the plan's shares.

    Parameters
    ----------
    shares_ppm : the plan's share of each arm in parts per million, positive, summing to a million.
    counts : cumulative counts over all units.
    segments : the same by segment, for every segment declared beforehand, at every look the same ones.
    alpha : chance that a sound experiment is ever blocked.
    before : what the last look returned, so that a failure stays one.

    Raises
    ------
    Refused : shares that do not sum to a million, counts for another number of arms, or other segments than at the look before.
    """
    within = dict(segments or {})
    _check_inputs(shares_ppm, counts, within, alpha)
    shares = tuple(share / _WHOLE_PPM for share in shares_ppm)
    overall = alpha / 2.0 if within else alpha
    parts = [(_OVERALL, counts, overall / len(Stage))]
    parts += [(name, within[name], alpha / 2.0 / len(Stage) / len(within)) for name in sorted(within)]
    known = {} if before is None else {(check.stage, check.segment): check.chance for check in before.checks}
    checks: list[Check] = []
    findings = set() if before is None else set(before.findings)
    for segment, by_arm, part in parts:
        findings |= {Finding(contradiction=kind, segment=segment) for kind in _find_contradictions(by_arm)}
        for stage, units in _split_stages(by_arm).items():
            chance = min(1.0, math.exp(-weigh_counts(units, shares)))
            if before is not None:
                if (stage, segment) not in known:
                    raise Refused(
                        f"segments: {segment!r} was not there at the look before; declare segments beforehand"
                    )
                chance = min(chance, known[stage, segment])
            checks.append(Check(stage=stage, segment=segment, counts=units, chance=chance, alpha=part))
    if known and len(known) != len(checks):
        raise Refused("segments: give all those of the look before, also where nobody came")
    return Ratios(checks=tuple(checks), findings=tuple(sorted(findings)))


def _weigh_one(counts: tuple[int, ...], shares: tuple[float, ...], concentration: float) -> float:
    total = math.lgamma(concentration) - math.lgamma(concentration + sum(counts))
    for units, share in zip(counts, shares, strict=True):
        prior = concentration * share
        total += math.lgamma(prior + units) - math.lgamma(prior) - units * math.log(share)
    return total


def _split_stages(counts: ArmCounts) -> dict[Stage, tuple[int, ...]]:
    return {
        Stage.ASSIGNED: counts.assigned,
        Stage.EXPOSED: counts.exposed,
        Stage.UNEXPOSED: _lose(counts.assigned, counts.exposed),
        Stage.RECORDED: counts.recorded,
        Stage.UNRECORDED: _lose(counts.exposed, counts.recorded),
    }


def _lose(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    """Drop-outs by arm; where more came than went in, a contradiction tells it."""
    return tuple(max(0, a - b) for a, b in zip(before, after, strict=True))


def _find_contradictions(counts: ArmCounts) -> set[Contradiction]:
    found: set[Contradiction] = set()
    if any(b > a for a, b in zip(counts.assigned, counts.exposed, strict=True)):
        found.add(Contradiction.MORE_EXPOSED_THAN_ASSIGNED)
    if any(b > a for a, b in zip(counts.exposed, counts.recorded, strict=True)):
        found.add(Contradiction.MORE_RECORDED_THAN_EXPOSED)
    if counts.crossed:
        found.add(Contradiction.UNIT_IN_TWO_ARMS)
    return found


def _check_inputs(
    shares_ppm: tuple[int, ...], counts: ArmCounts, segments: Mapping[str, ArmCounts], alpha: float
) -> None:
    if len(shares_ppm) < 2 or min(shares_ppm) <= 0 or sum(shares_ppm) != _WHOLE_PPM:
        raise Refused("shares_ppm: give two or more positive shares that sum to 1000000")
    if not 0.0 < alpha < 1.0:
        raise Refused(f"alpha: give a number between 0 and 1, not {alpha}")
    if len(segments) > SEGMENTS_MAX or _OVERALL in segments:
        raise Refused(f"segments: declare at most {SEGMENTS_MAX}, each with a name")
    for segment, by_arm in {_OVERALL: counts, **segments}.items():
        for stage in (by_arm.assigned, by_arm.exposed, by_arm.recorded):
            if len(stage) != len(shares_ppm) or min(stage) < 0:
                raise Refused(f"segment {segment!r}: give a count of at least 0 for each of {len(shares_ppm)} arms")
        if by_arm.crossed < 0:
            raise Refused(f"segment {segment!r}: units in two arms are at least 0")
