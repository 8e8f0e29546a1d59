"""Which arm an application is in, and with what probability it came there. Pure."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from instant_credit.application.product import Name
from instant_credit.canonical import ContentHash
from instant_credit.units import PPM

ChancePpm = Annotated[int, Meta(ge=1, le=1_000_000)]


class Exposure(Struct, frozen=True, kw_only=True):
    """An experiment that the application is in, and its arm.

    `propensity_ppm` is the probability of this arm given that the unit is exposed; `reach_ppm` that of being exposed given that it is eligible.
    """

    experiment: ContentHash
    arm: Name
    propensity_ppm: ChancePpm
    reach_ppm: ChancePpm


class Explored(Struct, frozen=True, kw_only=True):
    """An exploration programme that is open, with what probability it draws, and whether it drew this application."""

    programme: ContentHash
    propensity_ppm: ChancePpm
    is_drawn: bool


class Assignment(Struct, frozen=True, kw_only=True):
    """What chance had to do with an application; it is frozen into the Case and repeated in the Decision.

    Attributes
    ----------
    propensity_ppm : probability of these arms together, given the experiments that the unit is exposed to: the product of the exposures'.
        At least 1; 1,000,000 without exposures.
    exposures : in order of the layers.
    holdouts : layers whose holdout the unit is in.
    exploration : what the product's exploration programme drew; left out where none is open.
    """

    schema_version: Literal[1] = 1
    propensity_ppm: ChancePpm = PPM
    exposures: Annotated[tuple[Exposure, ...], Meta(max_length=4)] = ()
    holdouts: Annotated[tuple[Name, ...], Meta(max_length=4)] = ()
    exploration: Explored | UnsetType = UNSET
