"""Which arms an application is in, and with what probability it came there. Pure.

    unit ─► layer's bucket ─► claim of one experiment ─► eligible? ─► covered? ─► arm          (each layer for itself)

Each step draws a number in [0, 1,000,000) from a hash of its own, so a unit always gets the same answer and no answer tells of another:

    SHA-256( "instant_credit.assignment.1" LF salt LF purpose LF scope LF kind LF unit ), first 8 bytes as a big-endian number n
    draw = n * 1,000,000 div 2^64

`salt` is the layers' own, `kind` is person or household, and `unit` its bytes as they are; the fields before it hold no line feed, so no two
inputs give the same bytes. Purpose and scope are ``layer`` and its name, ``coverage`` and the experiment's hash, ``arm`` and the
experiment's hash, ``exploration`` and the programme's hash. No draw is more likely than another by more than 1,000,000 / 2^64.

The law of the file:

- Experiments of a layer claim disjoint ranges of its buckets; the first `holdout_ppm` buckets belong to none. A unit's bucket names at most
  one experiment, found by one bisection, so a thousand experiments cost what one costs.
- Whether the application is eligible is asked before coverage and arm are drawn, and of that experiment alone.
- A unit is covered while its draw is below `coverage_ppm`. Coverage that grows keeps whom it had, and nobody changes arm.
- Arms take their shares in the plan's order. An arm that was closed takes nobody: whom it would get is exposed to nothing.
- Without the key of its kind of unit an application is in no experiment.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from instant_credit.application.product import Name
from instant_credit.canonical import ContentHash
from instant_credit.errors import Refused
from instant_credit.experiment.layers import Layer, Layers
from instant_credit.experiment.plan import Arm, Part, Plan, Unit
from instant_credit.units import PPM

ChancePpm = Annotated[int, Meta(ge=1, le=1_000_000)]
SCHEME: Final = "instant_credit.assignment.1"
"""First field of what is hashed; another one would be another assignment."""


class Exposure(Struct, frozen=True, kw_only=True):
    """An experiment that the application is in, and its arm.

    `propensity_ppm` is the probability of this arm given that the unit is exposed; `reach_ppm` that of being exposed given that it is eligible.
    """

    experiment: ContentHash
    arm: Name
    propensity_ppm: ChancePpm
    reach_ppm: ChancePpm


class Explored(Struct, frozen=True, kw_only=True):
    """An exploration programme that is open, with what probability it draws, whether it drew this application, and within which limits it
    may approve it.
    """

    programme: ContentHash
    propensity_ppm: ChancePpm
    is_drawn: bool
    pd_floor_ppm: ChancePpm
    amount_cents_max: Annotated[int, Meta(ge=1, le=10**12)]


class Assignment(Struct, frozen=True, kw_only=True):
    """What chance had to do with an application; it is frozen into the Case and repeated in the Decision.

    Attributes
    ----------
    propensity_ppm : probability of these arms together, given the experiments that the unit is exposed to: the product of the exposures'.
        At least 1; 1,000,000 without exposures.
    exposures : in order of the layers.
    holdouts : layers whose holdout the unit is in.
    exploration : what the product's exploration programme drew; left out where none is open. Its draw is independent of the arms', so the
        probability of what was done is the arms' times that of the exploration.
    """

    schema_version: Literal[1] = 1
    propensity_ppm: ChancePpm = PPM
    exposures: Annotated[tuple[Exposure, ...], Meta(max_length=4)] = ()
    holdouts: Annotated[tuple[Name, ...], Meta(max_length=4)] = ()
    exploration: Explored | UnsetType = UNSET


class Running(Struct, frozen=True, kw_only=True):
    """An experiment that takes units.

    Attributes
    ----------
    experiment : hash of the plan's canonical JSON.
    from_ppm, to_ppm : buckets of the layer that it claims, [from_ppm, to_ppm).
    coverage_ppm : share of the claim's units that are exposed now, 0 to 1,000,000.
    closed : names of arms that take nobody any more.
    """

    experiment: ContentHash
    plan: Plan
    from_ppm: int
    to_ppm: int
    coverage_ppm: int = PPM
    closed: tuple[Name, ...] = ()


@dataclass(frozen=True, slots=True)
class Assigned:
    """The assignment, and the arms behind its exposures in the same order."""

    assignment: Assignment
    arms: tuple[Arm, ...] = ()

    @property
    def overlay(self) -> dict[Part, ContentHash]:
        """Which parts lie over the live release, and from which releases; layers own disjoint parts, so none is there twice."""
        return {part: release for arm in self.arms for part, release in arm.overlay.items()}


class Draw:
    """The draws of one purpose and scope, for units of one kind."""

    __slots__ = ("_begun",)

    def __init__(self, salt: str, purpose: str, scope: str, unit: Unit) -> None:
        self._begun = sha256(f"{SCHEME}\n{salt}\n{purpose}\n{scope}\n{unit.value}\n".encode())

    def __call__(self, unit: bytes) -> int:
        """The unit's draw, 0 to 999,999."""
        digest = self._begun.copy()
        digest.update(unit)
        return int.from_bytes(digest.digest()[:8], "big") * PPM >> 64


@dataclass(frozen=True, slots=True)
class _Claim:
    """One running experiment, ready to draw: upper ends of its arms' shares, and what each arm is exposed to; None where it is closed."""

    experiment: ContentHash
    to_ppm: int
    coverage_ppm: int
    cover: Draw
    choose: Draw
    ends: tuple[int, ...]
    exposed: tuple[tuple[Exposure, Arm] | None, ...]


@dataclass(frozen=True, slots=True)
class _Lane:
    """One layer with its claims in order of their buckets."""

    name: str
    unit: Unit
    holdout_ppm: int
    draw: Draw
    starts: tuple[int, ...]
    claims: tuple[_Claim, ...]


class Table:
    """The running experiments of one product, by layer and bucket.

    Raises
    ------
    Refused : an experiment names an unknown layer, is not drawn by its layer's unit, or claims buckets that are not free.
    """

    __slots__ = ("lanes",)

    def __init__(self, layers: Layers, running: Iterable[Running] = ()) -> None:
        by_layer: dict[str, list[Running]] = {layer.name: [] for layer in layers.layers}
        for one in running:
            if one.plan.layer not in by_layer:
                raise Refused(f"experiment {one.plan.name}: layer {one.plan.layer} is not among {', '.join(by_layer)}")
            by_layer[one.plan.layer].append(one)
        self.lanes = tuple(_build_lane(layers.salt, layer, by_layer[layer.name]) for layer in layers.layers)


_NOBODY: Final = Assigned(Assignment())


def assign(
    table: Table, person: bytes | None, household: bytes | None, is_eligible: Callable[[ContentHash], bool]
) -> Assigned:
    """The arms of one application.

    Parameters
    ----------
    person, household : keyed hashes; None where the application has none, and then no experiment drawn by it.
    is_eligible : whether the experiment of this hash is open to the application; asked of one experiment a layer at most.

    Source
    ------
    docs/adr/0029-an-arm-is-drawn-by-a-salted-hash.md
    """
    exposures: list[Exposure] = []
    arms: list[Arm] = []
    holdouts: list[Name] = []
    for lane in table.lanes:
        unit = person if lane.unit is Unit.PERSON else household
        if unit is None or not (lane.holdout_ppm or lane.claims):
            continue
        bucket = lane.draw(unit)
        if bucket < lane.holdout_ppm:
            holdouts.append(lane.name)
            continue
        at = bisect_right(lane.starts, bucket) - 1
        if at < 0 or bucket >= lane.claims[at].to_ppm or not is_eligible(lane.claims[at].experiment):
            continue
        chosen = _choose_arm(lane.claims[at], unit)
        if chosen is not None:
            exposures.append(chosen[0])
            arms.append(chosen[1])
    if not (exposures or holdouts):
        return _NOBODY
    assignment = Assignment(
        propensity_ppm=_multiply_shares(exposures), exposures=tuple(exposures), holdouts=tuple(holdouts)
    )
    return Assigned(assignment, tuple(arms))


def find_room(layer: Layer, running: Iterable[Running], width_ppm: int) -> tuple[int, int]:
    """The lowest free range [from, to) of `width_ppm` buckets of `layer`, beside its holdout and its running experiments.

    Raises
    ------
    Refused : nothing that wide is free; the message says how wide the widest free range is.
    """
    start, widest = layer.holdout_ppm, 0
    claimed = sorted((one.from_ppm, one.to_ppm) for one in running if one.plan.layer == layer.name)
    for from_ppm, to_ppm in (*claimed, (PPM, PPM)):
        if 0 < width_ppm <= from_ppm - start:
            return start, start + width_ppm
        widest = max(widest, from_ppm - start)
        start = max(start, to_ppm)
    raise Refused(
        f"layer {layer.name}: {width_ppm} ppm of its units are asked for, and {widest} ppm are free in one piece: "
        "ask for 1 to that many, or stop an experiment of the layer first"
    )


def _multiply_shares(exposures: list[Exposure]) -> int:
    """Product of the exposures' propensities in ppm, rounded half up, at least 1."""
    product, scale = PPM, 1
    for one in exposures:
        product *= one.propensity_ppm
        scale *= PPM
    return max(1, (2 * product + scale) // (2 * scale))


def _choose_arm(claim: _Claim, unit: bytes) -> tuple[Exposure, Arm] | None:
    """The unit's arm in an experiment that it is eligible for; None where it is not covered or its arm is closed."""
    if claim.coverage_ppm < PPM and claim.cover(unit) >= claim.coverage_ppm:
        return None
    return claim.exposed[bisect_right(claim.ends, claim.choose(unit))]


def _build_lane(salt: str, layer: Layer, running: list[Running]) -> _Lane:
    """The layer with its claims; what experiments it has, not their order, says who gets what."""
    ordered = sorted(running, key=lambda one: one.from_ppm)
    taken = layer.holdout_ppm
    for one in ordered:
        if one.plan.unit is not layer.unit:
            raise Refused(
                f"experiment {one.plan.name}: is drawn by {one.plan.unit}, its layer {layer.name} by {layer.unit}"
            )
        if not taken <= one.from_ppm < one.to_ppm <= PPM or not 0 <= one.coverage_ppm <= PPM:
            raise Refused(
                f"experiment {one.plan.name}: buckets [{one.from_ppm}, {one.to_ppm}) of layer {layer.name} at coverage "
                f"{one.coverage_ppm} ppm: buckets begin at {taken} here, after the holdout and the experiments before, "
                f"and end by {PPM}"
            )
        taken = one.to_ppm
    return _Lane(
        name=layer.name,
        unit=layer.unit,
        holdout_ppm=layer.holdout_ppm,
        draw=Draw(salt, "layer", layer.name, layer.unit),
        starts=tuple(one.from_ppm for one in ordered),
        claims=tuple(_build_claim(salt, one) for one in ordered),
    )


def _build_claim(salt: str, one: Running) -> _Claim:
    reach = max(1, (one.to_ppm - one.from_ppm) * one.coverage_ppm // PPM)
    arms = one.plan.arms
    return _Claim(
        experiment=one.experiment,
        to_ppm=one.to_ppm,
        coverage_ppm=one.coverage_ppm,
        cover=Draw(salt, "coverage", one.experiment, one.plan.unit),
        choose=Draw(salt, "arm", one.experiment, one.plan.unit),
        ends=tuple(accumulate(arm.share_ppm for arm in arms)),
        exposed=tuple(
            None
            if arm.name in one.closed
            else (
                Exposure(experiment=one.experiment, arm=arm.name, propensity_ppm=arm.share_ppm, reach_ppm=reach),
                arm,
            )
            for arm in arms
        ),
    )
